"""The axes of a grid of panels: which values a field of the question takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import METHODS, Degradation
from xai_widgets.engine.query import one_of, plain
from xai_widgets.session.board import MOST_PANELS
from xai_widgets.session.samples import calls

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

Axis = Mapping[str, Any] | str | None
Changes = dict[str, Any]
PEOPLE = "human_map"  # the method
FIELDS = ("image", "method", "contrast", "model", "run", "layer", "shown", "call", "degradation")
LAYERS = 4  # of the preset
ABOUT = 0.125  # of a forward pass: layers that are as deep as each other
CLASSES = 3  # the most probable ones, of the preset of questions


@dataclass(frozen=True)
class Kind:
    """What rows or columns can be about.

    Attributes:
        words: for the reader.
        values: the changes of the question, one for each row or column.
        lacking: why they cannot be asked now, as a sentence; empty where they can.
    """

    words: str
    values: Callable[[Session], list[Changes]]
    lacking: Callable[[Session], str]


def cells(session: Session, axis: Axis) -> list[Changes]:
    """The changes of the question along an axis: one for each row, or for each column.

    Raises:
        ValueError: an unknown field or preset, no value, or more of them than there may be panels.
    """
    if axis is None:
        return [{}]
    if isinstance(axis, str):
        found = {**SELECTIONS, **PRESETS}[one_of("an axis", axis, (*SELECTIONS, *PRESETS))].values(session)
    elif isinstance(axis, Mapping) and len(axis) == 1:
        name, values = next(iter(axis.items()))
        one_of("an axis", name, FIELDS)
        found = [{name: value} for value in _several(name, values)]
    else:
        raise ValueError(f"an axis is one field with its values, the name of a field, or a preset; got {axis!r}.")
    if not 1 <= len(found) <= MOST_PANELS:
        raise ValueError(f"an axis takes 1 to {MOST_PANELS} values, got {len(found)} for {axis!r}.")
    return found


def _several(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"the values of {name} must be given in a list, got {values!r}.")
    return [plain(value) for value in values]


# ---------------------------------------------------------------------- the name of a field alone


def _images(session: Session) -> list[Changes]:
    chosen = session.selected_images or session.pins or (session.query.image,)
    return [{"image": name} for name in chosen]


def _methods(session: Session) -> list[Changes]:
    can = [name for name in METHODS if not session.lacking(name)]
    return [{"method": name} for name in can[:MOST_PANELS]]


def _contrasts(session: Session) -> list[Changes]:
    return questions(session) if session.model.has_classes else quarters(session)


def _degradations(session: Session) -> list[Changes]:
    levels = (0.05, 0.1, 0.2, 0.5)
    return [{"degradation": None}, *({"degradation": Degradation("salt_and_pepper", level)} for level in levels)]


# ---------------------------------------------------------------------- presets


def questions(session: Session) -> list[Changes]:
    """Why P; why P rather than each of the next classes, or than with full confidence; why the score, and not Q."""
    why: Changes = {"contrast": None}
    if not session.model.has_classes:
        rating = session.rating()
        low, high = session.score_range()
        return [why, *({"contrast": value} for value in (low, high, *(["rating"] if rating is not None else [])))]
    target = session.output.target if session.output is not None else None
    others = [index for index, _, _ in session.ranked_classes(CLASSES + 1) if index != target]
    sure: list[Changes] = [{"contrast": "confidence"}] if session.model.exclusive else []
    return [why, *({"contrast": index} for index in others[:CLASSES]), *sure]


def quarters(session: Session) -> list[Changes]:
    """Q at the whole range of the score, three quarters, half, a quarter, and its lower end.

    Raises:
        ValueError: the model tells classes apart.
    """
    if session.model.has_classes:
        raise ValueError(
            f"Q along the range of scores needs a model that gives a score; {session.model.name} does not."
        )
    low, high = session.score_range()
    return [{"contrast": low + share * (high - low)} for share in (1, 0.75, 0.5, 0.25, 0)]


def _runs(session: Session) -> list[Changes]:
    model = session.sources.model(session.query.model)
    return [{"run": run} for run in range(min(len(model.runs), MOST_PANELS))]


def _models(session: Session) -> list[Changes]:
    return [{"model": name} for name in session.sources.names[:MOST_PANELS]]


def _layers(session: Session) -> list[Changes]:
    """A few layers in the order of the image, evenly spaced by how much of a pass comes before; the present one too.

    Of layers at about the same depth the outermost is taken: a block rather than a part of it.
    """
    known = [layer for layer in session.layers() if layer.placed and min(layer.height, layer.width) > 1]
    known = known or [layer for layer in session.layers() if layer.placed is not False]
    first, last = known[0].cost, known[-1].cost
    count = min(LAYERS, len(known))
    chosen = {session.query.layer}
    for step in range(count):
        wanted = first + (last - first) * step / max(count - 1, 1)
        away = {layer.name: abs(layer.cost - wanted) for layer in known}
        chosen.add(min(away, key=lambda name: (away[name] > ABOUT, name.count("."), away[name])))
    return [{"layer": layer.name} for layer in session.layers() if layer.name in chosen]


def _shown(session: Session) -> list[Changes]:
    """Each image of the sample."""
    return [{"shown": word} for word in session.images.slices[:MOST_PANELS]]


def _calls(session: Session) -> list[Changes]:
    """Each call of the layer."""
    return [{"call": number} for number in range(min(calls(session.model, session.query.layer), MOST_PANELS))]


def _muted(session: Session) -> list[Changes]:
    """With all gains 1, and as they are.

    Raises:
        ValueError: all gains are 1.
    """
    gains = session.query.gains
    if not gains:
        raise ValueError("base and muted are the same here: every gain is 1; change one first.")
    return [{"gains": ()}, {"gains": dict(gains)}]


def _people(session: Session) -> list[Changes]:
    """The map that is shown, or Grad-CAM, and where people looked or drew."""
    method = session.query.method
    return [{"method": "grad_cam" if method == PEOPLE else method}, {"method": PEOPLE}]


# ---------------------------------------------------------------------- why they cannot be asked


def _never(session: Session) -> str:
    return ""


def _no_images(session: Session) -> str:
    few = len(session.selected_images or session.pins) < 2
    return "Choose or pin two images or more in the gallery first." if few else ""


def _no_models(session: Session) -> str:
    return "There is one model only." if len(session.sources.names) < 2 else ""


def _no_runs(session: Session) -> str:
    model = session.sources.model(session.query.model)
    return f"{model.name} has one run only." if len(model.runs) < 2 else ""


def _no_layers(session: Session) -> str:
    return f"{session.model.name} has one layer of feature maps only." if len(session.layers()) < 2 else ""


def _one_shown(session: Session) -> str:
    return "" if session.images.slices else "A sample of this set is one image."


def _one_call(session: Session) -> str:
    return f"{session.query.layer} is called once." if calls(session.model, session.query.layer) < 2 else ""


def _no_degradations(session: Session) -> str:
    model = session.model
    return "" if model.can_degrade else f"Images cannot be degraded for {model.name}: its transform cannot be split."


def _no_range(session: Session) -> str:
    model = session.model
    return f"{model.name} tells classes apart and has no range of scores." if model.has_classes else ""


def _no_people(session: Session) -> str:
    return session.lacking(PEOPLE)


def _no_gains(session: Session) -> str:
    return "" if session.query.gains else "Every gain is 1: change one first."


SELECTIONS = {
    "image": Kind("images", _images, _no_images),
    "method": Kind("methods", _methods, _never),
    "contrast": Kind("Q", _contrasts, _never),
    "model": Kind("models", _models, _no_models),
    "run": Kind("runs", _runs, _no_runs),
    "layer": Kind("layers", _layers, _no_layers),
    "shown": Kind("images of the sample", _shown, _one_shown),
    "call": Kind("calls of the layer", _calls, _one_call),
    "degradation": Kind("degradations", _degradations, _no_degradations),
}
PRESETS = {
    "questions": Kind("all questions", questions, _never),
    "Q": Kind("Q from the top of the range to its lower end", quarters, _no_range),
    "runs": Kind("all runs", _runs, _no_runs),
    "layers": Kind("layers from first to last", _layers, _no_layers),
    "muted": Kind("all gains 1, and as they are", _muted, _no_gains),
    "people": Kind("the map, and where people looked", _people, _no_people),
}
