"""The stage: the photo, the saliency over it, and all that is said about both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from xai_widgets import scenes
from xai_widgets.engine import PARTS, Contrast, Output, Query, Saliency, Secondary, Subject
from xai_widgets.engine.methods import METHODS, Method, method_named, missing, options_of
from xai_widgets.engine.options import Option
from xai_widgets.session.describe.picker import unheard
from xai_widgets.session.describe.words import arrow, decimals_of, fixed, sentence, short, signs
from xai_widgets.session.facts import no_harmful

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

GROUPS = {
    "gradient": "By the gradient",
    "removal": "By removal of feature maps",
    "contrast": "Contrasts",
    "activation": "Activations",
    "people": "People",
}
DEGENERATE = {
    "zero": "This map is zero everywhere.",
    "constant": "This map is constant: it points nowhere.",
    "not finite": "This map holds values that are not finite: it shows nothing.",
}
# What is said of an answer is said once, however often it is drawn: a scene's arrays are compared by identity first.
_layers: WeakKeyDictionary[Any, scenes.Layer] = WeakKeyDictionary()
_seconds: WeakKeyDictionary[Any, dict[str, scenes.Secondary]] = WeakKeyDictionary()
_menus: WeakKeyDictionary[Any, tuple[Any, tuple[scenes.MethodItem, ...]]] = WeakKeyDictionary()


def stage(session: Session, *, photo: bool = True) -> scenes.Stage:
    """All that the stage shows of a session.

    Args:
        photo: whether to read the photo too; a view sends it by itself.
    """
    with session.lock:
        scene, image, answer = _without_photo(session), session.query.image, session.saliency
    if not photo:
        return scene
    with suppress(ValueError, OSError):  # the session's error says what is wrong with it
        pixels = session.picture(image)
        same = answer is None or not answer.content or answer.content == session.images.digest(image)
        return replace(scene, photo=pixels, map=scene.map if same else None)
    return scene


def waiting(scene: scenes.Stage) -> scenes.Stage:
    """The scene while its photo is on its way: what is known of an image is never shown beside another photo."""
    doing = scene.pending or f"Reading the photo {scene.name}."
    return replace(scene, score=None, map=None, secondary=None, receipt="", checkable=False, pending=doing, alt=doing)


def _without_photo(session: Session) -> scenes.Stage:
    query, saliency, look = session.query, session.saliency, session.look
    shown = None if saliency is None else layer(saliency)
    said = None if session.output is None else score(session, session.output)
    second = None
    if look.secondary != "off" and session.secondary is not None:
        second = secondary(session.secondary, look.secondary)
    receipt = signs(session.receipt.text) if session.receipt is not None else ""
    pending = (session.status.busy or "no map yet") if saliency is None and not session.error else ""
    return scenes.Stage(
        photo=None,
        name=query.image,
        score=said,
        map=shown,
        method=query.method,
        look=scenes.Look(**vars(look)),
        methods=methods(session),
        choices=choices(query),
        secondary=second,
        receipt=receipt,
        pending=sentence(pending),
        alt=alt(query.image, said, shown, look.palette, second),
        contrast=contrast(session),
        unheard=unheard(session),
        no_secondary=no_secondary(session),
        checkable="receipt" in PARTS and shown is not None and not shown.degenerate,
    )


# ---------------------------------------------------------------------- what the network says


def score(session: Session, output: Output) -> scenes.Score:
    """The score, or the class and its probability, and what is known beside them."""
    if output.probabilities is not None:
        return _of_class(session, output, output.probabilities)
    decimals = decimals_of(*(session.model.range or session.images.range or session.score_range()))
    changed, facts = bool(output.query.gains), []
    if changed:
        facts.append(f"change {fixed(output.value - output.base, decimals, sign=True)}")
    if output.rating is not None and output.residual is not None:
        facts.append(f"rating {fixed(output.rating, decimals)}")
        facts.append(f"residual {fixed(output.residual, decimals, sign=True)}")
    return scenes.Score(label="score", headline=arrow(output.base, output.value, changed, decimals), facts=tuple(facts))


def _of_class(session: Session, output: Output, probabilities: np.ndarray) -> scenes.Score:
    changed = bool(output.query.gains)
    known = session.images.label(output.query.image)
    facts = (f"logit {arrow(output.base, output.value, changed, 2)}", *([f"labelled {known}"] if known else []))
    base, now = (100 * float(share) for share in (output.base_probability or 0, probabilities[output.target]))
    return scenes.Score(
        label=session.model.name_of(output.target), headline=f"{arrow(base, now, changed, 1)} %", facts=facts
    )


# ---------------------------------------------------------------------- the map and what lies over it


def layer(saliency: Saliency) -> scenes.Layer:
    """The map and its legend."""
    return _once(_layers, saliency, lambda: _layer(saliency))


def _layer(saliency: Saliency) -> scenes.Layer:
    values = np.asarray(saliency.map, np.float32)
    height, width = values.shape
    return scenes.Layer(
        values=values,
        limit=float(saliency.limit),
        box=saliency.box,
        title=saliency.title,
        low=saliency.low,
        high=saliency.high,
        unit=saliency.unit,
        note=signs(saliency.note),
        degenerate=DEGENERATE.get(saliency.degenerate, ""),
        palette=saliency.palette,
        one_sided=saliency.one_sided,
        strength=None if saliency.strength is None else np.asarray(saliency.strength, np.float32),
        strength_words=saliency.strength_words,
        grid=f"{height} × {width} values",
    )


def secondary(answer: Secondary, kind: str) -> scenes.Secondary:
    """Harmful maps, as grey or as an outline."""
    made = _once(_seconds, answer, dict[str, scenes.Secondary])
    if kind not in made:
        grey = f"Grey: harmful feature maps, full grey at {short(answer.limit)}."
        words = {"grey": grey, "outline": "Outline: the top 10 % of the harmful feature maps."}
        made[kind] = scenes.Secondary(
            values=np.asarray(answer.map, np.float32),
            limit=float(answer.limit),
            outline=np.asarray(answer.outline, bool),
            words=words[kind] if answer.limit > 0 else "No feature map is harmful here.",
        )
    return made[kind]


def no_secondary(session: Session) -> str:
    """Why harmful maps cannot be shown; empty where they can."""
    return "" if session.knows_error() else sentence(no_harmful(session.model, session.query.image))


def alt(
    name: str, said: scenes.Score | None, shown: scenes.Layer | None, palette: str, second: scenes.Secondary | None
) -> str:
    """The picture in words."""
    lines = [f"The photo {name}"]
    if said is not None:
        lines.append(", ".join((f"{said.label} {said.headline}", *said.facts)))
    if shown is not None:
        lines.append(f"Over it a map: {shown.title}")
        lines += [shown.degenerate] if shown.degenerate else _legend(shown, shown.palette or palette)
    if second is not None:
        lines.append(second.words)
    return " ".join(map(sentence, lines))


def _legend(shown: scenes.Layer, palette: str) -> list[str]:
    low, high = palette.split("-")
    below = "" if shown.one_sided or not shown.low else f"{low}: {shown.low}; "
    full = short(shown.limit, sign=True) if shown.one_sided else f"±{short(shown.limit)}"
    return [
        f"{below}{high}: {shown.high}",
        f"Full colour at {full}",
        *([f"Saturation: {shown.strength_words}"] if shown.strength_words else []),
    ]


# ---------------------------------------------------------------------- what can be asked


def methods(session: Session) -> tuple[scenes.MethodItem, ...]:
    """The menu: every method by groups, with the reason where it cannot be asked."""
    query = session.query
    key = (query.image, query.model, query.run, query.target, query.contrast, query.options)
    known, items = _menus.get(session, (None, ()))
    if known != key:
        subject = Subject(session.sources, query)
        items = tuple(_item(method, subject) for method in METHODS.values())
        _menus[session] = key, items
    return items


def _item(method: Method, subject: Subject) -> scenes.MethodItem:
    return scenes.MethodItem(
        name=method.name,
        words=method.words,
        group=GROUPS.get(method.group, method.group),
        description=method.description,
        reason=missing(method, subject),
    )


def choices(query: Query) -> tuple[scenes.Choice, ...]:
    """The options of the method that a control can set; others are set in Python."""
    chosen = options_of(query)
    options = method_named(query.method).options
    return tuple(_choice(option, chosen[option.name]) for option in options if option.check is None)


def _choice(option: Option, value: Any) -> scenes.Choice:
    range_ = ", ".join(filter(None, (option.allowed, option.unit))) if option.takes_numbers else ""
    return scenes.Choice(
        name=option.name,
        words=option.words,
        value=value,
        choices=option.choices,
        low=float(option.low),
        high=float(option.high),
        unit=option.unit,
        numbers=option.takes_numbers,
        whole=option.whole,
        hint=" ".join(filter(None, (sentence(range_), sentence(f"It acts {option.acts}" if option.acts else "")))),
    )


def contrast(session: Session) -> str:
    """Q, after the name of the method."""
    asked = session.query.contrast
    with suppress(ValueError):  # the error line says that there is no such class
        number = session.contrast()
        return "" if asked is None or number is None else _rather_than(session, asked, number)
    return ""


def _rather_than(session: Session, asked: Contrast, number: Contrast) -> str:
    if number.kind == "score":
        value = short(float(number.value))
        words = f"rather than the rating, {value}" if asked.asks_rating else f"rather than {value}"
        return f"{words}, by tiles" if number.form == "tiles" else words
    target = None if session.output is None else session.output.target
    if number.kind == "confidence" or int(number.value) == target:
        return "rather than with 100 % confidence"
    return f"rather than {session.model.name_of(int(number.value))}"


def _once(made: WeakKeyDictionary[Any, Any], answer: object, make: Callable[[], Any]) -> Any:
    """What was made of an answer; answers are never changed in place."""
    if answer not in made:
        made[answer] = make()
    return made[answer]
