"""What is asked of every image of a set, and of which score its impacts are."""

from __future__ import annotations

from typing import Any

from xai_widgets.engine import Activations, Impacts, Query
from xai_widgets.engine.query import class_of
from xai_widgets.models import ImageModel

OF_THE_SET = ("model", "run", "layer", "shown", "call")


def targets_of(model: ImageModel, query: Query) -> str:
    """Of which score delta y is."""
    if model.has_classes:
        return "the predicted class of each image" if query.target is None else str(query.target)
    return model.words(0 if query.target is None else class_of(query.target, model))


def same_target(model: ImageModel, query: Query, targets: str) -> bool:
    """Whether impacts of a study, of these targets, are of the score that is explained."""
    if not targets or model.one_score or (model.has_classes and query.target is None):
        return True  # of a class, a study asks for the predicted one, and names it where it is always the same
    return model.name_of(0 if query.target is None else class_of(query.target, model)) == targets


def plain_query(query: Query, what: str) -> Query:
    """What is asked of every image: what the answer depends on, and nothing of the one that is shown."""
    names = (*OF_THE_SET, "target", "baseline") if what == "impacts" else OF_THE_SET
    fields: dict[str, Any] = {name: getattr(query, name) for name in names}
    return Query(**fields)


def row_of(made: Activations | Impacts) -> dict[str, Any]:
    """The values of one image, by the fields of what is known of a set."""
    if isinstance(made, Impacts):
        return {"delta_y": made.delta_y, "delta_error": made.delta_error}
    return {"maximum": made.maximum, "mean": made.mean, "row": made.row, "column": made.column}
