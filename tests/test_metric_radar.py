"""The metric radar: the drawn numbers are the measured ones, n/a is never a number, and the figure is made once."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny

from xai_widgets.engine import Query, answer
from xai_widgets.scenes import Radar, Series
from xai_widgets.session.describe import AXES, MEASURES, series
from xai_widgets.views import MetricRadar
from xai_widgets.views._radar_figure import COLOURS, CONFIG, LOOKS, RadarFigure

EVIL = '<b>cat</b><img src=x onerror="window.hacked = 1">'
FULL = dict(zip(MEASURES, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
Make = Callable[..., Any]


@pytest.fixture
def scored(make_session: Make) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


@pytest.fixture
def figure() -> RadarFigure:
    made = RadarFigure(threading.RLock(), AXES)
    made.close()  # plotly's figure works without a front end, and no widget is left
    return made


def show(figure: RadarFigure, some: list[Series], *, relative: bool = False) -> None:
    figure.show_scene(Radar(axes=AXES, series=tuple(some), relative=relative, note=""))


def drawn(figure: Any, number: int = 0) -> list[float | None]:
    line, dots = figure.data[2 * number : 2 * number + 2]
    assert list(line.r) == [*dots.x, dots.x[0]]  # the twins agree, and the line closes
    return list(dots.x)


def test_it_draws_what_was_measured(scored: Any) -> None:
    radar, values = MetricRadar(scored), scored.measures.values
    assert [axis["name"] for axis in radar.axes] == list(MEASURES)
    for axis, at in zip(radar.axes, drawn(radar.figure), strict=True):
        value = values[axis["name"]]
        assert axis["text"] == ("n/a" if math.isnan(value) else f"{value:.3f}".replace("-", "−"))
        assert at == (None if math.isnan(value) else pytest.approx(max(value, 0)))
    radar.close()


def test_what_is_not_available_is_no_number(scored: Any) -> None:
    """One run only: stability is n/a, on both plots and in the text."""
    radar = MetricRadar(scored)
    place = MEASURES.index("stability")
    assert drawn(radar.figure)[place] is None
    assert radar.axes[place]["text"] == "n/a"
    assert "Not available: stability" in radar.note
    labels = radar.figure.layout.polar.angularaxis.ticktext
    assert labels[place] == "stability<br>n/a"
    assert list(labels) == list(radar.figure.layout.yaxis.ticktext)
    assert radar.figure.data[0].fill == "none"  # a filling would close the gap
    assert labels[MEASURES.index("noise")] == "noise"
    radar.close()


def test_a_negative_similarity_is_drawn_at_zero_and_said_as_it_is(figure: RadarFigure) -> None:
    show(figure, [series("one", FULL | {"noise": -0.25})])
    place = MEASURES.index("noise")
    assert drawn(figure)[place] == 0
    assert "−0.250" in figure.data[0].customdata[place]


def test_intervals_stand_around_the_dots(figure: RadarFigure) -> None:
    low = {name: value - 0.05 for name, value in FULL.items()}
    high = {name: value + 0.1 for name, value in FULL.items()}
    show(figure, [series("plain", FULL), series("mean", FULL, low, high)])
    assert not figure.data[1].error_x.visible
    assert figure.data[3].error_x.visible
    assert list(figure.data[3].error_x.array) == pytest.approx([0.1] * 5)
    assert list(figure.data[3].error_x.arrayminus) == pytest.approx([0.05] * 5)
    assert "0.100 [0.050, 0.200]" in figure.data[2].customdata[0]
    show(figure, [series("plain", FULL)])
    assert [trace.visible for trace in figure.data] == [True, True] + [False] * (3 * len(LOOKS) - 2)


def test_the_interval_of_a_negative_similarity_is_drawn_where_it_is(figure: RadarFigure) -> None:
    """The value stands at 0, and so does what of its interval is negative."""
    place = MEASURES.index("noise")
    for high, above in ((0.05, 0.05), (-0.05, 0.0)):
        one = series("one", FULL | {"noise": -0.1}, FULL | {"noise": -0.2}, FULL | {"noise": high})
        show(figure, [one])
        whiskers = figure.data[1].error_x
        assert (whiskers.array[place], whiskers.arrayminus[place]) == (pytest.approx(above), 0)
        assert f"−0.100 [−0.200, {high:.3f}]".replace("-", "−") in figure.data[0].customdata[place]
    show(figure, [series("one", FULL, FULL | {"noise": -0.2}, FULL)], relative=True)
    assert figure.data[1].error_x.arrayminus[place] == pytest.approx(1)  # from the best down to 0
    show(figure, [series("one", FULL, {"noise": math.nan}, FULL)])
    assert figure.data[1].error_x.arrayminus[place] == 0


def test_relative_axes_are_shares_of_the_best(figure: RadarFigure) -> None:
    half = {name: value / 2 for name, value in FULL.items()} | {"focus": math.nan}
    show(figure, [series("best", FULL), series("half", half)], relative=True)
    assert drawn(figure) == pytest.approx([1.0] * 5)
    assert drawn(figure, 1) == [0.5, 0.5, 0.5, None, 0.5]
    assert "share" in figure.layout.xaxis.title.text
    show(figure, [series("nothing", dict.fromkeys(MEASURES, 0.0))], relative=True)
    assert drawn(figure) == [None] * 5  # a share of nothing is not available


def test_names_are_text(figure: RadarFigure) -> None:
    show(figure, [series(EVIL, FULL), series("b", FULL)])
    for text in (figure.data[0].name, *figure.data[0].customdata):
        assert "<img" not in text
        assert "&lt;img" in text


def test_no_way_leads_out(figure: RadarFigure) -> None:
    assert figure._config == CONFIG
    assert CONFIG["displayModeBar"] is False
    assert (CONFIG["showSendToCloud"], CONFIG["plotlyServerURL"]) == (False, "")


def test_a_click_on_a_point_shows_what_it_is_made_of(scored: Any) -> None:
    radar = MetricRadar(scored)
    for trace, point, name in ((0, 1, "noise"), (1, 2, "resilience"), (0, len(MEASURES), "entropy")):
        points = {"trace_indexes": [trace], "point_indexes": [point], "xs": [None], "ys": [None]}
        radar.figure.comm.arrive(_js2py_pointsCallback={"event_type": "plotly_click", "points": points})
        assert radar.axis == name
    radar.comm.click(kind="axis", name="entropy")  # the button closes what is open
    assert (radar.axis, radar.detail) == ("", {})
    radar.close()


def test_the_details_are_the_measured_ones(scored: Any) -> None:
    radar, measures = MetricRadar(scored), scored.measures
    radar.comm.click(kind="axis", name="noise")
    (ladder,) = radar.detail["tables"]
    assert ladder["head"] == ["level", "salt and pepper", "gaussian noise", "blur"]
    *rows, pure_noise = ladder["rows"]
    assert pure_noise[0] == "pure noise"
    found = [[cell if cell == "n/a" else float(cell.replace("−", "-")) for cell in row] for row in rows]
    names = ("levels", "ssim", "gaussian_noise", "blur")
    *wanted, last = zip(*(measures.details["noise"][name] for name in names), strict=True)
    assert last[1] == last[2] == last[3]
    assert found == [["n/a" if math.isnan(cell) else round(cell, 3) for cell in row] for row in wanted]
    assert radar.detail["note"] == measures.notes["noise"]
    for name, words in (
        ("focus", {"SSIM, salient regions blurred", "SSIM, other regions blurred"}),
        ("resilience", {"shifts", "flips", "turns"}),
        ("stability", {"training runs"}),
    ):
        radar.comm.click(kind="axis", name=name)
        assert words <= {row[0] for row in radar.detail["tables"][0]["rows"]}
    radar.comm.click(kind="axis", name="speed")
    assert scored.error.startswith("axis must be one of entropy")
    radar.close()


def test_notes_say_what_was_counted_and_for_which_target(scored: Any) -> None:
    notes = scored.measures.notes
    assert "fixed target: the score; compared at 16 × 16; 0 of 2 maps degenerate." in notes["noise"]
    assert "compared at 64 × 64; 2 of 13 maps degenerate; 2 comparisons without" in notes["resilience"]
    query = Query(image=scored.images.names[0])
    again = answer(scored.sources, query, "measures", rule="repredicted")
    assert "fixed target: the score; compared at 16 × 16" in again.notes["noise"]
    assert again.values == pytest.approx(scored.measures.values, nan_ok=True)  # one score is predicted anyhow
    ladder = again.details["noise"]
    assert len(ladder["gaussian_noise"]) == len(ladder["blur"]) == len(ladder["levels"]) == len(ladder["ssim"]) == 8


def test_measures_come_in_one_by_one(scored: Any) -> None:
    radar, whole = MetricRadar(scored), scored.measures
    values = dict.fromkeys(MEASURES, math.nan) | {"entropy": whole.values["entropy"]}
    with scored.lock:
        scored.panel.take(measures=replace(whole, values=values, notes={"entropy": ""}, done=False))
        assert [axis["text"] for axis in radar.axes] == [f"{values['entropy']:.3f}", "…", "…", "…", "…"]
        assert "1 of 5 measured" in radar.note
        assert not radar.can_keep
        scored.panel.take(measures=None)
        assert {axis["text"] for axis in radar.axes} == {"…"}
        assert drawn(radar.figure) == [None] * 5
    radar.close()


def test_measuring_again(scored: Any) -> None:
    radar, before = MetricRadar(scored), scored.measures
    with scored.lock:
        radar.comm.click(kind="measure")
        assert "not measured yet" in radar.note
    assert scored.wait()
    assert scored.measures.values == pytest.approx(before.values, nan_ok=True)
    radar.close()


def test_series_beside_the_present_one(scored: Any) -> None:
    radar = MetricRadar(scored)
    radar.add("published", FULL, low={"noise": 0.1}, high={"noise": 0.3})
    assert radar.others == ["published"]
    assert drawn(radar.figure, 1) == [0.1, 0.2, 0.3, 0.4, 0.5]
    radar.add("published", FULL | {"noise": 0.9})  # the same name again
    assert drawn(radar.figure, 1)[1] == 0.9
    radar.comm.click(kind="relative", on=True)
    assert radar.relative
    assert max(at for at in drawn(radar.figure) + drawn(radar.figure, 1) if at is not None) == 1
    radar.comm.click(kind="keep")
    assert len(radar.others) == 2
    radar.comm.click(kind="remove", name="published")
    assert len(radar.others) == 1
    assert scored.images.names[0] in radar.others[0]
    radar.comm.click(kind="axis", name="noise")
    assert radar.detail["tables"][-1]["rows"] == [[radar.others[0], radar.axes[1]["text"]]]
    radar.close()


def test_what_cannot_be_added(scored: Any) -> None:
    radar = MetricRadar(scored)
    with pytest.raises(ValueError, match=r"values must be named entropy, noise, .* got speed\."):
        radar.add("other", {"speed": 1.0})
    for number in range(len(COLOURS) - 1):
        radar.add(str(number), FULL)
    with pytest.raises(ValueError, match="at most 5 series"):
        radar.add("one more", FULL)
    assert not radar.can_keep
    with pytest.raises(ValueError, match="name must be one of 0, 1, 2, 3, 4, got 'x'"):
        radar.remove("x")
    radar.close()


def test_the_figure_is_made_once(scored: Any) -> None:
    radar = MetricRadar(scored)
    comm = radar.figure.comm
    assert len(json.dumps(comm.sent)) < 40_000  # plotly itself is sent once for all figures
    comm.take()
    scored.ask(image=scored.images.names[1])
    scored.wait()
    radar.comm.click(kind="narrow", on=True)
    assert radar.figure.layout.polar.domain.y[0] >= radar.figure.layout.yaxis.domain[1]  # one above the other
    updates, size = comm.take()
    names = {name for some in updates for name in some}
    assert "_py2js_update" in names
    assert not names & {"_esm", "_widget_data", "_widget_layout"}
    assert size < 20_000
    radar.close()


def test_a_page_that_is_loaded_again_gets_what_is_drawn_now(scored: Any) -> None:
    radar = MetricRadar(scored)
    radar.add("other", FULL)
    radar.comm.click(kind="narrow", on=True)
    state = radar.figure.get_state()
    assert state["_widget_data"][2]["r"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.1]
    assert state["_widget_layout"]["yaxis"]["domain"] == [0.06, 0.4]
    radar.close()


def test_a_drag_of_a_gain_does_not_touch_the_figure(scored: Any) -> None:
    radar = MetricRadar(scored)
    radar.figure.comm.take(), radar.comm.take()
    for step in range(5):
        scored.set_gain(1, step / 5)
        scored.wait()
    assert radar.figure.comm.take() == ([], 0)
    assert radar.comm.take()[0] == [["stale"]], "it says that the gains are others, once"
    assert "taken again in a moment" in radar.stale
    radar.close()


def test_what_it_costs_to_measure_the_map_on_the_stage_is_said_before(scored: Any) -> None:
    radar = MetricRadar(scored)
    assert radar.unmeasured == ""
    scored.ask(method="behaviour")
    assert radar.unmeasured == "To measure the map on the stage takes long: all removals for each of about 37 maps."
    radar.close()


def test_every_axis_says_what_it_is() -> None:
    assert len({axis.label for axis in AXES}) == len(AXES)
    assert all(axis.meaning.endswith(".") for axis in AXES)
