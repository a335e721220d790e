"""The fixations of all images of a set, where a network sees them: what shuffled AUC compares with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from xai_widgets.engine.parts.agreement import is_mask, other_map
from xai_widgets.engine.query import Query
from xai_widgets.engine.sources import Sources
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.agreement import counts_at

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet

Size = tuple[int, int]
_looks: WeakKeyDictionary[ImageSet, dict[str, tuple[float, int]]] = WeakKeyDictionary()  # by column: until when, what


def fixations_of_set(subject: Subject, column: str, size: Size) -> Tensor:
    """(rows columns) how many fixations all images of the set have at each place of what the network sees.

    Every map is read once a model, and again when a file was replaced.

    Args:
        column: of the table of images, that names the maps; densities and maps that cannot be read have none.
        size: of the grid of places.
    """
    sources, model = subject.sources, subject.query.model
    key = ("fixations of the set", sources.model(model).now().key, column, _mark(sources.images, column))
    counted = sources.cache.remember(key, lambda: _counted(sources, model, column))
    found = torch.zeros(size, dtype=torch.long, device="cpu")
    for counts in counted:
        found = found + counts_at(counts, size)
    return found


def _mark(images: ImageSet, column: str) -> int:
    """Changes when the file of a photo or a map does. A look at all files costs at most a hundredth of the time."""
    known = _looks.setdefault(images, {})
    until, mark = known.get(column, (0.0, 0))
    start = time.monotonic()
    if start < until:
        return mark
    mark = hash(tuple((images.version(name), images.map_version(name, column)) for name in images))
    end = time.monotonic()
    known[column] = end + 100 * (end - start), mark
    return mark


def _counted(sources: Sources, model: str, column: str) -> tuple[Tensor, ...]:
    """How many fixations are at each place, of each size that maps have."""
    found: dict[Size, Tensor] = {}
    for mask in _masks(sources, model, column):
        size = (mask.shape[0], mask.shape[1])
        found[size] = found[size] + mask if size in found else mask.long()
    return tuple(found.values())


def _masks(sources: Sources, model: str, column: str) -> Iterator[Tensor]:
    for image in sources.images:
        if sources.images.map_file(image, column) is None:
            continue
        with suppress(ValueError):  # said where the image is compared itself
            other = other_map(Subject(sources, Query(image=image, model=model)), column)
            if is_mask(other):
                yield other > 0
