"""Files and arrays as people bring them, a line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from dicom_files import write_dicom
from PIL import Image

from xai_widgets.images import ImageSet

RANDOM = np.random.default_rng(0)
PHOTO = RANDOM.integers(0, 256, (8, 6, 3), dtype=np.uint8)
DEPTH = np.dstack([PHOTO, np.zeros((8, 6), np.uint8)])
BANDS = RANDOM.integers(0, 256, (8, 6, 11), dtype=np.uint8)
TWELVE = np.array([[0, 1000, 1176, 4095]], np.uint16).repeat(4, 0)


@dataclass(frozen=True)
class Line:
    """What is brought, and what comes out.

    Attributes:
        make: from an empty folder to a source of images.
        names: of the images.
        value: what `of` finds.
        said: in notices and problems, in this order, regular expressions; nothing else may be said.
        refused: the sentence of a refusal.
    """

    given: str
    make: Callable[[Path], Any]
    options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    of: Callable[[ImageSet], Any] | None = None
    value: Any = None
    said: tuple[str, ...] = ()
    refused: str = ""
    needs: str = ""


def picture(path: Path, pixels: np.ndarray = PHOTO, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def folder_of(*names: str, links: tuple[tuple[str, str], ...] = ()) -> Callable[[Path], Path]:
    """A folder `set`: pictures, other files by their first bytes ("x.dcm|DICM"), and links to folders."""

    def make(folder: Path) -> Path:
        for name in names:
            name, _, content = name.partition("|")
            path = folder / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content:
                path.write_text(content)
            else:
                picture(path)
        for link, target in links:
            (folder / "set" / link).symlink_to(folder / target)
        return folder / "set"

    return make


def first(images: ImageSet) -> np.ndarray:
    return images.photo(images.names[0])


def row(images: ImageSet) -> list[int]:
    """The first row of the first image, its first channel."""
    return [int(value) for value in first(images)[0, :, 0]]


def same_as(pixels: np.ndarray, most: int = 0) -> Callable[[ImageSet], bool]:
    return lambda images: int(np.abs(first(images).astype(int) - pixels).max()) <= most


def turned(folder: Path) -> Path:
    exif = Image.Exif()
    exif[274] = 6
    picture(folder / "set" / "b.png")
    picture(folder / "set" / "a.jpg", np.full((8, 6, 3), 9, np.uint8), exif=exif)
    return folder / "set"


def heic(folder: Path) -> Path:
    import pillow_heif

    big = np.kron(PHOTO, np.ones((8, 8, 1), np.uint8))
    pillow_heif.from_pillow(Image.fromarray(big)).save(folder / "a.HEIC", quality=-1)
    return folder


def tiff(pixels: np.ndarray, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tifffile.imwrite(folder / "a.tif", pixels, **options)
        return folder / "a.tif"

    return make


def dicom(pixels: np.ndarray = TWELVE, **fields: Any) -> Callable[[Path], Path]:
    return lambda folder: write_dicom(folder / "a.dcm", pixels, **fields)


FOUR = "has 4 channels, and nothing says what the fourth is: channels=4 keeps all for a network that takes them"
EIGHT = ("^1 image of 16 bits is handed on in 8 .*: a transform is given values from 0 to 255",)
FILES = [
    Line(
        "links to folders",
        folder_of("b.png", "../real/a.png", links=(("cats", "real"),)),
        {"root": "."},
        ("b.png", "cats/a.png"),
    ),
    Line(
        "a loop",
        folder_of("b.png", links=(("loop", "set"), ("up", "."))),
        names=("b.png",),
        said=(
            "The folder 'loop' is left out: it is a link to a folder that is read already.",
            "The folder 'up' is left out",
        ),
    ),
    Line(
        "two links to one folder",
        folder_of("b.png", "in/a.png", links=(("also", "set/in"),)),
        names=("b.png", "in/a.png"),
        said=("'also' is left out",),
    ),
    Line(
        "kinds that are not read",
        folder_of("a.png", "x.nef|n", "y.NEF|n", "z.mp4|n", "t.csv|image", "notes.txt|n"),
        names=("a.png",),
        said=(
            r"1 file of a kind that is not read: \.csv; a table is given by itself",
            r"^1 file of .* \.mp4; give single frames",
            r"^2 files of a kind that is not read: \.nef; export them as TIFF or JPEG",
        ),
    ),
    Line(
        "pictures without an ending",
        folder_of("a.png", "LICENSE|free"),
        of=lambda images: _without_ending(images),
        value=("a", "b.png"),
    ),
    Line(
        "HEIC",
        heic,
        names=("a.HEIC",),
        of=lambda images: np.abs(first(images)[4::8, 4::8].astype(int) - PHOTO).max() < 4,
        value=True,
        needs="pillow_heif",
    ),
    Line(
        "EXIF",
        turned,
        of=lambda images: images.photo("a.jpg").shape,
        value=(6, 8, 3),
        said=(r"^1 file is turned upright by the orientation in EXIF \(of 2\).* orientation='stored' does so too\.$",),
    ),
    Line(
        "EXIF, stored",
        turned,
        {"orientation": "stored"},
        of=lambda images: images.photo("a.jpg").shape,
        value=(8, 6, 3),
    ),
    Line(
        "12 bits in 16",
        lambda folder: picture(folder / "x.png", TWELVE),
        of=row,
        value=[0, 4, 5, 16],
        said=("handed on in 8 .* the largest value of those looked into is 4,095, and 65,535 is white. white=4095",),
    ),
    Line(
        "12 bits, said",
        lambda folder: picture(folder / "x.png", TWELVE),
        {"white": 4095},
        of=row,
        value=[0, 62, 73, 255],
        said=EIGHT,
    ),
    Line("12 bits in an array", lambda folder: [TWELVE], of=row, value=[0, 4, 5, 16], said=("white=4095",)),
    Line("16 bits", lambda folder: [TWELVE * np.uint16(16)], of=row, value=[0, 62, 73, 255], said=EIGHT),
    Line(
        "12 bits in colour",
        tiff(TWELVE[..., None].repeat(3, 2), photometric="rgb"),
        {"white": 4095},
        of=row,
        value=[0, 62, 73, 255],
        said=EIGHT,
    ),
    Line("floats to 255", lambda folder: [PHOTO.astype(np.float32)], {"white": 255.0}, of=same_as(PHOTO), value=True),
]
DICOM = [
    Line("by its bits", dicom(BitsStored=12, HighBit=11), of=row, value=[0, 62, 73, 255]),
    Line(
        "MONOCHROME1",
        dicom(BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1"),
        of=row,
        value=[255, 193, 182, 0],
    ),
    Line(
        "slope, intercept, window",
        dicom(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=[1000.5, 3], WindowWidth=[2001, 4]),
        of=row,
        value=[0, 128, 172, 255],
    ),
    Line("white", dicom(), {"white": 2000}, of=row, value=[0, 128, 150, 255]),
    Line(
        "frames",
        dicom(np.stack([TWELVE, TWELVE * 0])),
        of=row,
        value=[0, 4, 5, 16],
        said=(r"'a.dcm' has 2 frames, of which the first is read\.$",),
    ),
    Line("colour", dicom(PHOTO), of=same_as(PHOTO), value=True),
    Line(
        "no picture", lambda folder: _damaged_dicom(folder), refused="DICOM file without a picture|cut off or damaged"
    ),
]
CHANNELS = [
    Line("depth beside RGB", lambda folder: [DEPTH], refused=FOUR),
    Line("four channels of a TIFF", tiff(DEPTH, photometric="rgb", extrasamples=[0]), refused=FOUR),
    Line(
        "opacity of a TIFF",
        tiff(DEPTH, photometric="rgb", extrasamples=["unassalpha"]),
        of=lambda images: int(first(images).min()),
        value=255,
        said=("^1 file has transparency .of 1., and what is transparent lies on white.* transparency='dropped'",),
    ),
    Line(
        "opacity of a TIFF, dropped",
        tiff(DEPTH, photometric="rgb", extrasamples=["unassalpha"]),
        {"transparency": "dropped"},
        of=same_as(PHOTO),
        value=True,
    ),
    Line(
        "depth, kept",
        lambda folder: [DEPTH],
        {"channels": ("red", "green", "blue", "depth")},
        of=lambda images: (images.bands("image 0") == DEPTH).all() and (first(images) == PHOTO).all(),
        value=True,
        said=("^Images of 4 channels, 8 bits each: 'red', 'green' and 'blue' are shown as red, green and blue",),
    ),
    Line(
        "bands of a TIFF",
        tiff(BANDS, photometric="minisblack", planarconfig="contig"),
        {"channels": 11, "shown": (3, 2, 1)},
        of=lambda images: (first(images) == BANDS[..., 3:0:-1]).all(),
        value=True,
        said=("'channel 3', 'channel 2' and",),
    ),
    Line(
        "bands as pages",
        tiff(np.moveaxis(BANDS, 2, 0).copy()),
        {"channels": 11},
        of=lambda images: (images.bands("a.tif") == BANDS).all(),
        value=True,
        said=("11 channels",),
    ),
    Line(
        "pages without a word",
        tiff(np.moveaxis(BANDS, 2, 0).copy()),
        of=same_as(BANDS[..., :1]),
        value=True,
        said=("has 11 pages, of which the first is read; channels=11 takes pages as channels",),
    ),
    Line(
        "one band",
        lambda folder: [PHOTO[..., :1]],
        {"channels": 1},
        of=lambda images: images.bands("image 0").shape,
        value=(8, 6, 1),
        said=("'channel 0' is shown, as grey",),
    ),
    Line("too few", lambda folder: [PHOTO], {"channels": 4}, refused=r"must have 4 channels \(channels=\), got 3"),
]


def _without_ending(images: ImageSet) -> tuple[str, ...]:
    """The set again, its picture copied to a name without an ending."""
    origin = Path(str(images._rows["a.png"].origin))
    origin.rename(origin.parent / "a")
    picture(origin.parent / "b.png")
    return ImageSet(origin.parent).names


def _damaged_dicom(folder: Path) -> Path:
    (folder / "c.dcm").write_bytes(bytes(128) + b"DICM")
    return folder
