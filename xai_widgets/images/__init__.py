"""ImageSet: photographs from a folder, files, arrays or a table, with what is known about each.

A name stands for an image everywhere. What cannot be used is left out and told in `problems`; the rest works.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.images import reading
from xai_widgets.images.listing import Row, list_images

__all__ = ["ImageSet", "load_images"]

PHOTO_BYTES = 256 * 2**20
THUMBNAIL_BYTES = 32 * 2**20
_DEMOS = {"demo/quality": (0.0, 1.0), "demo/scenes": None, "demo/collages": None}


class ImageSet:
    """Images by name, read when first used.

    Args:
        source: A folder, with those below it, in natural order, hidden ones left out; one image file; a list of files,
            arrays or images of Pillow's; a mapping from names to those; an array (n h w) or (n h w c), c from 1 to 4;
            a table: a CSV file or DataFrame with image paths and any of rating, label, human_map and more columns.
        folder: Where relative paths start; for a CSV file its own folder if not given.
        column: The table's column of image paths, if it has no usual name.
        ratings: Known scores: a column of the table, numbers in the order of the images, or a mapping from names.
        labels: Known classes, in the same ways.
        range: Lowest and highest rating; one beyond is not used.

    Arrays are uint8 or bool, uint16 (0 to 65535) or float (0 to 1), and must not be changed afterwards.

    Raises:
        ValueError: No image can be used, or an argument does not fit.
    """

    def __init__(
        self,
        source: Any,
        *,
        folder: str | os.PathLike[str] | None = None,
        column: str | None = None,
        ratings: Any = None,
        labels: Any = None,
        name: str | None = None,
        range: tuple[float, float] | None = None,
    ) -> None:
        self.range = _bounds(range)
        start = Path(folder).expanduser() if folder is not None else None
        found = list_images(source, folder=start, column=column, ratings=ratings, labels=labels, bounds=self.range)
        self.name = name or _name_of(source)
        self._rows = {row.name: row for row in found.rows}
        self.names = tuple(self._rows)
        self.table = _table_of(found.rows)
        self._problems = found.problems
        self._lock = threading.RLock()
        self._broken: dict[str, tuple[object, str]] = {}  # name: state of the file, sentence
        self._digests: dict[tuple[str, object], str] = {}
        self._photos: LRUCache[Any, NDArray[np.uint8]] = LRUCache(PHOTO_BYTES, getsizeof=lambda photo: photo.nbytes)
        self._thumbnails: LRUCache[Any, bytes] = LRUCache(THUMBNAIL_BYTES, getsizeof=len)

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each image, row or rating that cannot be used, those found so far while reading included."""
        with self._lock:
            return self._problems | {name: sentence for name, (_, sentence) in self._broken.items()}

    def photo(self, name: str) -> NDArray[np.uint8]:
        """The image (h w 3), not to be written to. ValueError if it cannot be read; then it is in `problems` too."""
        key = (name, self._state(name))
        with self._lock:
            if key in self._photos:
                return self._photos[key]
        photo = self._read(name, key[1])
        photo.flags.writeable = False
        with self._lock:
            if photo.nbytes <= PHOTO_BYTES // 2:
                self._photos[key] = photo
        return photo

    def thumbnail(self, name: str, side: int = 96) -> bytes:
        """The image as JPEG, neither wider nor higher than `side`."""
        if not 1 <= side <= 2048:
            raise ValueError(f"side must be from 1 to 2048, got {side}.")
        key = (name, self._state(name), side)
        with self._lock:
            if key in self._thumbnails:
                return self._thumbnails[key]
            photo = self._photos.get(key[:2])
        image = Image.fromarray(self._read(name, key[1], side=2 * side) if photo is None else photo)
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=85, subsampling=0)
        with self._lock:
            self._thumbnails[key] = file.getvalue()
        return file.getvalue()

    def forget(self) -> None:
        """Let go of the pixels that are remembered; what is asked for again is read again."""
        with self._lock:
            self._photos.clear()
            self._thumbnails.clear()

    def rating(self, name: str) -> float | None:
        """The known score, if there is a usable one."""
        return self._row(name).rating

    def label(self, name: str) -> str | None:
        """The known class."""
        return self._row(name).label

    def human_map(self, name: str) -> NDArray[np.float32] | None:
        """Where people looked or drew, (h w) from 0 to 1 at its own size."""
        path = self._row(name).human_map
        if path is None:
            return None
        try:
            return reading.read_photo(path).mean(2, dtype=np.float32) / 255
        except ValueError as error:
            raise ValueError(f"The human map of {name!r} {error}") from None

    def digest(self, name: str) -> str:
        """Of the content, so that an answer is remembered for what the image shows, not for its name."""
        state = self._state(name)
        with self._lock:
            if (name, state) in self._digests:
                return self._digests[name, state]
        origin = self._row(name).origin
        if isinstance(origin, Path):
            try:
                with origin.open("rb") as file:
                    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            except OSError:
                self._read(name, state)  # says in a sentence what is wrong with it
                raise
        else:
            array = reading.photo_of(origin) if isinstance(origin, Image.Image) else np.asarray(origin)
            head = f"{array.dtype.str}{array.shape}".encode()
            digest = hashlib.blake2b(head + array.tobytes(), digest_size=16).hexdigest()
        with self._lock:
            self._digests[name, state] = digest
        return digest

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __repr__(self) -> str:
        rated = int(self.table["rating"].notna().sum())
        return f"<ImageSet {self.name!r}: {len(self)} images, {rated} ratings, {len(self.problems)} problems>"

    def _row(self, name: str) -> Row:
        if name in self._rows:
            return self._rows[name]
        if name in self._problems:
            raise ValueError(self._problems[name])
        near = difflib.get_close_matches(str(name), self.names, 3) or self.names[:3]
        raise ValueError(f"{self.name!r} has no image {name!r}: names are like {', '.join(map(repr, near))}.")

    def _state(self, name: str) -> object:
        """What changes when the file does, so that nothing old is shown for it."""
        origin = self._row(name).origin
        if not isinstance(origin, Path):
            return None
        try:
            stat = origin.stat()
        except OSError:
            return "missing"
        return stat.st_mtime_ns, stat.st_size

    def _read(self, name: str, state: object, side: int | None = None) -> NDArray[np.uint8]:
        with self._lock:
            known = self._broken.get(name)
        if known is not None and known[0] == state:
            raise ValueError(known[1])
        origin = self._row(name).origin
        try:
            photo = reading.read_photo(origin, side=side) if isinstance(origin, Path) else reading.photo_of(origin)
        except ValueError as error:
            sentence = f"The image {name!r} {error}"
            with self._lock:
                self._broken[name] = state, sentence
            raise ValueError(sentence) from None
        with self._lock:
            self._broken.pop(name, None)
        return photo


def load_images(name: str, **options: Any) -> ImageSet:
    """The demonstration images "demo/quality", "demo/scenes" or "demo/collages", or a path, as in `ImageSet`."""
    if name not in _DEMOS:
        if str(name).startswith("demo/"):
            near = difflib.get_close_matches(name, _DEMOS, 1) or list(_DEMOS)
            raise ValueError(f"Demonstration images are {', '.join(map(repr, _DEMOS))}, got {name!r}: try {near[0]!r}.")
        return ImageSet(name, **options)
    from xai_widgets.demo import pictures

    folder = getattr(pictures, f"{name.removeprefix('demo/')}_folder")()
    return ImageSet(folder / "table.csv", **{"name": name, "range": _DEMOS[name], **options})


def _bounds(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is None:
        return None
    low, high = (float(bound) for bound in bounds)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"range must be two finite numbers, the lower one first, got {bounds!r}.")
    return low, high


def _name_of(source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        return "images"
    path = Path(source).expanduser().resolve()
    return path.parent.name if path.stem == "table" else path.stem or "images"


def _table_of(rows: list[Row]) -> pd.DataFrame:
    """Rating, label, human_map and further columns by name; text that is all numbers becomes numbers."""
    index = pd.Index([row.name for row in rows], name="image", dtype=object)
    known = {
        "rating": pd.Series([row.rating for row in rows], index, dtype=float),
        "label": pd.Series([row.label for row in rows], index, dtype=object),
        "human_map": pd.Series([row.human_map and str(row.human_map) for row in rows], index, dtype=object),
    }
    further = dict.fromkeys(key for row in rows for key in row.extra if key not in known)
    extra = {key: _typed(pd.Series([row.extra.get(key) for row in rows], index, dtype=object)) for key in further}
    return pd.DataFrame(known | extra)


def _typed(column: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(column.replace("", None))
    except (ValueError, TypeError):
        return column.infer_objects()
