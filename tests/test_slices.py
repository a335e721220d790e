"""Named slices of a set, and the selection as a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from xai_widgets import Engine, ImageSet, Session
from xai_widgets.session.filters import Filter
from xai_widgets.session.slices import LONGEST_NAME, MOST_SLICES

EVIL = '<b>‮ 🦩 "it\'s"</b>'


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    """Six classified images, of which the last has no label."""
    labels = ["cat", "crew", "CAT", "<b>cup</b>", "teapot", None]
    return make_session(tiny.classifier(), ImageSet([*tiny.photos(), *tiny.photos()], labels=labels, name="six"))


def test_a_slice_is_what_is_selected_or_else_what_is_filtered(session: Session) -> None:
    names = session.images.names
    session.filter("label", values=["cat", "CAT"])
    session.slice(f"  {EVIL} ")
    assert session.slices == {EVIL: (Filter("label", values=("cat", "CAT")),)}
    session.selected_images = names[4:]
    session.slice("these")
    session.slice("named", images=names[1])
    session.clear_filter()
    session.choose_slice("these")
    assert session.shown_images == names[4:]
    session.choose_slice("named")
    assert session.shown_images == (names[1],)
    session.choose_slice(EVIL)
    assert session.shown_images == (names[0], names[2]) == session.slice_images(EVIL)
    session.drop_slice(EVIL)
    assert list(session.slices) == ["these", "named"]
    assert session.shown_images == (names[0], names[2]), "the filters stay"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda session: session.slice("x"), "select some, filter the set, or give images="),
        (lambda session: session.slice(" "), f"must be 1 to {LONGEST_NAME} characters, got ' '"),
        (lambda session: session.slice(7), "must be 1 to 200 characters, got 7"),
        (lambda session: session.slice("x", images=()), "must name at least one value of 'image'"),
        (
            lambda session: session.slice("x", images=["gone.png"]),
            "a value of 'image' must be .* got 'gone.png'",
        ),
        (lambda session: session.choose_slice("own"), "slice must be one of 'one'; got 'own'"),
        (lambda session: session.drop_slice(None), "slice must be one of 'one'; got None"),
        (lambda session: session.filter("score", low=float("inf")), "low must be a number, got inf"),
    ],
)
def test_what_is_no_slice_is_refused_and_nothing_is_lost(
    session: Session, act: Callable[[Session], Any], said: str
) -> None:
    session.slice("one", images=session.images.names[:1])
    before = session.slices
    with pytest.raises(ValueError, match=said):
        act(session)
    assert (session.slices, session.filters) == (before, ())


def test_slices_have_an_end(session: Session) -> None:
    for number in range(MOST_SLICES):
        session.slice(f"{number}", images=session.images.names[:1])
    session.slice("0", images=session.images.names[:2])
    with pytest.raises(ValueError, match=f"there may be {MOST_SLICES} slices"):
        session.slice("one more", images=session.images.names[:1])


def test_code_and_file_bring_slices_back(session: Session, engine: Engine, tmp_path: Path) -> None:
    session.filter("label", values="crew")
    session.slice(EVIL)
    session.slice("these", images=session.images.names[:3])
    session.choose_slice("these")
    lines = session.code()
    session.clear_filter()
    for one in (EVIL, "these"):
        session.drop_slice(one)
    exec(lines, {"session": session})
    assert (list(session.slices), session.shown_images) == ([EVIL, "these"], session.images.names[:3])
    path = session.save(tmp_path / "a.json")
    fewer = ImageSet([*tiny.photos()][:2], name="two")
    again = Session.open(path, model=tiny.classifier(), images=fewer, engine=engine, replay=True)
    assert again.slice_images("these") == fewer.names, "what is not there any more is left out"
    again.close()
    data = json.loads(path.read_text())
    for wrong in ({"column": "image", "values": ["/etc/passwd"]}, {"column": "score", "lowest": 7}, {"low": 1}, "x"):
        path.write_text(json.dumps(data | {"slices": {"a": [wrong]}}))
        with pytest.raises(ValueError, match=r"slices\['a'\]\[0\]"):
            Session.open(path, model=tiny.classifier(), images=fewer, engine=engine)


def test_right_and_wrong_are_a_column(session: Session) -> None:
    said = [session.predictions[name].rpartition(" ")[0] for name in session.images.names]
    labels = ["cat", "crew", "cat", "<b>cup</b>"]
    wanted = ["right" if word == label else "wrong" for word, label in zip(said, labels, strict=False)]
    assert session.columns_of_images["right"].values.tolist() == [*wanted, "", ""], "no class is called a teapot"
    session.filter("right", values=wanted[0])
    assert session.images.names[0] in session.shown_images


def test_the_selection_is_a_table(session: Session) -> None:
    names = session.images.names
    assert list(session.selection_frame().index) == list(names), "where nothing is selected, what is shown"
    session.selected_images = (names[4], names[1], names[5])
    frame = session.selection_frame()
    assert (frame.index.name, list(frame.index)) == ("image", [names[4], names[1], names[5]])
    assert list(frame.columns)[:4] == ["score", "prediction", "label", "right"]
    assert frame["label"].tolist()[:2] == ["teapot", "crew"]
    assert frame["label"].isna().tolist() == [False, False, True]
    assert frame["score"].dtype == np.float64
    np.testing.assert_allclose(frame["score"], [session.scores[name] for name in frame.index])
    session.selected_images = ("gone.png",)
    with pytest.raises(ValueError, match=r"There is no image 'gone\.png'"):
        session.selection_frame()
