"""The card of a feature map as a scene, and what is known of the whole set in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_widgets.engine.set_answers import Medians, SetAnswers
from xai_widgets.scenes import Card, Crop
from xai_widgets.session.describe.bank import images_words, source_words
from xai_widgets.session.describe.effects import p_and_q, subject_words
from xai_widgets.session.describe.words import sentence, short
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session


def card(session: Session) -> Card | None:
    """What the card of a map shows; None where none is open."""
    opened = session.map_card
    if opened is None:
        return None
    crops, notes = _crops(session)
    name = session.name_of_map(opened.index)
    said = f" “{name}”" if name else ""
    return Card(
        index=opened.index,
        name=name,
        title=f"Map {opened.index}{said} of {where(session.sources, session.query)}",
        by=opened.by,
        crops=crops,
        facts=facts_of_map(session, opened.index),
        source=source_words(session),
        note=" ".join(filter(None, (_waits(session), *notes))),
        offers=_offers(session),
    )


def facts_of_map(session: Session, index: int) -> tuple[str, ...]:
    """What is known of a map in words: how often it is active, what its removal changes here and over the set."""
    here = (_active(session.of_set, index), _here(session, index), _against(session, index))
    return tuple(filter(None, (*here, *_medians(session, index))))


def _crops(session: Session) -> tuple[tuple[Crop, ...], list[str]]:
    """The images with their crops; a note that all of them have stands once, apart."""
    opened, known = session.map_card, session.of_set
    assert opened is not None
    values = None if known is None else known.mean if opened.by == "mean" else known.maximum
    places = {} if known is None else {name: place for place, name in enumerate(known.images)}
    names = set(session.images.names)
    told = {note for data, note in opened.crops.values() if not data}
    shared = told if len(told) == 1 and len(opened.crops) == len(opened.images) > 1 else set()
    shared = shared if not any(data for data, _ in opened.crops.values()) else set()
    crops = []
    for name in opened.images:
        data, note = opened.crops.get(name, (b"", ""))
        if name not in names:
            note = "This image is not in the set that is open here."
        value = None if values is None or name not in places else float(values[places[name], opened.index])
        words = "" if value is None else f"{'mean' if opened.by == 'mean' else 'largest'} value {short(value)}"
        crops.append(Crop(image=name, words=words, data=data, note="" if note in shared else note, known=name in names))
    return tuple(crops), [sentence(note) for note in shared]


def _active(known: SetAnswers | None, index: int) -> str:
    """On how many images the map is active."""
    if known is None or known.maximum is None or index >= known.maximum.shape[1]:
        return ""
    values = known.maximum[:, index]
    there = int((~np.isnan(values)).sum())
    active = int((values > 0).sum())
    return f"active (largest value above 0) on {active:,} of {images_words(there)}"


def _here(session: Session, index: int) -> str:
    """What its removal changes on the image that is explained."""
    impacts, maps = session.impacts, session.maps
    if maps is not None and index < len(maps.dead) and maps.dead[index]:
        return f"on {session.query.image}: zero everywhere"
    if impacts is None or index >= len(impacts.delta_y):
        return ""
    change, about = float(impacts.delta_y[index]), "" if impacts.exact[index] else "about "
    way = "raises" if change < 0 else "lowers" if change > 0 else "does not change"
    return f"on {session.query.image}: Δy {about}{short(change, sign=True)}, it {way} {subject_words(session)}"


def _against(session: Session, index: int) -> str:
    """What its removal changes of P - Q on this image, where Q is another class."""
    margins, names = session.margins, p_and_q(session)
    if margins is None or not names or index >= len(margins.delta):
        return ""
    change, about = float(margins.delta[index]), "" if margins.exact[index] else "about "
    way = f", it is for {names[0] if change < 0 else names[1]}" if change else ""
    return f"Δ({' − '.join(names)}) {about}{short(change, sign=True)}{way}"


def _medians(session: Session, index: int) -> list[str]:
    """What its removal changes over the set."""
    known = session.of_set
    if known is None:
        return []
    found = []
    targets = "" if known.targets in ("", "the score") else f", of {known.targets}"
    named = (("median Δy", known.median_delta_y, targets), ("median Δ error", known.median_delta_error, ""))
    for name, medians, of in named:
        words = median_words(medians, index)
        found += [f"{name} {words}{of}"] if words else []
    return found


def median_words(medians: Medians | None, index: int) -> str:
    """A median with its interval of 95 % and n; empty where it is not known."""
    if medians is None or index >= len(medians.median):
        return ""
    middle, low, high = (float(values[index]) for values in medians[:3])
    n = int(medians.n[index])
    if not n:
        return ""
    ends = f"[{short(low, sign=True)}, {short(high, sign=True)}] (95 %, n = {n:,})"
    return f"{short(middle, sign=True)} {ends if low == low else f'(n = {n:,}, too few for an interval)'}"


def _waits(session: Session) -> str:
    """What is still to come."""
    opened, known = session.map_card, session.of_set
    assert opened is not None
    state = session.knows_set()
    if not opened.images:
        if state == "coming":
            return "The images of the set are being looked at."
        if known is None or known.maximum is None:
            return "To which images this map answers is not known yet."
        return "On none of these images it is above 0, so that there is nothing to show."
    if state == "coming":
        return f"The largest of {images_words(opened.seen)} so far; the others are being looked at."
    return ""


def _offers(session: Session) -> tuple[tuple[str, str], ...]:
    """What can be computed of the set on a click."""
    count = images_words(len(session.images))
    words = {"activations": f"Look at the whole set ({count})", "impacts": f"Compute medians over the set ({count})"}
    return tuple((what, said) for what, said in words.items() if session.knows_set(what) in ("", "some"))
