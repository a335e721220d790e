"""Implicit saliency (reconstruction): what a label that contradicts the network's expectation would change.

The gradient that a conflicting label sends back to a layer marks what the network relied on. No reference code is
public: this follows the text of the paper and does not claim its figures.

Reference: Sun, Prabhushankar and AlRegib, 2020, arXiv 2008.01874.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.cam import Replayable, contrast_weights, slope_of
from xai_widgets.kernels.cam.base import Score, Step, recording, replayed
from xai_widgets.kernels.checks import check_finite, check_generator
from xai_widgets.kernels.measures import LEVELS, NOISES

NAME = "implicit saliency (reconstruction)"
KINDS = ("mismatch", "feature", "product", "norms")
COMBINATIONS = ("mean", "variance")


def label_set(scores: Float[Tensor, "1 k"], which: str | int) -> Int[Tensor, " m"]:
    """The labels to contradict with: "all", "others" (all but the predicted), or the m most probable."""
    order = scores[0].argsort(descending=True, stable=True)
    if which == "all":
        return order.sort().values
    if which == "others":
        return order[1:].sort().values
    if isinstance(which, int) and not isinstance(which, bool) and 1 <= which <= len(order):
        return order[:which]
    raise ValueError(f"labels must be 'all', 'others' or a number from 1 to {len(order)}, got {which!r}.")


def implicit_saliency(
    tail: Replayable,
    score: Score,
    *,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int = 16,
    step: Step = None,
) -> Float[Tensor, "h w"]:
    """One map of one image, from the gradients g of the cross entropy with each label at the layer's maps A.

    Several layers side by side are one call for the tail of each.

    Args:
        labels: see `label_set`.
        kind: the pseudo map of one label. "mismatch": mean over maps of |g|; "feature": of |A|; "product": of |g A|;
            "norms": |g_u| |a_u| at each place u, the size of a 1 x 1 convolution's weight gradient there.
        combine: "mean" or "variance" (population) over labels.
        smoothing: standard deviation of a Gaussian, in places of the map; 0 for none.
        batch: labels at a time.
        step: called before each batch; may raise to cancel.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be mean or variance, got {combine!r}.")
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing must be 0 or more and finite, got {smoothing}.")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}.")
    maps = tail.maps.detach()
    chosen = label_set(_logits(tail, score), labels)
    if combine == "variance" and (kind == "feature" or len(chosen) < 2):
        raise ValueError(
            "a variance needs at least 2 labels and a kind that depends on them (mismatch, product, norms), "
            f"got {len(chosen)} and {kind!r}: it would be 0 everywhere."
        )
    if kind == "feature":
        return _smooth(maps.abs().mean(1), smoothing)[0]
    mean = torch.zeros_like(maps[0, 0])
    square = torch.zeros_like(mean)  # of the distance from the mean: no difference of large sums
    seen = 0
    for some in chosen.split(batch):
        if step is not None:
            step()
        for one in _pseudo_maps(maps, label_gradients(tail, score, some), kind):
            seen += 1
            difference = one - mean
            mean = mean + difference / seen
            square = square + difference * (one - mean)
    return _smooth((mean if combine == "mean" else square / seen)[None], smoothing)[0]


def label_gradients(tail: Replayable, score: Score, labels: Int[Tensor, " m"]) -> Float[Tensor, "m c h w"]:
    """The gradient of the cross entropy with each label at the layer's maps, of one image."""
    with recording():
        leaf, scores = replayed(tail, score, tail.maps.expand(len(labels), -1, -1, -1))
        logits = scores.detach()
        rows = zip(logits.split(1), labels.tolist(), strict=True)
        return slope_of(leaf, scores, torch.cat([contrast_weights(row, label) for row, label in rows]))


def uniform_gradient(tail: Replayable, score: Score) -> Float[Tensor, "c h w"]:
    """The same for the uniform label: the mean of the signed gradients over all labels."""
    with recording():
        leaf, scores = replayed(tail, score, None)
        (slope,) = torch.autograd.grad(-scores.log_softmax(1).mean(), leaf)
    return slope[0]


class Robustness(NamedTuple):
    """How well a map agrees with the clean image's human map at each level, and the fall from the clean image."""

    clean: float
    agreement: Float[Tensor, " s"]

    @property
    def change(self) -> Float[Tensor, " s"]:
        return self.agreement - self.clean

    @property
    def relative(self) -> Float[Tensor, " s"]:
        """The change over |clean|; infinite or NaN where the clean agreement is 0."""
        return self.change / abs(self.agreement.new_tensor(self.clean))


def robustness(
    explain: Mapping[str, Callable[[Tensor], Tensor]],
    agreement: Callable[[Tensor], Tensor],
    image: Float[Tensor, "3 h w"],
    *,
    generator: torch.Generator,
    kind: str = "blur",
    levels: tuple[float, ...] = LEVELS,
    step: Step = None,
) -> dict[str, Robustness]:
    """How the agreement with the clean image's human map falls when the image is blurred or made noisy.

    Args:
        explain: by name, images (n 3 h w) in [0, 1] to maps (n h' w'); all see the same changed images.
        agreement: maps (n h' w') to one value each, against the human map of the clean image; NaN stays NaN.
        image: in [0, 1].
        generator: on the image's device.
        kind: "blur" (sigma is the level times a tenth of the shorter side), "gaussian_noise" (a standard deviation) or
            "salt_and_pepper" (a share of pixels).
        step: called before each level; may raise to cancel.
    """
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}.")
    check_finite("the image", image)
    check_generator(generator, image, "the image")
    values: dict[str, list[Tensor]] = {name: [] for name in explain}
    for level in (None, *levels):
        if step is not None:
            step()
        changed = image[None] if level is None else _worsened(image[None], kind, level, generator)
        for name, maps_of in explain.items():
            values[name].append(agreement(maps_of(changed).detach())[0])
    found = {name: torch.stack(some) for name, some in values.items()}
    return {name: Robustness(float(some[0]), some[1:]) for name, some in found.items()}


def _worsened(images: Tensor, kind: str, level: float, generator: torch.Generator) -> Tensor:
    if kind == "blur":
        return degrade.blur(images, level * min(images.shape[-2:]) / 10)
    change = degrade.gaussian_noise if kind == "gaussian_noise" else degrade.salt_and_pepper
    return change(images, level, generator=generator)


def _logits(tail: Replayable, score: Score) -> Float[Tensor, "1 k"]:
    maps = tail.maps.detach()
    if len(maps) != 1:
        raise ValueError(f"implicit saliency takes the tail of one image, got one of {len(maps)}.")
    with torch.no_grad():
        scores = score(tail(maps))
    if scores.shape[1] < 2:
        raise ValueError("implicit saliency contradicts with other classes; this network gives one score.")
    check_finite("scores", scores)
    return scores


def _pseudo_maps(
    maps: Float[Tensor, "1 c h w"], gradients: Float[Tensor, "m c h w"], kind: str
) -> Float[Tensor, "m h w"]:
    if kind == "norms":
        return gradients.norm(dim=1) * maps.norm(dim=1)
    return (gradients if kind == "mismatch" else gradients * maps).abs().mean(1)


def _smooth(saliency: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    return degrade.blur(saliency[:, None], sigma)[:, 0] if sigma else saliency
