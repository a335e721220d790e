"""What figures show: colours at known cells, legends, marks, words, and the still picture."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_scenes import ROLES, bank, layer, plane, radar, secondary, stage
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray
from PIL import Image

from xai_widgets import figures, scenes
from xai_widgets.figures.colours import resized, theme
from xai_widgets.figures.stage import borders
from xai_widgets.figures.style import SIZE, shortened, width_of, wrapped

RED, BLUE = figures.ramps()["blue-red"][[-1, 0]]


def words(figure: Figure) -> list[str]:
    """All that is written in a figure."""
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]  # type: ignore[attr-defined]


def pixels(scene: Any, path: Path, **options: Any) -> tuple[NDArray[np.uint8], list[Any]]:
    """A figure's pixels, and where its axes lie in them: left, top, right, bottom."""
    figures.save(scene, path, dpi=100, **options)
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("RGB"))
    height, width = picture.shape[:2]
    figure = figures.draw(scene, dpi=100, **options)
    figure.canvas.draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    size = figure.bbox
    return picture, [
        (b.x0 / size.width * width, (1 - b.y1 / size.height) * height, b.x1 / size.width * width,
         (1 - b.y0 / size.height) * height) for b in boxes
    ]  # fmt: skip


def at(picture: NDArray[np.uint8], box: Any, x: float, y: float) -> NDArray[np.uint8]:
    """The pixel at shares (x, y) of a box."""
    left, top, right, bottom = box
    return picture[int(top + y * (bottom - top)), int(left + x * (right - left))]


def mixed(colour: NDArray[np.float32], value: float, under: float = 100) -> NDArray[np.float32]:
    cover = value**0.8
    return cover * colour + (1 - cover) * under


def test_cells_have_the_colours_of_the_palette_with_sharp_edges(tmp_path: Path) -> None:
    picture, (photo, panel, bar) = pixels(stage(), tmp_path / "it.png")
    np.testing.assert_array_equal(at(picture, photo, 0.5, 0.5), [100, 100, 100])
    for x in (0.02, 0.25, 0.48):
        np.testing.assert_allclose(at(picture, panel, x, 0.25), RED, atol=1)
    for x in (0.52, 0.98):
        np.testing.assert_allclose(at(picture, panel, x, 0.25), BLUE, atol=1)
    np.testing.assert_array_equal(at(picture, panel, 0.25, 0.75), [100, 100, 100])
    half = figures.coloured(np.array([1.0]), 2.0)[0][0]
    np.testing.assert_allclose(at(picture, panel, 0.75, 0.75), mixed(half, 0.5), atol=2)
    np.testing.assert_allclose(at(picture, bar, 0.002, 0.5), BLUE, atol=6)
    np.testing.assert_allclose(at(picture, bar, 0.997, 0.5), RED, atol=6)
    np.testing.assert_allclose(at(picture, bar, 0.5, 0.5), [255, 255, 255], atol=4)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_a_named_interpolation_lies_between_the_cells_and_is_named(tmp_path: Path, name: str) -> None:
    picture, (_, panel, _) = pixels(stage(), tmp_path / "it.png", interpolation=name)
    np.testing.assert_allclose(at(picture, panel, 0.5, 0.02), [100, 100, 100], atol=8)  # from +2 to -2: 0
    np.testing.assert_allclose(at(picture, panel, 0.02, 0.02), RED, atol=12)
    assert f"{name} interpolation" in figures.caption(stage(), interpolation=name)
    assert "2 × 2 values, not smoothed" in figures.caption(stage())


def test_opacity_box_sign_palette_and_grey_are_those_of_the_look(tmp_path: Path) -> None:
    photo = np.full((40, 80, 3), (200, 100, 0), np.uint8)
    look = {"opacity": 0.5, "sign": "positive", "palette": "purple-orange", "grey": True}
    scene = stage(photo=photo, map=layer(box=(0.25, 0.0, 0.75, 1.0)), look=look)
    picture, (plain, panel, _) = pixels(scene, tmp_path / "it.png")
    grey = 0.2126 * 200 + 0.7152 * 100
    np.testing.assert_array_equal(at(picture, plain, 0.1, 0.5), [200, 100, 0])
    np.testing.assert_allclose(at(picture, panel, 0.1, 0.5), [grey / 2] * 3, atol=1)  # the network did not see it
    np.testing.assert_allclose(at(picture, panel, 0.6, 0.25), [grey] * 3, atol=1)  # negative: not shown
    orange = figures.ramps()["purple-orange"][-1]
    np.testing.assert_allclose(at(picture, panel, 0.4, 0.25), (orange + grey) / 2, atol=1)
    assert "Dimmed: what the network did not see." in figures.caption(scene)
    assert "Orange: raises the score; full colour at +2 (change of the score)" in figures.caption(scene)
    assert "lowers the score" not in words(figures.draw(scene))


def test_a_legend_has_ends_zero_unit_and_words() -> None:
    figure = figures.draw(stage(map=layer(limit=0.0123)))
    bar = figure.axes[-1]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["−0.0123", "0", "+0.0123"]
    assert (bar.get_title("left"), bar.get_title("right")) == ("lowers the score", "raises the score")
    assert bar.get_xlabel() == "change of the score"
    one = figures.draw(stage(map=layer(low="", one_sided=True))).axes[-1]
    assert [label.get_text() for label in one.get_xticklabels()] == ["0", "+2"]
    assert (one.get_title("left"), one.get_title("right")) == ("", "raises the score")


def test_long_ends_of_a_legend_stand_one_above_the_other() -> None:
    low, high = "argues for northern flicker, against downy woodpecker", "argues for downy woodpecker, against flicker"
    bar = figures.draw(stage(map=layer(low=low, high=high)), width_mm=85).axes[-1]
    assert bar.get_title("left") == f"← {low}\n"
    assert bar.get_title("right") == f"{high} →"


def test_a_map_with_two_dimensions_fades_to_pale_and_has_a_legend_with_two(tmp_path: Path) -> None:
    strength = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    scene = stage(map=layer(strength=strength, strength_words="helpful maps"))
    picture, (_, panel, key) = pixels(scene, tmp_path / "it.png")
    np.testing.assert_allclose(at(picture, panel, 0.25, 0.25), RED, atol=1)
    np.testing.assert_array_equal(at(picture, panel, 0.75, 0.25), [224, 224, 224])
    np.testing.assert_allclose(at(picture, key, 0.997, 0.03), RED, atol=12)
    np.testing.assert_allclose(at(picture, key, 0.997, 0.98), [224, 224, 224], atol=8)
    assert "change of the score\nsaturated: helpful maps, pale: little of it" in words(figures.draw(scene))


def test_a_degenerate_map_is_a_sentence(tmp_path: Path) -> None:
    why = "This map is zero everywhere."
    scene = stage(map=layer(degenerate=why, limit=0.0))
    picture, (_, panel, _) = pixels(scene, tmp_path / "it.png")
    np.testing.assert_array_equal(at(picture, panel, 0.25, 0.25), [100, 100, 100])
    said = words(figures.draw(scene))
    assert why in said
    assert "raises the score" not in said
    assert why in figures.alt(scene)


def test_a_secondary_layer_is_grey_or_an_outline(tmp_path: Path) -> None:
    grey = stage(secondary=secondary(), look={"secondary": "grey"}, map=layer(values=np.zeros((2, 2), np.float32)))
    picture, (_, panel, _, key) = pixels(grey, tmp_path / "it.png")
    np.testing.assert_allclose(at(picture, panel, 0.75, 0.25), [70, 70, 70], atol=1)
    np.testing.assert_array_equal(at(picture, panel, 0.25, 0.25), [100, 100, 100])
    np.testing.assert_allclose(at(picture, key, 0.995, 0.5), [70, 70, 70], atol=8)
    outlined = figures.draw(stage(secondary=secondary(), look={"secondary": "outline"}))
    lines = [one for one in outlined.axes[1].collections if isinstance(one, LineCollection)]
    segments = {tuple(map(tuple, segment)) for segment in lines[0].get_segments()}
    assert segments == {((20, 0), (20, 20)), ((40, 0), (40, 20)), ((20, 0), (40, 0)), ((20, 20), (40, 20))}
    assert any("Outline: the top 10 %" in text for text in words(outlined))
    off = figures.draw(stage(secondary=secondary()))
    assert not off.axes[1].collections


def test_borders_of_a_region_are_those_between_its_cells_and_others() -> None:
    region = np.array([[1, 1, 0], [0, 1, 0]], bool)
    known = {((0, 0), (0, 1)), ((2, 0), (2, 1)), ((1, 1), (1, 2)), ((2, 1), (2, 2)),
             ((0, 0), (1, 0)), ((1, 0), (2, 0)), ((0, 1), (1, 1)), ((1, 2), (2, 2))}  # fmt: skip
    assert {tuple(map(tuple, side)) for side in borders(region).astype(int)} == known
    assert len(borders(np.zeros((3, 2), bool))) == 0


def test_resizing_is_that_of_torch() -> None:
    import torch

    values = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    for size in ((31, 20), (5, 7), (3, 4), (9, 4)):
        shrinks = size[0] < 5 or size[1] < 7
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(values)[None, None], size, mode="bilinear", antialias=shrinks
        )
        np.testing.assert_allclose(resized(values, size, "bilinear"), expected[0, 0], atol=1e-5)
    np.testing.assert_array_equal(resized(values, (10, 14), "native"), values.repeat(2, 0).repeat(2, 1))


def test_a_stage_in_words() -> None:
    said = figures.alt(stage())
    assert said.startswith("Photo cat.png, score 0.90 → 0.87 · rating 0.95.")
    assert "What most raises the score lies at the top left." in said
    assert "What most lowers the score lies at the top right." in said
    assert figures.alt(stage(alt="A cat.")) == "A cat."
    assert figures.caption(stage()) == (
        "net · conv · Grad-CAM · why the score? Blue: lowers the score; red: raises the score; full colour at ±2 "
        "(change of the score). Map of 2 × 2 values, not smoothed. The field of one cell covers half of the image. "
        "Without its top 10 %: −0.12."
    )


# ---------------------------------------------------------------------- bank, plane, radar


def test_a_bank_shows_number_role_effect_and_gain_by_effect() -> None:
    figure = figures.draw(bank())
    said = words(figure)
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells[:2] == ["3 ◆", "▼ +0.0300"], "the largest effect first"
    assert cells[2:5] == ["2 ◇", "△ −0.0200", "×0.5"], "hollow: an estimate"
    assert cells[5:8] == ["1 ●", "▼ +0.0100", "×0"]
    assert cells[8:] == ["0", "dead"]
    key = next(text for text in said if "the largest effect first" in text).replace("\n", " ")
    for part in ("4 maps", "▲ raises", "● helpful", "◆ harmful", "hollow: an estimate", "muted", "framed: selected"):
        assert part in key, part
    assert "Removing a map changes the score most for map 3 +0.03, map 2 −0.02" in figures.alt(bank())


def test_harmful_maps_have_another_shape() -> None:
    said = words(figures.draw(bank(roles=np.array([0, 3, 2, 1], np.int8))))
    assert {"3 ●", "2 ○", "1 ◆"} <= set(said)


@pytest.mark.parametrize(("width", "shown"), [(180.0, 108), (85.0, 40)])
def test_a_large_bank_shows_the_first_maps_and_says_of_how_many(width: float, shown: int) -> None:
    figure = figures.draw(bank(512), width_mm=width, caption=False)
    assert any(f"The first {shown} of 512 maps" in text.replace("\n", " ") for text in words(figure))
    assert len(figure.axes[0].images) == shown
    assert figure.get_size_inches()[1] * 25.4 < 240, "a page"


def test_a_bank_without_effects_shows_its_maps() -> None:
    none = np.zeros(0, np.float32)
    scene = bank(delta_y=none, delta_error=none, roles=none.astype(np.int8), exact=none.astype(bool))
    figure = figures.draw(scene)
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text()] == [
        "1",
        "×0",
        "2",
        "×0.5",
        "3",
        "0",
        "dead",
    ]
    assert not any(mark in text for text in words(figure) for mark in "▲▼●◆")


def test_a_plane_has_four_named_quadrants_and_marks_by_role() -> None:
    figure = figures.draw(plane())
    axes = figure.axes[0]
    corners = {text.get_text().replace("\n", " "): text.xy for text in axes.texts}  # type: ignore[attr-defined]
    assert corners == {ROLES[1]: (0, 1), ROLES[2]: (1, 1), ROLES[3]: (0, 0), ROLES[4]: (1, 0)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Δ score when removed", "Δ error when removed")
    points = [one for one in axes.collections if isinstance(one, PathCollection) and len(np.asarray(one.get_offsets()))]
    drawn = {tuple(offset): one for one in points for offset in np.asarray(one.get_offsets())}
    assert set(drawn) == {(-1, 1), (1, 1), (-1, -1), (1, -1), (0, 0)}
    assert len(np.asarray(drawn[1, 1].get_facecolors())) == 0, "an estimate is hollow"  # type: ignore[attr-defined]
    helps = np.array([int(theme("helps")[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    np.testing.assert_allclose(drawn[-1, 1].get_facecolors()[0][:3], helps)  # type: ignore[attr-defined]
    shapes = {place: len(np.asarray(drawn[place].get_paths()[0].vertices)) for place in ((-1, 1), (1, -1), (0, 0))}
    assert shapes[-1, 1] != shapes[1, -1], "a disc and a diamond"
    assert {"helpful", "harmful", "neutral", "hollow: an estimate", "selected"} <= set(words(figure))
    assert "1 helpful, raises the score; 1 helpful, lowers the score" in figures.alt(plane())


def test_a_plane_without_an_error_goes_by_rank() -> None:
    none = np.zeros(0, np.float32)
    scene = plane(delta_error=none, roles=none.astype(np.int8), across="rank", up="Δ score when removed")
    axes = figures.draw(scene).axes[0]
    offsets = np.concatenate([np.asarray(one.get_offsets()) for one in axes.collections[:-1]])
    assert sorted(map(tuple, offsets)) == [(1, -1), (2, -1), (3, 0), (4, 1), (5, 1)]
    assert not axes.texts


def test_a_radar_has_five_axes_and_a_twin_with_intervals() -> None:
    figure = figures.draw(radar())
    polar, dots = figure.axes[:2]
    assert isinstance(polar, PolarAxes)
    labels = ["few places", "noise", "resilience", "focus", "stability\nn/a"]
    assert [label.get_text() for label in polar.get_xticklabels()] == labels
    assert [label.get_text() for label in dots.get_yticklabels()] == labels
    np.testing.assert_allclose(np.asarray(polar.lines[0].get_ydata()), np.array([0.2, 0.4, 0, 0.8, np.nan, 0.2]))
    np.testing.assert_allclose(np.asarray(dots.lines[0].get_xdata()), np.array([0.2, 0.4, 0, 0.8, np.nan]))
    whiskers = [segment[:, 0].tolist() for segment in dots.collections[0].get_segments()[:4]]  # type: ignore[attr-defined]
    np.testing.assert_allclose(whiskers, [[0.1, 0.3], [0.3, 0.5], [0, 0.1], [0.7, 0.9]])
    assert "0.200 [0.100,\n0.300]" in words(figure) or "0.200 [0.100, 0.300]" in words(figure)
    assert "cat.png · net: few places 0.200 [0.100, 0.300], noise 0.400" in figures.alt(radar())


def test_series_of_a_radar_are_named_and_shares_are_of_the_best() -> None:
    both = [scenes.Series(name=name, values=(v,) * 5) for name, v in (("_one$", 0.2), ("two", 0.4))]
    figure = figures.draw(radar(*both, relative=True))
    assert {"_one$", "two", "share of the best shown"} <= set(words(figure))
    np.testing.assert_allclose(np.asarray(figure.axes[1].lines[0].get_xdata()), np.array([0.5] * 5))
    assert figure.axes[1].lines[0].get_marker() != figure.axes[1].lines[1].get_marker()


# ---------------------------------------------------------------------- text and the still picture


def test_lines_are_as_long_as_their_room() -> None:
    text = "a few words " * 20 + "x" * 300 + "\n$broken$ \\mathtext{"
    lines = wrapped(text, 40).split("\n")
    assert all(width_of(line, SIZE) <= 40 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert shortened(text, 40, 2).endswith("…")
    assert shortened(text, 40, 2).count("\n") == 1
    assert wrapped("", 40) == ""


def test_a_still_picture_is_small_and_has_words() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    scene = stage(photo=noise)
    data, said = figures.still(scene)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.width == 512
        assert picture.format == "PNG"
        white = np.asarray(picture.convert("RGB"))[0, -1]
    np.testing.assert_array_equal(white, [255, 255, 255])
    assert len(data) < 300_000
    assert said.startswith("cat.png\nscore 0.90 → 0.87 · rating 0.95\nnet · conv · Grad-CAM")
    assert figures.still(scene) == (data, said)
    start = time.process_time()
    figures.still(scene)
    assert time.process_time() - start < 1.5, "0.25 s on an idle core"


def test_a_still_picture_shows_the_photo_while_there_is_no_map() -> None:
    data, said = figures.still(stage(map=None, pending="Grad-CAM …"))
    assert data.startswith(b"\x89PNG")
    assert said == "cat.png\nscore 0.90 → 0.87 · rating 0.95\nGrad-CAM …"
    with pytest.raises(ValueError, match="this Stage has nothing to draw yet: no photo"):
        figures.still(stage(photo=None))
    assert "zero everywhere" in figures.still(stage(map=layer(degenerate="It is zero everywhere.", limit=0.0)))[1]


def test_names_of_maps_stand_in_the_figures_of_bank_and_plane() -> None:
    names = ((0, "sky"), (3, "the wheels of a bicycle\n"))
    cells = words(figures.draw(bank(names=names)))
    assert any(text.startswith("0 sky") for text in cells)
    assert any(text.startswith("3") and "…" in text for text in cells), "what is too long for a cell is shortened"
    drawn = words(figures.draw(plane(names=names)))
    assert "sky" in drawn
    for scene in (bank(names=names), plane(names=names)):
        assert "Maps named by the reader: 0 sky, 3 the wheels of a bicycle." in figures.caption(scene)
    assert "map 3 “the wheels of a bicycle” +0.03" in figures.alt(bank(names=names))
