"""Tables about the map of a method: which method, what it lacks, and what its rows depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import METHODS, Query, Sources, Subject
from xai_widgets.engine.methods import missing
from xai_widgets.engine.options import Option
from xai_widgets.study.tables.record import WORD, Column
from xai_widgets.study.tables.scores import known_of

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel

OF_EACH_IMAGE = ("rating or label", "human map")  # what a method may need of each image
METHOD = Option("method", "method of the map", "grad_cam", tuple(METHODS))
METHOD_COLUMN = Column("method", WORD, "method of the map, such as grad_cam; why the predicted class, or the score")
SIDE_COLUMN = Column("side", WORD, "of a signed map: positive (cut at 0), absolute (its size) or negative (that part)")


def with_method(query: Query, options: Mapping[str, Any]) -> Query:
    """The query of the map."""
    return replace(query, method=options["method"])


def method_lacks(model: ImageModel, images: ImageSet, options: Mapping[str, Any]) -> str:
    """What the method needs and a model has for no image, as a sentence; empty where it can be asked.

    What it needs of the layer or of single images is said in their rows.
    """
    method = METHODS[options["method"]]
    needs = tuple(need for need in method.needs if need not in OF_EACH_IMAGE)
    of_model = replace(method, needs=needs, inside=method.inside and "modules")
    return missing(of_model, Subject(Sources(model, images), Query(image=images.names[0], model=model.name)))


def known_to_method(images: ImageSet, name: str, options: Mapping[str, Any]) -> Any:
    """What the map depends on that is known of an image."""
    needs = METHODS[options["method"]].needs
    rated = known_of(images, name, options) if "rating or label" in needs else ()
    return [rated, images.map_digest(name) if "human map" in needs else ""]
