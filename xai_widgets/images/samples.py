"""Samples of several images, such as left and right of a stereo pair, or a photo and its undistorted reference.

The first image of each sample is listed as if it were alone; a set of its own holds the second ones, under the same
names, and so on. So each image is read, checked and watched like any other.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from xai_widgets.images import columns, datasets, kinds, reading, table
from xai_widgets.images.cells import is_missing, shown
from xai_widgets.images.how import How
from xai_widgets.images.listing import Asked, Listing, Row
from xai_widgets.images.pixels import PLAIN
from xai_widgets.images.places import Places
from xai_widgets.images.problems import Problem

WORDS = ("first", "second", "third", "fourth")


class Further(dict[str, Any]):
    """Further images of samples, by name.

    Attributes:
        words: what such an image is called, such as "right image".
    """

    def __init__(self, origins: Mapping[str, Any], word: str) -> None:
        super().__init__(origins)
        self.words = shown_in_words(word)


def shown_in_words(shown: str) -> str:
    """ "left" as "left image"; what has the word already stays as it is."""
    return shown if not shown or "image" in shown else f"{shown} image"


class Slices:
    """The part of `ImageSet` for samples of several images.

    Attributes:
        slices: what the images of a sample are called; empty where a sample is one image.
    """

    slices: tuple[str, ...]
    name: str
    digest: Callable[[str], str]
    _further: list[Any]

    def slice(self, shown: str = "") -> Any:
        """The set of one image of each sample, under the same names; of the first where none is named.

        Raises:
            ValueError: the samples have no such image.
        """
        if not shown or (self.slices and shown == self.slices[0]):
            return self
        if shown not in self.slices:
            has = f"has the images {', '.join(map(repr, self.slices))}" if self.slices else "is one image"
            raise ValueError(f"a sample of {self.name!r} {has}, got {shown!r}.")
        return self._further[self.slices.index(shown) - 1]

    def digests(self, name: str) -> tuple[str, ...]:
        """Of each image of a sample, see `digest`.

        Raises:
            ValueError: There is no such image, or it cannot be read.
        """
        return (self.digest(name), *(further.digest(name) for further in self._further))

    def sample_digest(self, name: str) -> str:
        """Of the content of all images of a sample; of a sample of one image its `digest`.

        Raises:
            ValueError: There is no such image, or it cannot be read.
        """
        found = self.digests(name)
        return found[0] if len(found) == 1 else hashlib.blake2b("".join(found).encode(), digest_size=16).hexdigest()

    def _further_problems(self) -> list[Problem]:
        pairs = zip(self.slices[1:], self._further, strict=True)
        return [told for word, further in pairs for told in _of_slice(word, further)]


@dataclass
class Samples:
    """What a set is made of, where its samples may have several images.

    Attributes:
        source: of the first images.
        asked: how it is read; of a table with the column of the first images.
        slices: what each image of a sample is called; empty where there is one.
        by_name: whether `items` are by the name of a sample; else by their place in a list.
        items: the further images of each sample; empty for a table.
    """

    source: Any
    asked: Asked
    slices: tuple[str, ...] = ()
    by_name: bool = False
    items: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def further(self, found: Listing, make: Callable[[Further], Any]) -> list[Any]:
        """Sets of the second images, of the third ones and so on; samples that lack one are left out of the listing.

        Args:
            make: from images by name to a set of them.

        Raises:
            ValueError: no sample has all its images.
        """
        sets = []
        for place, word in enumerate(self.slices[1:]):
            origins = {row.name: origin for row in found.rows if (origin := self._origin(row, place, word)) is not None}
            for row in found.rows:
                if row.name not in origins:
                    sentence = f"The sample {row.name!r} is left out: it has no image {word!r}."
                    found.complain(row.name, sentence, "row")
            if not origins:
                raise ValueError(f"{found.what} has no sample with an image {word!r}.")
            made = make(Further(origins, word))
            for row in found.rows:
                if row.name in origins and row.name not in made:
                    sentence = f"The sample {row.name!r} is left out: its {shown_in_words(word)} cannot be used."
                    found.complain(row.name, sentence, "row")
            found.rows = [row for row in found.rows if row.name in made]
            sets.append(made)
        if not found.rows:
            raise ValueError(f"{found.what} has no sample of which all images can be used.")
        return sets

    def _origin(self, row: Row, place: int, word: str) -> Any:
        if self.items:
            return self.items[row.name if self.by_name else row.place][place]
        cell = row.extra.pop(word, None)
        return None if cell is None or is_missing(cell) else Places(self.asked.folder or Path()).find(str(cell))


def split(source: Any, images: Sequence[str] | None, asked: Asked, how: How = PLAIN) -> Samples:
    """The first images of samples, and the further ones.

    Args:
        images: what the images of a sample are called; of a table its columns.
        asked: how the source is read.
        how: how pixels are, for what a dataset gives.

    Raises:
        ValueError: the samples do not have as many images each, or as there are names.
        TypeError: the names are no texts.
    """
    names = _names(images)
    if isinstance(source, Mapping) and source:
        source, asked = _without_labels(source, asked)
    if _is_table(source) and len(names) > 1:
        return _of_table(source, names, asked)
    if isinstance(source, Mapping) and source and all(map(_is_sample, source.values())):
        count = _count(list(source.values()), names)
        first = {name: item[0] for name, item in source.items()}
        return Samples(first, asked, _called(names, count), True, {str(k): tuple(v[1:]) for k, v in source.items()})
    if isinstance(source, list | tuple) and source and all(map(_is_sample, source)):
        count = _count(source, names)
        items = {f"item {place}": tuple(item[1:]) for place, item in enumerate(source)}
        return Samples([item[0] for item in source], asked, _called(names, count), False, items)
    source = _as_items(source, names, how)
    if isinstance(source, datasets.Items) and source.images > 1:
        _check_named(source.images, names)
        items = {f"item {place}": item.further for place, item in enumerate(source.items)}
        return Samples(source, asked, _called(names, source.images), False, items)
    if len(names) > 1:
        raise ValueError(
            f"images={list(names)!r} names the images of a sample: give tuples of {len(names)} images, or a table with "
            f"these columns, got {shown(source)}."
        )
    return Samples(source, asked)


def _without_labels(source: Mapping[Any, Any], asked: Asked) -> tuple[Mapping[Any, Any], Asked]:
    """A mapping from names to images with a label behind, as one to images and, unless labels are given, of labels."""
    items = list(source.values())
    if not (all(map(kinds.is_labelled_sample, items)) or all(map(kinds.is_pair, items))):
        return source, asked
    if asked.labels is None:
        asked = replace(asked, labels={str(name): item[-1] for name, item in source.items()})
    return {name: item[0] if len(item) == 2 else tuple(item[:-1]) for name, item in source.items()}, asked


def _is_table(source: Any) -> bool:
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        return path.is_file() and table.is_table(path)
    return isinstance(source, pd.DataFrame)


def _of_table(source: Any, names: tuple[str, ...], asked: Asked) -> Samples:
    """A table with a column for each image of a sample; what such a column is called says nothing else about it."""
    if asked.column is not None and asked.column != names[0]:
        raise ValueError(f"column must be the first of images, {names[0]!r}, or left out, got {asked.column!r}.")
    if isinstance(source, pd.DataFrame):
        cells, folder = table.from_frame(source), asked.folder
    else:
        path = Path(source).expanduser()
        folder = asked.folder or path.parent
        cells = table.from_file(path, encoding=asked.encoding, exist=Places(folder).count)
    for name in names:
        columns.chosen(cells.name, cells.columns, {"image": name})  # which says so where there is none
    taken = columns.chosen(cells.name, cells.columns, {"image": names[0]})
    other: dict[str, str | None] = {kind: None for kind, column in taken.items() if column in names[1:]}
    asked = replace(asked, folder=folder, column=names[0], columns=other | dict(asked.columns))
    return Samples(source, asked, names)


def _of_slice(word: str, images: Any) -> list[Problem]:
    """The problems of one image of each sample."""
    return [replace(told, name=f"{told.name} ({word})") for told in images.problem_list()]


def _names(images: Sequence[str] | None) -> tuple[str, ...]:
    if images is None:
        return ()
    if isinstance(images, str) or not all(isinstance(name, str) and name.strip() for name in images):
        raise TypeError(
            f'images must be the names of the images of a sample, such as ["left", "right"], got {images!r}.'
        )
    if len(set(images)) < len(images):
        raise ValueError(f"images must have different names, got {list(images)!r}.")
    return tuple(images)


def _is_sample(item: Any) -> bool:
    """Several images, rather than one, or an image with its label."""
    return isinstance(item, tuple | list) and len(item) > 1 and all(map(_is_image, item))


def _is_image(item: Any) -> bool:
    if isinstance(item, str | os.PathLike):
        return Path(item).suffix.lower() in reading.suffixes()
    return isinstance(item, Image.Image) or (len(getattr(item, "shape", ())) >= 2 and not isinstance(item, np.generic))


def _count(items: Sequence[Any], names: tuple[str, ...]) -> int:
    counts = sorted({len(item) for item in items})
    if len(counts) > 1:
        raise ValueError(f"samples must have as many images each, got from {counts[0]} to {counts[-1]}.")
    _check_named(counts[0], names)
    return counts[0]


def _check_named(count: int, names: tuple[str, ...]) -> None:
    if names and len(names) != count:
        raise ValueError(f"images must name each of the {count} images of a sample, got {list(names)!r}.")


def _as_items(source: Any, names: tuple[str, ...], how: How) -> Any:
    """A dataset, or a list of samples with a label each, as its items; anything else as it is."""
    if isinstance(source, datasets.Items):
        return source
    if datasets.is_dataset(source):
        return datasets.items_of(source, how=how)
    if isinstance(source, list | tuple) and source and all(map(kinds.is_labelled_sample, source)):
        _count([item[:-1] for item in source], names)
        return datasets.items_of(list(source), how=how)
    return source


def _called(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names or tuple(WORDS[place] if place < len(WORDS) else f"image {place + 1}" for place in range(count))
