"""ImageSet: photographs from a folder, files, arrays or a table, with what is known about each.

A name stands for an image everywhere. What cannot be used is left out and told in `problems`; the rest works.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.images import files, pixels, reading, samples
from xai_widgets.images.arguments import bounds_of, folder_of, name_of
from xai_widgets.images.cells import shown as shown_value
from xai_widgets.images.datasets import Lazy, items_of
from xai_widgets.images.demonstrations import load_images
from xai_widgets.images.how import how_of
from xai_widgets.images.known import Known, table_of
from xai_widgets.images.listing import Asked, Row, list_images
from xai_widgets.images.maps import Maps
from xai_widgets.images.places import composed
from xai_widgets.images.problems import Problem, ProblemGroup, by_name, grouped
from xai_widgets.images.references import References
from xai_widgets.images.source import ImageSource, Made
from xai_widgets.images.watch import Watch

__all__ = ["ImageSet", "ImageSource", "Problem", "ProblemGroup", "Watch", "grouped", "load_images"]

PHOTO_BYTES = 256 * 2**20
THUMBNAIL_BYTES = 32 * 2**20


class ImageSet(Known, Maps, samples.Slices, References, Made):
    """Images by name, read when first used.

    Args:
        source: A folder, with those below it, links followed, in natural order, hidden ones left out; one image file;
            a list of files, arrays, tensors or images of Pillow's, or of pairs of one and its label; a mapping from
            names to those or to such pairs; an array (n h w) or (n h w c), c being 1 or 3; a tensor (n c h w); a
            dataset or DataLoader of torch's, torchvision's or Hugging Face (see `from_dataset`); a table: a CSV, Excel
            or Parquet file or a DataFrame with image paths and any of rating, label, human_map, rating_sd (standard
            deviation between raters), raters (how many), split (train, val, test), reference (the undistorted photo)
            and more columns.
        folder: Where relative paths start; for a table file its own folder if not given.
        column: The table's column of image paths, if it has no usual name.
        columns: Columns of the table by what they hold, such as {"rating": "MOS", "split": None}.
        ratings: Known scores: a column of the table, numbers in the order of the images, or a mapping from names.
        labels: Known classes, in the same ways. Of a multilabel network an image may have several: a tuple or list of
            names, or text such as "cat; dog" or "cat|dog"; an empty tuple says that none holds.
        range: Lowest and highest rating; one beyond is not used.
        root: The folder in which all files are expected to lie; by default that of a folder or table (of a DataFrame:
            `folder`). Files elsewhere are used, and `notices` says so. A list of paths may name any files.
        strict: Leave out what lies outside `root`, images and human maps, as a problem each.
        images: What the images of a sample are called, such as ["left", "right"] or ["image", "reference"], where the
            source has tuples of them; of a table the columns that hold them. Without it tuples are ("first", "second").
        orientation: "upright", as EXIF says, or "stored", as `PIL.Image.open` gives a file.
        white: The value that is white, such as 4095 for 12 bits in files of 16; brighter ones are white too.
        channels: How many channels images have, or a name for each; all are kept for a network that takes them
            (`bands`). Without it, images are photographs of one or three channels.
        shown: Which three of the channels, or which one, are shown, by number or name.
        transparency: Of files that have it: "white" lays them on white, "dropped" takes their colours as they are, as
            `PIL.Image.convert("RGB")` does.
        mean, std: What a normalisation of float arrays or tensors subtracted and divided by: undone.
        encoding: Of a table file, where that is not found.
        decimal: "," or ".", the decimal mark of a table, where that is not found.

    Arrays are uint8 or bool, uint16 (0 to 65535) or float (0 to 1), and must not be changed afterwards. A file may be
    written or replaced at any time: what is asked for afterwards is of its new content. DICOM and HEIC files are read
    where pydicom and pillow-heif are installed.

    Attributes:
        notices: Sentences on the set that are no problem of a single image: what was taken by looking, and the
            argument that says otherwise.

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
        columns: Mapping[str, str | None] | None = None,
        ratings: Any = None,
        labels: Any = None,
        name: str | None = None,
        range: tuple[float, float] | None = None,
        root: str | os.PathLike[str] | None = None,
        strict: bool = False,
        images: Sequence[str] | None = None,
        orientation: str = "upright",
        white: float | None = None,
        channels: Any = None,
        shown: Any = None,
        mean: Any = None,
        std: Any = None,
        transparency: str = "white",
        encoding: str | None = None,
        decimal: str | None = None,
    ) -> None:
        self._given = {key: value for key, value in locals().items() if key != "self"}
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be text, got {shown_value(name)}.")
        if decimal not in (None, ",", "."):
            raise ValueError(f"decimal must be ',' or '.', got {decimal!r}.")
        self.range = bounds_of(range)
        self._root, self._strict = folder_of("root", root), strict
        looks: dict[str, Any] = {
            "orientation": orientation, "white": white, "channels": channels, "shown": shown, "mean": mean, "std": std,
            "transparency": transparency,
        }  # fmt: skip
        self._how = how_of(**looks)
        asked = Asked(folder_of("folder", folder), column, ratings, labels, dict(columns or {}), encoding, decimal)
        sample = samples.split(source, images, asked, self._how)
        found = list_images(
            sample.source, sample.asked, bounds=self.range, root=self._root, strict=strict, how=self._how
        )
        self._root = found.root
        self.name = name or name_of(source)
        self.slices, self._called = sample.slices, found.called
        made = partial(ImageSet, name=self.name, root=self._root, strict=strict, **looks)
        self._further: list[ImageSet] = sample.further(found, made) if sample.slices else []
        self.notices = found.notices
        self._rows = {row.name: row for row in found.rows}
        self.names = tuple(self._rows)
        self.table = table_of(found.rows)
        self._problems = tuple(found.problems)
        self._lock = threading.RLock()
        self._broken: dict[str, tuple[Hashable, str]] = {}  # name: version of the file, sentence
        self._digests: dict[str, tuple[Hashable, str]] = {}  # the same with the digest
        self._photos: LRUCache[Any, NDArray[np.uint8]] = LRUCache(PHOTO_BYTES, getsizeof=lambda photo: photo.nbytes)
        self._thumbnails: LRUCache[Any, bytes] = LRUCache(THUMBNAIL_BYTES, getsizeof=len)

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        n: int | None = None,
        *,
        image: int | str | None = None,
        label: int | str | None = None,
        names: Any = None,
        **options: Any,
    ) -> ImageSet:
        """The first images of a dataset of torch's, torchvision's or Hugging Face, or of a DataLoader's dataset.

        Of a folder of torchvision's the files themselves are read; of others images are fetched when they are used.
        Labels are named by the dataset's `classes`.

        Args:
            n: How many; all, by default.
            image: Where the image is in an item, a place or a key; by default the first, and what follows it where that
                is an image of the same kind too: then items are samples of several images.
            label: Where its label is; the first part after the images, by default.
            names: A name for each image, or the key of a name in each item.
            options: As those of `ImageSet`.

        Raises:
            ValueError: There is nothing to take, `n` is needed, or images are normalised and `mean` and `std` are not
                given; and as in `ImageSet`.
        """
        how = how_of(**{key: options.get(key) for key in ("white", "channels", "shown", "mean", "std")})
        found = items_of(dataset, n=n, image=image, label=label, names=names, how=how)
        return cls(found, **options)

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each image, row or rating that cannot be used, those found so far while reading included.

        A kind of file that is not read stands under its ending, such as "*.heic", with how many there are.
        """
        return by_name(self.problem_list())

    @property
    def problem_groups(self) -> tuple[ProblemGroup, ...]:
        """Problems of one kind together, each with a sentence that counts them."""
        return grouped(self.problem_list())

    def problem_list(self) -> list[Problem]:
        """All problems, one by one, in the order in which they were found."""
        with self._lock:
            known = [one for one in self._problems if one.name not in self._broken or one.kind != "file"]
            found = known + [Problem(name, sentence, "file") for name, (_, sentence) in self._broken.items()]
        return found + self._further_problems()

    def photo(self, name: str) -> NDArray[np.uint8]:
        """The image as it is shown, (h w 3), not to be written to.

        Raises:
            ValueError: There is no such image, or it cannot be read; then it is in `problems` too.
        """
        return pixels.shown_of(self.bands(name), self._how)

    def bands(self, name: str) -> NDArray[np.uint8]:
        """All channels of an image, (h w c), where `channels` says how many there are; else the same as `photo`.

        Raises:
            ValueError: As `photo`.
        """
        name = self._row(name).name
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

    def any_thread(self, name: str) -> bool:
        """Whether any thread may read an image: a file or an array, no item of a dataset and no picture of Pillow's.

        Raises:
            ValueError: There is no such image.
        """
        return not isinstance(self._row(name).origin, Lazy | Image.Image)

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
        photo = self._read(name, key[1], side=2 * side) if photo is None else photo
        image = Image.fromarray(pixels.shown_of(photo, self._how))
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
        for further in self._further:
            further.forget()

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
        human = None if row.human_map is None else files.version_of(row.human_map)
        return self._version(name), human, *(further._version(name) for further in self._further)

    def watch(self) -> Watch:
        """Remember the files as they are now, to learn later which of them changed; each view may have its own."""
        return Watch(self)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and composed(name) in self._rows

    def __repr__(self) -> str:
        rated = int(self.table["rating"].notna().sum())
        return f"<ImageSet {self.name!r}: {len(self)} images, {rated} ratings, {len(self.problems)} problems>"

    def _row(self, name: str) -> Row:
        if isinstance(name, str):
            if name in self._rows:
                return self._rows[name]
            if composed(name) in self._rows:  # as another computer writes it
                return self._rows[composed(name)]
            problems = by_name(self._problems)
            if name in problems:
                raise ValueError(problems[name])
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
                return files.digest_of(origin, self._how.mark.encode())
            except (OSError, ValueError):
                self._read(name, version)  # says in a sentence what is wrong with it
                raise
        given = origin.get() if isinstance(origin, Lazy) else origin
        array = reading.photo_of(given, self._how) if isinstance(given, Image.Image) else pixels.as_array(given)
        head = f"{self._how.mark}{array.dtype.str}{array.shape}".encode()
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
                photo = reading.read_photo(origin, side=side, how=self._how)
            else:
                photo = reading.photo_of(origin.get() if isinstance(origin, Lazy) else origin, self._how)
        except ValueError as error:
            sentence = f"The {self._called} {name!r} {error}"
            with self._lock:
                self._broken[name] = version, sentence
            raise ValueError(sentence) from None
        with self._lock:
            self._broken.pop(name, None)
        return photo
