"""Networks that say things in every form, images with a rating for each score, and what both give by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import tiny
import torch
from torch import Tensor, nn

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, answer

THREE = ("valence", "arousal", "dominance")


class Says(nn.Module):
    """TinyNet, and what is done to its outputs by a module or a function."""

    def __init__(self, outputs: int, last: nn.Module | Callable[[Tensor], Any] | None = None, bias: float = 0) -> None:
        super().__init__()
        self.body = tiny.TinyNet(outputs)
        with torch.no_grad():
            self.body.head.bias[0] += bias
            self.body.head.weight *= 8
        self.last: Any = last or nn.Identity()

    def forward(self, images: Tensor) -> Any:
        return self.last(self.body(images))


def model(outputs: int, last: Any = None, bias: float = 0, **said: Any) -> ImageModel:
    return ImageModel(Says(outputs, last, bias), None, "body.features", name="net", **said)


def heads(y: Tensor) -> dict[str, Tensor]:
    return {"quality": y[:, :1], "classes": y}


def log_softmax(y: Tensor) -> Tensor:
    return y.log_softmax(1)


def images() -> ImageSet:
    frame = pd.DataFrame({
        "image": ["a.png", "b.png", "c.png"], "rating": [0.9, 0.8, 0.7], "label": ["dog", "arousal", "cat"],
        "Arousal": [0.25, None, 0.75], "valence": ["0.5", "0.5", "0.5"],
    })  # fmt: skip
    found = ImageSet(dict(zip(frame["image"], tiny.photos(), strict=True)), ratings=list(frame["rating"]),
                     labels=list(frame["label"]), name="table")  # fmt: skip
    found.table["Arousal"], found.table["valence"] = list(frame["Arousal"]), list(frame["valence"])
    return found


def ask(known: Sources, part: str = "explanation", image: str = "a.png", **fields: Any) -> Any:
    return answer(known, Query(image=image, **fields), part)


class ByHand:
    """Maps (c h w), their means, and logits, without the engine."""

    def __init__(self, known: Sources, image: str = "a.png") -> None:
        body: Any = known.model().network.body
        with torch.no_grad():
            self.maps = body.features(known.model().inputs(known.images.photo(image)))[0]
            self.mean, self.weight = self.maps.mean((1, 2)), body.head.weight.detach()
            self.z = self.weight @ self.mean + body.head.bias

    def cam(self, weights: Any) -> Tensor:
        """Of a weighted sum of the logits."""
        shares = torch.as_tensor(weights, dtype=torch.float32) @ self.weight / self.maps[0].numel()
        return torch.einsum("c,chw->hw", shares, self.maps)

    def without(self) -> Tensor:
        """Logits (c k) without each map."""
        return self.z - self.mean[:, None] * self.weight.T


def near(found: Any, expected: Tensor, tolerance: float = 1e-4) -> None:
    size = max(float(expected.abs().max()), 1e-6)
    np.testing.assert_allclose(np.asarray(found), expected.numpy(), atol=tolerance * size)


NAMES: dict[str, Any] = {"labels": ("cat", "dog", "fish"), "task": "classification"}
PAIR: dict[str, Any] = {"labels": ("cat", "dog"), "task": "binary"}
MANY: dict[str, Any] = {"labels": ("cat", "dog", "fish"), "task": "multilabel"}
