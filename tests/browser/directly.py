"""What an explorer should show, computed in this process from the definitions: no session, no engine, no view."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.kernels.tail import Tail

PALETTES = Path(__file__).parents[2] / "xai_widgets" / "static" / "shared" / "palettes.js"


@dataclass(frozen=True)
class Direct:
    """One image before one network, at its default layer, with gains."""

    model: ImageModel
    images: ImageSet
    image: str
    gains: tuple[tuple[int, float], ...] = ()

    @cached_property
    def tail(self) -> Tail:
        return Tail(self.model.shell, self.model.layer, self.model.inputs(self.images.photo(self.image)))

    @cached_property
    def maps(self) -> Tensor:
        maps = self.tail.maps.detach().clone()
        for index, gain in self.gains:
            maps[:, index] *= gain
        return maps

    def scores(self) -> Tensor:
        with torch.no_grad():
            return self.model.scores(self.tail(self.maps))[0]

    def _cam(self, objective: object) -> np.ndarray:
        """Sum of the maps, each times the spatial mean of the gradient of an objective of the scores."""
        leaf = self.maps.clone().requires_grad_()
        value = objective(self.model.scores(self.tail(leaf)))  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(value, leaf)
        return (gradient.mean((2, 3), keepdim=True) * leaf).sum(1)[0].detach().numpy()

    def cam(self, target: int = 0) -> np.ndarray:
        """Grad-CAM of an output."""
        return self._cam(lambda scores: scores[0, target])

    def class_contrast(self, q: int) -> np.ndarray:
        """Grad-CAM of the cross entropy with class Q."""
        return self._cam(lambda scores: torch.nn.functional.cross_entropy(scores, torch.tensor([q])))

    def score_contrast(self, q: float) -> np.ndarray:
        """Positive part of the Grad-CAM of the squared distance to the score Q."""
        return self._cam(lambda scores: (scores[0, 0] - q) ** 2).clip(0)


def painted(values: np.ndarray, limit: float, palette: str = "blue-red") -> np.ndarray:
    """Colours (h w 4) of a map: 511 steps from -limit to limit, opacity by |value| to the power of 0.8."""
    text = re.search(r"RAMPS = (\{.*?\});", PALETTES.read_text(), re.DOTALL)
    assert text is not None
    stops = np.array(json.loads(text[1])[palette], float)
    steps = (np.floor((np.clip(values / limit, -1, 1) + 1) * 255 + 0.5) - 255) / 255
    at = (steps + 1) / 2 * (len(stops) - 1)
    colours = [np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.stack([*colours, 255 * np.abs(steps) ** 0.8], -1)


def assert_painted(pixels: np.ndarray, values: np.ndarray, limit: float, *, faint: bool = False) -> None:
    """The pixels are those of the values, but for rounding (a canvas keeps colours times opacity)."""
    expected = painted(values, limit)
    assert pixels.shape == expected.shape
    assert np.abs(pixels[..., 3] - expected[..., 3]).max() <= 4
    seen = expected[..., 3] > 64
    assert faint or seen.any(), "nothing is seen"
    assert np.abs(pixels[seen] - expected[seen])[:, :3].max(initial=0) <= 6


def between(values: np.ndarray, u: float, v: float) -> float:
    """The bilinear value of a coarse map at a place, both from 0 to 1."""
    fine = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], size=(1000, 1000), mode="bilinear")
    return float(fine[0, 0, min(int(v * 1000), 999), min(int(u * 1000), 999)])
