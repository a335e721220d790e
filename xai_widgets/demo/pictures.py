"""The demonstration image sets, cut from the photographs in scikit-image's wheel and kept in the user's cache."""

from __future__ import annotations

import atexit
import csv
import itertools
import os
import secrets
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy as np
import platformdirs
from PIL import Image
from skimage.filters import gaussian
from skimage.metrics import structural_similarity

CACHE_VARIABLE = "XAI_WIDGETS_CACHE"
VERSION = 2  # of the sets: a change of what is drawn needs a new folder

FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "text": "text.png",
    "tissue": "ihc.png",
}

# The split of the quality set, fixed before any training. Held out is one photograph of each kind that a person would
# bring: an animal close up, a still life, a grey outdoor scene and a texture. For each kind a different photograph
# stays for training, and so do the scientific and printed ones, which few would call photographs.
HELD_OUT = ("chelsea", "coffee", "camera", "gravel")
TRAINING = tuple(name for name in FILES if name not in HELD_OUT)
# Choices of architecture and schedule are made on these two, trained on the rest of TRAINING; never on HELD_OUT.
VALIDATION = ("motorcycle", "coins")

CROP = 160
SHORT_SIDE = 256  # a crop shows a good part of a held-out photograph
CROPS_EACH = 4
STRENGTHS = (1, 2, 3, 4, 5)
BLUR_SIGMA = (0.7, 1.2, 2.0, 3.2, 5.0)  # pixels
NOISE_STD = (4.0, 9.0, 18.0, 32.0, 55.0)  # of 255
JPEG_QUALITY = (50, 25, 13, 8, 4)
DISTORTIONS = ("blur", "noise", "jpeg")

SCENES = {
    "astronaut": "astronaut",
    "bricks": "brick",
    "cameraman": "camera",
    "cat": "chelsea",
    "coffee": "coffee",
    "coins": "coins",
    "galaxies": "hubble",
    "grass": "grass",
    "gravel": "gravel",
    "moon": "moon",
    "motorcycle": "motorcycle",
    "page": "page",
    "retina": "retina",
    "rocket": "rocket",
    "tissue": "tissue",
}
SCENE_CROP = 96
SCENE_WIDTH = 520  # five strips of 104 pixels
SCENE_STRIPS = {"train": (0, 2, 4), "test": (1, 3)}  # upright strips of the photograph: no pixel is in both
SCENE_CONTRAST = 0.03  # least standard deviation of a crop, so that empty sky and black border stand for nothing
SCENE_CROPS_EACH = 10
COLLAGES = 120
QUADRANTS = ("top_left", "top_right", "bottom_left", "bottom_right")

Row = dict[str, object]
_temporary: dict[int, Path] = {}  # by process


@lru_cache(maxsize=32)
def _read(name: str) -> Image.Image:
    file = resources.files("skimage") / "data" / FILES[name]
    with file.open("rb") as stream:
        return Image.open(stream).convert("RGB")


@lru_cache(maxsize=320)  # the sizes that training asks for; some 100 MB
def photograph(name: str, *, short_side: int | None = None, width: int | None = None) -> np.ndarray:
    """A photograph of scikit-image's wheel as (h w 3) uint8, resized to the given shorter side or width.

    Raises:
        ValueError: there is no such photograph.
    """
    if name not in FILES:
        raise ValueError(f"The photograph must be one of {', '.join(FILES)}, got {name!r}.")
    picture = _read(name)
    side, target = (picture.width, width) if width else (min(picture.size), short_side)
    if target and target != side:
        size = (round(picture.width * target / side), round(picture.height * target / side))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def distort(clean: np.ndarray, kind: str, strength: int, *, generator: np.random.Generator) -> np.ndarray:
    """The (h w 3) uint8 crop with "blur", "noise" or "jpeg" of strength 1 to 5.

    Raises:
        ValueError: the kind or the strength is another one.
    """
    if kind not in DISTORTIONS or strength not in STRENGTHS:
        raise ValueError(f"A distortion is one of {', '.join(DISTORTIONS)} at 1 to 5, got {kind!r} at {strength!r}.")
    if kind == "blur":
        sigma = BLUR_SIGMA[strength - 1]
        blurred = gaussian(clean, sigma, mode="reflect", preserve_range=True, channel_axis=2)
        return np.rint(blurred).astype(np.uint8)
    if kind == "noise":
        noisy = clean + generator.normal(0, NOISE_STD[strength - 1], clean.shape)
        return np.rint(noisy.clip(0, 255)).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(clean).save(stream, "JPEG", quality=JPEG_QUALITY[strength - 1])
    return np.asarray(Image.open(stream).convert("RGB"))


def patched(clean: np.ndarray, distorted: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
    """The clean crop with four to eight rectangles of the distorted one."""
    mixed = clean.copy()
    sides = np.array(clean.shape[:2])
    for _ in range(generator.integers(4, 9)):
        extent = np.rint(sides * generator.uniform(0.2, 0.45, 2)).astype(int)
        top, left = generator.integers(0, sides - extent + 1)
        place = np.s_[top : top + extent[0], left : left + extent[1]]
        mixed[place] = distorted[place]
    return mixed


def similarity(clean: np.ndarray, distorted: np.ndarray) -> tuple[float, np.ndarray]:
    """scikit-image's SSIM of two (h w 3) uint8 crops, cut to [0, 1], and its map (h w), the mean over colours."""
    value, full = structural_similarity(clean, distorted, channel_axis=2, data_range=255, full=True)
    return float(np.clip(value, 0, 1)), full.mean(axis=2)


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))  # from the file name: no picture depends on another


def clean_crops(name: str) -> list[np.ndarray]:
    """The crops of one photograph for the quality set, from left to right, at heights drawn from its name."""
    photo = photograph(name, short_side=SHORT_SIDE)
    free_rows, free_columns = photo.shape[0] - CROP, photo.shape[1] - CROP
    tops = _generator(name).integers(0, free_rows + 1, CROPS_EACH)
    lefts = np.rint(np.linspace(0, free_columns, CROPS_EACH)).astype(int)
    return [photo[top : top + CROP, left : left + CROP] for top, left in zip(tops, lefts, strict=True)]


def quality_images(photographs: Sequence[str] = HELD_OUT) -> Iterator[tuple[np.ndarray, Row]]:
    """Each crop of the photographs, clean and with every distortion, whole or in patches by turns, with its row."""
    for name in photographs:
        for number, clean in enumerate(clean_crops(name), start=1):
            reference = f"{name}-{number}-clean.png"
            fixed = {"split": "test", "photograph": name, "crop": number, "reference": reference}
            what: Row = {"rating": 1.0, "distortion": "clean", "extent": "", "strength": 0}
            yield clean, {"image": reference, **what, **fixed}
            for step, (kind, strength) in enumerate(itertools.product(DISTORTIONS, STRENGTHS)):
                extent = "patches" if (step + number) % 2 else "whole"
                image = f"{name}-{number}-{kind}-{strength}{'-patches' if extent == 'patches' else ''}.png"
                generator = _generator(image)
                distorted = distort(clean, kind, strength, generator=generator)
                if extent == "patches":
                    distorted = patched(clean, distorted, generator=generator)
                rating, _ = similarity(clean, distorted)
                what = {"rating": round(rating, 6), "distortion": kind, "extent": extent, "strength": strength}
                yield distorted, {"image": image, **what, **fixed}


def scene_crops(
    label: str, split: str, count: int, *, generator: np.random.Generator, apart: int = 0
) -> list[np.ndarray]:
    """Random crops (96 96 3) of a scene, each within one strip of the split, `apart` pixels or more up the strip.

    Raises:
        RuntimeError: the strips hold fewer such crops.
    """
    photo = photograph(SCENES[label], width=SCENE_WIDTH)
    strip = SCENE_WIDTH // 5
    crops: list[np.ndarray] = []
    places: list[tuple[int, int]] = []
    for _ in range(100 * count):
        number = int(generator.choice(SCENE_STRIPS[split]))
        left = number * strip + int(generator.integers(0, strip - SCENE_CROP + 1))
        top = int(generator.integers(0, photo.shape[0] - SCENE_CROP + 1))
        crop = photo[top : top + SCENE_CROP, left : left + SCENE_CROP]
        near = any(number == other and abs(top - height) < apart for other, height in places)
        if not near and crop.std() / 255 >= SCENE_CONTRAST:
            crops.append(crop)
            places.append((number, top))
        if len(crops) == count:
            return crops
    raise RuntimeError(f"The {split} strips of {label} hold too few crops with contrast.")


def _scene_rows() -> Iterator[tuple[np.ndarray, Row]]:
    for label, name in SCENES.items():
        crops = scene_crops(label, "test", SCENE_CROPS_EACH, generator=_generator(f"scene {label}"), apart=16)
        for number, crop in enumerate(crops, start=1):
            image = f"{label}-{number:02d}.png"
            yield crop, {"image": image, "label": label, "split": "test", "photograph": name}


def _collage_rows() -> Iterator[tuple[np.ndarray, Row]]:
    for number in range(1, COLLAGES + 1):
        generator = _generator(f"collage {number}")
        labels = [str(label) for label in generator.choice(list(SCENES), 4, replace=False)]
        a, b, c, d = (scene_crops(label, "test", 1, generator=generator)[0] for label in labels)
        picture = np.vstack([np.hstack([a, b]), np.hstack([c, d])])
        image = f"collage-{number:03d}-{'-'.join(labels)}.png"
        yield picture, {"image": image, "split": "test", **dict(zip(QUADRANTS, labels, strict=True))}


def cache_folder() -> Path:
    """Where the sets are kept: XAI_WIDGETS_CACHE, in which ~ is the home folder, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(os.path.expanduser(chosen)) if chosen else platformdirs.user_cache_path("xai_widgets")


def quality_folder() -> Path:
    """256 crops of the held-out photographs with PNG files and table.csv (image, rating, distortion, ...).

    Raises:
        OSError: they can be written neither to the cache folder nor to a temporary one; so for the other sets.
    """
    return _kept("quality", quality_images)


def scenes_folder() -> Path:
    """150 crops of fifteen scenes with PNG files and table.csv (image, label, ...)."""
    return _kept("scenes", _scene_rows)


def collages_folder() -> Path:
    """120 collages of 2 x 2 different scenes with PNG files and table.csv (image, the four quadrants)."""
    return _kept("collages", _collage_rows)


def _kept(name: str, rows: Callable[[], Iterator[tuple[np.ndarray, Row]]]) -> Path:
    """The folder of a set, made where it is not whole: in the cache, or else for this process alone."""
    folder = cache_folder() / f"{name}-v{VERSION}"
    if _whole(folder):
        return folder
    temporary = _temporary_folder() / folder.name
    if _whole(temporary):
        return temporary
    try:
        _make(folder, name, rows)
        return folder
    except OSError as error:
        why = error.strerror or str(error)
    advice = f"set {CACHE_VARIABLE} to a folder that can be written to"
    try:
        _make(temporary, name, rows)
    except OSError as error:
        raise OSError(
            f"the demonstration images can be written neither to {folder.parent} ({why}) nor to a temporary folder "
            f"({error.strerror or error}); {advice}."
        ) from error
    warnings.warn(
        f"the demonstration images cannot be kept in {folder.parent} ({why}), so that each process makes them anew; "
        f"{advice}.",
        stacklevel=3,
    )
    return temporary


def _temporary_folder() -> Path:
    """A folder of this process, which goes with it; not made before something is written to it."""
    process = os.getpid()
    if process not in _temporary:  # a forked process has one of its own
        _temporary[process] = Path(tempfile.gettempdir()) / f"xai_widgets-{process}-{secrets.token_hex(4)}"
        atexit.register(_forget_temporary, process)
    return _temporary[process]


def _forget_temporary(process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(_temporary[process], ignore_errors=True)


def _make(folder: Path, name: str, rows: Callable[[], Iterator[tuple[np.ndarray, Row]]]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        _write(fresh / "set", rows())
        _place(fresh / "set", folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write(folder: Path, rows: Iterator[tuple[np.ndarray, Row]]) -> None:
    folder.mkdir()
    table: list[Row] = []
    for picture, row in rows:
        Image.fromarray(picture).save(folder / str(row["image"]), compress_level=6)
        table.append(row)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _whole(folder: Path) -> bool:
    """Whether the table and every image it names are there: a cleaner may have removed some of a cache."""
    try:
        with (folder / "table.csv").open(newline="", encoding="utf-8") as stream:
            names = [row["image"] for row in csv.DictReader(stream)]
        return bool(names) and set(names) <= set(os.listdir(folder))
    except (OSError, KeyError):
        return False


def _place(fresh: Path, folder: Path) -> None:
    """Give the finished set its name, unless another process was first."""
    for _ in range(3):
        try:
            fresh.rename(folder)
            return
        except OSError:
            if _whole(folder):
                return
            if folder.exists():
                folder.rename(fresh.parent / f"damaged-{time.monotonic_ns()}")
    raise OSError(f"{folder.name} could not take its name; is it open elsewhere?")


def _sweep(parent: Path, *, age: float = 3600.0) -> None:
    """Remove what builds that were killed left behind; a build takes seconds, so an hour is safe."""
    for left in _leftovers(parent):
        with suppress(OSError):  # another process may sweep, or be done
            if time.time() - left.stat().st_mtime > age:
                shutil.rmtree(left, ignore_errors=True)


def _leftovers(parent: Path) -> Sequence[Path]:
    return [left for name in ("quality", "scenes", "collages") for left in parent.glob(f".{name}-*") if left.is_dir()]
