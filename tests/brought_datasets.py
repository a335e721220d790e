"""Tensors, datasets and loaders, a line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from brought_files import PHOTO, Line, picture, same_as
from PIL import Image
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, ToTensor

from xai_widgets.images import ImageSet


def labels(images: ImageSet) -> list[Any]:
    return list(images.table["label"])


def class_folders(folder: Path) -> ImageFolder:
    for name in ("cat/1.png", "dog/1.png"):
        picture(folder / "set" / name)
    return ImageFolder(str(folder / "set"), ToTensor())


TENSORS = torch.from_numpy(PHOTO).permute(2, 0, 1).float().div(255).repeat(4, 1, 1, 1)
NORMAL = Normalize([0.5] * 3, [0.25] * 3)


class Hub:
    """What a dataset of Hugging Face offers: columns by name, a dictionary an item."""

    column_names = ("img", "label")

    def __init__(self) -> None:
        self.features = {"label": type("ClassLabel", (), {"names": ["cat", "dog"]})()}

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: int | str) -> Any:
        return [1, 0] if key == "label" else {"img": Image.fromarray(PHOTO), "label": 1 - int(key)}


ALL = tuple(f"image {place}" for place in range(4))
AS_FILES = "^Files are read as they are: a model applies its own transform, not that of the dataset"
PAIRS = TensorDataset(TENSORS, torch.arange(4))
DATASETS = [
    Line("a tensor", lambda folder: TENSORS, names=ALL, of=same_as(PHOTO), value=True),
    Line("one image of a tensor", lambda folder: TENSORS[0], names=("image 0",), of=same_as(PHOTO), value=True),
    Line("bytes", lambda folder: (TENSORS * 255).round().to(torch.uint8), of=same_as(PHOTO), value=True),
    Line("bfloat16", lambda folder: TENSORS.bfloat16(), of=same_as(PHOTO, 2), value=True),
    Line(
        "a tensor, normalised",
        lambda folder: NORMAL(TENSORS),
        {"mean": 0.5, "std": 0.25},
        of=same_as(PHOTO),
        value=True,
    ),
    Line("pairs", lambda folder: [(Image.fromarray(PHOTO), 1)] * 2, names=ALL[:2], of=labels, value=["1", "1"]),
    Line("a TensorDataset", lambda folder: PAIRS, names=ALL, of=labels, value=list("0123")),
    Line("a batch", lambda folder: next(iter(DataLoader(PAIRS, 4))), names=ALL, of=labels, value=list("0123")),
    Line(
        "a DataLoader",
        lambda folder: DataLoader(Subset(PAIRS, [1, 3]), 2),
        names=("image 1", "image 3"),
        of=labels,
        value=list("13"),
        said=("^Of the DataLoader, the dataset is used, in its own order",),
    ),
    Line(
        "a folder of torchvision's",
        class_folders,
        names=("cat/1.png", "dog/1.png"),
        of=labels,
        value=["cat", "dog"],
        said=(AS_FILES,),
    ),
    Line("a part of it", lambda folder: Subset(class_folders(folder), [1]), names=("dog/1.png",), said=(AS_FILES,)),
    Line(
        "at random",
        lambda folder: FakeData(3, (3, 8, 8), 5, Compose([ToTensor(), RandomHorizontalFlip()])),
        names=ALL[:3],
        said=("^The FakeData changes its images at random: each is kept as it came first",),
    ),
    Line(
        "normalised",
        lambda folder: FakeData(3, (3, 8, 8), 5, Compose([ToTensor(), NORMAL])),
        refused=r"normalises its images: .* undo it: mean=\(0.5, 0.5, 0.5\), std=\(0.25, 0.25, 0.25\)\.$",
    ),
    Line("of Hugging Face", lambda folder: Hub(), names=ALL[:2], of=labels, value=["dog", "cat"]),
]
