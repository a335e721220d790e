"""The plotly figure of the radar: a polar and a cartesian plot of the same series."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

import plotly.graph_objects as go
from traitlets import Dict

from xai_widgets.scenes import Axis, Radar, Series
from xai_widgets.views._once import figure_once
from xai_widgets.views._plotly_text import PlotlyText, packed

COLOURS = ("#3a87c8", "#d5622b", "#1a9a74", "#c467a0", "#c08a00", "#8a8a8a")  # told apart by the colour-blind too
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "cross")
SETS = (("#7a6fd0", "pentagon"), ("#2b9eb3", "star"))  # of the set, and of some of its images
MOST_OTHERS = len(COLOURS) - 1
LOOKS = (*zip(COLOURS, SYMBOLS, strict=True), *SETS)
CONFIG = {
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,
    "showSendToCloud": False,  # the last three leave no way to send the figure anywhere
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendChartToCloud"],
}


class RadarFigure(go.FigureWidget):
    """A polar and a cartesian plot of the same series in one plotly figure, made once with all its traces."""

    # A few lines that take plotly from the page: its own text, 5 MB, would stay there for every figure ever made.
    _esm = figure_once()
    _plotly = Dict(help="Where the page finds plotly: the widget of its text, and the digest.").tag(sync=True)

    _text: PlotlyText
    _made = False

    def __init__(self, lock: Any, axes: Sequence[Axis]) -> None:
        self._lock, self._axes = lock, tuple(axes)
        angles = [(90 - 360 / len(axes) * place) % 360 for place in range(len(axes))]  # clockwise from the top
        lines = [trace for number in range(len(LOOKS)) for trace in (_line(number, angles), _dots(number))]
        super().__init__([*lines, *(_band(number) for number in range(len(LOOKS)))])
        self._angles = angles
        self._config = CONFIG
        self.update_layout(_layout([axis.label for axis in axes], angles))
        self.arrange(narrow=False)
        self._made = True
        self.open()

    def open(self) -> None:
        if not self._made:  # plotly opens before there are traces, and a page that is quick would never see them
            return
        self._text = PlotlyText.of(self)
        self._plotly = {"text": self._text.model_id, "digest": packed()[1]}
        super().open()
        with suppress(AttributeError):  # clicks come during a running cell, see `View`
            self.comm._reply_subshell_for = None

    def close(self) -> None:
        """Free the front end. May be called twice."""
        super().close()
        if self._made:
            self._text.leave(self)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        # A page that is loaded again asks for the state, and plotly leaves it as it was when the figure was made.
        if "_data" in vars(self):
            self._trait_values.update(_widget_data=deepcopy(self._data), _widget_layout=deepcopy(self._layout))
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._lock:  # two threads that write one widget lose updates for good
            super().set_state(sync_data)

    def show_scene(self, scene: Radar) -> None:
        """Draw all series; relative ones each as a share of the best on their axis."""
        count = len(self._axes)
        shown = dict(enumerate(scene.series)) | {len(COLOURS) + place: one for place, one in enumerate(scene.sets)}
        every = list(shown.values())
        best = [max((drawn(one, place) or 0.0 for one in every), default=0.0) for place in range(count)]
        with self.batch_update():
            for number in range(len(LOOKS)):
                shift = (list(shown).index(number) - (len(shown) - 1) / 2) * 0.12 if number in shown else 0.0
                self._show(number, shown.get(number), best if scene.relative else [1.0] * count, shift)
            self.layout.polar.angularaxis.ticktext = self.layout.yaxis.ticktext = [
                axis.label if any(drawn(one, place) is not None for one in every) else f"{axis.label}<br>n/a"
                for place, axis in enumerate(self._axes)
            ]
            self.layout.xaxis.title.text = "share of the best shown" if scene.relative else "higher is better"
            self.layout.showlegend = len(every) > 1

    def arrange(self, *, narrow: bool) -> None:
        """The two plots side by side, or one above the other."""
        with self.batch_update():
            self.update_layout(**_places(narrow))

    def _show(self, number: int, one: Series | None, best: Sequence[float], shift: float) -> None:
        """One series; shifted a little from its neighbours, so that intervals do not lie on each other."""
        (line, dots), band = self.data[2 * number : 2 * number + 2], self.data[2 * len(LOOKS) + number]
        if one is None:
            for trace in (line, dots, band):
                trace.update(visible=False)
            return
        values = [drawn(one, place, best[place]) for place in range(len(self._axes))]
        name = html.escape(one.name, quote=False)  # plotly reads some HTML in names
        more = one.more or ("",) * len(self._axes)
        texts = [
            "<br>".join(filter(None, (name, f"{axis.label} {text}", further)))
            for axis, text, further in zip(self._axes, one.texts, more, strict=True)
        ]
        line.update(visible=True, name=name, r=[*values, values[0]], customdata=[*texts, texts[0]])
        line.fill = "toself" if number == 0 and None not in values else "none"  # a gap would be closed by the filling
        dots.update(visible=True, name=name, x=values, y=[place + shift for place in range(len(values))])
        dots.update(customdata=texts, error_x=_whiskers(one, best))
        around, theta = ring(one, best, self._angles)
        band.update(visible=bool(around), r=around, theta=theta)


def drawn(one: Series, place: int, best: float = 1.0) -> float | None:
    """Where a value stands on its axis: a negative SSIM at 0, nothing for what is not available."""
    value = one.values[place]
    return max(value, 0.0) / best if math.isfinite(value) and best > 0 else None


def ring(one: Series, best: Sequence[float], angles: Sequence[float]) -> tuple[list[Any], list[Any]]:
    """The band of a series between the ends of its intervals, as four corners between each two axes that have them.

    Returns:
        (r, theta), with None between two pieces; empty where no two neighbours have an interval.
    """
    radii: list[Any] = []
    around: list[Any] = []
    lows, highs = (end or (math.nan,) * len(angles) for end in (one.low, one.high))
    ends = [
        tuple(max(end, 0.0) / (peak or math.nan) if math.isfinite(end) else math.nan for end in pair)
        for *pair, peak in zip(lows, highs, best, strict=True)
    ]
    for place, (low, high) in enumerate(ends):
        after = (place + 1) % len(ends)
        corners = [low, ends[after][0], ends[after][1], high]
        if all(map(math.isfinite, corners)):
            radii += [*corners, low, None]
            around += [angles[place], angles[after], angles[after], angles[place], angles[place], None]
    return radii, around


def _band(number: int) -> go.Scatterpolar:
    return go.Scatterpolar(
        mode="lines",
        line={"width": 0, "color": LOOKS[number][0]},
        fill="toself",
        fillcolor=f"{LOOKS[number][0]}40",
        hoverinfo="skip",
        legendgroup=str(number),
        showlegend=False,
        visible=False,
    )


def _line(number: int, angles: Sequence[float]) -> go.Scatterpolar:
    return go.Scatterpolar(
        theta=[*angles, angles[0]],
        mode="lines+markers",
        hoveron="points",  # else a click names no point
        hovertemplate="%{customdata}<extra></extra>",
        line={"color": LOOKS[number][0], "width": 2},
        marker={"size": 8, "symbol": LOOKS[number][1]},
        fillcolor=f"{LOOKS[number][0]}26",
        legendgroup=str(number),
        visible=False,
    )


def _dots(number: int) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        hovertemplate="%{customdata}<extra></extra>",
        marker={"color": LOOKS[number][0], "size": 9, "symbol": LOOKS[number][1]},
        legendgroup=str(number),
        showlegend=False,
        visible=False,
    )


def _whiskers(one: Series, best: Sequence[float]) -> dict[str, Any]:
    """From where the value is drawn to where the ends of its interval are: all of them at 0 where they are negative."""
    reach: dict[str, list[float]] = {"array": [], "arrayminus": []}
    for place, peak in enumerate(best):
        ends = (values[place] if values else math.nan for values in (one.values, one.low, one.high))
        value, low, high = (max(end, 0.0) / (peak or math.nan) for end in ends)
        known = all(map(math.isfinite, (value, low, high)))
        reach["array"].append(max(high - value, 0.0) if known else 0.0)
        reach["arrayminus"].append(max(value - low, 0.0) if known else 0.0)
    return {"type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "visible": bool(one.low), **reach}


def _layout(labels: Sequence[str], angles: Sequence[float]) -> dict[str, Any]:
    clear = "rgba(0, 0, 0, 0)"
    faint = "rgba(128, 128, 128, 0.35)"
    radial = {"range": [0, 1], "tickvals": [0, 0.25, 0.5, 0.75, 1], "ticktext": ["", "", "0.5", "", "1"], "angle": 54}
    return {
        "template": {},
        "height": 290,  # at first; afterwards the front end's, or plotly would hold on to the width as well
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "font": {"size": 12, "family": "system-ui, sans-serif"},
        "dragmode": "zoom",  # the only one with which a polar plot is clicked; the front end lets no drag through
        "hovermode": "closest",
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": -0.08, "yanchor": "top", "bgcolor": clear},
        "polar": {
            "bgcolor": clear,
            "radialaxis": radial | {"tickangle": 54, "gridcolor": faint, "linecolor": faint, "ticks": ""},
            "angularaxis": {"tickvals": list(angles), "ticktext": list(labels), "gridcolor": faint, "linecolor": faint},
        },
        "xaxis": {
            "range": [-0.03, 1.03],
            "fixedrange": True,
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "gridcolor": faint,
            "zeroline": False,
            "title": {"text": "higher is better", "standoff": 4, "font": {"size": 12}},
        },
        "yaxis": {
            "range": [len(labels) - 0.5, -0.5],
            "fixedrange": True,
            "tickvals": list(range(len(labels))),
            "ticktext": list(labels),
            "gridcolor": faint,
            "zeroline": False,
        },
    }


def _places(narrow: bool) -> dict[str, Any]:
    across, polar = ([0.2, 0.8], [0.5, 0.95]) if narrow else ([0.11, 0.41], [0.05, 0.93])
    return {
        "polar_domain": {"x": across, "y": polar},
        "xaxis_domain": [0.24, 1] if narrow else [0.62, 1],
        "yaxis_domain": [0.06, 0.4] if narrow else [0.06, 1],
    }
