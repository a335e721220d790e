"""How strongly each feature map answers to an image, where, and the crop of the photo that it answers to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from xai_widgets.engine.answers import Activations, Box
from xai_widgets.engine.asking import Request
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.subject import Subject, array
from xai_widgets.kernels.cam.base import recording
from xai_widgets.kernels.checks import whole_number
from xai_widgets.kernels.saliency import resize
from xai_widgets.kernels.tail.results import tensors_of

HELD = 0.95  # of the absolute gradient, inside a crop
MOST_AREA = 0.5  # of the image, for a crop by the gradient
Edges = tuple[float, float, float, float]  # left, top, right, bottom, as shares of what the network saw


def activations(request: Request) -> Activations:
    """The largest activation of each map, its place, the mean; crops of the maps in the option `crops`.

    Raises:
        ValueError: a crop is asked for of a map that there is not.
    """
    subject = request.subject
    maps = subject.tail.maps[0].detach()
    count, rows, columns = maps.shape
    wrong = [index for index in request.options["crops"] if index >= count]
    if wrong:
        raise ValueError(f"crops must name feature maps, 0 to {count - 1}; got {wrong[0]}.")
    flat = maps.flatten(1).float().cpu()
    maximum = flat.amax(1)
    place = (flat == maximum[:, None]).int().argmax(1)  # ties by lowest index
    if request.options["crops"]:
        subject.check_placed("a crop")
    crops, notes = _crops(request, maximum, place)
    return Activations(
        maximum=array(maximum),
        row=(place // columns).numpy().astype(np.int32),
        column=(place % columns).numpy().astype(np.int32),
        mean=array(flat.mean(1)),
        active=(maximum > 0).numpy(),
        grid=(rows, columns),
        crops=crops,
        notes=notes,
    )


def _crops(request: Request, maximum: Tensor, place: Tensor) -> tuple[dict[int, Box], dict[int, str]]:
    """Of the maps that were asked for: the part of the photo, and how it was found or why there is none."""
    crops: dict[int, Box] = {}
    notes: dict[int, str] = {}
    slope = _slopes(request.subject) if request.options["crops"] else None
    for index in request.options["crops"]:
        request.step()
        if float(maximum[index]) <= 0:
            notes[index] = f"Map {index} is nowhere above 0 on this image, so that it has no crop."
            continue
        edges, notes[index] = _crop(request.subject, slope, index, int(place[index]))
        crops[index] = _on_photo(edges, request.subject.box)
    return crops, notes


def _crop(subject: Subject, slope: Slope | None, index: int, place: int) -> tuple[Edges, str]:
    """By the gradient; where that box is too large or there is no gradient, by the up-sampled activation."""
    maps = subject.tail.maps.detach()
    rows, columns = maps.shape[2:]
    row, column = divmod(place, columns)
    centre = ((row + 0.5) / rows, (column + 0.5) / columns)
    gradient = None if slope is None else slope(index, row, column)
    if gradient is not None and float(gradient.sum()) > 0:
        edges = box_of_share(gradient, centre)
        if (edges[2] - edges[0]) * (edges[3] - edges[1]) <= MOST_AREA:
            held = f"{100 * HELD:.0f} % of its absolute gradient"
            return edges, f"The box around the largest activation that holds {held}."
    size = (subject.inputs.shape[-2], subject.inputs.shape[-1])
    fine = resize(maps[:, index].float(), size)[0].cpu().numpy()
    cell = (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
    return half_maximum(fine, centre, cell), "The region around the largest activation that is above half of it."


Slope = Callable[[int, int, int], Tensor | None]


def _slopes(subject: Subject) -> Slope | None:
    """From a map, row and column to the absolute gradient (h w) of that activation at the input; None without one."""
    capture = _Captured(subject)
    try:
        with recording(subject.tail):
            leaf = subject.tail.inputs.detach().clone().requires_grad_()
            with subject.tail.shell.running(capture) as network:
                result = network(leaf.clone())
            subject.tail.shell.recall(capture, list(tensors_of(result)))
    except RuntimeError:
        return None  # a network that switches gradients off, or writes over what they need
    maps = capture.maps
    if maps is None or not maps.requires_grad or leaf.dim() != 4:
        return None

    def slope(index: int, row: int, column: int) -> Tensor | None:
        with recording(subject.tail):
            try:
                (found,) = torch.autograd.grad(maps[0, index, row, column], leaf, retain_graph=True, allow_unused=True)
            except RuntimeError:
                return None
        return None if found is None else subject.of_shown(found)[0].abs().double().sum(0).cpu()

    return slope


class _Captured:
    """A pass in which every module runs, and that keeps the feature maps of the layer with their graph."""

    def __init__(self, subject: Subject) -> None:
        self._structure = subject.tail.structure
        self._calls: dict[str, int] = {}
        self.maps: Tensor | None = None

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = (name, self._calls.get(name, 0))
        self._calls[name] = key[1] + 1
        output = forward(*args, **kwargs)
        if key == self._structure.target and self.maps is None:
            whole = tree_leaves(output)[self._structure.leaf]
            self.maps = self._structure.layout.maps(whole.clone())  # what follows may write into the layer's own
        return output


def box_of_share(gradient: Tensor, centre: tuple[float, float], share: float = HELD) -> Edges:
    """A small box around a point that holds a share: sides with the least of the gradient a pixel are taken off first.

    Args:
        gradient: (h w), at least 0 and not all zero.
        centre: row and column, as shares of the sides; its pixel stays inside.
        share: of the sum.
    """
    values = gradient.double().numpy()
    rows, columns = values.shape
    row, column = min(int(centre[0] * rows), rows - 1), min(int(centre[1] * columns), columns - 1)
    top, bottom, left, right = 0, rows, 0, columns
    least = share * float(values.sum())
    held = float(values.sum())
    while True:
        strips = {  # what each side would lose
            (1, 0, 0, 0): values[top, left:right] if top < row else None,
            (0, -1, 0, 0): values[bottom - 1, left:right] if bottom - 1 > row else None,
            (0, 0, 1, 0): values[top:bottom, left] if left < column else None,
            (0, 0, 0, -1): values[top:bottom, right - 1] if right - 1 > column else None,
        }
        moves = [
            (strip.mean(), strip.sum(), move)
            for move, strip in strips.items()
            if strip is not None and held - strip.sum() >= least
        ]
        if not moves:
            return left / columns, top / rows, right / columns, bottom / rows
        _, lost, move = min(moves, key=lambda one: float(one[0]))
        held -= float(lost)
        top, bottom, left, right = top + move[0], bottom + move[1], left + move[2], right + move[3]


def half_maximum(fine: np.ndarray, centre: tuple[float, float], cell: Edges) -> Edges:
    """The box of the connected region around a point where a map is at least half of its maximum, and of its cell."""
    from skimage.measure import label

    rows, columns = fine.shape
    regions = label(fine >= fine.max() / 2, connectivity=1)
    at = regions[min(int(centre[0] * rows), rows - 1), min(int(centre[1] * columns), columns - 1)]
    if not at:
        return cell
    down, across = np.nonzero((regions == at).any(1))[0], np.nonzero((regions == at).any(0))[0]
    found = across[0] / columns, down[0] / rows, (across[-1] + 1) / columns, (down[-1] + 1) / rows
    return min(found[0], cell[0]), min(found[1], cell[1]), max(found[2], cell[2]), max(found[3], cell[3])


def _on_photo(edges: Edges, seen: Box) -> Box:
    """From shares of what the network saw to shares of the photo."""
    width, height = seen[2] - seen[0], seen[3] - seen[1]
    left, top, right, bottom = edges
    return seen[0] + left * width, seen[1] + top * height, seen[0] + right * width, seen[1] + bottom * height


def checked_crops(given: Any) -> tuple[int, ...]:
    """Feature maps by number, each once.

    Raises:
        ValueError: no whole numbers from 0 on.
    """
    values = given.tolist() if isinstance(given, np.ndarray | Tensor) else given
    try:
        some = values if isinstance(values, Sequence) and not isinstance(values, str) else None
        numbers = [whole_number("a feature map", value, 0) for value in some or ()]
    except (TypeError, ValueError):
        some = None
    if some is None:
        raise ValueError(f"crops must be feature maps by number, such as (3, 17), got {given!r}.")
    return tuple(sorted(set(numbers)))


OPTIONS = (Option("crops", "feature maps of which a crop is wanted", (), check=checked_crops),)
PARTS = (Part("activations", "what each map answers to", activations, options=OPTIONS, lane="detail"),)
