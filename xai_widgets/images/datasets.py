"""Images and labels of datasets and loaders: torch's, torchvision's, those of Hugging Face, and lists of pairs.

Nothing of theirs is imported: they are known by what they offer. Images are fetched when they are used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xai_widgets.images import reading
from xai_widgets.images.how import How
from xai_widgets.images.kinds import images_in, is_image, is_label
from xai_widgets.images.pixels import PLAIN, as_array, is_tensor

MOST_FETCHED = 10_000  # images that are fetched at once without a word, where labels or randomness ask for it
TRIES = 4  # items that are fetched twice, to see whether they are the same
_IMAGE_WORDS = ("image", "img", "pixel_values", "photo", "picture")
_LABEL_WORDS = ("label", "labels", "class", "target", "fine_label")
Key = int | str


class Lazy:
    """One image of a dataset, fetched each time it is read."""

    __slots__ = ("_fetch",)

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch

    def get(self) -> Any:
        """The image.

        Raises:
            ValueError: the dataset fails; the text continues a sentence that begins with the image's name.
        """
        try:
            return self._fetch()
        except Exception as error:  # of the user's own code
            why = " ".join(str(error).split())
            raise ValueError(f"cannot be fetched from its dataset: {type(error).__name__}: {why}.") from error


@dataclass(frozen=True)
class Item:
    """An image and what is known of it; `origin` is a path, or what gives the picture.

    Attributes:
        further: the same of the other images of a sample.
    """

    name: str
    origin: Any
    label: Any = None
    further: tuple[Any, ...] = ()


@dataclass
class Items:
    """The images of a dataset, with sentences on how they were taken."""

    what: str
    items: list[Item] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    images: int = 1  # of a sample


@dataclass
class _Source:
    """A dataset without the wrappers around it.

    Attributes:
        places: which of its items are meant; None: all.
    """

    base: Any
    places: list[int] | None
    notices: list[str]


def is_dataset(source: Any) -> bool:
    """Whether it is a dataset or a loader, rather than a list, an array or a mapping of images."""
    if isinstance(source, list | tuple):
        return _is_batch(source)
    if isinstance(source, Mapping | str | bytes) or hasattr(source, "shape") or isinstance(source, Image.Image):
        return hasattr(source, "column_names")
    named = {kind.__module__.split(".")[0] for kind in type(source).__mro__}
    return hasattr(source, "column_names") or (bool(named & {"torch", "torchvision"}) and not is_tensor(source))


def items_of(
    dataset: Any,
    *,
    n: int | None = None,
    image: Key | None = None,
    label: Key | None = None,
    names: Any = None,
    how: How = PLAIN,
) -> Items:
    """The first `n` images of a dataset, with their labels.

    Args:
        image: where the image is in an item: a place or a key.
        label: where the label is.
        names: of all images, or the key of a name in each item.

    Raises:
        ValueError: it has no items, n is needed, or its images are normalised.
    """
    if n is not None and not (isinstance(n, int) and n >= 1):
        raise ValueError(f"n must be a whole number of at least 1, got {n!r}.")
    if isinstance(dataset, Mapping):
        splits = ", ".join(f"dataset[{key!r}]" for key in dataset)
        raise ValueError(f"The dataset has several splits: one of them is needed, {splits}.")
    source = _unwrapped(_batch(dataset) if isinstance(dataset, list | tuple) and _is_batch(dataset) else dataset)
    what = f"The {type(dataset).__name__}"
    if not hasattr(source.base, "__len__") or not hasattr(source.base, "__getitem__"):
        source = _drawn(source, what, n)
    places = list(range(len(source.base))) if source.places is None else source.places
    places = places[:n]
    if not places:
        raise ValueError(f"{what} has no items.")
    if names is not None and not isinstance(names, str) and len(names) != len(places):
        raise ValueError(f"names must be as many as the images taken, {len(places)}, got {len(names)}.")
    files = _files_of(source.base)
    if files is not None and image in (None, 0) and names is None:
        return _of_files(source, files, places, what)
    return _of_items(source, places, what, (image, label), names, how)


def _of_files(source: _Source, files: tuple[str, list[tuple[str, int]]], places: list[int], what: str) -> Items:
    """A folder of torchvision's: its files themselves, by their names in the folder."""
    root, samples = files
    classes = _classes_of(source.base)
    found = Items(what, notices=source.notices)
    for place in places:
        path, number = samples[place]
        name = Path(os.path.relpath(path, root)).as_posix()
        found.items.append(Item(name, Path(path), _named(number, classes)))
    if getattr(source.base, "transform", None) is not None:
        found.notices.append("Files are read as they are: a model applies its own transform, not that of the dataset.")
    return found


def _of_items(
    source: _Source, places: list[int], what: str, keys: tuple[Key | None, Key | None], names: Any, how: How
) -> Items:
    base = source.base
    first = base[places[0]]
    images = images_in(first) if keys[0] is None else 1
    at, labelled = _image_key(base, first, keys[0]), _label_key(base, first, keys[1], images)
    further = range(1, images)
    picture = _part(first, at)
    _refuse_normalised(picture, base, what, how)
    random = any(_is_random(base, places, key) for key in (at, *further))
    labels = _known_labels(base, labelled)
    at_once = random or isinstance(base, list) or isinstance(picture, str | os.PathLike)
    fetched: dict[int, Any] = {}
    if at_once or isinstance(names, str) or (labels is None and labelled is not None):
        _refuse_many(what, base, places)
        fetched = {place: base[place] for place in places}
    found, classes, skipped = Items(what, notices=source.notices, images=images), _classes_of(base, labelled), 0
    for number, place in enumerate(places):
        value = None if labels is None else labels[place]
        if labels is None and labelled is not None:
            value = _part(fetched[place], labelled)
        skipped += not is_label(value)
        given = [_part(fetched[place], key) if at_once else _lazy(base, place, key) for key in (at, *further)]
        origin, *others = (Path(one) if isinstance(one, str | os.PathLike) else one for one in given)
        label = _named(value, classes) if is_label(value) else None
        found.items.append(Item(_name(names, number, place, fetched), origin, label, tuple(others)))
    found.notices += _said_of_samples(base, what, images)
    if random:
        found.notices.append(
            f"{what} changes its images at random: each is kept as it came first. For an explanation, give the dataset "
            "with the transform of evaluation."
        )
    if skipped:
        found.notices.append(f"Labels of {what} are no numbers or names, and are left out: label= says where they are.")
    return found


def _said_of_samples(base: Any, what: str, images: int) -> list[str]:
    if images == 1 or isinstance(base, list):
        return []
    return [
        f"{what} gives {images} images an item, which are taken as samples of {images}; image=0 of "
        "ImageSet.from_dataset takes the first alone."
    ]


def _lazy(base: Any, place: int, at: Key | None) -> Lazy:
    return Lazy(lambda: _part(base[place], at))


def _refuse_many(what: str, base: Any, places: list[int]) -> None:
    if not isinstance(base, list) and len(places) > MOST_FETCHED:
        raise ValueError(
            f"{what} has {len(places):,} items, and each must be fetched to learn what is known of it: n= says how "
            "many to take."
        )


def _unwrapped(dataset: Any) -> _Source:
    """The dataset in a loader, and in subsets of it."""
    notices: list[str] = []
    if hasattr(dataset, "dataset") and hasattr(dataset, "batch_size"):
        dataset = dataset.dataset
        notices.append("Of the DataLoader, the dataset is used, in its own order.")
    places: list[int] | None = None
    while hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        inner = [int(place) for place in dataset.indices]
        places = inner if places is None else [inner[place] for place in places]
        dataset = dataset.dataset
    return _Source(dataset, places, notices)


def _drawn(source: _Source, what: str, n: int | None) -> _Source:
    """The first items of a dataset that can only be gone through."""
    if n is None:
        raise ValueError(f"{what} does not say how many items it has: n= says how many to take.")
    return _Source(list(islice(iter(source.base), n)), None, source.notices)


def _is_batch(given: Sequence[Any]) -> bool:
    """What a loader gives: images (n c h w) and labels (n)."""
    shapes = [tuple(getattr(one, "shape", ())) for one in given]
    return len(given) == 2 and len(shapes[0]) == 4 and len(shapes[1]) == 1 and shapes[0][0] == shapes[1][0]


def _batch(given: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(given[0], given[1], strict=True))


def _files_of(base: Any) -> tuple[str, list[tuple[str, int]]] | None:
    root, samples = getattr(base, "root", None), getattr(base, "samples", None)
    if not isinstance(root, str | os.PathLike) or not isinstance(samples, list) or not samples:
        return None
    paths = all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in samples)
    return (os.fspath(root), samples) if paths and Path(samples[0][0]).suffix.lower() in reading.suffixes() else None


def _image_key(base: Any, item: Any, asked: Key | None) -> Key | None:
    """Where the image is; None where an item is the image."""
    if isinstance(item, Mapping):
        features = getattr(base, "features", None) or {}
        typed = [key for key in item if type(features.get(key)).__name__ == "Image"]
        return _key_of(item, asked, typed, _IMAGE_WORDS, "image")
    if isinstance(item, tuple | list) and not is_image(item):
        return 0 if asked is None else asked
    return None


def _label_key(base: Any, item: Any, asked: Key | None, images: int = 1) -> Key | None:
    """Where the label is; None where there is none."""
    if isinstance(item, Mapping):
        features = getattr(base, "features", None) or {}
        typed = [key for key in item if type(features.get(key)).__name__ == "ClassLabel"]
        try:
            return _key_of(item, asked, typed, _LABEL_WORDS, "label")
        except ValueError:
            if asked not in (None, 1):
                raise
            return None
    if isinstance(item, tuple | list) and not is_image(item):
        place = images if asked is None else asked
        return place if isinstance(place, int) and place < len(item) else None
    return None


def _key_of(item: Mapping[Any, Any], asked: Key | None, typed: list[Any], words: Iterable[str], what: str) -> Any:
    if isinstance(asked, str):
        if asked in item:
            return asked
        raise ValueError(f"{what}={asked!r} is no key of an item: it has {', '.join(map(repr, item))}.")
    found = next(iter([*typed, *(word for word in words if word in item)]), None)
    if found is None:
        raise ValueError(f"An item has the keys {', '.join(map(repr, item))}: {what}= says which is the {what}.")
    return found


def _part(item: Any, key: Key | None) -> Any:
    return item if key is None else item[key]


def _known_labels(base: Any, key: Key | None) -> Sequence[Any] | None:
    """All labels, where they are known without fetching images."""
    if key is None:
        return None
    if hasattr(base, "column_names"):
        return list(base[key])
    tensors = getattr(base, "tensors", None)
    if isinstance(tensors, tuple) and isinstance(key, int):
        return tensors[key].tolist() if tensors[key].ndim == 1 else None
    for name in ("targets", "labels"):
        values = getattr(base, name, None)
        if values is not None and not callable(values) and len(values) == len(base):
            return [value.item() if hasattr(value, "item") else value for value in values]
    return None


def _classes_of(base: Any, key: Key | None = None) -> Sequence[Any]:
    """The names of classes by number; empty where there are none."""
    feature = (getattr(base, "features", None) or {}).get(key) if hasattr(base, "column_names") else None
    classes = getattr(feature, "names", None) or getattr(base, "classes", None)
    return list(classes) if isinstance(classes, list | tuple) else ()


def _named(label: Any, classes: Sequence[Any]) -> Any:
    if isinstance(label, list | tuple):
        return tuple(label)
    value = label.item() if hasattr(label, "item") else label
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(classes[value]) if whole and 0 <= value < len(classes) else value


def _name(names: Any, number: int, place: int, fetched: Mapping[int, Any]) -> str:
    if names is None:
        return f"image {place}"
    if isinstance(names, str):
        return str(fetched[place][names])
    return str(names[number])


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, str | os.PathLike):
        return bool(one == other)
    return np.array_equal(as_array(one), as_array(other))


def _is_random(base: Any, places: list[int], at: Key | None) -> bool:
    """Whether a step of its transform is called so, or some items come out differently when they are fetched again."""
    steps = getattr(getattr(base, "transform", None), "transforms", ())
    if any(type(step).__name__.startswith("Random") for step in steps):
        return True
    some = (places * TRIES)[:TRIES] if not isinstance(base, list) else []
    return not all(_same(_part(base[place], at), _part(base[place], at)) for place in some)


def _refuse_normalised(picture: Any, base: Any, what: str, how: How) -> None:
    if isinstance(picture, str | os.PathLike | Image.Image) or how.mean is not None:
        return
    values = as_array(picture)
    if not np.issubdtype(values.dtype, np.floating) or not values.size or values.min() >= -1e-3:
        return
    steps = getattr(getattr(base, "transform", None), "transforms", ())
    known = next((step for step in steps if hasattr(step, "mean") and hasattr(step, "std")), None)
    pair = (known.mean, known.std) if known else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    mean, std = (tuple(np.round(np.asarray(part, float), 6).tolist()) for part in pair)
    raise ValueError(
        f"{what} normalises its images: the first has values from {values.min():.3g} to {values.max():.3g}, and 0 to 1 "
        f"is needed. Give it without that step, or undo it: mean={mean}, std={std}{'' if known else ' or the like'}."
    )
