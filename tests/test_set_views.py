"""What is known of a whole set, in the views: filters by its columns, means on the radar, medians on the plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from traitlets import TraitError

from xai_widgets import Session, figures
from xai_widgets.engine import Sources
from xai_widgets.engine.over_images import averages
from xai_widgets.engine.set_answers import Column, SetAnswers
from xai_widgets.kernels.measures.intervals import interval_of_mean
from xai_widgets.session.columns import ranks, table_columns
from xai_widgets.session.describe import plane
from xai_widgets.session.describe.filters import choice_of, filter_words
from xai_widgets.session.filters import Filter
from xai_widgets.views import Gallery, ImpactPlane, MetricRadar

Make = Callable[..., Session]
MEASURES = ("entropy", "noise", "resilience", "focus", "stability")


@pytest.fixture
def session(make_session: Make, crops_sources: Sources, crops_known: SetAnswers) -> Session:
    session = make_session(crops_sources, None)
    session.bring(crops_known)
    assert session.wait(20)
    return session


def test_columns_are_of_the_images_of_the_session(session: Session, crops_known: SetAnswers) -> None:
    """The answers have other rows in another order."""
    columns, names = session.columns_of_images, session.images.names
    assert list(columns) == ["score", "rating", "residual", "image", "camera", "iso", *MEASURES]
    for name in MEASURES:
        values = dict(zip(crops_known.images, crops_known.columns[name].values, strict=True))
        np.testing.assert_array_equal(columns[name].values, [values.get(image, math.nan) for image in names])
    np.testing.assert_allclose(columns["score"].values, [session.scores[name] for name in names])
    np.testing.assert_allclose(columns["residual"].values, columns["score"].values - session.images.table["rating"])


def test_columns_of_one_name_are_told_apart(session: Session, crops_known: SetAnswers) -> None:
    """The same values are one column, and no column is called as an order of the gallery is."""
    rows = [session.images.names.index(name) for name in crops_known.images]
    iso = np.asarray(session.images.table["iso"], np.float32)[rows]
    more = {
        "iso": Column("iso", "ISO", np.where(np.arange(len(rows)) < 3, math.nan, iso)),
        "camera": Column("camera", "camera", session.columns_of_images["camera"].values[rows]),
        "name": Column("name", "", np.arange(len(rows))),
    }
    session.bring(replace(crops_known, columns=more))
    columns = session.columns_of_images
    assert [columns.of_set(name) for name in ("iso", "camera", "name", "entropy")] == [
        "iso (set)", "camera (set)", "name (set)", "",
    ]  # fmt: skip
    assert columns["iso (set)"].words == "ISO (set)"
    every = crops_known.images + session.images.names[len(rows) :]
    session.bring(
        replace(
            crops_known,
            images=every,
            delta_y=None,
            delta_error=None,
            columns={"iso": Column("iso", "", np.array([100.0 * (int(name[:-4]) % 4) for name in every]))},
        )
    )
    assert columns.of_set("iso") == "iso"


def test_the_columns_of_a_table_hold_numbers_or_words() -> None:
    table = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "right": [True, False, None],
            "day": pd.to_datetime(pd.Series(["2024-05-01", None, "2023-01-02"])),
            "nothing": [None, None, None],
            "reference": ["a", "b", "c"],
            7: [0.5, math.nan, 2],
        }
    )
    found = {column.name: column.values.tolist() for column in table_columns(table)}
    assert list(found) == ["whole", "right", "day", "7"]
    np.testing.assert_equal(found["whole"], [1, math.nan, 3])
    assert found["right"] == ["True", "False", ""]
    assert found["day"][1] == ""
    np.testing.assert_equal(found["7"], [0.5, math.nan, 2])


def test_places_in_a_column() -> None:
    np.testing.assert_equal(ranks(np.array([2.0, math.nan, -1.0, 2.0])), np.array([1, math.nan, 0, 1], np.float32))
    words = np.array(["image 10", "", "Image 9", "a", "image 10"], object)
    np.testing.assert_equal(ranks(words), np.array([2, math.nan, 1, 0, 2], np.float32))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"column": "iso", "low": 100, "high": 200}, lambda iso, camera: (iso == 100) | (iso == 200)),
        ({"column": "iso", "low": 300}, lambda iso, camera: iso == 300),
        ({"column": "camera", "values": "a9"}, lambda iso, camera: camera == "a9"),
        ({"column": "camera", "values": ["", "A"]}, lambda iso, camera: (camera == "") | (camera == "A")),
        ({"column": "iso", "lowest": 0.25}, lambda iso, camera: iso == 0),  # 3 of 12
        ({"column": "iso", "lowest": 0.3}, lambda iso, camera: iso <= 100),  # the fourth brings those that equal it
    ],
)
def test_filters_keep_what_they_name(session: Session, asked: dict[str, Any], kept: Any) -> None:
    iso, camera = (session.columns_of_images[name].values for name in ("iso", "camera"))
    session.filter(**asked)
    wanted = np.array(session.images.names)[kept(iso, camera)]
    assert session.shown_images == tuple(wanted)
    session.filter("rating", low=0.5)
    assert session.shown_images == tuple(name for name in wanted if session.images.table["rating"][name] >= 0.5)
    session.clear_filter("rating")
    assert session.shown_images == tuple(wanted)
    session.clear_filter()
    assert session.shown_images == tuple(session.images.names)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"column": "entropi", "low": 0}, "column must be one of 'entropy'"),
        ({"column": "entropy"}, "'entropy' holds numbers: give low=, high= or lowest=; nothing was given"),
        ({"column": "entropy", "values": "a"}, "'entropy' holds numbers: .* got values='a'"),
        ({"column": "entropy", "low": 0.5, "high": 0.2}, "low must not be above high, got 0.5 and 0.2"),
        ({"column": "entropy", "low": math.nan}, "low must be a number, got nan"),
        ({"column": "entropy", "low": "a"}, "low must be a number, got 'a'"),
        ({"column": "entropy", "lowest": 25}, "lowest must be a share"),
        ({"column": "camera", "low": 1}, "'camera' holds words: give values=, such as 'A', 'a10', 'a9'; got low=1"),
        ({"column": "camera", "values": "C"}, "a value of 'camera' must be one of"),
        ({"column": "camera", "values": ()}, "values must name at least one value"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused_and_nothing_is_lost(
    session: Session, asked: dict[str, Any], said: str
) -> None:
    session.filter("iso", low=100)
    before = session.filters
    with pytest.raises(ValueError, match=said):
        session.filter(**asked)
    with pytest.raises(ValueError, match="column must be one of 'iso'; got 'entropy'"):
        session.clear_filter("entropy")
    assert session.filters == before


def test_a_filter_of_what_is_not_known_here_does_nothing_and_says_so(session: Session) -> None:
    gallery = Gallery(session)
    session.filter("entropy", lowest=0.25)
    session.filter("iso", high=200)
    assert [chip["words"] for chip in gallery.chips] == ["1 − entropy: lowest quarter", "iso at most 200"]
    session.ask(layer=next(layer.name for layer in session.layers() if layer.name != session.query.layer))
    assert [(chip["words"], chip["known"]) for chip in gallery.chips] == [
        ("entropy: lowest quarter (not known here)", False), ("iso at most 200", True),
    ]  # fmt: skip
    assert set(session.shown_images) == set(
        np.array(session.images.names)[session.columns_of_images["iso"].values <= 200]
    )
    gallery.close()


def test_a_filter_in_words() -> None:
    for one, words in (
        (Filter("e", 0.2, 0.5), "e 0.2 to 0.5"), (Filter("e", low=-1), "e at least −1"),
        (Filter("e", lowest=0.1), "e: lowest 10 %"), (Filter("e", values=("", "b")), "e: none, b"),
        (Filter("e", values=("a", "b", "c", "d")), "e: a, b, c and 1 more"),
    ):  # fmt: skip
        assert filter_words(one, "e") == words
    many = choice_of(Column("id", "", np.array([f"{place % 120}" for place in range(1200)], object)))
    assert (len(many.values), many.more, many.counts[0]) == (50, 70, 10)


def test_gestures_of_the_gallery_are_the_sessions(session: Session) -> None:
    gallery = Gallery(session)
    gallery.comm.take()
    gallery.comm.click(kind="filter", column="iso", low=100, high=None)
    gallery.comm.click(kind="filter", column="camera", values=["A"])
    assert session.filters == (Filter("iso", low=100), Filter("camera", values=("A",)))
    names, _ = gallery.comm.take()
    assert names[-1] == ["chips", "kept", "some"]
    assert np.frombuffer(gallery.kept, bool).tolist() == [name in session.shown_images for name in session.images.names]
    gallery.comm.click(kind="unfilter", column="iso")
    assert [one.column for one in session.filters] == ["camera"]
    gallery.comm.click(kind="filter", column="iso", low="much")
    assert "low must be a number" in session.error
    scene = gallery.picture()
    assert {scene.names[place] for place, _ in scene.thumbs} == set(session.shown_images)
    assert "camera: A" in figures.caption(scene)
    gallery.comm.click(kind="unfilter")
    assert (session.filters, gallery.kept) == ((), b"")
    gallery.close()


def test_the_page_has_the_places_of_the_column_that_it_sorts_by(session: Session, crops_known: SetAnswers) -> None:
    gallery = Gallery(session, order="entropy")
    values = session.columns_of_images["entropy"].values
    np.testing.assert_array_equal(np.frombuffer(gallery.ranked["values"], np.float32), ranks(values))
    np.testing.assert_allclose(np.frombuffer(gallery.ranked["numbers"], np.float32), values, rtol=1e-6)
    gallery.comm.arrive(order="iso")
    assert (gallery.ranked["of"], "numbers" in gallery.ranked) == ("iso", False)
    gallery.comm.arrive(order="rating")
    assert gallery.ranked == {}
    with pytest.raises(TraitError, match=r"order must be one of given, name, .* got 'iso2'"):
        gallery.order = "iso2"
    gallery.order = "noise"
    session.bring(
        replace(crops_known, columns={"noise": Column("noise", "", -crops_known.columns["noise"].values, "measures")})
    )
    expected = ranks(session.columns_of_images["noise"].values)
    np.testing.assert_array_equal(np.frombuffer(gallery.ranked["values"], np.float32), expected)
    gallery.close()


def test_means_are_those_of_the_kernel_and_follow_what_is_chosen(session: Session, crops_known: SetAnswers) -> None:
    assert session.set_means is not None
    assert session.set_means.intervals["noise"] == averages(crops_known, ["noise"]).intervals["noise"]
    assert session.some_means is None
    before = session.set_means
    session.bring(replace(crops_known, maximum=np.zeros_like(crops_known.delta_y)))
    assert session.set_means is before, "the measures are the same"
    values = crops_known.columns["focus"].values
    interval = interval_of_mean(torch.tensor(values), generator=0)
    assert session.set_means.intervals["focus"] == interval
    some = crops_known.images[2:7]
    for chosen in (some, ("10.png", *some)):  # of the last one nothing is known
        session.selected_images = chosen
        assert session.wait(10)
        found = session.some_means
        assert found is not None
        values = crops_known.columns["noise"].values[2:7]
        assert found.intervals["noise"].mean == pytest.approx(np.nanmean(values))
        assert (found.asked, found.images) == (len(chosen), int((~np.isnan(values)).sum()))
    session.selected_images = ()
    assert session.some_means is None
    assert session.set_means is before
    session.ask(layer=next(layer.name for layer in session.layers() if layer.name != session.query.layer))
    assert session.set_means is None


def test_the_radar_shows_the_set_with_its_band_and_what_pulls_it_down(
    session: Session, crops_known: SetAnswers
) -> None:
    radar = MetricRadar(session)
    (of_set,) = radar.picture().sets
    means = session.set_means
    assert means is not None
    assert of_set.name == f"the set (n = {means.images})"
    assert of_set.texts[4] == "n/a"
    np.testing.assert_allclose(of_set.low[:4], [means.intervals[name].low for name in MEASURES[:4]])
    assert of_set.more[0] == f"SD {means.intervals['entropy'].std:.3f}, n = {means.intervals['entropy'].n}"
    assert "images of 12, from the study crops; means with 95 % bootstrap intervals over images" in radar.note
    session.bring(replace(crops_known, measured="Grad-CAM, cut at 0, fixed target"))
    assert session.set_means is means
    assert "Measured of the set: Grad-CAM, cut at 0, fixed target." in radar.picture().note
    bands = [trace for trace in radar.figure.data[-8:] if trace.visible]
    assert len(bands) == 1
    assert list(bands[0].r[:4]) == pytest.approx([of_set.low[0], of_set.low[1], of_set.high[1], of_set.high[0]])
    assert len(bands[0].r) == 3 * 6  # between four neighbours of five axes
    radar.comm.click(kind="axis", name="entropy")
    assert radar.detail["pull"].startswith("show the ")
    lowest = radar.detail["tables"][-1]["rows"]
    values = session.columns_of_images["entropy"].values
    assert [row[0] for row in lowest] == [session.images.names[place] for place in np.argsort(values)[: len(lowest)]]
    radar.comm.click(kind="pull", name="entropy", on=True)
    assert session.filters == (Filter("entropy", lowest=0.25),)
    assert session.wait(10)
    assert radar.detail["pulled"]
    assert [one.name for one in radar.picture().sets][1] == f"shown images (n = {len(session.shown_images)})"
    assert max(values[session.images.names.index(name)] for name in session.shown_images) <= np.nanquantile(
        values, 0.25
    )
    assert figures.draw(radar.picture()) is not None
    radar.comm.click(kind="pull", name="entropy", on=False)
    assert session.filters == ()
    radar.close()


def test_a_negative_mean_is_drawn_at_0_and_told_as_it_is(session: Session, crops_known: SetAnswers) -> None:
    noise = Column("noise", "noise", -np.abs(crops_known.columns["noise"].values) - 0.01, "measures")
    session.bring(replace(crops_known, columns={**crops_known.columns, "noise": noise}))
    assert session.wait(10)
    radar = MetricRadar(session)
    (of_set,) = radar.picture().sets
    assert of_set.values[1] < 0
    assert of_set.texts[1].startswith("−")
    line, dots = radar.figure.data[12:14]
    assert (line.r[1], dots.x[1]) == (0, 0)
    assert min(value for value in radar.figure.data[-2].r if value is not None) == 0
    radar.close()


def test_the_plane_of_the_set_is_of_medians(session: Session, crops_known: SetAnswers) -> None:
    view = ImpactPlane(session)
    image, view.of = view.picture(), "set"
    scene = view.picture()
    assert (image.of, scene.of, view.shown, scene.no_set) == ("image", "set", "set", "")
    assert crops_known.delta_y is not None
    assert crops_known.delta_error is not None
    np.testing.assert_allclose(scene.delta_y, np.median(crops_known.delta_y, 0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(scene.delta_error, np.nanmedian(crops_known.delta_error, 0), rtol=1e-5, atol=1e-9)
    for low, middle, high in (
        (scene.delta_y_low, scene.delta_y, scene.delta_y_high),
        (scene.delta_error_low, scene.delta_error, scene.delta_error_high),
    ):
        assert (low <= middle).all()
        assert (middle <= high).all()
        assert (low < high).any()
    clear = scene.roles > 0
    assert (np.sign(scene.delta_error[clear]) == np.where(scene.roles[clear] <= 2, 1, -1)).all()
    assert (np.sign(scene.delta_y[clear]) == np.where(scene.roles[clear] % 2 == 1, -1, 1)).all()
    assert sum(scene.counts) == len(scene.roles)
    count = len(crops_known.images)
    assert scene.facts == (
        f"Medians over {count} images of 12 so far from the study crops, delta y of the score, zero baseline. "
        f"Δ error over the {count - 1} of them for which it is known."
    )
    assert "Crosses: intervals of 95 %" in scene.note
    view.comm.click(kind="select", indices=[3, 4])
    assert session.selected == (3, 4)
    view.comm.click(kind="of", name="image")
    assert view.shown == "image"
    view.close()


def test_the_plane_says_what_is_not_known_of_the_set(session: Session, crops_known: SetAnswers) -> None:
    assert crops_known.delta_y is not None
    unrated = replace(crops_known, delta_error=None)
    few = replace(
        crops_known, columns={}, images=crops_known.images[:5], delta_y=crops_known.delta_y[:5], delta_error=None
    )
    for some, said in ((unrated, "Crosses"), (few, "no interval of 95 % with fewer than 6 images")):
        session.bring(some)
        scene = plane(session, of="set")
        assert (scene.of, len(scene.delta_error), len(scene.roles), scene.counts) == ("set", 0, 0, ())
        assert scene.across.startswith("rank")
        assert "No rating of these images is known" in scene.note
        assert said in scene.note
        assert figures.draw(scene) is not None
    assert "5 images of 12 so far" in scene.facts
    view = ImpactPlane(session, of="set")
    for nothing in (replace(crops_known, delta_y=None), replace(crops_known, delta_y=crops_known.delta_y * math.nan)):
        session.bring(nothing)
        assert (view.of, view.shown) == ("set", "image")
        assert view.no_set == "needs impacts of the set: open a study, or compute them here"
    view.comm.click(kind="of", name="set")
    assert session.error == f"the plane of the set {view.no_set}."
    view.close()


@pytest.mark.parametrize(("copies", "selected", "count"), [(1, (), 24), (3, (), 0), (3, (2, 70), 2)])
def test_a_figure_crosses_all_of_few_maps_and_the_selected_of_many(
    session: Session, crops_known: SetAnswers, copies: int, selected: tuple[int, ...], count: int
) -> None:
    assert crops_known.delta_y is not None
    assert crops_known.delta_error is not None
    wide = replace(
        crops_known, delta_y=np.tile(crops_known.delta_y, copies), delta_error=np.tile(crops_known.delta_error, copies)
    )
    session.set_trait("of_set", wide)
    scene = replace(plane(session, of="set"), selected=selected)
    axes = figures.draw(scene).axes[0]
    lines = [len(one.get_segments()) for one in axes.collections if hasattr(one, "get_segments")]
    assert lines == [count, count]


def test_filters_are_a_part_of_the_code_of_a_session(session: Session) -> None:
    session.filter("iso", low=100)
    session.filter("camera", values=["A"])
    session.filter("entropy", lowest=0.25)  # another session need not know it
    code = session.code()
    assert "session.filter(column='iso', low=100.0)" in code.replace('"', "'")
    assert "session.filter(column='camera', values=('A',))" in code.replace('"', "'")
    assert "entropy" not in code
