"""Five measures of a saliency map as a radar, with a dot plot of the same numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import anywidget
from traitlets import Bool, Dict, List, Unicode

from xai_widgets.scenes import Radar, Series
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View, plain
from xai_widgets.views._radar_figure import MOST_OTHERS, RadarFigure

NAMES = describe.MEASURES


class MetricRadar(View):
    """Five saliency measures, higher is better; a click on an axis shows what its number is made of.

    `add` puts other models, other images or means with intervals beside the present measures.
    """

    _esm = front_end("metric_radar")
    _css = style("metric_radar")
    watches = (*WHERE, "query.method", "query.contrast", "measures", "measuring", "set_means", "some_means", "filters")

    figure = anywidget.WidgetTrait().tag(sync=True)
    axes = List(Dict(), help="One dict an axis: name, label, text (a number, n/a, or … before it is there).").tag(
        sync=True
    )
    axis = Unicode(help="The axis whose detail is open, or none.").tag(sync=True)
    detail = Dict(help="Of the open axis: label, text, meaning, note, tables of head and rows.").tag(sync=True)
    note = Unicode(help="What was measured, in one line.").tag(sync=True)
    stale = Unicode(help="What has changed since it was measured.").tag(sync=True)
    of = Unicode("standard", help="Which map is measured: standard or shown.").tag(sync=True)
    rule = Unicode("fixed", help="For which target: fixed or repredicted.").tag(sync=True)
    side = Unicode("positive", help="Of which part of a signed map: positive, absolute or negative.").tag(sync=True)
    sides = Dict(describe.SIDES, read_only=True, help="The parts of a signed map in words, by name.").tag(sync=True)
    one_sided = Bool(False, help="Whether the measured map has no values below 0.").tag(sync=True)
    unmeasured = Unicode(help="Why the map on the stage cannot be measured, or what it costs.").tag(sync=True)
    others = List(Unicode(), help="Names of what is shown beside the present measures.").tag(sync=True)
    relative = Bool(False, help="Each axis as a share of the best that is shown.").tag(sync=True)
    can_keep = Bool(False).tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        self._others: tuple[Series, ...] = ()
        self._drawn: Any = None  # what the figure shows
        super().__init__(session, figure=RadarFigure(session.lock, describe.AXES), **traits)
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
        new = describe.series(name, dict(values), low, high)
        with self.session.lock, self.hold_sync():
            kept = tuple(one for one in self._others if one.name != name)
            if len(kept) >= MOST_OTHERS:
                raise ValueError(f"at most {MOST_OTHERS} series stand beside the present one; remove one first.")
            self._others = (*kept, new)
            self.draw()

    def remove(self, name: str) -> None:
        """Take away a series that was added.

        Raises:
            ValueError: there is none of this name.
        """
        with self.session.lock, self.hold_sync():
            if name not in self.others:
                raise ValueError(f"name must be one of {', '.join(self.others) or 'none yet'}, got {name!r}.")
            self._others = tuple(one for one in self._others if one.name != name)
            self.draw()

    def picture(self) -> Radar:
        """What is shown, as a scene."""
        return describe.radar(self.session, self._others, axis=self.axis, relative=self.relative)

    def told(self) -> tuple[Any, ...]:
        # Whether the measures still hold depends on the gains too, but a drag changes that once.
        return (*super().told(), describe.stale(self.session))

    def draw(self) -> None:
        scene = self.picture()
        present = scene.series[0]
        self.others = [one.name for one in self._others]
        self.axes = [
            {"name": axis.name, "label": axis.label, "text": text}
            for axis, text in zip(scene.axes, present.texts, strict=True)
        ]
        self.note, self.stale, self.of, self.rule = scene.note, scene.stale, scene.of, scene.rule
        self.side, self.one_sided, self.unmeasured = scene.side, scene.one_sided, scene.unmeasured
        measured = scene.done and any(map(math.isfinite, present.values))
        self.can_keep = measured and len(self._others) < MOST_OTHERS
        self.detail = plain(scene.detail) if scene.detail is not None else {}
        shown = scene.series, scene.sets, scene.relative
        if shown != self._drawn:
            self._drawn = shown
            self.figure.show_scene(scene)

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "axis":
            self._open(details["name"])
        elif kind == "measure":
            self.session.measure(**{name: details.get(name) for name in ("of", "rule", "side")})
        elif kind == "keep" and self.session.measures is not None:
            self.add(self._unused(describe.kept(self.session, self.session.measures)), self.session.measures.values)
        elif kind == "remove":
            self.remove(details["name"])
        elif kind == "relative":
            self.relative = bool(details["on"])
            self.draw()
        elif kind == "pull":
            self._pull(details["name"], on=bool(details["on"]))
        elif kind == "narrow":
            self.figure.arrange(narrow=bool(details["on"]))

    def close(self) -> None:
        """Stop following and free the front end. May be called twice."""
        super().close()
        self.figure.close()

    def _unused(self, name: str) -> str:
        """A name, with a number where another series has it: what is kept does not replace what was kept before."""
        names = (name, *(f"{name} ({number})" for number in range(2, MOST_OTHERS + 2)))
        return next(one for one in names if one not in self.others)

    def _open(self, name: str) -> None:
        """Show what an axis is made of, or close it when it is open."""
        if name not in NAMES:
            raise ValueError(f"axis must be one of {', '.join(NAMES)}, got {name!r}.")
        with self.hold_sync():
            self.axis = "" if name == self.axis else name
            self.draw()

    def _pull(self, name: str, *, on: bool) -> None:
        """Show in the gallery the quarter of images that are lowest on an axis, or all again."""
        column = self.session.columns_of_images.of_set(name)
        if not column:
            raise ValueError("the measures of the set are not known here.")
        if on:
            self.session.filter(column, lowest=describe.QUARTER)
        elif any(one.column == column for one in self.session.filters):
            self.session.clear_filter(column)

    def _pointed(self, trace: Any, points: Any, state: Any) -> None:
        if points.point_inds:
            name = NAMES[points.point_inds[0] % len(NAMES)]  # the line comes back to its first point
            with self.session.lock:
                if name != self.axis:
                    self._open(name)
