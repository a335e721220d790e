"""Classes Q side by side as a scene."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xai_widgets.engine import Contrasts
from xai_widgets.scenes import Candidates
from xai_widgets.session.describe.words import fixed, sentence

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

SIDE = 32  # places of a small map, at most
NONE = np.zeros((0, 0, 0), np.uint8)
NONE.flags.writeable = False


def candidates(session: Session) -> Candidates | None:
    """The classes Q that are compared; None where they are not."""
    compared = session.compared_q
    if compared is None:
        return None
    made = compared.made
    if made is None:
        note = sentence(compared.error) or "The maps are on their way."
        return Candidates(
            most=compared.most, words="", classes=(), distances=(), spoken=(), maps=NONE, note=note,
            done=bool(compared.error),
        )  # fmt: skip
    far = np.nan_to_num(made.distance.astype(np.float64), nan=-1.0)
    order = np.argsort(-far, kind="stable")
    done = made.done and not compared.stale
    return Candidates(
        most=compared.most,
        words=words(session, made),
        classes=tuple(made.classes[order].tolist()),
        distances=tuple(made.distance[order].astype(float).tolist()),
        spoken=tuple(map(spoken, made.distance[order].tolist())),
        maps=small(made.maps[order]),
        note="" if done else f"{len(order)} so far; the others are on their way.",
        done=done,
    )


def words(session: Session, made: Contrasts) -> str:
    """What is compared, and how."""
    count, model = session.compared_q.most if session.compared_q else 0, session.model
    of = f"The {count} likeliest of {model.outputs:,} classes Q" if count < model.outputs else "All classes Q"
    p = "P" if session.output is None else model.name_of(session.output.target)
    rows, columns = made.why.shape
    gains = ", with the gains as they are" if session.query.gains else ""
    return (
        f"{of}, the Grad-CAM least like that of “why {p}?”{gains} first. 1 − r over {rows} × {columns} places: 0 the "
        "same picture, 1 nothing in common, 2 reversed. Each map has its own colour scale."
    )


def spoken(distance: float) -> str:
    """What a distance means."""
    if not math.isfinite(distance):
        return "the map is the same everywhere"
    near = ((0.02, "nearly the same picture"), (0.5, "much the same picture"), (1.5, "another picture"))
    meant = next((meant for most, meant in near if distance <= most), "nearly reversed")
    return f"1 − r = {fixed(distance, 2)}, {meant}"


def small(maps: np.ndarray) -> np.ndarray:
    """Maps (m h w) as bytes of at most SIDE x SIDE places, each over its own largest value."""
    values: np.ndarray = np.nan_to_num(maps.astype(np.float32), posinf=0.0, neginf=0.0)
    for axis in (1, 2):
        count = values.shape[axis]
        if count > SIDE:
            starts = np.arange(SIDE) * count // SIDE
            sizes = np.diff(np.append(starts, count))
            shape = [1, 1, 1]
            shape[axis] = SIDE
            values = np.add.reduceat(values, starts, axis) / sizes.reshape(shape).astype(np.float32)
    peak = np.abs(values).max((1, 2), keepdims=True, initial=0)
    scaled = values / np.where(peak > 0, peak, 1)
    found = (128 + np.round(127 * scaled)).astype(np.uint8)
    found.flags.writeable = False
    return found
