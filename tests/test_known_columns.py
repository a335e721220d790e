"""Columns that people have beside a rating: its spread, how many gave it, the split, the undistorted photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image
from stages import pixels_of, settled

from xai_widgets import ImageModel
from xai_widgets.engine import ratings_of
from xai_widgets.figures import grid_words
from xai_widgets.figures.stage_words import caption
from xai_widgets.images import ImageSet
from xai_widgets.images.columns import chosen
from xai_widgets.scenes import Stage as Scene
from xai_widgets.session import Session, describe
from xai_widgets.views import Gallery, Stage

NO = (np.nan,)
ROWS = """image_name,MOS,SD,c_total,subset,ref_img,brand
a.png,62,11.2,24,training,clean.png,X
b.png,40,-1,0,Validation,,Y
c.png,10,,,3,gone.png,Z
"""


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    for place, name in enumerate(("a.png", "b.png", "c.png", "clean.png")):
        Image.fromarray(np.full((16, 16, 3), 60 * place, np.uint8)).save(tmp_path / name)
    (tmp_path / "t.csv").write_text(ROWS)
    return ImageSet(tmp_path / "t.csv", range=(0, 100))


def test_columns_are_found_by_the_words_that_people_use(images: ImageSet) -> None:
    assert images.notices == (
        "Columns were taken by their names: rating from 'MOS', rating_sd from 'SD', raters from 'c_total', split from "
        "'subset', reference from 'ref_img'. columns= takes others, such as {'rating': None}.",
    )
    assert [images.rating_sd(name) for name in images] == [11.2, None, None]
    assert [images.raters(name) for name in images] == [24, None, None]
    assert [images.split(name) for name in images] == ["train", "val", "3"]
    reference = images.reference("a.png")
    assert reference is not None
    assert reference.max() == 180
    assert images.reference("b.png") is images.reference("c.png") is None
    assert list(images.table.columns) == [
        "rating",
        "label",
        "human_map",
        "rating_sd",
        "raters",
        "split",
        "reference",
        "brand",
    ]
    assert (
        "standard deviation of the rating of 'b.png' must be a finite number of at least 0, got '-1'"
        in images.problems["b.png"]
    )
    assert "number of raters of 'b.png' must be a whole number of at least 1, got '0'" in images.problems["b.png"]
    assert "The reference image of 'c.png' does not exist" in images.problems["c.png"]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("image rating", {}),
        ("dist_img ref_img dmos var", {"image": "dist_img", "rating": "dmos", "reference": "ref_img"}),
        ("file std n", {"image": "file"}),  # a spread is that of a rating: of none, it is any other column
        ("Image-Path Mean_Opinion_Score mos_std num ratings", {"rating": "Mean_Opinion_Score", "rating_sd": "mos_std"}),
    ],
)
def test_words_of_data_sets(columns: str, found: dict[str, str]) -> None:
    known = chosen("The table", tuple(columns.split()), {})
    plain = {kind: column for kind, column in known.items() if kind in found}
    assert plain == found
    assert "rating_sd" not in known or "rating" in known


def test_columns_are_overridden(images: ImageSet, tmp_path: Path) -> None:
    other = ImageSet(tmp_path / "t.csv", columns={"rating": "SD", "raters": None, "split": None, "label": "brand"})
    assert other.rating("a.png") == 11.2
    assert (other.raters("a.png"), other.split("a.png"), other.label("a.png")) == (None, None, "X")
    assert other.table["c_total"].iloc[0] == 24
    with pytest.raises(ValueError, match=r"columns= takes image, rating, .*, got 'ratng': try 'rating'"):
        ImageSet(tmp_path / "t.csv", columns={"ratng": "MOS"})
    with pytest.raises(ValueError, match=r"has no column 'MOSS': its columns include 'MOS'"):
        ImageSet(tmp_path / "t.csv", columns={"rating": "MOSS"})


def test_they_are_said_where_a_rating_is(images: ImageSet, make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), images)
    session.wait()
    facts = describe.stage(session, photo=False).score
    assert facts is not None
    assert "rating 62.000 ± 11.200 (n = 24)" in facts.facts
    assert facts.facts[-1] == "trained on (train split)"
    picker = describe.picker(session)
    assert (picker.rating, picker.rating_sd, picker.raters) == (62.0, 11.2, 24)
    session.ask(contrast="rating")
    session.wait()
    assert describe.stage(session, photo=False).contrast == "rather than the rating, 62 ± 11.2 (n = 24)"
    assert ", rating 62 ± 11.2 (n = 24): residual r = " in describe.plane(session).facts
    scene = describe.gallery(session)
    assert scene.splits == ("train", "val", "3")
    assert scene.spreads[0] == np.float32(11.2)
    assert scene.raters.tolist() == [24, 0, 0]
    assert scene.references == (0,)
    assert scene.notes == ("brand X", "brand Y", "brand Z")


def test_the_undistorted_photo_is_sent_when_it_is_asked_for(
    images: ImageSet, make_session: Callable[..., Session]
) -> None:
    gallery = Gallery(make_session(tiny.regressor(), images))
    sent: list[tuple[Any, Any]] = []
    gallery.send = lambda content, buffers=None: sent.append((content, buffers))
    gallery.gesture("reference", index=0)
    gallery._references.join()
    (content, buffers), *more = sent
    assert not more
    assert (content["kind"], content["indices"], content["failed"]) == ("reference", [0], [])
    assert buffers[0].startswith(b"\xff\xd8")
    gallery.close()


def test_a_frame_may_hold_numbers_as_text() -> None:
    frame = pd.DataFrame({"image": ["a.png"], "rating": ["0,75"]})
    with pytest.raises(ValueError, match="does not exist"):  # the numbers are no problem
        ImageSet(frame)


TWO_SCORES = """image;MOS;SD;raters;sharpness;colour
a.png;62;11;24;0,70;n/a
b.png;40;9;20;7;0,5
c.png;50;8;22;soft;inf
"""


def test_columns_of_named_scores(images: ImageSet, tmp_path: Path, make_session: Callable[..., Session]) -> None:
    """They have no spread, since that is of the rating, and what is no value of a score is left out and said."""
    (tmp_path / "two.csv").write_text(TWO_SCORES)
    found = ImageSet(tmp_path / "two.csv")
    model = ImageModel(
        tiny.TinyNet(2),
        None,
        "features",
        task="regression",
        labels=("sharpness", "colour"),
        ranges=[(0, 1), (0, 1)],
        name="two",
    )
    np.testing.assert_equal([ratings_of(model, found, index) for index in (0, 1)], [[0.7, *NO, *NO], [*NO, 0.5, *NO]])
    session = make_session(model, found)
    session.wait()
    facts = describe.stage(session, photo=False).score
    assert facts is not None
    assert "rating 0.700" in facts.facts
    picker, scene = describe.picker(session), describe.gallery(session)
    assert (picker.rating, picker.rating_sd, picker.raters) == (0.7, None, None)
    assert len(scene.spreads) == len(scene.raters) == 0
    assert scene.problem_lists == (
        (
            "'sharpness' of 'b.png' must be a finite number from 0 to 1, got '7'.",
            "'sharpness' of 'c.png' must be a finite number from 0 to 1, got 'soft'.",
            "'colour' of 'c.png' must be a finite number from 0 to 1, got 'inf'.",
        ),
    )
    assert scene.problems[0].removesuffix(".") in session.notice
    session.ask(target="colour")
    session.wait()
    stage, plane = describe.stage(session, photo=False), describe.plane(session)
    lacking = "Harmful maps need a rating of colour (column 'colour'), and none is known for 'a.png'."
    assert stage.no_secondary == lacking
    assert plane.note.startswith("No rating of colour is known for this image, so the error cannot be told")


def test_the_reference_stands_beside_the_picture(images: ImageSet, make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), images)
    stage = settled(Stage(session))
    assert (stage.no_reference, stage.reference, stage.look["reference"]) == ("", {}, False)
    stage.gesture("look", reference=True)
    settled(stage)
    assert stage.reference["name"] == "a.png"
    assert pixels_of(stage.reference["photo"]).max() == 180
    assert session.look.reference
    for shown in (stage.scene(), stage.picture()):
        assert isinstance(shown, Scene)
        assert shown.reference is not None
        assert shown.reference.min() == 180
        assert "Reference: the undistorted photo" in caption(shown, "native")
    session.ask(image="b.png")  # which has none
    settled(stage)
    assert stage.reference == {}
    assert (
        stage.no_reference
        == "No reference photo of 'b.png' is known; the column 'reference' of a table names its file."
    )
    assert describe.stage(session).reference is None
    session.show(reference=False)
    with pytest.raises(ValueError, match=r"no reference photo of 'b.png' is known"):
        session.show(reference=True)
    stage.close()


def test_a_reference_that_cannot_be_read_is_said(
    images: ImageSet, tmp_path: Path, make_session: Callable[..., Session]
) -> None:
    (tmp_path / "clean.png").write_bytes(b"no picture")
    session = make_session(tiny.regressor(), images)
    session.show(reference=True)
    stage = settled(Stage(session))
    assert stage.no_reference.startswith("The reference image of 'a.png' ")
    assert describe.stage(session).no_reference == stage.no_reference
    stage.close()


def test_an_image_of_a_sample_may_be_the_reference(make_session: Callable[..., Session]) -> None:
    """Panels of one image have one reference, with a letter of its own."""
    whole = np.full((16, 16, 3), 180, np.uint8)
    pairs = ImageSet([(photo, whole) for photo in tiny.photos()], images=["image", "reference"])
    assert pairs.has_reference("image 0")
    session = make_session(tiny.regressor(), pairs)
    session.show(reference=True)
    session.grid(columns="shown")
    session.wait()
    grid = describe.grid(session)
    first, second = grid.panels
    assert first.reference is not None
    assert first.reference.min() == 180
    assert second.reference is None
    assert "c: reference of image 0, the undistorted photo" in grid_words.caption(grid, "native")
    assert describe.gallery(session).references == tuple(range(len(pairs)))
