"""Resilience: does the map move with the image?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.degrade import check_range
from xai_widgets.kernels.measures.explaining import (
    Clean,
    Step,
    Target,
    clean_of,
    explained_copies,
    one_image,
)
from xai_widgets.kernels.measures.intervals import mean_defined
from xai_widgets.kernels.measures.methods import Explain, explainer_of
from xai_widgets.kernels.measures.rows import Compared, Row
from xai_widgets.kernels.measures.similarity import degenerate_maps, ssim
from xai_widgets.kernels.saliency import resize

GROUPS = {"shifts": slice(0, 8), "flips": slice(8, 10), "turns": slice(10, 12)}  # columns of what is compared
NO_TURNS = "quarter turns: n/a, the image is not square"


def resilience_by_transform(
    explain: Explain,
    image: Float[Tensor, "c h w"],
    *,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> dict[str, Tensor]:
    """SSIM of the image's map and the map of the moved image, moved back, at the image's resolution.

    Eight shifts by a fourteenth of the shorter side, two flips, two quarter turns (NaN for an image that is not
    square).

    Args:
        explain: The method.
        image: In [0, 1].
        target: The output, where it is not to be the predicted one.
        batch: Images that are explained at a time; found from their size if left out.
        step: Called before each batch; may raise to cancel.

    Raises:
        TypeError: as `clean_of`.
        ValueError: as `clean_of`.
    """
    explainer, images = explainer_of(explain), one_image(image)
    clean = clean_of(explainer, images, targets=target, batch=batch, step=step)
    values = resilience_of(explainer, images, clean, batch=batch, step=step).values[0]
    return {group: values[columns] for group, columns in GROUPS.items()}


def resilience(
    explain: Explain,
    image: Float[Tensor, "c h w"],
    *,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> dict[str, float]:
    """The mean of each group of `resilience_by_transform`: shifts, flips, turns; NaN for turns of oblong images.

    `resilience_by_transform` says what the arguments are.

    Raises:
        TypeError: as `clean_of`.
        ValueError: as `clean_of`.
    """
    groups = resilience_by_transform(explain, image, target=target, batch=batch, step=step)
    return {name: mean_defined(values)[0] for name, values in groups.items()}


def resilience_of(
    explain: Explain,
    images: Float[Tensor, "n c h w"],
    clean: Clean,
    *,
    batch: int | None = None,
    step: Step = None,
) -> Compared:
    """SSIM of many images with each of their moves, the columns of `GROUPS`; turns are NaN for oblong images.

    Args:
        explain: The method.
        images: In [0, 1].
        clean: Of these images.
        batch, step: See `clean_of`.

    Raises:
        TypeError: no tensors of floating-point numbers.
        ValueError: images outside of [0, 1], clean maps of other images, a method that does not give one map an image.
    """
    check_range("images", images)
    explainer, clean = explainer_of(explain), clean.beside(images)
    moves = _moves(images.shape[-2], images.shape[-1])

    def change(start: int, end: int) -> Tensor:
        return torch.stack([move.there(images[start:end]) for move in moves], 1)

    values, flagged = [], []
    parts = explained_copies(explainer, images, clean.targets, change, len(moves), batch=batch, step=step)
    for some, maps, _ in parts:
        before = at_size_of(images, clean.maps[some])
        columns = [at_size_of(images, moved) for moved in maps.unbind(1)]
        pairs = [move.back(before, moved) for move, moved in zip(moves, columns, strict=True)]
        values.append(torch.stack([ssim(*pair) for pair in pairs], 1))
        flagged.append(_degenerate(maps))
    height, width = images.shape[-2:]
    every = GROUPS["turns"].stop
    missing = tuple(range(len(moves), every))
    every_value = torch.nn.functional.pad(torch.cat(values), (0, len(missing)), value=math.nan)
    every_flag = torch.nn.functional.pad(torch.cat(flagged), (0, len(missing)), value=False)
    return Compared(every_value, degenerate_maps(clean.maps), every_flag, (height, width), missing)


def group_means(compared: Compared) -> Float[Tensor, "n 3"]:
    """The mean of the shifts, flips and turns of each image, what is not defined left out."""
    means = [compared.values[:, columns].nanmean(1) for columns in GROUPS.values()]
    return torch.stack(means, 1)


def resilience_rows(compared: Compared, rule: str, *, first: int = 0) -> list[Row]:
    """A row for all moves, with the mean of the means of the groups, and one a group.

    Of images that are not square there are two groups: the row says so, and counts the turns as left out.
    """
    whole = compared.rows("resilience", rule, [("", None, slice(None))], first=first)
    means = group_means(compared).nanmean(1).tolist()
    groups = [(name, None, columns) for name, columns in GROUPS.items()]
    rows = [row._replace(value=mean) for row, mean in zip(whole, means, strict=True)]
    rows += compared.rows("resilience", rule, groups, first=first)
    note = NO_TURNS if compared.missing else ""
    return [row._replace(note=note) if row.part in ("", "turns") else row for row in rows]


def at_size_of(images: Float[Tensor, "_ c y x"], maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n y x"]:
    """At the images' size; a degenerate map becomes NaN, since rounding could give it a structure."""
    height, width = images.shape[-2:]
    return torch.where(degenerate_maps(maps)[:, None, None], math.nan, resize(maps, (height, width)))


class Move(NamedTuple):
    """A movement of images, and how a map is moved back to the positions of the clean one."""

    there: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def _moves(height: int, width: int) -> list[Move]:
    reach = max(1, round(min(height, width) / 14))
    shifts = [(down * reach, right * reach) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    moves = [Move(partial(degrade.shift, dy=y, dx=x), partial(degrade.overlap, dy=y, dx=x)) for y, x in shifts]
    for vertical in (False, True):
        flip = partial(degrade.flip, vertical=vertical)
        moves.append(Move(flip, partial(_undone, flip)))
    for quarters in (1, -1) if height == width else ():
        there, back = (partial(degrade.turn, quarters=way) for way in (quarters, -quarters))
        moves.append(Move(there, partial(_undone, back)))
    return moves


def _undone(back: Callable[[Tensor], Tensor], clean: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    return clean, back(moved)


def _degenerate(maps: Float[Tensor, "n s h w"]) -> Bool[Tensor, "n s"]:
    return degenerate_maps(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
