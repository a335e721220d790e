"""What the colours of a map mean: a bar from end to end, with words, zero and both ends."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from xai_widgets.figures.colours import coloured
from xai_widgets.figures.layout import Canvas, Rows
from xai_widgets.figures.style import LINE, PAD_MM, SIZE, Plan, number, one_line, shortened, width_of
from xai_widgets.scenes import Layer, Look, Secondary, Stage

BAR_MM, SQUARE_MM = 3.0, 14.0  # heights of a legend with one dimension, and with two
GREY = 70.0  # the full colour of the secondary layer, of 255
STEPS = 256


def palette_of(scene: Stage) -> str:
    """The palette of the map: its own, or the reader's choice."""
    return (scene.map.palette if scene.map else "") or scene.look.palette


def is_positive(layer: Layer, look: Look) -> bool:
    """Whether only values above 0 are shown."""
    return layer.one_sided or look.sign == "positive"


def depth(layer: Layer) -> str:
    """What the second dimension of a map means."""
    return f"saturated: {layer.strength_words or 'strong'}, pale: little of it"


def meaning(scene: Stage, *, scale: bool = True) -> str:
    """What each colour of a map means, and what the full colour is worth."""
    layer = scene.map
    assert layer is not None
    low, high = (name.capitalize() for name in palette_of(scene).split("-"))
    unit = f" ({layer.unit})" if layer.unit else ""
    if is_positive(layer, scene.look):
        parts, full = [f"{high}: {layer.high}"], number(layer.limit)
    else:
        parts = [f"{low}: {layer.low}", f"{high.lower()}: {layer.high}"]
        full = f"±{number(layer.limit, signed=False)}"
    if scale:
        parts.append(f"full colour at {full}{unit}")
    else:
        parts[-1] += unit
    if layer.strength is not None:
        parts.append(depth(layer))
    return "; ".join(parts)


def say(rows: Rows, figure: Canvas, sentence: str, plan: Plan) -> None:
    """A sentence where the legend would stand."""
    axes = rows.add(figure.add_subplot(rows.next), lambda _: 0.5)
    axes.set_axis_off()
    axes.set_title(shortened(sentence, plan.width_mm - 4 * PAD_MM, 6, SIZE + 1), fontsize=SIZE + 1)


def legend(rows: Rows, figure: Canvas, layer: Layer, look: Look, plan: Plan) -> None:
    """The colours from end to end, with what they mean, zero and both ends."""
    flat = layer.strength is None
    meaning = layer.unit if flat else f"{layer.unit}\n{depth(layer)}"
    axes = rows.add(figure.add_subplot(rows.next), lambda _: BAR_MM if flat else SQUARE_MM)
    paint_bar(axes, layer, look)
    axes.set_xlabel(shortened(meaning, plan.width_mm - 4 * PAD_MM, 3))
    _ends(axes, "" if is_positive(layer, look) else one_line(layer.low), one_line(layer.high), plan)
    if not flat:
        axes.set_yticks([0, 1], ["pale", "saturated"])
        axes.yaxis.tick_right()


def paint_bar(axes: Axes, layer: Layer, look: Look) -> None:
    """The colours of a map, with numbers at zero and both ends; of one with two dimensions as a square."""
    positive, flat = is_positive(layer, look), layer.strength is None
    across = np.linspace(0 if positive else -1, 1, STEPS)[None]
    strength = None if flat else np.linspace(1, 0, STEPS // 4)[:, None].repeat(STEPS, 1)
    values = across if flat else across.repeat(STEPS // 4, 0)
    colours, cover = coloured(values, 1, palette=layer.palette or look.palette, strength=strength)
    _bar(axes, colours, cover, positive=positive, limit=layer.limit)


def second_legend(rows: Rows, figure: Canvas, second: Secondary, look: Look, plan: Plan) -> None:
    """What grey, or the line, means."""
    if look.secondary == "outline" or second.limit <= 0:
        return say(rows, figure, second_words(second, look), plan)
    axes = rows.add(figure.add_subplot(rows.next), lambda _: BAR_MM)
    _, cover = coloured(np.linspace(0, 1, STEPS)[None], 1, sign="positive")
    _bar(axes, np.full((1, STEPS, 3), GREY, np.float32), cover, positive=True, limit=second.limit)
    axes.set_title(shortened(second.words, plan.width_mm - 4 * PAD_MM, 3), loc="right")


def second_words(second: Secondary, look: Look) -> str:
    """What the secondary layer shows, with the sign of its line."""
    return f"▭ {second.words}" if look.secondary == "outline" and second.outline.any() else second.words


def _bar(axes: Axes, colours: NDArray[np.float32], cover: NDArray[np.float32], *, positive: bool, limit: float) -> None:
    """Colours on white from the low end to the high one."""
    shown = (colours * cover[..., None] + 255 * (1 - cover[..., None])).round().astype(np.uint8)
    low = 0 if positive else -1
    axes.imshow(shown, extent=(low, 1, 0, 1), aspect="auto", interpolation="none")
    ends = {0: "0", 1: number(limit)} if positive else {-1: number(-limit), 0: "0", 1: number(limit)}
    axes.set_xticks(list(ends), list(ends.values()))
    first, *_, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([])
    axes.spines[:].set_color(LINE)


def _ends(axes: Axes, low: str, high: str, plan: Plan) -> None:
    """What both ends mean, above them; one above the other where a line is too short."""
    room = plan.width_mm - 4 * PAD_MM
    if low and width_of(low) + width_of(high) > 0.95 * room:
        low, high = shortened(f"← {low}", room, 3), shortened(f"{high} →", room, 3)
        low, high = low + "\n" * len(high.split("\n")), high
    axes.set_title(low, loc="left")
    axes.set_title(shortened(high, room, 3), loc="right")
