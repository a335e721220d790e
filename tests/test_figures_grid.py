"""Several panels as a figure: letters, headings, one legend or one each, words that do not overlap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_scenes import NASTY, all_of_it, grid, laid, layer, secondary, stage
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from xai_widgets import figures, scenes

MM = 72 / 25.4  # points
LONG = "a folder of a long name/a file whose name has many words and digits 20240101_%d.jpeg"
FULL = "an explanation of more than a few words"


def texts(figure: Figure) -> list[Text]:
    """All words that are drawn."""
    figure.canvas.draw()
    found = figure.findobj(Text)
    return [one for one in found if isinstance(one, Text) and one.get_visible() and one.get_text().strip()]


def said(figure: Figure) -> list[str]:
    return [one.get_text() for one in texts(figure)]


def pictures(figure: Figure) -> list[Axes]:
    """The axes of panels that hold a photo: all but the legends, whose images are stretched."""
    axes: list[Any] = [one for host in figure.axes for one in host.child_axes]  # type: ignore[attr-defined]
    return [one for one in axes if one.images and one.get_aspect() == 1]


def many(
    count: int, columns: int, *, size: tuple[int, int] = (30, 40), name: str = "image %d", **own: Any
) -> scenes.Grid:
    """Panels with headings of both kinds, on one scale unless told otherwise."""
    photo = np.full((*size, 3), 100, np.uint8)
    panels = tuple(stage(photo=photo, **own) for _ in range(count))
    rows = -(-count // columns)
    return scenes.Grid(
        panels=panels,
        columns=columns,
        across=tuple(name % number for number in range(columns)),
        down=tuple(f"method {name}" % number for number in range(rows)),
        titles=tuple(name % (100 + number) for number in range(count)),
        about=f"net · conv · {name}",
    )


def own_legends() -> scenes.Grid:
    """Panels of different units, sides and scales."""
    maps = [
        layer(limit=0.0123, high=FULL, low=FULL),
        layer(limit=3.0, one_sided=True, low="", unit="probability"),
        layer(limit=1e-9, palette="purple-orange"),
        layer(strength=np.ones((2, 2), np.float32), strength_words="helpful maps"),
        layer(limit=12345.6),
    ]
    return scenes.Grid(panels=tuple(stage(map=one) for one in maps), columns=5, across=tuple("abcde"), about="net")


def troubled() -> scenes.Grid:
    """A map, an error, a map of zeros, and a panel that waits without a photo."""
    panels = (
        stage(),
        stage(map=None, error="The network failed: out of memory."),
        stage(map=layer(degenerate="This map is zero everywhere.", limit=0.0)),
        stage(photo=None, map=None, score=None, pending="Grad-CAM is computed"),
    )
    return scenes.Grid(panels=panels, columns=2, about="net")


LAYOUTS = {
    "two": grid(),
    "one": many(1, 1),
    "strip": many(5, 5, size=(40, 40)),
    "twelve": many(12, 4),
    "row": many(12, 12, name=LONG),
    "long": many(7, 3, name=LONG),
    "wide": many(4, 2, size=(20, 200)),
    "tall": many(4, 2, size=(200, 40), look={"secondary": "outline"}, secondary=secondary()),
    "legends": own_legends(),
    "troubled": troubled(),
    **{over: replace(laid(over), across=(LONG, LONG)) for over in ("difference", "divider", "contours")},
    "one apart": many(12, 12, look={"over": "difference", "other": 1, "top": 0.1}),
    "all of it": all_of_it(),
    "nasty": many(4, 2, name=NASTY.replace("%", "") + "%d"),
}


@pytest.mark.filterwarnings("ignore:Glyph")  # of characters that the font lacks
@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, 85.0) for name in LAYOUTS),
        *(
            (name, width)
            for name in ("row", "legends", "difference", "one apart", "all of it")
            for width in (40.0, 180.0)
        ),
    ],
)
def test_no_words_overlap_or_leave_the_figure_and_all_can_be_read(name: str, width: float) -> None:
    scene = LAYOUTS[name]
    figure = figures.draw(scene, width_mm=width, dpi=100)
    drawn = texts(figure)
    boxes = [one.get_window_extent() for one in drawn]
    words = [one.get_text() for one in drawn]
    page = figure.bbox
    for text, box, one in zip(words, boxes, drawn, strict=True):
        assert float(one.get_fontsize()) >= 5, text
        assert page.x0 - 1 <= box.x0, text
        assert box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0, text
        assert box.y1 <= page.y1 + 1, text
    for place, (text, box) in enumerate(zip(words, boxes, strict=True)):
        for other, another in zip(words[place + 1 :], boxes[place + 1 :], strict=True):
            # A line's box holds room for letters that are higher than any in it.
            apart = min(box.x1, another.x1) - max(box.x0, another.x0), min(box.y1, another.y1) - max(box.y0, another.y0)
            slack = 0.06 / 25.4 * figure.dpi * 5
            assert min(apart) <= slack, f"{text!r} lies on {other!r}"
    frames = [axes.get_window_extent() for axes in pictures(figure)]
    for text, box in zip(words, boxes, strict=True):
        for frame in frames:
            inside = min(box.x1, frame.x1) - max(box.x0, frame.x0), min(box.y1, frame.y1) - max(box.y0, frame.y0)
            assert min(inside) <= 0.3 / 25.4 * figure.dpi, f"{text!r} lies on a picture"
    assert len({one.get_text() for one in drawn if one.get_fontweight() == "bold"}) == len(scene.panels)


def test_a_panel_is_the_map_over_its_photo_with_a_bold_letter_at_its_upper_left(tmp_path: Path) -> None:
    scene = grid()
    figure = figures.draw(scene, width_mm=85, dpi=100)
    letters = [one for one in texts(figure) if one.get_fontweight() == "bold"]
    assert [one.get_text() for one in letters] == ["a", "b"]
    figures.save(scene, tmp_path / "it.png", width_mm=85, dpi=100)
    pixels = np.asarray(Image.open(tmp_path / "it.png").convert("RGB"))
    red, blue = figures.ramps()["blue-red"][[-1, 0]]
    frames = [axes.get_window_extent() for axes in pictures(figure)]
    for frame, letter in zip(frames, letters, strict=True):
        box = letter.get_window_extent()
        assert box.x0 == pytest.approx(frame.x0, abs=3)
        assert -2 < box.y0 - frame.y1 < 5
    for frame, x, y, colour in (
        (frames[0], 0.25, 0.25, red),
        (frames[0], 0.75, 0.25, blue),
        (frames[1], 0.75, 0.25, red),
    ):
        column = int(frame.x0 + x * frame.width)
        row = int(pixels.shape[0] - frame.y1 + y * frame.height)
        np.testing.assert_allclose(pixels[row, column], colour, atol=1)
    assert all(len(axes.images) == 2 for axes in pictures(figure)), "one photo, and the map"


def test_panels_that_share_colours_and_scale_have_one_legend() -> None:
    words = said(figures.draw(grid()))
    assert words.count("raises the score") == words.count("−2") == words.count("+2") == 1
    assert any("same scale in all panels" in text for text in words)
    assert {"why the score?", "rather than 0.5", "net · conv · Grad-CAM"} <= set(words)
    said_below = figures.caption(grid())
    assert said_below.startswith("All panels: net · conv · Grad-CAM. Columns: why the score?, rather than 0.5. Blue:")
    assert "Same scale in all panels." in said_below


def test_panels_of_another_scale_have_a_legend_each_and_words_once() -> None:
    scene = grid(stage(), stage(map=layer(limit=0.5)))
    words = said(figures.draw(scene))
    assert {"+2", "+0.5", "−2", "−0.5"} <= set(words)
    assert sum("Each panel has its own scale" in text for text in words) == 1
    assert "Full colour at 2 in a, 0.5 in b." in figures.caption(scene)


def test_full_colour_is_that_of_all_where_the_reader_has_it_so() -> None:
    look = {"scale": "all"}
    both = [stage(look=look, common=2.0), stage(map=layer(limit=0.5), look=look, common=2.0)]
    words = said(figures.draw(grid(*both)))
    assert words.count("+2") == 1
    assert "+0.5" not in words
    assert "full colour at ±2" in figures.caption(grid(*both))
    each = [replace(one, look=replace(one.look, scale="each")) for one in both]
    assert "+0.5" in said(figures.draw(grid(*each)))


def test_panels_of_another_meaning_say_what_their_colours_mean() -> None:
    scene = grid(*(stage(map=layer(high=f"sense {name}", low="", one_sided=True)) for name in "aab"))
    words = said(figures.draw(replace(scene, columns=3, across=())))
    assert sum(text == "sense a" for text in words) == 2
    assert "a, b: Red: sense a (change of the score). c: Red: sense b (change of the score)." in figures.caption(scene)


def test_a_panel_without_a_map_says_why() -> None:
    words = " ".join(said(figures.draw(troubled()))).replace("\n", " ")
    for why in ("The network failed: out of memory.", "This map is zero everywhere.", "Grad-CAM is computed"):
        assert why in words
        assert why in figures.caption(troubled())
        assert why in figures.alt(troubled())
    assert "b: The network failed: out of memory." in figures.caption(troubled())


def test_a_grid_in_words_names_each_panel() -> None:
    told = figures.alt(many(4, 2))
    assert told.startswith("4 photos with a map over each in rows of 2. net · conv")
    assert "a: cat.png, method image 0, image 0, image 100, score 0.90 → 0.87 · rating 0.95." in told
    assert "d: cat.png, method image 1, image 1, image 103," in told
    assert told.count("What most raises the score lies at the top left.") == 4


def test_a_grid_without_photos_or_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this Grid has nothing to draw yet: no photo"):
        figures.draw(grid(stage(photo=None), stage(photo=None)))
    with pytest.raises(ValueError, match="this Grid has no map yet: It failed"):
        figures.save(grid(stage(map=None, error="It failed.")), tmp_path / "it.png")


def test_undistorted_photos_stand_below_all_panels_an_image_once() -> None:
    of_cat, of_dog = (np.full((20, side, 3), side, np.uint8) for side in (20, 60))
    panels = (stage(reference=of_cat), stage(), stage(name="dog.png", reference=of_dog))
    figure = figures.draw(grid(*panels, titles=("", "", "")))
    shown = [np.unique(np.asarray(one.images[0].get_array())).tolist() for one in pictures(figure)]
    assert shown[-2:] == [[20], [60]]
    assert {"d", "e", "reference of cat.png", "reference of dog.png"} <= set(said(figure))
    words = " ".join(said(figure))
    assert "d: reference of cat.png, the undistorted photo." in " ".join(words.split())
    alone = figures.draw(panels[0])
    assert [np.asarray(one.images[0].get_array()).max() for one in alone.axes[:2]] == [100, 20]
    assert {"reference", "photo"} <= set(said(alone))
