"""What figures compute of two maps: what the front end computes, and what others compute by themselves."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from example_scenes import layer
from nodejs import node
from numpy.typing import NDArray

from xai_widgets import scenes
from xai_widgets.figures import two
from xai_widgets.figures.over_words import _fixed
from xai_widgets.kernels import agreement
from xai_widgets.session.look import TOPS
from xai_widgets.static import FOLDER

NAMES = ("A", "B")
WHOLE = (0.0, 0.0, 1.0, 1.0)


def drawn(seed: int, shape: tuple[int, int], **changes: Any) -> scenes.Layer:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return layer(**{"values": values, "limit": float(np.abs(values).max())} | changes)


def with_strength(seed: int, shape: tuple[int, int], **changes: Any) -> scenes.Layer:
    strength = np.random.default_rng(seed + 100).random(shape).astype(np.float32)
    return drawn(seed, shape, strength=strength, **changes)


def rounded(one: scenes.Layer) -> scenes.Layer:
    """With many equal values."""
    return layer(values=np.round(one.values), limit=one.limit)


PAIRS = {
    "one grid": (drawn(0, (7, 7)), drawn(1, (7, 7))),
    "two grids": (drawn(2, (7, 5)), drawn(3, (12, 20))),
    "other units": (drawn(4, (14, 14)), drawn(5, (7, 7), unit="probability")),
    "no unit": (drawn(4, (4, 4), unit=""), drawn(5, (4, 4), unit="")),
    "boxes apart": (drawn(6, (9, 9), box=(0.1, 0.0, 0.9, 1.0)), drawn(7, (8, 6), box=(0.0, 0.25, 0.6, 0.75))),
    "two dimensions": (with_strength(8, (6, 6)), with_strength(9, (8, 4), unit="probability")),
    "ties": (rounded(drawn(10, (20, 20))), rounded(drawn(11, (20, 20)))),
    "the same": (drawn(12, (7, 7)), drawn(12, (7, 7))),
    "zeros": (drawn(13, (7, 7)), layer(values=np.zeros((7, 7), np.float32), limit=0.0, unit="other")),
    "one cell": (layer(values=np.ones((1, 1), np.float32)), drawn(14, (3, 3))),
}

SCRIPT = """
import { readFileSync } from "node:fs";
import { correlation, differenceOf, onOneGrid, relativeRisk, topShare, TOPS } from "%s";
const known = (values) => [...values].map((value) => (Number.isFinite(value) ? value : `${value}`));
const found = JSON.parse(readFileSync(0, "utf8")).map((maps) => {
  const [a, b] = maps.map((map) => ({ ...map, values: Float32Array.from(map.values), strength: map.strength && Float32Array.from(map.strength) }));
  const pair = onOneGrid(a, b), minus = differenceOf(a, b), tops = TOPS.map((share) => [topShare(pair.a, share), topShare(pair.b, share)]);
  return { shape: [pair.h, pair.w], a: known(pair.a), b: known(pair.b), minus: known(minus.values), limit: minus.limit, unit: minus.unit,
    degenerate: minus.degenerate, r: known([correlation(pair)])[0], tops: tops.map((both) => both.map((one) => [...one])),
    risks: known(tops.flatMap(([x, y]) => [relativeRisk(x, y), relativeRisk(y, x)])) };
});
console.log(JSON.stringify(found));
"""  # noqa: E501


def plain(one: scenes.Layer) -> dict[str, Any]:
    rows, columns = one.values.shape
    strength = None if one.strength is None else one.strength.ravel().tolist()
    return {"values": one.values.ravel().tolist(), "h": rows, "w": columns, "strength": strength,
            "box": list(one.box), "limit": one.limit, "unit": one.unit}  # fmt: skip


@cache
def front_end() -> dict[str, Any]:
    """What the front end computes of all pairs."""
    text = json.dumps([[plain(a), plain(b)] for a, b in PAIRS.values()])
    script = SCRIPT % (FOLDER / "stage" / "two.js").as_uri()
    return dict(zip(PAIRS, json.loads(node("--input-type=module", "--eval", script, text=text)), strict=True))


def numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array([float(str(value).replace("Infinity", "inf")) for value in values])


@pytest.mark.parametrize("name", PAIRS)
def test_a_figure_has_the_numbers_of_the_stage(name: str) -> None:
    (a, b), there = PAIRS[name], front_end()[name]
    pair, minus = two.on_one_grid(a, b), two.difference(a, b, NAMES)
    assert list(pair.a.shape) == list(minus.values.shape) == there["shape"]
    for mine, its in ((pair.a, there["a"]), (pair.b, there["b"]), (minus.values, there["minus"])):
        np.testing.assert_allclose(mine.ravel(), numbers(its), rtol=1e-6, atol=1e-6)
    assert minus.limit == pytest.approx(there["limit"], rel=1e-6)
    assert (minus.unit, minus.degenerate) == (there["unit"], there["degenerate"])
    np.testing.assert_allclose(two.correlation(pair), numbers([there["r"]])[0], atol=1e-9)
    for share, both in zip(two.tops(), there["tops"], strict=True):
        for mine, its in zip(pair, both, strict=True):
            np.testing.assert_array_equal(two.top_share(mine, share).ravel(), np.array(its, bool))
    np.testing.assert_allclose(np.array(two.risks(pair)).T.ravel(), numbers(there["risks"]), rtol=1e-12)


@pytest.mark.parametrize("name", ["one grid", "two grids", "other units", "ties", "one cell"])
def test_a_figure_has_the_numbers_of_torch_and_the_kernels(name: str) -> None:
    a, b = PAIRS[name]
    size = tuple(np.maximum(a.values.shape, b.values.shape).tolist())
    first, second = (
        torch.nn.functional.interpolate(torch.tensor(one.values)[None, None], size, mode="bilinear")[0]
        for one in (a, b)
    )
    pair, minus = two.on_one_grid(a, b), two.difference(a, b, NAMES)
    same = a.unit == b.unit
    expected = first - second if same else first / a.limit - second / b.limit
    np.testing.assert_allclose(minus.values, expected[0], atol=2e-6)
    assert minus.limit == (max(a.limit, b.limit) if same else 1)
    there, back = two.risks(pair)
    for found, given, risks in ((first, second, there), (second, first, back)):
        known = [float(agreement.relative_risk(found, given, share)) for share in two.tops()]
        np.testing.assert_allclose(risks, known, rtol=1e-5)
    if name != "one cell":
        r = np.corrcoef(first.flatten().numpy(), second.flatten().numpy())[0, 1]
        assert two.correlation(pair) == pytest.approx(r, abs=1e-5)


def test_relative_risks_of_known_masks() -> None:
    found = np.array([1, 1, 1, 0, 0, 0], bool)
    given = np.array([1, 1, 0, 0, 0, 0], bool)
    assert two.relative_risk(found, given) == 4  # all of 2, 1 of 4
    assert two.relative_risk(given, given) == np.inf
    assert np.isnan(two.relative_risk(found, np.zeros(6, bool)))
    assert np.isnan(two.relative_risk(found, np.ones(6, bool)))


def test_outside_of_the_other_map_is_nothing() -> None:
    left = layer(values=np.full((1, 2), 3, np.float32), box=(0.0, 0.0, 0.5, 1.0), limit=3.0)
    whole = layer(values=np.full((1, 4), 1, np.float32), limit=1.0)
    np.testing.assert_array_equal(two.difference(whole, left, NAMES).values, [[-2, -2, np.nan, np.nan]])
    np.testing.assert_array_equal(two.difference(left, whole, NAMES).values, [[2, 2, 2, 2]])


def test_shares_are_those_of_the_session_and_the_kernels() -> None:
    assert two.tops() == agreement.SHARES == TOPS[1:]


ROUNDED = [
    (2.25, 1, "2.3"),
    (0.75, 1, "0.8"),
    (0.0, 1, "0.0"),
    (0.94999, 2, "0.95"),
    (123.04, 1, "123.0"),
    (1, 2, "1.00"),
]


@pytest.mark.parametrize(("value", "digits", "said"), ROUNDED)
def test_numbers_are_rounded_as_the_front_end_does(value: float, digits: int, said: str) -> None:
    assert _fixed(value, digits) == said
    assert node("--eval", f"console.log(({value}).toFixed({digits}))").strip() == said
