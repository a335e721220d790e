"""What the reader laid over the stage is in its figure and its words: difference, divider, contours, region."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_scenes import acts, all_of_it, grid, laid, layer, region, secondary, stage
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from xai_widgets import figures, scenes
from xai_widgets.figures.lines import loops, strokes
from xai_widgets.figures.stage import borders

RED, BLUE = figures.ramps()["blue-red"][[-1, 0]]
GREY = np.full(3, 100)
A, B = "a (why the score)", "b (rather than 0.5)"
Sides = set[tuple[tuple[float, float], ...]]


def pictures(figure: Figure) -> list[Axes]:
    """The axes that hold a photo, in the order of the panels."""
    figure.canvas.draw()
    axes: list[Any] = [one for host in figure.axes for one in host.child_axes] or figure.axes  # type: ignore[attr-defined]
    return [one for one in axes if one.images and one.get_aspect() == 1]


def cells(scene: Any, path: Path, *places: tuple[float, float], panel: int = 0) -> list[NDArray[np.uint8]]:
    """The pixels at shares (x, y) of a panel's picture."""
    figures.save(scene, path, dpi=100, overwrite=True)
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    frame = pictures(figures.draw(scene, dpi=100))[panel].get_window_extent()
    return [
        pixels[int(pixels.shape[0] - frame.y1 + y * frame.height), int(frame.x0 + x * frame.width)] for x, y in places
    ]


def lines(axes: Axes) -> list[tuple[str, float, bool, Sides]]:
    """Of each line, from below to above and without the white beneath it: colour, thickness, dashed, its sides."""
    found = []
    for one in axes.collections:
        if not isinstance(one, LineCollection):
            continue
        colour = str(to_hex(np.asarray(one.get_edgecolor())[0]))
        if colour == "#ffffff":
            continue
        ways = [np.asarray(way) for way in one.get_segments()]
        sides = {tuple(sorted(map(tuple, pair))) for way in ways for pair in pairwise(way)}
        made: Any = one
        (thick,), ((_, dashes),) = made.get_linewidth(), made.get_linestyle()
        found.append((colour, float(thick), dashes is not None, sides))
    return found


def around(mask: NDArray[np.bool_], size: float = 40, left: float = 0, top: float = 0) -> Sides:
    """The sides around the places of a mask over so many units, one by one."""
    scale = [size / mask.shape[1], size / mask.shape[0]]
    return {tuple(sorted(map(tuple, side))) for side in (borders(mask) * scale + [left, top])}


def in_all_words(scene: Any, *parts: str) -> None:
    """Each stands in the caption, in the words for those who do not see it, and in the picture's own caption."""
    written = " ".join(" ".join(text.get_text().split()) for text in figures.draw(scene).findobj(has_text))  # type: ignore[attr-defined]
    for part in parts:
        assert part in figures.caption(scene)
        assert part in figures.alt(scene)
        assert part in written


def has_text(artist: Any) -> bool:
    return hasattr(artist, "get_text") and bool(artist.get_text())


# ---------------------------------------------------------------------- two panels


def test_a_difference_is_drawn_instead_of_the_active_map_and_the_other_stays(tmp_path: Path) -> None:
    scene = laid("difference")
    first, second = (panel.map for panel in scene.panels)
    assert first is not None
    assert second is not None
    minus = first.values - second.values  # one unit: as they are
    colours, cover = figures.coloured(minus, 2.0)
    expected = cover[..., None] * colours + (1 - cover[..., None]) * 100
    middles = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    shown = cells(scene, tmp_path / "it.png", *middles)
    np.testing.assert_allclose(shown, expected.reshape(4, 3), atol=2)
    (other,) = cells(scene, tmp_path / "it.png", (0.75, 0.25), panel=1)
    np.testing.assert_allclose(other, RED, atol=1)


def test_a_difference_of_other_units_is_of_shares_of_the_full_colour(tmp_path: Path) -> None:
    scene = laid("difference")
    second = scene.panels[1]
    assert second.map is not None
    scene = replace(scene, panels=(scene.panels[0], replace(second, map=replace(second.map, unit="probability"))))
    upper_left, lower_left = cells(scene, tmp_path / "it.png", (0.25, 0.25), (0.25, 0.75))
    np.testing.assert_allclose(upper_left, RED, atol=1)  # 2 of 2 less 0 of 1
    np.testing.assert_allclose(lower_left, BLUE, atol=1)  # 0 of 2 less 1 of 1
    in_all_words(scene, "Each in shares of its own full colour", "(share of the full colour)")


TOLD = {
    "difference": (
        f"a: the map of {A} minus that of {B}. Both as they are, full colour at ±2 (change of the score).",
        f"Blue: more in {B}; red: more in {A}",
    ),
    "divider": (f"a: left of the line {A}, right of it {B}.",),
    "contours": (
        f"a: contours of the top 5, 10 and 15 %: solid {A}, dashed {B}; the thickest line is the top 5 %.",
        f"a: relative risk of this map given {B} n/a, n/a, n/a at the top 5, 10 and 15 %.",
    ),
}


@pytest.mark.parametrize("over", TOLD)
def test_two_panels_are_named_with_the_scale_and_how_alike_they_are(over: str) -> None:
    scene = laid(over)
    r = np.corrcoef([panel.map.values.ravel() for panel in scene.panels if panel.map])[0, 1]
    in_all_words(scene, *TOLD[over], f"a: r = {r:.2f} with {B}.".replace("-0", "−"))


@pytest.mark.parametrize("over", ["divider", "difference", "contours"])
def test_nothing_is_laid_over_a_panel_that_is_not_there_or_is_the_same(over: str) -> None:
    plain = figures.caption(laid("off"))
    assert figures.caption(laid(over, other=0)) == plain
    assert [len(axes.images) for axes in pictures(figures.draw(laid(over, other=0)))] == [2, 2]
    if over != "divider":  # which then shows the photo alone
        assert figures.caption(laid(over, other=5)) == figures.caption(laid(over, other=-1)) == plain


@pytest.mark.parametrize("at", [0.25, 0.5, 0.8])
def test_a_divider_has_the_active_panel_on_its_left_and_the_other_on_its_right(tmp_path: Path, at: float) -> None:
    scene = laid("divider", divider=at)
    row = 0.25  # a: red, then blue; b: nothing, then red
    places = [0.05, 0.2, 0.3, 0.45, 0.6, 0.75, 0.85, 0.95]
    for x, colour in zip(places, cells(scene, tmp_path / "it.png", *((x, row) for x in places)), strict=True):
        left, right = (RED, GREY) if x < 0.5 else (BLUE, RED)
        np.testing.assert_allclose(colour, left if x < at else right, atol=2, err_msg=f"{x}")
    ((line,),) = [one.get_segments() for one in pictures(figures.draw(scene))[0].collections[:1]]  # type: ignore[attr-defined]
    np.testing.assert_allclose(line, [(40 * at, 0), (40 * at, 40)])


def test_the_right_of_a_divider_has_the_scale_of_its_panel(tmp_path: Path) -> None:
    (alone,) = cells(laid("divider", divider=0.1), tmp_path / "it.png", (0.25, 0.75))
    np.testing.assert_allclose(alone, RED, atol=1)  # 1 of 1
    scene = laid("divider", divider=0.1, scale="all")
    scene = replace(scene, panels=tuple(replace(panel, common=2.0) for panel in scene.panels))
    (together,) = cells(scene, tmp_path / "it.png", (0.25, 0.75))
    colour, cover = figures.coloured(np.array([1.0]), 2.0)  # 1 of 2
    np.testing.assert_allclose(together, cover[0] * colour[0] + (1 - cover[0]) * 100, atol=2)


@pytest.mark.parametrize("make", [stage, lambda look: laid(**look)], ids=["one panel", "two panels"])
def test_the_photo_alone_is_on_the_right_of_a_divider(tmp_path: Path, make: Any) -> None:
    scene = make(look={"over": "divider", "other": -1, "divider": 0.2})
    panel = 1 if isinstance(scene, scenes.Stage) else 0  # beside its photo
    left, right = cells(scene, tmp_path / "it.png", (0.1, 0.25), (0.9, 0.25), panel=panel)
    np.testing.assert_allclose(left, RED, atol=1)
    np.testing.assert_array_equal(right, GREY)
    in_all_words(scene, "right of it the photo alone.")


def test_a_photo_of_another_shape_and_the_outlines_of_the_left_end_at_the_divider(tmp_path: Path) -> None:
    scene = laid("divider", secondary="outline")
    first, second = scene.panels
    wide = np.full((20, 80, 3), 200, np.uint8)
    scene = replace(scene, panels=(replace(first, secondary=secondary()), replace(second, photo=wide, map=None)))
    places = [(0.9, 0.01), (0.9, 0.48), (0.7, 0.5), (0.55, 0.9)]
    for shown in cells(scene, tmp_path / "it.png", *places):
        np.testing.assert_array_equal(shown, [200] * 3)


# ---------------------------------------------------------------------- lines


def largest(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """The places of the largest values, where all values differ."""
    order = np.argsort(-values, axis=None)[: round(share * values.size)]
    mask = np.zeros(values.size, bool)
    mask[order] = True
    return mask.reshape(values.shape) & (values > 0)


def test_contours_are_around_the_top_shares_of_both_maps_on_the_finer_grid() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((12, 16)).astype(np.float32) for _ in range(2))
    coarse = b[:, ::2]
    look = {"over": "contours", "other": 1}
    scene = grid(stage(look=look, map=layer(values=a)), stage(look=look, map=layer(values=coarse)))
    finer = np.apply_along_axis(lambda row: np.interp(np.arange(0.25, 8.25, 0.5) - 0.5, range(8), row), 1, coarse)
    shown, beside = (lines(axes) for axes in pictures(figures.draw(scene)))
    assert beside == [], "over the active panel alone"
    shares = (0.05, 0.1, 0.15)
    mine, its = strokes()["mine"].colour, strokes()["its"].colour
    assert [(colour, dashed) for colour, _, dashed, _ in shown] == [(its, True)] * 3 + [(mine, False)] * 3
    thick = [one[1] for one in shown]
    assert thick[0] > thick[1] > thick[2], "the thickest is the top 5 %"
    assert thick[:3] == thick[3:]
    for (*_, sides), (values, share) in zip(shown, [(v, s) for v in (finer, a) for s in shares], strict=True):
        assert sides == around(largest(values, share))


def test_relative_risks_are_said_both_ways_where_they_differ() -> None:
    a = np.zeros((10, 10), np.float32)
    b = a.copy()
    a[0, :5], b[0, 3:5] = 1, 1  # 5 and 2 places at every share
    look = {"over": "contours", "other": 1}
    scene = grid(*(stage(look=look, map=layer(values=values)) for values in (a, b)))
    there, back = (2 / 2) / (3 / 98), (2 / 5) / (0 / 95 or np.nan)
    assert np.isnan(back)
    in_all_words(
        scene,
        f"relative risk of this map given {B} {', '.join([f'{there:.1f}'] * 3)} at the top 5, 10 and 15 %; "
        "the other way ∞, ∞, ∞.",
    )


@pytest.mark.parametrize("kind", ["one panel", "active", "alone in its place"])
def test_region_outline_and_acting_maps_lie_over_their_panel(kind: str) -> None:
    one = stage(region=region(), acts=acts(), look={"top": 0.1}, map=layer(values=np.arange(40.0).reshape(8, 5)))
    place = {"one panel": 1, "active": 0, "alone in its place": 1}[kind]
    scene: Any = {
        "one panel": one,
        "active": grid(one, stage()),
        "alone in its place": grid(stage(), one, active=1),
    }[kind]
    shown = pictures(figures.draw(scene))
    top = np.zeros((8, 5), bool)
    top[7, 1:] = True
    expected = [("top", top), ("acts", acts().inside), ("region", region().inside)]
    found = lines(shown[place])
    assert [colour for colour, *_ in found] == [strokes()[name].colour for name, _ in expected]
    assert [dashed for _, _, dashed, _ in found] == [False, True, True]
    for (*_, sides), (_, mask) in zip(found, expected, strict=True):
        assert sides == around(mask)
    assert lines(shown[1 - place]) == []
    where = {"one panel": "", "active": "a: ", "alone in its place": "b: "}[kind]
    in_all_words(scene, f"{where}Region: 25 % of the map on 25 % of its area. Without all maps there the score changes",
                 f"{where}Dotted: the top 10 % of the activation of map 3.", "Outlined: the top 10 % of")  # fmt: skip


def test_a_region_is_the_drawn_rectangle_until_its_places_are_known() -> None:
    waits = region(inside=np.zeros((0, 0), bool), words="Region: each map is being removed there.")
    ((colour, _, dashed, sides),) = lines(pictures(figures.draw(stage(region=waits)))[1])
    assert (colour, dashed) == (strokes()["region"].colour, True)
    np.testing.assert_allclose(
        sorted({corner for side in sides for corner in side}), [(20, 24), (20, 40), (36, 24), (36, 40)]
    )
    in_all_words(stage(region=waits), "Region: each map is being removed there.")


def test_every_line_has_a_sample_in_the_key_also_without_a_caption() -> None:
    figure = figures.draw(all_of_it(), caption=False)
    figure.canvas.draw()
    samples = [to_hex(one.get_colors()[0]) for host in figure.axes for one in host.collections]  # type: ignore[attr-defined]
    names = ("top", "mine", "its", "acts", "region")
    assert [colour for colour in samples if colour != "#ffffff"] == [strokes()[name].colour for name in names]
    said = [text.get_text() for text in figure.findobj(has_text)]  # type: ignore[attr-defined]
    shares = "contours of the top 5, 10 and 15 %, the thickest the top 5 %"
    assert {"the top 10 % of each map", f"{A}: {shares}", f"{B}: {shares}", "a: the region",
            "a: the top 10 % of the activation of map 3", "contours: solid a, dashed b"} <= set(said)  # fmt: skip


def test_the_outline_of_a_difference_is_said_to_be_of_the_map_itself() -> None:
    scene = laid("difference", top=0.15)
    assert "Outlined: the top 15 % of each map, in a of its own and not of the difference." in figures.caption(scene)


def test_a_plain_figure_says_and_draws_nothing_of_it() -> None:
    rounding = layer(degenerate="This map holds rounding only.", values=np.eye(10, dtype=np.float32))
    for scene in (stage(), grid(), stage(map=rounding, look={"top": 0.1})):
        assert all(lines(axes) == [] for axes in pictures(figures.draw(scene)))
        assert not any(word in figures.caption(scene) for word in ("Region", "line", "minus", "contours", "Outlined"))


@pytest.mark.parametrize("seed", range(6))
def test_ways_around_a_region_are_closed_and_have_all_its_sides_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 7)) < (0.2, 0.5, 0.8)[seed % 3]
    ways = loops(mask)
    assert all((way[0] == way[-1]).all() for way in ways)
    sides = [tuple(sorted(map(tuple, pair))) for way in ways for pair in pairwise(way)]
    assert len(sides) == len(set(sides)) == len(borders(mask))
    assert set(sides) == {tuple(sorted(map(tuple, side))) for side in borders(mask)}
    assert loops(np.zeros((3, 3), bool)) == []


# ---------------------------------------------------------------------- legends of many


def test_a_difference_has_a_legend_of_its_own_and_the_others_share_theirs() -> None:
    look = {"over": "difference", "other": 2}
    other = layer(values=np.array([[0.0, 2.0], [-1.0, 0.0]], np.float32))
    scene = grid(
        stage(look=look), stage(look=look), stage(look=look, map=other), columns=3, across=(), titles=tuple("xyz")
    )
    said = [text.get_text() for text in figures.draw(scene).findobj(has_text)]  # type: ignore[attr-defined]
    assert said.count("raises the score") == said.count("more in a (x)") == said.count("more in c (z)") == 1
    assert any("same scale in all other panels" in text for text in said)
    assert "a minus c" in said
    caption = figures.caption(scene)
    assert "a: Blue: more in c (z); red: more in a (x); full colour at ±2 (change of the score)." in caption
    assert "b, c: Blue: lowers the score; red: raises the score; full colour at ±2 (change of the score)." in caption


def test_maps_that_are_the_same_have_no_difference() -> None:
    look = {"over": "difference", "other": 1}
    scene = grid(stage(look=look), stage(look=look))
    in_all_words(scene, "The two maps are the same.")
    assert "r = 1.00 with b (rather than 0.5): this map tells little that is new." in figures.caption(scene)
    assert len(pictures(figures.draw(scene))[0].images) == 1, "the photo alone"


def test_where_one_map_has_no_value_a_smooth_difference_shows_nothing(tmp_path: Path) -> None:
    look = {"over": "difference", "other": 1, "opacity": 1.0}
    half = layer(values=np.full((4, 2), -2, np.float32), box=(0.0, 0.0, 0.5, 1.0))
    whole = layer(values=np.zeros((4, 4), np.float32))
    scene = grid(stage(look=look, map=whole), stage(look=look, map=half))
    figure = figures.draw(scene, interpolation="bilinear")
    shown = np.asarray(pictures(figure)[0].images[1].get_array())
    width = shown.shape[1]
    assert (shown[:, : width // 4, 3] > 0.99).all()
    assert (shown[:, width // 2 :, 3] == 0).all()
