"""Gallery: further orders and groups by columns, how well the model does on a selection, slices by gestures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from traitlets import TraitError
from whole_sets import crops

from xai_widgets import Session
from xai_widgets.engine.set_answers import Column
from xai_widgets.session.columns import ranks
from xai_widgets.session.describe.filters import grouping
from xai_widgets.views import Gallery


@pytest.fixture
def session(make_session: Callable[..., Session], tmp_path: Any) -> Session:
    return make_session(crops(tmp_path), None)


def test_further_orders_and_groups_are_of_columns(session: Session) -> None:
    gallery = Gallery(session)
    gallery.comm.take()
    gallery.comm.arrive(order="camera", then=[["iso", True], ["name", False]], group="rating")
    columns = session.columns_of_images
    np.testing.assert_array_equal(np.frombuffer(gallery.ranked["values"], np.float32), ranks(columns["camera"].values))
    np.testing.assert_array_equal(np.frombuffer(gallery.further[0]["values"], np.float32), ranks(columns["iso"].values))
    assert gallery.further[1] == {}
    codes, rating = np.frombuffer(gallery.grouping["values"], np.int32), columns["rating"].values
    assert (gallery.grouping["of"], gallery.grouping["heads"][-1]) == ("rating", "none")
    assert [gallery.grouping["heads"][code] for code in codes[:3]] == ["none", *(f"{v:.3g}" for v in rating[1:3])]
    gallery.comm.take()
    session.pin(session.images.names[0])
    assert gallery.comm.take()[0] == [["pinned"]], "columns that stay are not sent again"
    for wrong in ({"then": [["iso2", True]]}, {"then": [["iso"]]}, {"group": "iso2"}, {"order": "iso2"}):
        with pytest.raises(TraitError, match=r"must be|got"):
            gallery.set_trait(*wrong.popitem())
    gallery.comm.arrive(group="")
    assert (gallery.grouping, gallery.order, len(gallery.then)) == ({}, "camera", 2)
    gallery.close()


@pytest.mark.parametrize(
    ("values", "heads", "codes"),
    [
        (["b", "image 10", "a", "image 9", "", "b"], ["a", "b", "image 9", "image 10", "none"], [1, 3, 0, 2, 4, 1]),
        ([2.0, math.nan, 1.0, 2.0], ["1", "2", "none"], [1, 2, 0, 1]),
        (np.linspace(0, 1, 21), None, [min(i // 4, 4) for i in range(21)]),
        (np.linspace(-1e-9, 1e-9, 13), None, None),
        ([math.nan, math.nan], ["none"], [0, 0]),
    ],
)
def test_groups_of_words_and_numbers(values: Any, heads: list[str] | None, codes: list[int] | None) -> None:
    kind = object if isinstance(values[0], str) else np.float64
    found = grouping("c", Column("c", "", np.array(values, kind)))
    places = np.frombuffer(found["values"], np.int32)
    assert heads is None or found["heads"] == heads
    assert codes is None or places.tolist() == codes
    assert set(places.tolist()) == set(range(len(found["heads"]))), "no group is empty"
    many = grouping("c", Column("c", "", np.array([f"{place % 700}" for place in range(1400)], object)))
    assert (len(many["heads"]), many["heads"][-1]) == (501, "others")


def test_gestures_of_the_chart_and_of_slices(session: Session) -> None:
    gallery, names = Gallery(session), session.images.names
    gallery.comm.click(kind="select", indices=[1, 2, 3, 99])
    found = session.performance_among(names[1:4])
    assert found is not None
    assert gallery.some == f"selected: r {found.r:.2f} · RMSE {found.rmse:.3f} · n = 3".replace("-", "−")
    gallery.comm.click(kind="slice", name="  <b>mine</b> ")
    gallery.comm.click(kind="only", indices=[5, 6, -1, "7"])
    assert session.shown_images == names[5:7]
    assert gallery.chips[0]["words"] == "2 chosen images"
    gallery.comm.click(kind="select", indices=[])
    assert gallery.some.startswith("shown: RMSE")
    assert gallery.named == [{"name": "<b>mine</b>", "count": 3, "shown": False}]
    gallery.comm.click(kind="choose slice", name="<b>mine</b>")
    assert (session.shown_images, gallery.named[0]["shown"]) == (names[1:4], True)
    gallery.comm.click(kind="drop slice", name="other")
    assert "slice must be one of '<b>mine</b>'; got 'other'" in session.error
    for wrong in (
        {"kind": "slice", "name": 3},
        {"kind": "only", "indices": [99]},
        {"kind": "choose slice", "name": None},
    ):
        session.error = ""
        gallery.comm.click(**wrong)
        assert session.error
    assert list(session.slices) == ["<b>mine</b>"]
    gallery.close()
