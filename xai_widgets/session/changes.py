"""From what is asked for to a query: names and numbers become what they mean for the model and the image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from xai_widgets.engine import Query, Sources, Subject
from xai_widgets.engine.methods import METHODS, method_named, missing, options_of
from xai_widgets.engine.query import FIELDS, FORMS, checked_gain, contrast_of, one_of, plain, symbolic_class
from xai_widgets.models import ImageModel


def changed(query: Query, sources: Sources, changes: Mapping[str, Any], form: str | None, maps: int | None) -> Query:
    """The query after a change.

    Args:
        changes: fields of the query by name.
        form: of a contrast with a score; as it was, if None.
        maps: how many feature maps the layer has, where that is known.

    Raises:
        ValueError: a name or number that is not known; the sentence lists the nearest.
    """
    for name in changes:
        one_of("what is asked", name, FIELDS)
    if form is not None:
        one_of("form", form, FORMS)
    query = _with_place(query, sources, changes)
    model = _model(query, sources)
    if "target" in changes:
        target = changes["target"]
        chosen = None if target is None else symbolic_class(plain(target), model.labels, model.outputs)
        query = replace(query, target=chosen)
    query = _with_contrast(query, model, sources, changes, form)
    query = _with_method(query, sources, changes)
    if "gains" in changes:
        query = replace(query, gains=_gains(query, changes["gains"], maps))
    if changes.get("degradation") is not None and not model.can_degrade:
        raise ValueError(f"images cannot be degraded for {model.name}, since its transform cannot be split.")
    kept = {name: changes[name] for name in ("baseline", "degradation") if name in changes}
    return replace(query, **kept) if kept else query


def possible(query: Query, sources: Sources) -> tuple[Query, str]:
    """The query, with Grad-CAM or without Q where it needs what is not known of this image; and what is missing."""
    subject = Subject(sources, query)
    method = method_named(query.method)
    lacking = missing(method, subject)
    if lacking:
        fallback = replace(query, method="grad_cam", options=())
        return fallback, f"{lacking} Grad-CAM is shown instead."
    if query.contrast is not None and query.contrast.asks_rating and subject.rating is None:
        return replace(query, contrast=None), (
            f"No rating is known for {query.image!r}: {method.words} is shown instead of the contrast with it."
        )
    return query, ""


def _model(query: Query, sources: Sources) -> ImageModel:
    return sources.model(query.model)


def _with_place(query: Query, sources: Sources, changes: Mapping[str, Any]) -> Query:
    """Which image, model, run and layer; another model or layer has feature maps of its own."""
    if "image" in changes:
        query = replace(query, image=one_of("image", changes["image"], sources.images.names))
    if "model" in changes and changes["model"] != query.model:
        name = one_of("model", changes["model"], sources.names)
        query = Query(image=query.image, model=name, layer=sources.model(name).layer)
    model = _model(query, sources)
    if "run" in changes:
        run = plain(changes["run"])
        if not isinstance(run, int) or not 0 <= run < len(model.runs):
            raise ValueError(f"run must be from 0 to {len(model.runs) - 1} for {model.name}, got {run!r}.")
        query = query if run == query.run else replace(query, run=run, gains=())
    if "layer" in changes:
        layer = model.layer_named(changes["layer"])
        query = query if layer == query.layer else replace(query, layer=layer, gains=())
    return query


def _with_contrast(
    query: Query, model: ImageModel, sources: Sources, changes: Mapping[str, Any], form: str | None
) -> Query:
    if "contrast" in changes:
        given = plain(changes["contrast"])
    elif form is not None and query.contrast is not None:
        given = "confidence" if query.contrast.kind == "confidence" else query.contrast.value
    else:
        return query
    was = query.contrast.form if query.contrast is not None else "plain"
    contrast = contrast_of(
        given,
        was if form is None else form,
        labels=model.labels,
        outputs=model.outputs,
        classifier=model.task == "classification",
        rating=sources.images.rating(query.image),
    )
    unheard = contrast is not None and not method_named(query.method).takes_contrast and "method" not in changes
    method = replace(query, contrast=contrast)
    return replace(method, method="grad_cam", options=()) if unheard else method


def _with_method(query: Query, sources: Sources, changes: Mapping[str, Any]) -> Query:
    if "method" in changes:
        name = one_of("method", changes["method"], METHODS)
        query = query if name == query.method else replace(query, method=name, options=())
    if "options" in changes:
        options = dict(query.options) | dict(changes["options"] or {})
        query = replace(query, options=tuple(options.items()))
        options_of(query)
    if "method" in changes or "options" in changes:
        lacking = missing(method_named(query.method), Subject(sources, query))
        if lacking:
            raise ValueError(lacking)
    return query


def _gains(query: Query, gains: Any, maps: int | None) -> Any:
    if not gains:
        return ()
    items: Iterable[Any] = gains.items() if isinstance(gains, Mapping) else gains
    return query.with_gains(dict(checked_gain(plain(index), plain(gain), maps) for index, gain in items))
