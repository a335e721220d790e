"""A picker: the question with P and Q, over the probabilities of classes or the axis of the score."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xai_widgets.figures.colours import SERIES
from xai_widgets.figures.layout import Canvas, Rows, in_mm, write
from xai_widgets.figures.style import FAINT, INK, LINE, PAD_MM, SIZE, Plan, line_mm, middled, number, one_line
from xai_widgets.scenes import Picker

CLASSES = 8  # that are shown: the most probable, with P and Q in any case
NAME, BAR = 0.4, 0.45  # shares of the width
MARK_MM = 5.0  # for "P" or "Q" before a name
AXIS_MM = 9.0  # what the axis of a score takes, with its ends


def paint_picker(scene: Picker, figure: Canvas, plan: Plan) -> Rows:
    """Bars of classes, or the axis of the score with what stands on it."""
    room = plan.width_mm - 2 * PAD_MM
    rows = Rows(figure.add_gridspec(1, 1))
    line = 1.25 * line_mm(SIZE)
    if scene.task == "classification":
        some = shown(scene)
        host = in_mm(rows, figure, room, len(some) * line)
        for place, index in enumerate(some):
            _paint_class(host, scene, index, place * line, room)
    else:
        points = on_axis(scene)
        host = in_mm(rows, figure, room, AXIS_MM + len(points) * line)
        _paint_axis(host, scene, room)
        for place, (name, value, mark, colour) in enumerate(points):
            y = AXIS_MM + place * line
            host.plot([MARK_MM / 2], [y + 1.3], marker=mark, color=colour, markersize=4, clip_on=False)
            write(host, _said(scene, name, value), MARK_MM, y, SIZE)
    return rows


def shown(scene: Picker) -> list[int]:
    """Numbers of the classes that are shown, the most probable first."""
    order = [int(index) for index in np.argsort(-scene.probabilities, kind="stable")]
    wanted = {scene.target, q_of(scene)} - {-1}
    rest = [index for index in order if index not in wanted][: CLASSES - len(wanted)]
    return [index for index in order if index in wanted or index in rest]


def q_of(scene: Picker) -> int:
    """The number of class Q, or -1."""
    return int(scene.value) if scene.kind == "class" else -1


def on_axis(scene: Picker) -> list[tuple[str, float, str, str]]:
    """What stands on the axis of a score: its name, where, its mark and its colour."""
    name = one_line(scene.names[scene.target]) if scene.names and scene.target >= 0 else "score"
    points = [(name, scene.score, "o", INK), ("rating", scene.rating, "D", SERIES[2])]
    found = [(name, float(value), mark, colour) for name, value, mark, colour in points if value is not None]
    if scene.kind == "score":
        found.append((f"Q{' (the rating)' * (scene.word == 'rating')}", float(scene.value), "v", SERIES[1]))
    return found


def _said(scene: Picker, name: str, value: float) -> str:
    """A point of the axis in words; the rating with its standard deviation and how many gave it."""
    words = f"{name} {number(value, signed=False)}"
    if name != "rating":
        return words
    spread = "" if scene.rating_sd is None else f" ± {number(scene.rating_sd, signed=False)}"
    return f"{words}{spread}" + (f" (n = {scene.raters:,})" if scene.raters else "")


def _paint_class(host: Axes, scene: Picker, index: int, y: float, room: float) -> None:
    mark = "P" if index == scene.target else "Q" if index == q_of(scene) else ""
    colour = {"P": SERIES[0], "Q": SERIES[1]}.get(mark, LINE)
    probability = float(scene.probabilities[index])
    if mark:
        write(host, mark, 0, y, SIZE, weight="bold", color=colour)
    write(host, middled(scene.names[index], NAME * room - MARK_MM, 1, SIZE), MARK_MM, y, SIZE)
    bar = Rectangle((NAME * room + 1, y + 0.3), BAR * room * min(max(probability, 0), 1), 2.0, color=colour)
    host.add_patch(bar).set_in_layout(False)
    write(host, f"{100 * probability:.1f} %", room, y, SIZE, ha="right")


def _paint_axis(host: Axes, scene: Picker, room: float) -> None:
    """From the lowest to the highest score; a point outside stands at the end."""
    low, high = scene.axis
    left, width, y = MARK_MM, room - 2 * MARK_MM, 3.0
    host.plot([left, left + width], [y, y], color=FAINT, linewidth=0.8)
    if scene.rating is not None and scene.rating_sd is not None and high > low:
        ends = [min(max((scene.rating + sign * scene.rating_sd - low) / (high - low), 0), 1) for sign in (-1, 1)]
        host.plot(
            [left + end * width for end in ends], [y, y], color=SERIES[2], linewidth=1.2, marker="|", markersize=6
        )
    for _, value, mark, colour in on_axis(scene):
        share = min(max((value - low) / (high - low), 0), 1) if high > low else 0.5
        host.plot([left + share * width], [y], marker=mark, color=colour, markersize=5, alpha=0.85, clip_on=False)
    write(host, number(low, signed=False), left, y + 1.8, SIZE, color=FAINT)
    write(host, number(high, signed=False), left + width, y + 1.8, SIZE, ha="right", color=FAINT)


def title(scene: Picker) -> str:
    """The question."""
    return one_line(scene.question)


def caption(scene: Picker) -> list[str]:
    """Of which image and model; what the map says where Q is."""
    place = "none" if scene.kind != "score" else _place(scene)
    said = dict(scene.says).get(place, "") if scene.task == "regression" else ""
    count = len(scene.names) if scene.task == "classification" else 0
    some = f"{CLASSES} of {count} classes: P, Q and the most probable others" if count > CLASSES else ""
    return [one_line(scene.subject), some, said, scene.unheard]


def _place(scene: Picker) -> str:
    """Where Q is, seen from the score."""
    if scene.form == "tiles":
        return "tiles"
    if scene.score is None:
        return "none"
    return "same" if scene.value == scene.score else "above" if scene.value > scene.score else "below"


def alt(scene: Picker) -> list[str]:
    """Question and numbers."""
    if scene.task == "classification":
        said = [
            f"{one_line(scene.names[index])} {100 * float(scene.probabilities[index]):.1f} %" for index in shown(scene)
        ]
    else:
        said = [_said(scene, name, value) for name, value, *_ in on_axis(scene)]
    return [title(scene), ", ".join(said), one_line(scene.subject)]
