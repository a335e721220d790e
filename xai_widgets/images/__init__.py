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
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.images import files, reading
from xai_widgets.images.known import table_of
from xai_widgets.images.listing import Row, list_images, shown

__all__ = ["ImageSet", "Watch", "load_images"]

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
        root: The folder in which all files are expected to lie; by default that of a folder or table (of a DataFrame:
            `folder`). Files elsewhere are used, and `notices` says so. A list of paths may name any files.
        strict: Leave out what lies outside `root`, images and human maps, as a problem each.

    Arrays are uint8 or bool, uint16 (0 to 65535) or float (0 to 1), and must not be changed afterwards. A file may be
    written or replaced at any time: what is asked for afterwards is of its new content.

    Attributes:
        notices: Sentences on the set that are no problem of a single image.

    Raises:
        ValueError: No image can be used, or an argument does not fit.
        TypeError: `name`, `folder` or `root` is not text.
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
        root: str | os.PathLike[str] | None = None,
        strict: bool = False,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be text, got {shown(name)}.")
        self.range = _bounds(range)
        self._root, self._strict = _folder("root", root), strict
        found = list_images(
            source,
            folder=_folder("folder", folder),
            column=column,
            ratings=ratings,
            labels=labels,
            bounds=self.range,
            root=self._root,
            strict=strict,
        )
        self._root = found.root
        self.name = name or _name_of(source)
        self.notices = found.notices
        self._rows = {row.name: row for row in found.rows}
        self.names = tuple(self._rows)
        self.table = table_of(found.rows)
        self._problems = found.problems
        self._lock = threading.RLock()
        self._broken: dict[str, tuple[Hashable, str]] = {}  # name: version of the file, sentence
        self._digests: dict[str, tuple[Hashable, str]] = {}  # the same with the digest
        self._photos: LRUCache[Any, NDArray[np.uint8]] = LRUCache(PHOTO_BYTES, getsizeof=lambda photo: photo.nbytes)
        self._thumbnails: LRUCache[Any, bytes] = LRUCache(THUMBNAIL_BYTES, getsizeof=len)

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each image, row or rating that cannot be used, those found so far while reading included."""
        with self._lock:
            return self._problems | {name: sentence for name, (_, sentence) in self._broken.items()}

    def photo(self, name: str) -> NDArray[np.uint8]:
        """The image (h w 3), not to be written to.

        Raises:
            ValueError: There is no such image, or it cannot be read; then it is in `problems` too.
        """
        key = (name, self._version(name))
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
        """The image as JPEG, neither wider nor higher than `side`.

        Raises:
            ValueError: There is no such image, it cannot be read, or `side` is not from 1 to 2048.
        """
        if not 1 <= side <= 2048:
            raise ValueError(f"side must be from 1 to 2048, got {side}.")
        key = (name, self._version(name), side)
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
        """Free the memory of pixels; what is asked for again is read again."""
        with self._lock:
            self._photos.clear()
            self._thumbnails.clear()

    def rating(self, name: str) -> float | None:
        """The known score, if there is a usable one.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).rating

    def label(self, name: str) -> str | None:
        """The known class.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).label

    def human_map(self, name: str) -> NDArray[np.float32] | None:
        """Where people looked or drew, (h w) from 0 to 1 at its own size.

        Raises:
            ValueError: There is no such image, or its map cannot be read.
        """
        path = self._row(name).human_map
        if path is None:
            return None
        try:
            self._check_place(path)
            return reading.read_photo(path).mean(2, dtype=np.float32) / 255
        except ValueError as error:
            raise ValueError(f"The human map of {name!r} {error}") from None

    def has_human_map(self, name: str) -> bool:
        """Whether there is one; its file is not read.

        Raises:
            ValueError: There is no such image.
        """
        return self._row(name).human_map is not None

    def digest(self, name: str) -> str:
        """Of the content, so that an answer is remembered for what the image shows, not for its name.

        Raises:
            ValueError: There is no such image, or it cannot be read.
        """
        version = self._version(name)
        with self._lock:
            known = self._digests.get(name)
        if known is not None and known[0] == version:
            return known[1]
        digest = self._digest_of(name, version)
        with self._lock:
            self._digests[name] = version, digest
        return digest

    def version(self, name: str) -> Hashable:
        """What changes when the file of an image or of its human map does; a look of some microseconds.

        It does not say what is in the file: `digest` does.

        Raises:
            ValueError: There is no such image.
        """
        row = self._row(name)
        return self._version(name), None if row.human_map is None else files.version_of(row.human_map)

    def watch(self) -> Watch:
        """Remember the files as they are now, to learn later which of them changed; each view may have its own."""
        return Watch(self)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._rows

    def __repr__(self) -> str:
        rated = int(self.table["rating"].notna().sum())
        return f"<ImageSet {self.name!r}: {len(self)} images, {rated} ratings, {len(self.problems)} problems>"

    def _row(self, name: str) -> Row:
        if isinstance(name, str) and name in self._rows:
            return self._rows[name]
        if isinstance(name, str) and name in self._problems:
            raise ValueError(self._problems[name])
        near = difflib.get_close_matches(str(name), self.names, 3) or self.names[:3]
        raise ValueError(f"{self.name!r} has no image {name!r}: names are like {', '.join(map(repr, near))}.")

    def _version(self, name: str) -> Hashable:
        """Of the file of an image; None for what is no file."""
        origin = self._row(name).origin
        return files.version_of(origin) if isinstance(origin, Path) else None

    def _digest_of(self, name: str, version: Hashable) -> str:
        origin = self._row(name).origin
        if isinstance(origin, Path):
            try:
                self._check_place(origin)
                with files.opened(origin) as file:
                    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            except (OSError, ValueError):
                self._read(name, version)  # says in a sentence what is wrong with it
                raise
        array = reading.photo_of(origin) if isinstance(origin, Image.Image) else np.asarray(origin)
        head = f"{array.dtype.str}{array.shape}".encode()
        return hashlib.blake2b(head + array.tobytes(), digest_size=16).hexdigest()

    def _check_place(self, path: Path) -> None:
        """With `strict`, a link that was changed after the set was made must not lead outside either."""
        if self._strict and self._root is not None and not files.Inside(self._root).holds(path):
            raise ValueError(f"is not read: it lies outside {str(self._root)!r}.")

    def _read(self, name: str, version: Hashable, side: int | None = None) -> NDArray[np.uint8]:
        with self._lock:
            known = self._broken.get(name)
        if known is not None and known[0] == version:
            raise ValueError(known[1])
        origin = self._row(name).origin
        try:
            if isinstance(origin, Path):
                self._check_place(origin)
                photo = reading.read_photo(origin, side=side)
            else:
                photo = reading.photo_of(origin)
        except ValueError as error:
            sentence = f"The image {name!r} {error}"
            with self._lock:
                self._broken[name] = version, sentence
            raise ValueError(sentence) from None
        with self._lock:
            self._broken.pop(name, None)
        return photo


class Watch:
    """Which files of a set change, for one who looks from time to time."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._known = {name: images.version(name) for name in images}

    def changed(self, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Images whose file, or that of whose human map, was written, replaced or removed since the last look at it.

        One look takes some 5 microseconds an image; nothing is read.

        Args:
            names: Only these are looked at; by default all.

        Raises:
            ValueError: There is no such image.
        """
        now = {name: self._images.version(name) for name in (self._images if names is None else names)}
        changed = tuple(name for name, version in now.items() if version != self._known[name])
        self._known |= now
        return changed


def load_images(name: str | os.PathLike[str], **options: Any) -> ImageSet:
    """The demonstration images "demo/quality", "demo/scenes" or "demo/collages", or a path, as in `ImageSet`.

    Raises:
        ValueError: There is no such set, or as in `ImageSet`.
        OSError: The demonstration images cannot be written anywhere.
    """
    if not isinstance(name, str) or not name.startswith("demo/"):
        return ImageSet(name, **options)
    if name not in _DEMOS:
        near = difflib.get_close_matches(name, _DEMOS, 1) or list(_DEMOS)
        raise ValueError(f"Demonstration images are {', '.join(map(repr, _DEMOS))}, got {name!r}: try {near[0]!r}.")
    from xai_widgets.demo import pictures

    folder = getattr(pictures, f"{name.removeprefix('demo/')}_folder")()
    return ImageSet(folder / "table.csv", **{"name": name, "range": _DEMOS[name], **options})


def _bounds(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is None:
        return None
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"range must be two finite numbers, the lower one first, got {bounds!r}.")
    return low, high


def _folder(keyword: str, given: object) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"{keyword} must be a folder, got {shown(given)}.")
    folder = Path(given).expanduser()
    if keyword == "root" and not folder.is_dir():
        raise ValueError(f"root must be a folder that exists, got {str(given)!r}.")
    return folder


def _name_of(source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        return "images"
    path = Path(source).expanduser().resolve()
    return path.parent.name if path.stem == "table" else path.stem or "images"
