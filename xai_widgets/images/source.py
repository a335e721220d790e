"""ImageSource: how a set of images is made, in plain data, so that another process can make the same one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet

PLACES = ("folder", "root")  # options that name a folder


@dataclass(frozen=True)
class ImageSource:
    """How an ImageSet is made.

    Attributes:
        of: a path, the name of a bundled set, a list of paths, a mapping from names to paths, or a table as a mapping
            from columns to lists.
        options: of `ImageSet`, those that were given.
        table: whether `of` is a table.
    """

    of: Any = field(hash=False)
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    table: bool = False

    def load(self) -> ImageSet:
        """Make the set.

        Raises:
            ValueError: as in `ImageSet`.
        """
        from xai_widgets.images import ImageSet, load_images

        if isinstance(self.of, str):
            return load_images(self.of, **self.options)
        return ImageSet(pd.DataFrame(self.of) if self.table else self.of, **self.options)

    def to_data(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"of": self.of, "options": dict(self.options), "table": self.table}

    @classmethod
    def from_data(cls, given: Any) -> ImageSource:
        """What `to_data` gave.

        Raises:
            ValueError: it holds other fields.
        """
        if not isinstance(given, dict) or set(given) != {"of", "options", "table"}:
            raise ValueError("the source of images must have `of`, `options` and `table`.")
        return cls(**given)


class Made:
    """Of a set: how it was made."""

    _given: Mapping[str, Any]  # the arguments of the set
    _source: ImageSource | None = None

    @property
    def source(self) -> ImageSource | None:
        """How another process makes this set; None where its pixels are in this process only."""
        return self._source or source_of(self._given)

    def made_by(self, name: str, options: Mapping[str, Any]) -> None:
        """Note that the set is a bundled one of this name."""
        self._source = ImageSource(name, {key: plain(value) for key, value in options.items()})


def source_of(given: Mapping[str, Any]) -> ImageSource | None:
    """How another process makes a set; None for what is in this one only: arrays, tensors, datasets.

    Args:
        given: the arguments of `ImageSet`.
    """
    options = {name: value for name, value in given.items() if name != "source" and value is not None}
    source, table = given["source"], isinstance(given["source"], pd.DataFrame)
    alone = isinstance(source, str | os.PathLike)  # a folder, a table or an image, which lies here
    try:
        start = os.curdir if alone else os.fspath(options.get("folder", os.curdir))
        of = plain(source.map(_text).to_dict("list")) if table else plain(source, file=True, start=start)
        kept = {name: plain(value, file=name in PLACES) for name, value in options.items()}
        json.dumps([of, kept], allow_nan=False)
    except (TypeError, ValueError):
        return None
    if table and "folder" not in kept:
        kept["folder"] = os.getcwd()  # where its relative paths start
    return ImageSource(of, kept, table)


def _text(cell: Any) -> Any:
    """A path as a table file has it."""
    return os.fspath(cell) if isinstance(cell, Path) else cell


def plain(value: Any, *, file: bool = False, start: str = os.curdir) -> Any:
    """Plain data; the path of a file that is there is made absolute, since another process may run elsewhere.

    Args:
        file: whether a text may be the path of a file.
        start: the folder from which relative paths are meant.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, Path) or (file and isinstance(value, str)):
        path = os.path.join(start, value)
        return os.path.abspath(path) if isinstance(value, Path) or os.path.exists(path) else value
    if isinstance(value, pd.Series):
        value = value.to_dict() if not isinstance(value.index, pd.RangeIndex) else value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        if isinstance(value, np.ndarray) and value.ndim != 1:
            raise TypeError("pixels are no plain data.")
        value = value.tolist()
    if value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one, file=file, start=start) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(one, file=file, start=start) for one in value]
    raise TypeError(f"{type(value).__name__} is no plain data.")
