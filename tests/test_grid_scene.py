"""Several panels as one scene: what sets them apart in words, the scale that they share, what can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from example_scenes import layer
from hypothesis import given
from hypothesis import strategies as st
from tiny import classifier, photos, rated, regressor

from xai_widgets import ImageSet, Session, scenes
from xai_widgets.engine import Contrast, Degradation, Query
from xai_widgets.session import describe
from xai_widgets.session.describe.heads import ORDER, headed, table_of
from xai_widgets.session.describe.stage import common_of

Make = Callable[..., Session]
FIELDS = ("image", "run", "method")
rows_of_words = st.fixed_dictionaries({name: st.sampled_from([f"{name} {k}" for k in range(3)]) for name in FIELDS})


@st.composite
def boards(draw: Any) -> tuple[list[dict[str, str]], int]:
    """The words of 1 to 12 panels, and how many stand beside each other."""
    table = draw(st.lists(rows_of_words, min_size=1, max_size=12))
    return table, draw(st.integers(1, len(table)))


# ---------------------------------------------------------------------- headings, of words alone


@given(boards())
def test_a_panel_is_told_by_its_headings_and_title_together(board: tuple[list[dict[str, str]], int]) -> None:
    table, columns = board
    heads = headed(table, columns)
    assert (len(heads.across), len(heads.down), len(heads.titles)) == (columns, -(-len(table) // columns), len(table))
    differ = [name for name in FIELDS if len({row[name] for row in table}) > 1]
    for place, row in enumerate(table):
        around = (heads.across[place % columns], heads.down[place // columns], heads.titles[place])
        said = " · ".join(filter(None, around)).split(" · ") if any(around) else []
        assert sorted(said) == sorted(row[name] for name in differ), "each field that differs is said once"
    assert set(heads.common) == set(FIELDS) - set(differ)


@given(boards())
def test_a_heading_is_true_of_all_its_panels_and_of_no_other(board: tuple[list[dict[str, str]], int]) -> None:
    table, columns = board
    heads = headed(table, columns)
    for column, heading in enumerate(heads.across):
        mine = table[column::columns]
        for words in filter(None, heading.split(" · ")):
            assert all(words in row.values() for row in mine)
            name = next(name for name, value in mine[0].items() if value == words)
            columns_alike = all(len({row[name] for row in table[other::columns]}) == 1 for other in range(columns))
            elsewhere = [row for place, row in enumerate(table) if place % columns != column]
            assert columns_alike or not any(row[name] == words for row in elsewhere)


@given(st.integers(1, 4), st.integers(1, 3), st.sampled_from(FIELDS), st.sampled_from(FIELDS))
def test_a_full_grid_of_two_fields_needs_no_titles(across: int, down: int, one: str, other: str) -> None:
    if one == other:
        return
    fixed = dict.fromkeys(FIELDS, "")
    table = [fixed | {one: f"c{column}", other: f"r{row}"} for row in range(down) for column in range(across)]
    heads = headed(table, across)
    assert heads.across == (tuple(f"c{column}" for column in range(across)) if across > 1 else ("",))
    assert heads.down == (tuple(f"r{row}" for row in range(down)) if down > 1 else ("",))
    assert heads.titles == ("",) * (across * down)


def test_a_column_that_has_an_image_to_itself_has_it_as_heading_beside_a_mixed_one() -> None:
    table = [{"image": image, "method": "m"} for image in ("a.png", "b.png", "a.png", "c.png")]
    heads = headed(table, 2)
    assert heads.across == ("a.png", "")
    assert heads.titles == ("", "b.png", "", "c.png")
    shared = [{"image": image, "method": "m"} for image in ("a.png", "a.png", "a.png", "c.png")]
    assert headed(shared, 2).across == ("", ""), "the other column has that image too"
    assert headed(shared, 2).titles == ("a.png", "a.png", "a.png", "c.png")


# ---------------------------------------------------------------------- the words of a panel


def words(name: str, *queries: Query, model: Any = None) -> list[str]:
    model = regressor() if model is None else model
    return [row[name] for row in table_of(queries, [model] * len(queries))]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("contrast", (None, Contrast("score", 0.75), Contrast("score", "rating")),
         ["why the score?", "rather than 0.75", "rather than the rating"]),
        ("contrast", (Contrast("score", 0.5), Contrast("score", 0.5, "tiles")),
         ["rather than 0.5", "rather than 0.5, by tiles"]),
        ("contrast", (Contrast("score", 0.12345), Contrast("score", 0.12346)),
         ["rather than 0.123", "rather than 0.123 (2)"]),
        ("run", (0, 1, 0), ["run 0", "run 1", "run 0"]),
        ("method", ("grad_cam", "helpful"), ["Grad-CAM", "Helpful and harmful maps"]),
        ("degradation", (None, Degradation("salt_and_pepper", 0.1), Degradation("blur", 2, 1)),
         ["not degraded", "salt and pepper 0.1", "blur 2, seed 1"]),
        ("gains", ((), {3: 0.5}, {1: 0, 2: 0, 3: 0}), ["base", "1 map changed", "3 maps changed"]),
        ("gains", ({3: 0.5}, {4: 0}, {1: 0, 2: 0}), ["map 3 × 0.5", "map 4 × 0", "2 maps changed"]),
        ("image", ("a very long name " * 9, "b"), ["a very long name " * 9, "b"]),
        ("baseline", ("zero", "mean"), ["zero baseline", "mean baseline"]),
    ],
)  # fmt: skip
def test_words_of_a_field(name: str, values: Sequence[Any], said: list[str]) -> None:
    assert words(name, *(Query(**{name: value}) for value in values)) == said


def test_words_of_classes() -> None:
    asked = [Query(contrast=q) for q in (None, Contrast("class", "crew"), Contrast("class", 1), Contrast("confidence"))]
    assert words("contrast", *asked, model=classifier()) == [
        "why the predicted class?", "rather than crew", "rather than <b>cup</b>", "rather than with 100 % confidence",
    ]  # fmt: skip
    assert words("target", Query(), Query(target="cat"), model=classifier()) == ["P the predicted class", "P cat"]
    assert words("contrast", Query(target="cat"), model=classifier()) == ["why cat?"]


def test_options_are_said_where_they_differ() -> None:
    three, five = (Query(method="smooth_grad", options={"n_samples": n}) for n in (3, 5))
    first, second, other = words("options", three, five, Query())
    assert (first.split()[-1], second.split()[-1], other) == ("3", "5", "")


queries = st.builds(
    Query,
    image=st.sampled_from(["a", "b"]),
    model=st.just("tiny"),
    layer=st.sampled_from(["x", "y"]),
    run=st.integers(0, 1),
    contrast=st.sampled_from([None, Contrast("score", 0.5), Contrast("score", 0.50001), Contrast("score", "rating")]),
    method=st.sampled_from(["grad_cam", "behaviour"]),
    gains=st.dictionaries(st.integers(0, 9), st.sampled_from([0, 0.5]), max_size=8),
    degradation=st.sampled_from([None, Degradation("blur", 1)]),
)


@given(st.lists(queries, min_size=1, max_size=12))
def test_panels_have_the_same_words_where_they_ask_the_same(asked: list[Query]) -> None:
    table = table_of(asked, [regressor()] * len(asked))
    for one, row in zip(asked, table, strict=True):
        for other, its in zip(asked, table, strict=True):
            for name in ORDER:
                if name == "gains" and max(len(one.gains), len(other.gains)) > 6:
                    continue  # not all of so many are named
                assert (row[name] == its[name]) == (getattr(one, name) == getattr(other, name)), name


# ---------------------------------------------------------------------- one scale for all

UNITS = ("change of the score", "share")
layers = st.builds(
    layer,
    limit=st.sampled_from([0.0, 0.5, 2.0, float("nan"), float("inf")]),
    unit=st.sampled_from(UNITS),
    palette=st.sampled_from(["", "purple-green"]),
    one_sided=st.booleans(),
)


def kind(shown: scenes.Layer) -> tuple[str, str, bool]:
    return shown.unit, shown.palette, shown.one_sided


@given(st.dictionaries(st.integers(1, 99), layers, max_size=12), st.integers(0, 3))
def test_maps_of_the_same_kind_share_the_largest_limit(maps: dict[int, scenes.Layer], without: int) -> None:
    panels = len(maps) + without
    found = common_of(maps, panels)
    assert found.keys() == maps.keys()
    for key, shown in maps.items():
        alike = [other for other in maps.values() if kind(other) == kind(shown)]
        finite = [other.limit for other in alike if np.isfinite(other.limit)]
        assert found[key].limit == max(finite, default=0.0)
        which = "all panels" if len(alike) == panels else f"{len(alike)} of {panels} panels"
        assert found[key].words == (f"same scale in {which}" if len(alike) > 1 else "")


# ---------------------------------------------------------------------- scenes of a session


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


def waited(session: Session) -> scenes.Grid:
    assert session.wait(60)
    return describe.grid(session)


def test_a_grid_holds_each_panel_as_it_would_be_alone(session: Session) -> None:
    names = session.images.names
    session.grid(rows={"image": names[:2]}, columns={"contrast": (None, 0.25, "rating")})
    grid = waited(session)
    assert (grid.columns, grid.active, len(grid.panels)) == (3, 0, 6)
    assert grid.across == ("why the score?", "rather than 0.25", "rather than the rating")
    assert grid.down == tuple(names[:2])
    assert grid.titles == ("",) * 6
    assert grid.about == "tiny · features · Grad-CAM"
    for place, (panel, scene) in enumerate(zip(session.panels, grid.panels, strict=True)):
        alone = describe.stage(session, panel)
        assert scene == (alone if place == 0 else replace(alone, methods=()))
        assert panel.answers.saliency is not None
        assert scene.map is not None
        np.testing.assert_array_equal(scene.map.values, panel.answers.saliency.map)
        np.testing.assert_array_equal(scene.photo, photos()[place // 3])
        assert scene.name in scene.alt
    ratings = [scene.contrast for scene in grid.panels[2::3]]
    assert ratings == ["rather than the rating, 0.25", "rather than the rating, 0.75"]
    session.activate(4)
    assert describe.grid(session, photo=False).active == 4


def test_words_are_of_the_model_of_each_panel(make_session: Make) -> None:
    session = make_session([regressor(), classifier()], ImageSet(list(photos()), ratings=[0.25, 0.75, None]))
    session.grid(columns="model")
    grid = waited(session)
    assert grid.across[0].startswith("tiny")
    assert grid.across[1].startswith("tiny classes")
    first, second = grid.panels
    assert first.score is not None
    assert second.score is not None
    assert first.score.label == "score"
    assert second.score.label in ("cat", "<b>cup</b>", "crew")


def test_the_common_scale_is_said_where_it_is_chosen(session: Session) -> None:
    session.grid(columns={"image": session.images.names[:3]})
    grid = waited(session)
    limits = [scene.map.limit for scene in grid.panels if scene.map is not None]
    assert {scene.common for scene in grid.panels} == {max(limits)}
    assert {scene.common_words for scene in grid.panels} == {"same scale in all panels"}
    assert f"Full colour at ±{limits[0]:.3g}." in grid.panels[0].alt
    session.show(scale="all")
    for scene in describe.grid(session, photo=False).panels:
        assert f"Full colour at ±{max(limits):.3g}, same scale in all panels." in scene.alt


def test_a_panel_alone_has_its_own_scale(session: Session) -> None:
    scene = describe.stage(session)
    assert scene.map is not None
    assert (scene.common, scene.common_words) == (scene.map.limit, "")
    grid = describe.grid(session)
    assert (grid.panels, grid.across, grid.down, grid.titles) == ((scene,), ("",), ("",), ("",))
    assert grid.about == "image 0 · tiny · features · why the score? · Grad-CAM"


def test_an_error_is_that_of_its_panel(session: Session) -> None:
    session.grid(columns={"image": session.images.names[:2]})
    assert session.wait(60)
    session.panels[1].take(saliency=None)
    session.went_wrong(session.panels[1], "it broke")
    grid = describe.grid(session, photo=False)
    assert [scene.error for scene in grid.panels] == ["", "it broke"]
    assert [scene.pending for scene in grid.panels] == ["", ""]


# ---------------------------------------------------------------------- what can be compared


def offers(session: Session, preset: bool) -> Mapping[str, scenes.Comparison]:
    return {offer.name: offer for offer in describe.comparisons(session) if offer.preset == preset}


def test_what_cannot_be_compared_says_why(session: Session) -> None:
    presets, fields = offers(session, True), offers(session, False)
    assert fields["image"].reason == "Choose or pin two images or more in the gallery first."
    assert fields["model"].reason == "There is one model only."
    assert fields["run"].reason == presets["runs"].reason == "tiny has one run only."
    assert presets["muted"].reason == "Every gain is 1: change one first."
    assert presets["Q"].reason == fields["contrast"].reason == fields["method"].reason == ""
    assert presets["Q"].count == 5
    session.pin(session.images.names[0])
    session.pin(session.images.names[1])
    session.set_gain(3, 0.5)
    assert (offers(session, False)["image"].reason, offers(session, False)["image"].count) == ("", 2)
    assert (offers(session, True)["muted"].reason, offers(session, True)["muted"].count) == ("", 2)


def test_what_can_be_compared_is_what_the_session_asks(make_session: Make) -> None:
    for session in (make_session(regressor(), rated()), make_session(classifier(), ImageSet(list(photos())))):
        before = session.board
        for offer in describe.comparisons(session):
            if offer.reason:
                with_image = offer.name == "image"  # one image alone is a row of one panel
                if not with_image and offer.name in ("Q", "muted"):
                    with pytest.raises(ValueError, match=r"range|gain"):
                        session.grid(columns=offer.name)
                continue
            session.grid(columns=offer.name)
            assert len(session.panels) == session.columns == offer.count, offer.name
            session._go(before)


def test_a_classifier_has_no_range_of_scores(make_session: Make) -> None:
    session = make_session(classifier(), ImageSet(list(photos())))
    assert offers(session, True)["Q"].reason == "tiny classes tells classes apart and has no range of scores."
    assert offers(session, True)["questions"].count == 4, "why P, two other classes, full confidence"
