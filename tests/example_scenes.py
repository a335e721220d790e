"""Scenes with known content, for the tests of figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from xai_widgets import scenes

ROLES = (  # in words of their own, since a figure is drawn without torch
    "neutral",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)
AXES = ("few places", "noise", "resilience", "focus", "stability")
NASTY = "a$b_ \\frac{ <&> \x07\ud800\uffff 日本 \U0001f9ff end"  # mathematics, markup, what no file can hold, no glyph


def layer(**changes: Any) -> scenes.Layer:
    """Four cells: full red, full blue, nothing, half red."""
    known = scenes.Layer(
        values=np.array([[2.0, -2.0], [0.0, 1.0]], np.float32),
        limit=2.0,
        box=(0.0, 0.0, 1.0, 1.0),
        title="net · conv · Grad-CAM · why the score?",
        low="lowers the score",
        high="raises the score",
        unit="change of the score",
        note="The field of one cell covers half of the image.",
        grid="2 × 2 values",
    )
    return replace(known, **changes)


def stage(*, look: dict[str, Any] | None = None, **changes: Any) -> scenes.Stage:
    """A grey photo of 40 × 40 pixels under the four cells, the map opaque."""
    known = scenes.Stage(
        photo=np.full((40, 40, 3), 100, np.uint8),
        name="cat.png",
        score=scenes.Score(label="score", headline="0.90 → 0.87", facts=("rating 0.95",)),
        map=layer(),
        method="grad_cam",
        look=scenes.Look(**{"opacity": 1.0, "grey": False} | (look or {})),
        receipt="Without its top 10 %: −0.12.",
    )
    return replace(known, **changes)


def grid(*panels: scenes.Stage, **changes: Any) -> scenes.Grid:
    """A strip of two panels that share colours and scale, unless others are given."""
    known = scenes.Grid(
        panels=panels or (stage(), stage(map=layer(values=np.array([[0.0, 2.0], [-1.0, 0.0]], np.float32)))),
        columns=2,
        across=("why the score?", "rather than 0.5"),
        about="net · conv · Grad-CAM",
    )
    return replace(known, **changes)


def laid(over: str, *, other: int = 1, **changes: Any) -> scenes.Grid:
    """Two panels, the first of them active with another laid over it; the second has half as large a scale.

    Args:
        over: "divider", "difference" or "contours".
        changes: of how it looks.
    """
    look = {"over": over, "other": other} | changes
    second = layer(values=np.array([[0.0, 1.0], [1.0, -1.0]], np.float32), limit=1.0)
    return grid(stage(look=look), stage(look=look, map=second))


def all_of_it(**changes: Any) -> scenes.Grid:
    """Contours of two finer maps, outlines, where maps act and a region, over the first of two panels."""
    rng = np.random.default_rng(0)
    maps = [layer(values=rng.standard_normal((10, side)).astype(np.float32), limit=3.0) for side in (10, 20)]
    look = {"over": "contours", "other": 1, "top": 0.1}
    first, second = (stage(look=look, map=one) for one in maps)
    return grid(replace(first, region=region(), acts=acts()), second, **changes)


def region(**changes: Any) -> scenes.Outline:
    """The lower right of four cells."""
    known = scenes.Outline(
        inside=np.array([[False, False], [False, True]]),
        box=(0.0, 0.0, 1.0, 1.0),
        words="Region: 25 % of the map on 25 % of its area. Without all maps there the score changes by −0.5.",
        drawn=(0.5, 0.6, 0.9, 1.0),
    )
    return replace(known, **changes)


def acts() -> scenes.Outline:
    """The upper row of four cells."""
    words = "Dotted: the top 10 % of the activation of map 3."
    return scenes.Outline(inside=np.array([[True, True], [False, False]]), box=(0.0, 0.0, 1.0, 1.0), words=words)


def secondary() -> scenes.Secondary:
    return scenes.Secondary(
        values=np.array([[0.0, 1.0], [0.5, 0.0]], np.float32),
        limit=1.0,
        outline=np.array([[False, True], [False, False]]),
        words="Outline: the top 10 % of the harmful feature maps.",
    )


def bank(count: int = 4, **changes: Any) -> scenes.Bank:
    """Maps whose effects grow with their number; the first is dead, the second muted, the third an estimate."""
    places = np.arange(count)
    known = scenes.Bank(
        thumbs=np.tile(np.arange(4, dtype=np.uint8).reshape(1, 2, 2) * 85, (count, 1, 1)),
        dead=places == 0,
        gains=np.where(places == 1, 0.0, np.where(places == 2, 0.5, 1.0)).astype(np.float32),
        selected=(3,),
        title="conv · cat.png",
        subject="the score",
        delta_y=(-0.01 * places * (-1) ** places).astype(np.float32),
        delta_error=(0.01 * places).astype(np.float32),
        error="error",
        roles=np.where(places == 0, 0, 1 + places % 4).astype(np.int8),
        exact=places != 2,
        value=0.9,
        done=False,
        note="Single removals, zero baseline.",
        pending=False,
        key="",
    )
    return replace(known, **changes)


def plane(**changes: Any) -> scenes.Plane:
    """A map in each quadrant and one at zero; the second is an estimate, the third is selected."""
    known = scenes.Plane(
        delta_y=np.array([-1, 1, -1, 1, 0], np.float32),
        delta_error=np.array([1, 1, -1, -1, 0], np.float32),
        error="error",
        roles=np.array([1, 2, 3, 4, 0], np.int8),
        role_words=ROLES,
        exact=np.array([True, False, True, True, True]),
        selected=(2,),
        across="Δ score when removed",
        up="Δ error when removed",
        title="Impact of each map · conv",
        facts="Score 0.9, rating 0.95: residual r = −0.05.",
        note="Single removals.",
    )
    return replace(known, **changes)


def radar(*series: scenes.Series, **changes: Any) -> scenes.Radar:
    known = scenes.Series(
        name="cat.png · net",
        values=(0.2, 0.4, -0.1, 0.8, float("nan")),
        low=(0.1, 0.3, -0.2, 0.7, float("nan")),
        high=(0.3, 0.5, 0.1, 0.9, float("nan")),
        texts=("0.200 [0.100, 0.300]", "0.400", "−0.100", "0.800", "n/a"),
    )
    axes = tuple(scenes.Axis(name=name, label=name, meaning="") for name in AXES)
    scene = scenes.Radar(axes=axes, series=series or (known,), relative=False, note="cat.png · net · conv: Grad-CAM.")
    return replace(scene, **changes)


def thumbnail(width: int = 30, height: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 100, 0)).save(file, "PNG")
    return file.getvalue()


def gallery(count: int = 4, **changes: Any) -> scenes.Gallery:
    """Rated images; the second has no score yet, on the third the network failed, the first is explained."""
    scores = np.where(np.arange(count) == 1, np.nan, 0.5).astype(np.float32)
    known = scenes.Gallery(
        names=tuple(f"image {number}.png" for number in range(count)),
        labels=("",) * count,
        notes=("",) * count,
        ratings=np.full(count, 0.75, np.float32),
        scores=scores,
        predicted=np.zeros(0, np.int32),
        classes=(),
        task="regression",
        comparable=False,
        limits=(0.0, 1.0),
        current=0,
        pinned=(),
        problems=("image 2.png: the network failed.",),
        problem_count=1,
        failed=(2,),
        thumbs=tuple((number, thumbnail()) for number in range(min(count, 12))),
    )
    return replace(known, **changes)


def picker(**changes: Any) -> scenes.Picker:
    """P, and a Q that is the least probable of twelve classes."""
    known = scenes.Picker(
        task="classification",
        subject="cat.png net",
        question="Why class 0, rather than class 11?",
        names=tuple(f"class {number}" for number in range(12)),
        probabilities=np.linspace(0.15, 0.01, 12, dtype=np.float32),
        target=0,
        chosen=False,
        kind="class",
        value=11,
        form="",
        word="",
        axis=(0.0, 1.0),
        score=None,
        rating=None,
        quick=(),
    )
    return replace(known, **changes)


def score_picker(**changes: Any) -> scenes.Picker:
    """A score, its rating, and Q above the score."""
    known = picker(
        task="regression", question="Why 0.47, rather than 1?", names=(), probabilities=np.zeros(0, np.float32),
        target=-1, kind="score", value=1.0, form="plain", score=0.47, rating=0.95,
        says=(("above", "Q is above the score: the map shows what prevents a higher score."),),
    )  # fmt: skip
    return replace(known, **changes)


EXAMPLES: dict[str, Callable[..., Any]] = {
    "stage": stage,
    "grid": grid,
    "laid": all_of_it,
    "bank": bank,
    "plane": plane,
    "radar": radar,
    "gallery": gallery,
    "picker": picker,
}
