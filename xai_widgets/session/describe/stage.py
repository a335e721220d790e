"""The stage: the photo, the saliency over it, and all that is said about both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from xai_widgets import scenes
from xai_widgets.engine import (
    PARTS,
    Contrast,
    Degradation,
    Output,
    Saliency,
    Secondary,
    Subject,
    is_known_of,
    known_rating,
    stated_range,
)
from xai_widgets.engine.methods import METHODS, Method, missing
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.session.describe.choices import choices, sample
from xai_widgets.session.describe.degraded import degrading
from xai_widgets.session.describe.region import acts, likeness, region
from xai_widgets.session.describe.unheard import unheard
from xai_widgets.session.describe.words import arrow, decimals_of, fixed, rated, sentence, short, signs, split_words
from xai_widgets.session.facts import contrast_of, no_harmful, no_reference, picture, reference, score_range_of

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel
    from xai_widgets.session.look import Look
    from xai_widgets.session.panel import Panel
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
    "rounding": "This map holds rounding only: the probability of P is too near to 1 or to 0 for its logarithm.",
    "constant": "This map is constant: it points nowhere.",
    "not finite": "This map holds values that are not finite: it shows nothing.",
}


class Common(NamedTuple):
    """A scale that several panels share."""

    limit: float
    words: str


NOTHING_SHARED = Common(0.0, "")
# What is said of an answer is said once, however often it is drawn: a scene's arrays are compared by identity first.
_layers: WeakKeyDictionary[Any, scenes.Layer] = WeakKeyDictionary()
_seconds: WeakKeyDictionary[Any, dict[str, scenes.Secondary]] = WeakKeyDictionary()
_menus: WeakKeyDictionary[Any, tuple[Any, tuple[scenes.MethodItem, ...]]] = WeakKeyDictionary()


def stage(session: Session, panel: Panel | None = None, *, photo: bool = True) -> scenes.Stage:
    """All that the stage shows of a panel.

    Args:
        panel: the active one, if None.
        photo: whether to read the photo too; a view sends it by itself.
    """
    with session.lock:
        panel = session.panel if panel is None else panel
        scene, answer = without_photo(session, panel, common(session)), panel.answers.saliency
        model = session.model_of(panel)
        images, what = session.images.slice(panel.query.shown), panel.query.degradation
    return with_reference(with_photo(scene, images, model, answer, what), session.images, model) if photo else scene


def with_reference(scene: scenes.Stage, images: ImageSet, model: ImageModel) -> scenes.Stage:
    """The scene and the undistorted photo, where it is switched on, read now; what is wrong with it is said."""
    if not scene.look.reference or scene.no_reference:
        return scene
    try:
        return replace(scene, reference=reference(model, images, scene.name))
    except (ValueError, OSError) as error:
        return replace(scene, no_reference=sentence(str(error)))


def with_photo(
    scene: scenes.Stage, images: ImageSet, model: ImageModel, answer: Saliency | None, what: Degradation | None
) -> scenes.Stage:
    """The scene and its photo, read now; without the map where the file is another one than that which it is of."""
    with suppress(ValueError, OSError):  # the panel's error says what is wrong with it
        pixels = picture(model, images, scene.name, what)
        same = answer is None or not answer.content or answer.content == images.digest(scene.name)
        return replace(scene, photo=pixels, map=scene.map if same else None)
    return scene


def waiting(scene: scenes.Stage) -> scenes.Stage:
    """The scene while its photo is on its way: what is known of an image is never shown beside another photo."""
    doing = scene.pending or f"Reading the photo {scene.name}."
    return replace(
        scene,
        score=None,
        map=None,
        secondary=None,
        region=None,
        acts=None,
        likeness="",
        receipt="",
        checkable=False,
        pending=doing,
        alt=doing,
    )


def without_photo(session: Session, panel: Panel, shared: Mapping[int, Common], *, menu: bool = True) -> scenes.Stage:
    """What the stage shows of a panel but for its photo.

    Args:
        shared: see `common`.
        menu: whether to tell which methods can be asked.
    """
    query, answers, look = panel.query, panel.answers, session.look
    shown = None if answers.saliency is None else layer(answers.saliency)
    said = None if answers.output is None else score(session, panel, answers.output)
    second = None
    if look.secondary != "off" and answers.secondary is not None:
        second = secondary(answers.secondary, look.secondary)
    error = panel.error or (session.error if panel is session.panel else "")
    full = shared.get(panel.key, NOTHING_SHARED)
    return scenes.Stage(
        photo=None,
        name=query.image,
        score=said,
        map=shown,
        method=query.method,
        look=scenes.Look(**{name: value for name, value in vars(look).items() if name != "effect_on"}),
        methods=methods(session, panel) if menu else (),
        choices=choices(query),
        sample=sample(session, panel),
        degrading=degrading(session, panel),
        secondary=second,
        receipt=signs(answers.receipt.text) if answers.receipt is not None else "",
        pending=sentence((panel.pending or "no map yet") if answers.saliency is None and not error else ""),
        alt=alt(" · ".join(filter(None, (query.image, shown_in_words(query.shown)))), said, shown, look, second, full),
        contrast=contrast(session, panel),
        unheard=unheard(query),
        no_secondary=no_secondary(session, panel),
        no_reference=sentence(no_reference(session.images, query.image)),
        checkable="receipt" in PARTS and shown is not None and not shown.degenerate,
        error=panel.error,
        likeness=likeness(panel),
        region=region(session, panel),
        acts=acts(session, panel),
        common=full.limit,
        common_words=full.words,
    )


# ---------------------------------------------------------------------- what the network says


def score(session: Session, panel: Panel, output: Output) -> scenes.Score:
    """The score, or the class and its probability, and what is known beside them."""
    model = session.model_of(panel)
    if output.probabilities is not None:
        return _of_class(session, model, output, output.probabilities)
    known = stated_range(model, session.images, output.target)
    decimals = decimals_of(*(known or score_range_of(model, session.sources, output)))
    changed, facts = bool(output.query.gains), []
    if changed:
        facts.append(f"change {fixed(output.value - output.base, decimals, sign=True)}")
    if output.rating is not None and output.residual is not None:
        of = known_rating(model, session.images, output.query.image, output.target, output.query.shown)
        spread = None if of.sd is None else fixed(of.sd, decimals)
        facts.append(f"rating {rated(fixed(output.rating, decimals), spread, of.raters)}")
        facts.append(f"residual {fixed(output.residual, decimals, sign=True)}")
    facts += filter(None, [split_words(session.images.split(output.query.image))])
    label = "score" if model.one_score else model.name_of(output.target)
    return scenes.Score(label=label, headline=arrow(output.base, output.value, changed, decimals), facts=tuple(facts))


def _of_class(session: Session, model: ImageModel, output: Output, probabilities: np.ndarray) -> scenes.Score:
    changed = bool(output.query.gains)
    query, images = output.query, session.images
    known = images.label(query.image) if is_known_of(model, images, query.shown) else None
    split = split_words(session.images.split(output.query.image))
    said = (f"labelled {known}" if known else "", split)
    what = "log-probability" if model.scores.by_logarithm else "logit"
    facts = (f"{what} {arrow(output.base, output.value, changed, 2)}", *filter(None, said))
    base, now = (100 * float(share) for share in (output.base_probability or 0, probabilities[output.target]))
    return scenes.Score(label=model.name_of(output.target), headline=f"{arrow(base, now, changed, 1)} %", facts=facts)


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


def no_secondary(session: Session, panel: Panel) -> str:
    """Why harmful maps cannot be shown; empty where they can."""
    known = session.knows_error(panel)
    return "" if known else sentence(no_harmful(Subject(session.sources, panel.query)))


def common(session: Session) -> dict[int, Common]:
    """By the key of each panel that has a map: the limit and the words of the scale that it shares with others."""
    maps = {panel.key: layer(panel.answers.saliency) for panel in session.panels if panel.answers.saliency is not None}
    return common_of(maps, len(session.panels))


def common_of(maps: Mapping[int, scenes.Layer], panels: int) -> dict[int, Common]:
    """The largest limit of all maps of the same unit, palette and sidedness.

    Args:
        panels: how many there are, those without a map too.
    """
    kinds: dict[tuple[str, str, bool], list[int]] = {}
    for key, shown in maps.items():
        kinds.setdefault((shown.unit, shown.palette, shown.one_sided), []).append(key)
    found: dict[int, Common] = {}
    for keys in kinds.values():
        limit = max((maps[key].limit for key in keys if np.isfinite(maps[key].limit)), default=0.0)
        which = "all panels" if len(keys) == panels else f"{len(keys)} of {panels} panels"
        words = f"same scale in {which}" if len(keys) > 1 else ""
        found |= dict.fromkeys(keys, Common(limit, words))
    return found


def alt(
    name: str,
    said: scenes.Score | None,
    shown: scenes.Layer | None,
    look: Look,
    second: scenes.Secondary | None,
    shared: Common,
) -> str:
    """The picture in words."""
    lines = [f"The photo {name}"]
    if said is not None:
        lines.append(", ".join((f"{said.label} {said.headline}", *said.facts)))
    if shown is not None:
        lines.append(f"Over it a map: {shown.title}")
        lines += [shown.degenerate] if shown.degenerate else _legend(shown, look, shared)
    if second is not None:
        lines.append(second.words)
    return " ".join(map(sentence, lines))


def _legend(shown: scenes.Layer, look: Look, shared: Common) -> list[str]:
    low, high = (shown.palette or look.palette).split("-")
    together = look.scale == "all" and bool(shared.words)
    limit = shared.limit if together else shown.limit
    below = "" if shown.one_sided or not shown.low else f"{low}: {shown.low}; "
    full = short(limit, sign=True) if shown.one_sided else f"±{short(limit)}"
    return [
        f"{below}{high}: {shown.high}",
        f"Full colour at {full}" + (f", {shared.words}" if together else ""),
        *([f"Saturation: {shown.strength_words}"] if shown.strength_words else []),
    ]


# ---------------------------------------------------------------------- what can be asked


def methods(session: Session, panel: Panel) -> tuple[scenes.MethodItem, ...]:
    """The menu: every method by groups, with the reason where it cannot be asked."""
    query = panel.query
    key = (query.image, query.shown, query.model, query.run, query.target, query.contrast, query.options)
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


def contrast(session: Session, panel: Panel) -> str:
    """Q, after the name of the method."""
    asked = panel.query.contrast
    with suppress(ValueError):  # the error line says that there is no such class
        number = None if asked is None else contrast_of(session.sources, panel.query)
        return "" if asked is None or number is None else _rather_than(session, panel, asked, number)
    return ""


def _rather_than(session: Session, panel: Panel, asked: Contrast, number: Contrast) -> str:
    model = session.model_of(panel)
    if number.kind == "score":
        words = f"rather than {short(float(number.value))}"
        if asked.asks_rating:
            query, subject = panel.query, Subject(session.sources, panel.query)
            of = known_rating(model, session.images, query.image, subject.target, query.shown)
            rating = rated(short(float(number.value)), None if of.sd is None else short(of.sd), of.raters)
            words = f"rather than the rating, {rating}"
        return f"{words}, by tiles" if number.form == "tiles" else words
    target = None if panel.answers.output is None else panel.answers.output.target
    if number.kind == "confidence" or (int(number.value) == target and model.exclusive):
        return "rather than with 100 % confidence"
    return f"rather than {model.name_of(int(number.value))}"


def _once(made: WeakKeyDictionary[Any, Any], answer: object, make: Callable[[], Any]) -> Any:
    """What was made of an answer; answers are never changed in place."""
    if answer not in made:
        made[answer] = make()
    return made[answer]
