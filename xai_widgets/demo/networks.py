"""The two demonstration networks. Both are fully convolutional and take any size from 32 x 32."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import pad

# In the order of the logits of SceneNet; equal to the keys of pictures.SCENES.
SCENE_LABELS = (
    "astronaut",
    "bricks",
    "cameraman",
    "cat",
    "coffee",
    "coins",
    "galaxies",
    "grass",
    "gravel",
    "moon",
    "motorcycle",
    "page",
    "retina",
    "rocket",
    "tissue",
)
MINIMUM_SIDE = 32
CHECKPOINTS = Path(__file__).parent
QUALITY_RUNS = 3

Network = TypeVar("Network", bound=nn.Module)


def _stage(channels: int, maps: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, maps, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(maps), nn.ReLU()]


class LocalContrast(nn.Module):
    """Colours, local contrast and what is left of the colours without it: distortions are small beside a photograph.

    Reference: Mittal, Moorthy and Bovik, 2012, BRISQUE, doi 10.1109/TIP.2012.2214050.
    """

    maps = 9

    def forward(self, images: Tensor) -> Tensor:
        """(n 3 h w) in [0, 1] to (n 9 h w), each about of size 1."""
        mean = _local_mean(images)
        detail = images - mean
        contrast = (_local_mean(detail.square()) + 1e-6).sqrt()
        return torch.cat([2 * images - 1, detail / (contrast + 0.02), (contrast + 0.005).log() / 2 + 2], dim=1)


def _local_mean(images: Tensor, window: int = 7) -> Tensor:
    # Sums of shifted images: five times as fast on a CPU as avg_pool2d.
    height, width = images.shape[-2:]
    padded = pad(images, (window // 2,) * 4, mode="reflect")
    rows = reduce(torch.add, [padded[..., i : i + height, :] for i in range(window)])
    return reduce(torch.add, [rows[..., i : i + width] for i in range(window)]) / window**2


class QualityNet(nn.Module):
    """No-reference image quality: patch scores in [0, 1], averaged over the image.

    The head works on each patch (a place of `features`) alone and is not linear, so that removals of feature maps do
    not add up. Inputs are (n 3 h w) in [0, 1], without further normalisation.

    Reference: Bosse et al., 2018, DIQaM, arXiv 1612.01697.
    """

    def __init__(self, maps: int = 96) -> None:
        super().__init__()
        self.contrast = LocalContrast()
        self.features = nn.Sequential(
            *_stage(LocalContrast.maps, 32, kernel=5, stride=2),
            *_stage(32, 48, stride=2),
            *_stage(48, 64),
            *_stage(64, maps, stride=2),
            *_stage(maps, maps),
        )
        self.head = nn.Sequential(nn.Conv2d(maps, 64, 1), nn.ReLU(), nn.Conv2d(64, 1, 1), nn.Sigmoid())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the score (n) and the patch scores (n h/8 w/8) that it is the mean of."""
        _check_size(images)
        patches = self.head(self.features(self.contrast(images)))[:, 0]
        return {"score": patches.mean(dim=(1, 2)), "patches": patches}


class SceneNet(nn.Module):
    """Which of fifteen photographs a crop is from: feature maps, pooled over the image, and a linear classifier.

    Inputs are (n 3 h w) in [0, 1], without further normalisation.
    """

    def __init__(self, classes: int = len(SCENE_LABELS), maps: int = 96) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_stage(3, 24, kernel=5, stride=2),
            *_stage(24, 48, stride=2),
            *_stage(48, 64, stride=2),
            *_stage(64, maps),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(maps, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n k) in the order of SCENE_LABELS."""
        _check_size(images)
        return self.classifier(self.pool(self.features(images - 0.5)).flatten(1))


def quality_network(run: int = 0) -> QualityNet:
    """The trained quality network of a run (0, 1 or 2), in eval mode.

    Raises:
        ValueError: there is no such run.
    """
    if run not in range(QUALITY_RUNS):
        raise ValueError(f"The run must be 0 to {QUALITY_RUNS - 1}, got {run!r}.")
    return _trained(QualityNet(), CHECKPOINTS / f"quality-{run}.safetensors")


def scene_network() -> SceneNet:
    """The trained scene network, in eval mode."""
    return _trained(SceneNet(), CHECKPOINTS / "scenes.safetensors")


def _trained(network: Network, checkpoint: Path) -> Network:
    network.load_state_dict(load_file(checkpoint))
    return network.eval()


def _check_size(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < MINIMUM_SIDE:
        shape = tuple(images.shape)
        raise ValueError(f"The network takes (n 3 h w) with sides of at least {MINIMUM_SIDE}, got {shape}.")


def weights(network: nn.Module) -> int:
    """How many trained numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
