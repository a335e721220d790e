"""Small models and sets for tests of studies, which other processes make by the names in here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from small_networks import Small
from torch import Tensor, nn

from xai_widgets.models import ImageModel, ModelSource
from xai_widgets.study import Study

BRIGHT = 250  # of the picture on which `build(refuses=True)` fails
HERE = str(Path(__file__).parent)


class Watched(nn.Module):
    """A network that takes its time, and writes down that it is at work."""

    def __init__(self, network: nn.Module, seconds: float, mark: str, refuses: bool) -> None:
        super().__init__()
        self.network, self.seconds, self.mark, self.refuses = network, seconds, mark, refuses

    def forward(self, images: Tensor) -> Tensor:
        if self.mark:
            Path(self.mark, f"{os.getpid()}").touch()
        time.sleep(self.seconds)
        if self.refuses and bool((images.mean() > 0.95).all()):
            raise ValueError("this picture is too bright.")
        found: Tensor = self.network(images)
        return found


def build(
    seed: int = 0, runs: int = 1, classes: int = 1, seconds: float = 0, mark: str = "", refuses: bool = False
) -> ImageModel:
    """A regression from 0 to 100, or so many classes; the same in each process."""

    watched = bool(seconds or mark or refuses)

    def made(number: int) -> nn.Module:
        torch.manual_seed(number)
        network = Small(classes=classes)
        return Watched(network, seconds, mark, refuses) if watched else network

    further: list[nn.Module] = [made(seed + 10 * number) for number in range(1, runs)]
    meaning: dict[str, Any] = {"task": "regression", "range": (0, 100)}
    if classes > 1:
        meaning = {"task": "classification", "labels": [f"class {number}" for number in range(classes)]}
    return ImageModel(made(seed), None, "network.body" if watched else "body", runs=further, **meaning)


def source(name: str = "small", **arguments: Any) -> ModelSource:
    """How another process makes such a model."""
    return ModelSource("studied:build", name=name, arguments=arguments)


def pictures(folder: Path, count: int = 6, first: int = 0) -> Path:
    """A table of small rated and labelled photographs, p00.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"p{number:02}.png" for number in range(first, first + count)]
    for number, name in enumerate(names, first):
        picture(folder / name, number)
    rows: dict[str, Any] = {"image": names, "rating": [10.0 * (number % 9) for number in range(first, first + count)]}
    rows["label"] = [f"class {number % 3}" for number in range(first, first + count)]
    pd.DataFrame(rows).to_csv(folder / "photos.csv", index=False)
    return folder / "photos.csv"


def picture(path: Path, seed: int) -> None:
    """One photograph of noise."""
    noise = np.random.default_rng(seed).integers(0, 200, (40, 48, 3), np.uint8)
    Image.fromarray(noise).save(path)


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    """Until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """All tables of a study, by name."""
    return {path.stem: pd.read_parquet(path) for path in sorted((study.folder / "tables").glob("*.parquet"))}


def assert_same(first: Study, second: Study, tolerance: float = 0) -> None:
    """The tables of both are the same."""
    one, other = tables_of(first), tables_of(second)
    assert set(one) == set(other)
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name], check_categorical=False, rtol=tolerance, atol=tolerance)
