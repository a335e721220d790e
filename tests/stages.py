"""What the tests of the stage share: its map as an array, its photo as pixels, a part of an answer that is made up."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from xai_widgets.engine import PARTS, Secondary
from xai_widgets.engine.methods import Explained, Method
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts import Part
from xai_widgets.views import Stage

HARMFUL = Secondary(np.array([[0, 1], [2, 4]], np.float32), 4.0, np.array([[0, 0], [0, 1]], bool), (0, 0, 1, 1))


def _two(request: Any, options: dict[str, Any]) -> Explained:
    """A map with two dimensions: sign to the left and right, strength from top to bottom."""
    across, down = torch.linspace(-1, 1, 4), torch.linspace(0, 1, 3)
    return Explained(options.get("level", 1) * across.repeat(3, 1), strength=down[:, None].repeat(1, 4))


TWO = Method(
    name="two", words="Two dimensions", group="removal", description="Hue and saturation.", make=_two,
    question="what is where", low="down", high="up", palette="purple-green", takes_contrast=True,
    options=(
        Option("count", "noisy copies", 25, low=1, high=1000),
        Option("level", "noise", 0.15, low=0, high=1, unit="of the input's range"),
        Option("normal", "scale of each map", "raw", ("raw", "peak")),
        Option("both", "both signs", False, (False, True)),
        Option("window", "side of a tile", "quarter", ("quarter",), 1),
        Option("free", "importance of each map", (), check=lambda value: value),
    ),
)  # fmt: skip


def values_of(answer: dict[str, Any], name: str = "values", kind: Any = np.float32) -> NDArray[Any]:
    """An array of a layer as it was sent."""
    return np.frombuffer(answer[name], kind).reshape(answer[f"{name}_shape"])


def map_of(stage: Stage) -> NDArray[np.float32]:
    return values_of(stage.map)


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


class Slow:
    """An encoder that begins, and goes on when it may."""

    def __init__(self, encoded: Callable[[Any], bytes]) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.threads: list[str] = []
        self._encoded = encoded

    def __call__(self, photo: Any) -> bytes:
        self.threads.append(threading.current_thread().name)
        self.begun.set()
        assert self.go_on.wait(30)
        return self._encoded(photo)


def settled(stage: Stage) -> Stage:
    """The stage when photo and map are there."""
    assert stage.session.wait(60)
    assert stage.settle(30)
    return stage


def made_up(monkeypatch: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Let a part of an answer be this one."""
    monkeypatch.setitem(PARTS, name, Part(name, name, make, ("target", "gains"), lane="answer", kept=False))
