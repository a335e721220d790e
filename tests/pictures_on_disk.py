"""A small photograph, a folder of it in several formats, and how what is read is compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from xai_widgets.images import ImageSet


def crop() -> np.ndarray:
    return astronaut()[:60, 100:180].copy()  # (60 80 3): colours, no symmetry


def folder_in(path: Path) -> Path:
    """Four images, one of them in a folder below, two hidden ones and a file that is none."""
    hidden = (".ipynb_checkpoints/image9.png", ".x.png")
    for name in ("image10.png", "image9.png", "Image1.png", "deep/image2.jpg", *hidden):
        (path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(crop()).save(path / name)
    (path / "notes.md").write_text("not an image")
    return path


def close(got: np.ndarray, wanted: np.ndarray, most: float = 2) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - wanted).max() <= most


def one(path: Path) -> np.ndarray:
    images = ImageSet([path])
    return images.photo(images.names[0])
