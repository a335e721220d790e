"""The still pictures of all scenes, and what stands in a contact sheet and a picker."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from example_scenes import EXAMPLES, NASTY, bank, gallery, grid, picker, score_picker, stage
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from xai_widgets import figures

WIDE = {"grid", "laid", "bank", "gallery"}
SCENES = EXAMPLES | {"picker of a score": score_picker}


def words(figure: Figure) -> list[str]:
    return [one.get_text() for one in figure.findobj(Text) if isinstance(one, Text) and one.get_text()]


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_has_a_small_still_with_words(name: str) -> None:
    data, said = figures.still(SCENES[name]())
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == "PNG"
        assert opened.width == (900 if name in WIDE else 512)
        pixels = np.asarray(opened.convert("RGB"))
    assert len(data) < 400_000
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10, "something is drawn"
    assert (
        figures.caption(SCENES[name](), interpolation="bilinear" if name in ("stage", "grid", "laid") else "native")
        in said
    )
    assert said.count("\n") <= 3


def test_photos_of_noise_make_no_large_still() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 300, 300, 3), np.uint8)
    data, _ = figures.still(grid(*(stage(photo=photo, map=None, pending="…") for photo in noise), columns=3, across=()))
    assert len(data) <= 400_000


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        (gallery(thumbs=()), "no thumbnails"),
        (picker(probabilities=np.zeros(0, np.float32)), "no answer of the network"),
        (score_picker(score=None), "no answer of the network"),
        (bank(thumbs=np.zeros((0, 0, 0), np.uint8)), "no feature maps"),
    ],
)
def test_a_scene_with_nothing_in_it_has_no_still(scene: Any, why: str) -> None:
    assert not figures.can_draw(scene)
    with pytest.raises(ValueError, match=f"nothing to draw yet: {why}"):
        figures.still(scene)


def test_a_contact_sheet_says_name_score_rating_and_which_is_explained() -> None:
    said = words(figures.draw(gallery()))
    assert {"image 0.png", "score 0.5 · rating 0.75", "rating 0.75", "the network failed ·\nrating 0.75"} <= set(said)
    assert figures.caption(gallery(40)).startswith(
        "The first 12 of 40 images. Framed: image 0.png, which is explained."
    )
    assert "image 1.png, rating 0.75;" in figures.alt(gallery())
    classes = gallery(
        predicted=np.array([0, -1, 0, 0], np.int32), classes=("heron",), labels=("crane", "", "", ""),
        ratings=np.full(4, np.nan, np.float32),
    )  # fmt: skip
    assert "image 0.png, heron 0.5 · label crane;" in figures.alt(classes)


def test_a_picker_shows_the_most_probable_classes_with_p_and_q() -> None:
    figure = figures.draw(picker(), width_mm=85)
    said = words(figure)
    assert [text for text in said if text.startswith("class ")] == [f"class {k}" for k in (0, 1, 2, 3, 4, 5, 6, 11)]
    assert {"P", "Q", "15.0 %", "1.0 %", "Why class 0, rather than class 11?"} <= set(said)
    bars = [one.get_width() for one in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert bars[0] / bars[-1] == pytest.approx(15, rel=1e-3)
    assert "8 of 12 classes: P, Q and the most probable others." in figures.caption(picker())


def test_a_picker_of_a_score_shows_score_rating_and_q_on_one_axis() -> None:
    figure = figures.draw(score_picker(), width_mm=85)
    assert {"score 0.47", "rating 0.95", "Q 1", "0", "1"} <= set(words(figure))
    line, *marks = figure.axes[0].lines[:4]
    left, right = np.asarray(line.get_xdata())
    shares = [(float(np.asarray(mark.get_xdata())[0]) - left) / (right - left) for mark in marks]
    assert shares == pytest.approx([0.47, 0.95, 1.0])
    assert "prevents a higher score." in figures.caption(score_picker())


@pytest.mark.filterwarnings("ignore:Glyph")  # of characters that the font lacks
@pytest.mark.parametrize(
    "scene",
    [gallery(names=(NASTY,) * 4, labels=(NASTY * 3,) * 4), picker(names=(NASTY * 3,) * 12, question=NASTY)],
    ids=["gallery", "picker"],
)
def test_long_names_stay_in_their_place(scene: Any) -> None:
    figure = figures.draw(scene, width_mm=60, dpi=100)
    figure.canvas.draw()
    boxes = [(one.get_text(), one.get_window_extent()) for one in figure.axes[0].texts]
    for place, (text, box) in enumerate(boxes):
        for other, another in boxes[place + 1 :]:
            apart = min(box.x1, another.x1) - max(box.x0, another.x0), min(box.y1, another.y1) - max(box.y0, another.y0)
            assert min(apart) < 1.5, f"{text!r} lies on {other!r}"
