"""From what is asked for to a query: names and numbers become what they mean for the model and the image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xai_widgets.engine import Contrast, Degradation, Query, Sources, Subject, no_confidence, stated_range
from xai_widgets.engine.methods import METHODS, first_possible, method_named, missing, options_of
from xai_widgets.engine.query import FIELDS, FORMS, checked_gain, contrast_of, one_of, plain, symbolic_class
from xai_widgets.models import ImageModel
from xai_widgets.session import samples
from xai_widgets.session.board import Board

GAINS = "Gains are not kept: the feature maps of another run or layer are others."
# Fields that mean something beside others alone.
BOUND = {"gains": ("model", "run", "layer"), "options": ("method",), "call": ("model", "layer")}


def changed(
    query: Query, sources: Sources, changes: Mapping[str, Any], form: str | None, maps: int | None
) -> tuple[Query, str]:
    """The query after a change, and a sentence about what did not come along to another model.

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
    method = query.method
    query, said = _with_place(query, sources, changes)
    model = sources.model(query.model)
    if "target" in changes:
        target = changes["target"]
        chosen = None if target is None else symbolic_class(plain(target), model)
        query, said = _with_target(query, chosen, model, sources, said)
    query = _with_contrast(query, model, sources, changes, form)
    query = _with_method(query, sources, changes)
    if "gains" in changes:
        query = replace(query, gains=_gains(query, changes["gains"], _count(query, model) if maps is None else maps))
    if changes.get("degradation") is not None and not model.can_degrade:
        raise ValueError(f"images cannot be degraded for {model.name}, since its transform cannot be split.")
    kept = {name: changes[name] for name in ("baseline", "degradation") if name in changes}
    if isinstance(kept.get("degradation"), tuple | list):
        kept["degradation"] = _degradation(kept["degradation"])
    if query.method != method and not {"method", "model"} & set(changes):
        said = f"{method_named(method).words} does not ask about Q: Grad-CAM does, and is shown."
    return replace(query, **kept) if kept else query, said


def as_given(query: Query, name: str) -> Any:
    """A field of a query as `changed` takes it, in plain values."""
    value = getattr(query, name)
    if isinstance(value, Contrast):
        return "confidence" if value.kind == "confidence" else value.value
    if isinstance(value, Degradation):
        return (value.kind, value.level, value.seed) if value.seed else (value.kind, value.level)
    return dict(value) if name in ("options", "gains") else value


def following(board: Board, names: Iterable[str]) -> list[tuple[int, set[str]]]:
    """The other panels that ask the same as the active one in some of these fields, and in which.

    One that asks the same in everything does not follow: the change sets both apart. Gains are those of one layer of
    one model, and options those of one method.
    """
    found, names = [], [name for name in names if name in FIELDS]
    for place, query in enumerate(board.queries):
        same = {
            name for name in names if name in FIELDS and not query.differs(board.query, (name, *BOUND.get(name, ())))
        }
        if place != board.active and same and query != board.query:
            found.append((place, same))
    return found


def all_possible(board: Board, before: Board, sources: Sources) -> tuple[Board, str]:
    """The board, where each panel asks what can be answered; and what is missing."""
    asked, said = [], dict[str, None]()
    for place, query in enumerate(board.queries):
        if query in before.queries:
            continue
        query, notice = possible(query, sources)
        asked.append((place, query))
        said[notice] = None
    return board.with_queries(asked), " ".join(filter(None, said))


def possible(query: Query, sources: Sources) -> tuple[Query, str]:
    """The query, with another method or without Q where it needs what is not there; and what is missing."""
    subject = Subject(sources, query)
    method = method_named(query.method)
    lacking = missing(method, subject)
    if lacking:
        other = first_possible(subject)
        if other is None:
            return query, ""  # the panel says what is missing
        return replace(query, method=other.name, options=()), f"{lacking} {other.words} is shown instead."
    if not subject.model.exclusive and subject.model.has_classes and _asks_p(query, subject):
        return replace(query, contrast=None), f"P is Q now: {no_confidence(subject.model)}"
    if query.contrast is not None and query.contrast.asks_rating and subject.rating is None:
        known = subject.model.known_words(subject.target)
        return replace(query, contrast=None), (
            f"No {known} is known for {query.image!r}: {method.words} is shown instead of the contrast with it."
        )
    return query, ""


def _asks_p(query: Query, subject: Subject) -> bool:
    """Is Q the class that was chosen as P?"""
    contrast, chosen = query.contrast, query.target
    return contrast is not None and contrast.kind == "class" and chosen is not None and contrast.value == chosen


def _with_place(query: Query, sources: Sources, changes: Mapping[str, Any]) -> tuple[Query, str]:
    """Which image, model, run and layer; another model or layer has feature maps of its own."""
    said = ""
    if "image" in changes:
        query = replace(query, image=one_of("image", changes["image"], sources.images.names))
    if "model" in changes and changes["model"] != query.model:
        query, said = with_model(query, sources.named(changes["model"]), sources)
    model = sources.model(query.model)
    if "run" in changes:
        run = plain(changes["run"])
        if isinstance(run, bool) or not isinstance(run, int) or not 0 <= run < len(model.runs):
            raise ValueError(f"run must be from 0 to {len(model.runs) - 1} for {model.name}, got {run!r}.")
        said = said or (GAINS if query.gains and run != query.run else "")
        query = query if run == query.run else replace(query, run=run, gains=())
    if "layer" in changes:
        layer = model.layer_named(changes["layer"])
        said = said or (GAINS if query.gains and layer != query.layer else "")
        query = query if layer == query.layer else replace(query, layer=layer, gains=(), call=None)
    if "shown" in changes:  # the call follows the image, unless it is asked for too
        shown = samples.shown_of(changes["shown"], sources.images)
        query = query if shown == query.shown else replace(query, shown=shown, call=None)
    if "call" in changes:
        query = replace(query, call=samples.call_of(changes["call"], model, query.layer))
    return query, said


def with_model(query: Query, name: str, sources: Sources) -> tuple[Query, str]:
    """The same question to another model, and a sentence about what it does not have.

    Names of P, Q and of the layer are kept where it has them; gains are not, since its feature maps are others.
    """
    model, lost = sources.model(name), []
    layer, target, contrast = query.layer, query.target, query.contrast
    try:
        model.layer_named(layer)
    except ValueError:
        layer = model.layer
        lost.append(f"it has no layer {query.layer}, so {layer} is shown")
    if target is not None and not _has_named(model, target):
        of = f"no class {target}, so P is what it predicts" if model.has_classes else f"no score {target}"
        lost.append(f"it has {of}")
        target = None
    if contrast is not None and not _has_contrast(model, contrast):
        what = f"no class {contrast.value}" if contrast.kind == "class" else "other kinds of Q"
        lost.append(f"it has {what}, so there is no Q")
        contrast = None
    if query.gains:
        lost.append("its feature maps are others, so all gains are 1")
    moved = replace(query, model=name, layer=layer, run=0, target=target, contrast=contrast, gains=(), call=None)
    return moved, f"{name}: {'; '.join(lost)}." if lost else ""


def _has_named(model: ImageModel, name: int | str) -> bool:
    """Whether it has a class or score of this name, or number where these have no names."""
    return name in (model.labels or ()) if isinstance(name, str) else not model.labels and name < model.outputs


def _has_contrast(model: ImageModel, contrast: Contrast) -> bool:
    if contrast.kind == "class":
        name = contrast.value if isinstance(contrast.value, str) else int(contrast.value)
        return model.has_classes and _has_named(model, name)
    return model.exclusive if contrast.kind == "confidence" else not model.has_classes


def _with_target(
    query: Query, target: int | str | None, model: ImageModel, sources: Sources, said: str
) -> tuple[Query, str]:
    """P; Q as a number of one score is not kept where it lies beside the range of another."""
    moved, q = replace(query, target=target), query.contrast
    if target == query.target or q is None or q.kind != "score" or q.asks_rating:
        return moved, said
    bounds = stated_range(model, sources.images, Subject(sources, moved).target)
    if bounds is None or bounds[0] <= float(q.value) <= bounds[1]:
        return moved, said
    low, high = bounds
    lost = f"Q {float(q.value):.3g} is not kept: it lies beside the range of this score, {low:g} to {high:g}."
    return replace(moved, contrast=None), " ".join(filter(None, (said, lost)))


def _rating(query: Query, model: ImageModel, sources: Sources) -> float | None:
    """Of the score that is explained."""
    return None if model.has_classes else Subject(sources, query).rating


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
        model=model,
        rating=_rating(query, model, sources),
    )
    if contrast is not None and contrast.kind == "confidence" and not model.exclusive:
        raise ValueError(no_confidence(model))
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


def _degradation(given: Sequence[Any]) -> Degradation:
    if not 2 <= len(given) <= 3:
        raise ValueError(
            f"a degradation is its kind, its level and perhaps a seed, such as ('blur', 2.0); got {given!r}."
        )
    return Degradation(*given)


def _count(query: Query, model: ImageModel) -> int | None:
    """How many maps the layer has, where the model lists it."""
    return next((info.maps for info in model.layers() if info.name == query.layer), None)


def _gains(query: Query, gains: Any, maps: int | None) -> Any:
    if not gains:
        return ()
    if not isinstance(gains, Mapping | Iterable) or isinstance(gains, str):
        raise ValueError(f"gains are given by the numbers of feature maps, such as {{12: 0.5}}; got {gains!r}.")
    items: Iterable[Any] = gains.items() if isinstance(gains, Mapping) else gains
    return query.with_gains(dict(checked_gain(plain(index), plain(gain), maps) for index, gain in items))
