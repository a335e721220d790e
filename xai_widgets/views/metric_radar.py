"""Five measures of a saliency map as a radar, with a dot plot of the same numbers beside it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import anywidget
import plotly.graph_objects as go
from traitlets import Bool, Dict, List, Unicode

from xai_widgets.static import front_end, style
from xai_widgets.views._base import View

# name, label, what the number is; all are drawn so that higher is better
AXES = (
    ("entropy", "few places", "1 − entropy of the map: 1 for a single place, 0 for a uniform map."),
    ("noise", "noise", "SSIM of the map and that of the photo with salt and pepper noise on 10 % of its pixels."),
    ("resilience", "resilience", "SSIM after shifts, flips and quarter turns are undone; mean of the three groups."),
    ("focus", "focus", "How much blurring the salient regions changes the map, and how little blurring the others."),
    ("stability", "stability", "SSIM between the maps of training runs; needs at least two of them."),
)
NAMES = tuple(name for name, _, _ in AXES)
ANGLES = tuple((90 - 72 * place) % 360 for place in range(len(AXES)))  # clockwise from the top
COLOURS = ("#3a87c8", "#d5622b", "#1a9a74", "#c467a0", "#c08a00", "#8a8a8a")  # told apart by the colour-blind too
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "cross")
MOST_OTHERS = len(COLOURS) - 1
WORDS = {
    "levels": "level",
    "ssim": "salt and pepper",
    "entropy": "entropy",
    "salient_removed": "SSIM, salient regions blurred",
    "other_removed": "SSIM, other regions blurred",
    "score_change_salient": "change of the score, salient regions blurred",
    "score_change_other": "change of the score, other regions blurred",
    "runs": "training runs",
}
CONFIG = {
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,
    "showSendToCloud": False,  # the last three leave no way to send the figure anywhere
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendChartToCloud"],
}


@dataclass(frozen=True)
class Series:
    """One line of the radar: a value an axis (NaN: not available), and where known the interval around it."""

    name: str
    values: Mapping[str, float]
    low: Mapping[str, float] = field(default_factory=dict)
    high: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for values in (self.values, self.low, self.high):
            if unknown := sorted(set(values) - set(NAMES)):
                raise ValueError(f"values must be named {', '.join(NAMES)}, got {', '.join(unknown)}.")

    def drawn(self, name: str, best: float = 1.0) -> float | None:
        """Where the value stands on its axis: a negative SSIM at 0, nothing for what is not available."""
        value = self.values.get(name, math.nan)
        return max(value, 0.0) / best if math.isfinite(value) and best > 0 else None

    def text(self, name: str) -> str:
        value, low, high = (values.get(name, math.nan) for values in (self.values, self.low, self.high))
        interval = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) and math.isfinite(high) else ""
        return f"{value:.3f}{interval}".replace("-", "−") if math.isfinite(value) else "n/a"


class RadarFigure(go.FigureWidget):
    """A polar and a cartesian plot of the same series in one plotly figure, made once with all its traces."""

    _esm = str(go.FigureWidget._esm)  # text: a watched file would keep every instance alive

    _made = False

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        super().__init__([kind(number) for number in range(len(COLOURS)) for kind in (_line, _dots)])
        self._config = CONFIG
        self.update_layout(_layout())
        self.arrange(narrow=False)
        self._made = True
        self.open()

    def open(self) -> None:
        if not self._made:  # plotly opens before there are traces, and a page that is quick would never see them
            return
        super().open()
        with suppress(AttributeError):  # clicks come during a running cell, see `View`
            self.comm._reply_subshell_for = None

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        # A page that is loaded again asks for the state, and plotly leaves it as it was when the figure was made.
        if "_data" in vars(self):
            self._trait_values.update(_widget_data=deepcopy(self._data), _widget_layout=deepcopy(self._layout))
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state

    def set_state(self, sync_data: dict[str, Any]) -> None:
        with self._lock:  # two threads that write one widget lose updates for good
            super().set_state(sync_data)

    def show_series(self, series: Sequence[Series], *, relative: bool = False) -> None:
        """Draw these; with `relative` each axis is a share of the best on it."""
        best = {name: max((one.drawn(name) or 0.0 for one in series), default=0.0) for name in NAMES}
        with self.batch_update():
            for number in range(len(COLOURS)):
                shown = series[number] if number < len(series) else Series("", {})
                self._show(number, shown, best if relative else dict.fromkeys(NAMES, 1.0), len(series))
            self.layout.polar.angularaxis.ticktext = self.layout.yaxis.ticktext = [
                label if any(one.drawn(name) is not None for one in series) or not series else f"{label}<br>n/a"
                for name, label, _ in AXES
            ]
            self.layout.xaxis.title.text = "share of the best shown" if relative else "higher is better"
            self.layout.showlegend = len(series) > 1

    def arrange(self, *, narrow: bool) -> None:
        """The two plots side by side, or one above the other."""
        with self.batch_update():
            self.update_layout(**_places(narrow))

    def _show(self, number: int, one: Series, best: Mapping[str, float], count: int) -> None:
        line, dots = self.data[2 * number : 2 * number + 2]
        drawn = [one.drawn(measure, best[measure]) for measure in NAMES]
        # Shifted a little from series to series, so that intervals do not lie on each other.
        shift = (number - (count - 1) / 2) * 0.12
        name = html.escape(one.name, quote=False)  # plotly reads some HTML in names
        texts = [f"{name}<br>{label} {one.text(measure)}" for measure, label, _ in AXES]
        visible = number < count
        line.update(visible=visible, name=name, r=[*drawn, drawn[0]], customdata=[*texts, texts[0]])
        line.fill = "toself" if number == 0 and None not in drawn else "none"  # a gap would be closed by the filling
        dots.update(visible=visible, name=name, x=drawn, y=[place + shift for place in range(len(NAMES))])
        dots.update(customdata=texts, error_x=_whiskers(one, best))


def _line(number: int) -> go.Scatterpolar:
    return go.Scatterpolar(
        theta=[*ANGLES, ANGLES[0]],
        mode="lines+markers",
        hoveron="points",  # else a click names no point
        hovertemplate="%{customdata}<extra></extra>",
        line={"color": COLOURS[number], "width": 2},
        marker={"size": 8, "symbol": SYMBOLS[number]},
        fillcolor=f"{COLOURS[number]}26",
        legendgroup=str(number),
        visible=False,
    )


def _dots(number: int) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        hovertemplate="%{customdata}<extra></extra>",
        marker={"color": COLOURS[number], "size": 9, "symbol": SYMBOLS[number]},
        legendgroup=str(number),
        showlegend=False,
        visible=False,
    )


def _whiskers(one: Series, best: Mapping[str, float]) -> dict[str, Any]:
    """From where the value is drawn to where the ends of its interval are: all of them at 0 where they are negative."""
    reach: dict[str, list[float]] = {"array": [], "arrayminus": []}
    for name in NAMES:
        ends = (values.get(name, math.nan) for values in (one.values, one.low, one.high))
        value, low, high = (max(end, 0.0) / (best[name] or math.nan) for end in ends)
        known = all(map(math.isfinite, (value, low, high)))
        reach["array"].append(max(high - value, 0.0) if known else 0.0)
        reach["arrayminus"].append(max(value - low, 0.0) if known else 0.0)
    return {"type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "visible": bool(one.low), **reach}


def _layout() -> dict[str, Any]:
    clear = "rgba(0, 0, 0, 0)"
    faint = "rgba(128, 128, 128, 0.35)"
    labels = [label for _, label, _ in AXES]
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
            "angularaxis": {"tickvals": list(ANGLES), "ticktext": labels, "gridcolor": faint, "linecolor": faint},
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
            "range": [len(AXES) - 0.5, -0.5],
            "fixedrange": True,
            "tickvals": list(range(len(AXES))),
            "ticktext": labels,
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


class MetricRadar(View):
    """Five saliency measures, higher is better; a click on an axis shows what its number is made of.

    `add` puts other models, other images or means with intervals beside the present measures.
    """

    _esm = front_end("metric_radar.js")
    _css = style("metric_radar.css")
    watches = ("query", "measures")

    figure = anywidget.WidgetTrait().tag(sync=True)
    axes = List(Dict(), help="One dict an axis: name, label, text (a number, n/a, or … before it is there).").tag(
        sync=True
    )
    axis = Unicode(help="The axis whose detail is open, or none.").tag(sync=True)
    detail = Dict(help="Of the open axis: label, text, meaning, note, tables of head and rows.").tag(sync=True)
    note = Unicode(help="What was measured, in one line.").tag(sync=True)
    others = List(Unicode(), help="Names of what is shown beside the present measures.").tag(sync=True)
    relative = Bool(False, help="Each axis as a share of the best that is shown.").tag(sync=True)
    can_keep = Bool(False).tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._others: tuple[Series, ...] = ()
        self._drawn: Any = None  # what the figure shows
        super().__init__(session, figure=RadarFigure(session.lock), **traits)
        for trace in self.figure.data:
            trace.on_click(self._pointed)

    def add(
        self,
        name: str,
        values: Mapping[str, float],
        low: Mapping[str, float] | None = None,
        high: Mapping[str, float] | None = None,
    ) -> None:
        """Show another series beside the present one; the same name again replaces it.

        Args:
            name: shown as text.
            values: entropy (as 1 - entropy), noise, resilience, focus, stability; NaN where one does not apply.
            low: lower ends of the intervals around the values.
            high: upper ends.

        Raises:
            ValueError: an unknown measure, or more series than can be told apart.
        """
        new = Series(name, dict(values), dict(low or {}), dict(high or {}))
        with self.session.lock, self.hold_sync():
            kept = tuple(one for one in self._others if one.name != name)
            if len(kept) >= MOST_OTHERS:
                raise ValueError(f"at most {MOST_OTHERS} series stand beside the present one; remove one first.")
            self._others = (*kept, new)
            self.draw()

    def remove(self, name: str) -> None:
        """Take away a series that was added."""
        with self.session.lock, self.hold_sync():
            if name not in self.others:
                raise ValueError(f"name must be one of {', '.join(self.others) or 'none yet'}, got {name!r}.")
            self._others = tuple(one for one in self._others if one.name != name)
            self.draw()

    def draw(self) -> None:
        query, measures = self.session.query, self.session.measures
        present = Series(f"{query.image} · {query.model}", measures.values if measures else {})
        self.others = [one.name for one in self._others]
        self.axes = [{"name": name, "label": label, "text": self._text(name, measures)} for name, label, _ in AXES]
        self.note = _note(query, measures)
        self.can_keep = measures is not None and measures.done and len(self._others) < MOST_OTHERS
        self.detail = self._detail(measures) if self.axis else {}
        shown = (present, *self._others), self.relative
        if shown != self._drawn:
            self._drawn = shown
            self.figure.show_series(shown[0], relative=shown[1])

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "axis":
            self._open(details["name"])
        elif kind == "measure":
            self.session.measure()
        elif kind == "keep" and self.session.measures is not None:
            query = self.session.query
            self.add(f"{query.image} · {query.model} · {query.layer}", self.session.measures.values)
        elif kind == "remove":
            self.remove(details["name"])
        elif kind == "relative":
            self.relative = bool(details["on"])
            self.draw()
        elif kind == "narrow":
            self.figure.arrange(narrow=bool(details["on"]))

    def close(self) -> None:
        """Stop following and free the front end. May be called twice."""
        super().close()
        self.figure.close()

    def _open(self, name: str) -> None:
        """Show what an axis is made of, or close it when it is open."""
        if name not in NAMES:
            raise ValueError(f"axis must be one of {', '.join(NAMES)}, got {name!r}.")
        with self.hold_sync():
            self.axis = "" if name == self.axis else name
            self.draw()

    def _pointed(self, trace: Any, points: Any, state: Any) -> None:
        if points.point_inds:
            name = NAMES[points.point_inds[0] % len(NAMES)]  # the line comes back to its first point
            with self.session.lock:
                if name != self.axis:
                    self._open(name)

    @staticmethod
    def _text(name: str, measures: Any) -> str:
        if measures is None or not (measures.done or name in measures.notes):
            return "…"
        return Series("", measures.values).text(name)

    def _detail(self, measures: Any) -> dict[str, Any]:
        label, meaning = next((label, meaning) for name, label, meaning in AXES if name == self.axis)
        details = measures.details.get(self.axis, {}) if measures else {}
        tables = [_table(details)] if details else []
        if self._others:
            rows = [[one.name, one.text(self.axis)] for one in self._others]
            tables.append({"head": ["beside it", label], "rows": rows})
        note = measures.notes.get(self.axis, "") if measures else ""
        return {"label": label, "text": self._text(self.axis, measures), "meaning": meaning, "note": note,
                "tables": tables}  # fmt: skip


def _note(query: Any, measures: Any) -> str:
    subject = f"{query.image} · {query.model} · {query.layer}"
    if measures is None:
        return f"{subject}: not measured yet."
    if not measures.done:
        return f"{subject}: {len(measures.notes)} of {len(AXES)} measured."
    missing = [label for name, label, _ in AXES if not math.isfinite(measures.values.get(name, math.nan))]
    return f"{subject}: Grad-CAM, cut at 0." + (f" Not available: {', '.join(missing)}." if missing else "")


def _table(details: Mapping[str, Any]) -> dict[str, Any]:
    """Columns where the parts are lists, else a row each."""
    columns = {_words(name): part for name, part in details.items() if isinstance(part, list | tuple)}
    if columns:
        rows = zip(*columns.values(), strict=True)
        return {"head": list(columns), "rows": [[_number(cell) for cell in row] for row in rows]}
    return {"head": [], "rows": [[_words(name), _number(part)] for name, part in details.items()]}


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "n/a"
    return str(value)
