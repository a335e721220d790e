"""Five measures of a saliency map, higher is better."""

from __future__ import annotations

from xai_widgets.scenes._record import scene


@scene
class Axis:
    """One of the five: its label, and what its number is."""

    name: str
    label: str
    meaning: str


@scene
class Series:
    """One line of the radar.

    Attributes:
        name: shown as text.
        values: one an axis; NaN where it is not available.
        low: lower ends of the intervals; empty where there are none.
        high: upper ends.
        texts: the values in words: "0.712 [0.690, 0.731]", "n/a", or "…" before it is there.
        more: what else is said of each value when one points at it, such as "SD 0.104, n = 196"; empty where nothing.
    """

    name: str
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


@scene
class Table:
    """What a number is made of."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@scene
class Detail:
    """The axis that is open: its number, its meaning, what was tested, and what it is made of.

    Attributes:
        pull: what shows the images of the set that are lowest on this axis; empty where the set is not measured.
        pulled: whether these are what the gallery shows.
    """

    label: str
    text: str
    meaning: str
    note: str
    tables: tuple[Table, ...] = ()
    pull: str = ""
    pulled: bool = False


@scene
class Radar:
    """All series on five axes.

    Attributes:
        axes: in their order, clockwise from the top.
        series: the present measures first.
        sets: means over the whole set, and over the images that are chosen together or shown; none where not known.
        relative: whether each axis is a share of the best that is shown.
        note: what was measured, in one line: image, model, layer, map, gains, target rule.
        stale: what has changed since it was measured; empty where nothing has.
        done: whether all is measured.
        detail: of the axis that is open.
        of: which map is measured: "standard", or the one that is "shown".
        rule: for which target: "fixed" or "repredicted".
        side: of which part of a signed map: "positive" (cut at 0), "absolute" or "negative".
        one_sided: whether the measured map has no values below 0.
        unmeasured: why the map on the stage cannot be measured, or what it costs.
    """

    axes: tuple[Axis, ...]
    series: tuple[Series, ...]
    relative: bool
    note: str
    stale: str = ""
    done: bool = True
    detail: Detail | None = None
    of: str = "standard"
    rule: str = "fixed"
    side: str = "positive"
    one_sided: bool = False
    unmeasured: str = ""
    sets: tuple[Series, ...] = ()
