"""Implicit saliency (reconstruction): what a label that contradicts the network's expectation would change.

The gradient that a conflicting label sends back to a layer marks what the network relied on. No reference code is
public: this follows the text of the paper and does not claim its figures.

Reference: Sun, Prabhushankar and AlRegib, 2020, arXiv 2008.01874.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xai_widgets.kernels import degrade
from xai_widgets.kernels.batches import at_once, check_batch, on_any_tail
from xai_widgets.kernels.cam import Replayable, contrast_weights, slope_of
from xai_widgets.kernels.cam.base import Score, Step, recording, replayed
from xai_widgets.kernels.checks import (
    check_classes,
    check_finite,
    check_generator,
    check_tensor,
    real_number,
    scores_from,
    whole_number,
)
from xai_widgets.kernels.measures import LEVELS
from xai_widgets.kernels.tail import Tail

NAME = "implicit saliency (reconstruction)"
KINDS = ("mismatch", "feature", "product", "norms")
COMBINATIONS = ("mean", "variance")


def label_set(scores: Float[Tensor, "1 k"], which: str | int) -> Int[Tensor, " m"]:
    """The labels to contradict with: "all", "others" (all but the predicted), or the m most probable."""
    check_tensor("scores", scores, ("images", "classes"))
    if len(scores) != 1:
        raise ValueError(f"labels are chosen for one image, got the scores of {len(scores)}.")
    check_classes(NAME, scores)
    check_finite("scores", scores)
    order = scores[0].argsort(descending=True, stable=True)
    allowed = f"labels must be 'all', 'others' or a number from 1 to {len(order)}, got {which!r}."
    if isinstance(which, str):
        if which not in ("all", "others"):
            raise ValueError(allowed)
        return order[which == "others" :].sort().values
    try:
        most = whole_number("labels", which)
    except TypeError:
        raise TypeError(allowed) from None
    if not 1 <= most <= len(order):
        raise ValueError(allowed)
    return order[:most]


def implicit_saliency(
    tail: Replayable,
    score: Score,
    *,
    labels: str | int = "all",
    kind: str = "mismatch",
    combine: str = "mean",
    smoothing: float = 0.0,
    batch: int | None = None,
    step: Step = None,
) -> Float[Tensor, "h w"]:
    """One map of one image, from the gradients g of the cross entropy with each label at the layer's maps A.

    Several layers side by side are one call for the tail of each. `kind` holds two lists in one: the pseudo maps of a
    label (|g|, |g A|, the product of norms) are "mismatch", "product" and "norms"; the choices mismatch only, feature
    only and product are "mismatch", "feature" and "product", so that the product of both is |g A|, not that of norms.

    Args:
        labels: see `label_set`.
        kind: the pseudo map of one label. "mismatch": mean over maps of |g|; "feature": of |A|; "product": of |g A|;
            "norms": |g_u| |a_u| at each place u, the size of a 1 x 1 convolution's weight gradient there.
        combine: "mean" or "variance" (population) over labels.
        smoothing: standard deviation of a Gaussian, in places of the map; 0 for none.
        batch: labels at a time; found from the memory of the layer if left out.
        step: called before each batch; may raise to cancel.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be mean or variance, got {combine!r}.")
    smoothing = real_number("smoothing", smoothing)
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing must be 0 or more and finite, got {smoothing}.")
    check_batch(batch)
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

    def run(tail: Replayable, start: int, end: int) -> Tensor:
        return _pseudo_maps(tail.maps.detach(), label_gradients(tail, score, chosen[start:end]), kind)

    size = batch or at_once(4 * maps.nbytes, maps.device)
    for some in on_any_tail(tail, len(chosen), size, run, step=step):
        for one in some:
            seen += 1
            difference = one - mean
            mean = mean + difference / seen
            square = square + difference * (one - mean)
    return _smooth((mean if combine == "mean" else square / seen)[None], smoothing)[0]


def label_gradients(
    tail: Replayable, score: Score, labels: Int[Tensor, " m"] | Sequence[int]
) -> Float[Tensor, "m c h w"]:
    """The gradient of the cross entropy with each label at the layer's maps, of one image."""
    _check_one_image(tail)
    some = _labels(labels)
    with recording():
        scored = partial(scores_from, score, rows=len(some))
        leaf, scores = replayed(tail, scored, tail.maps.expand(len(some), -1, -1, -1))
        logits = scores.detach()
        _check_logits(logits)
        rows = zip(logits.split(1), some, strict=True)
        return slope_of(leaf, scores, torch.cat([contrast_weights(row, label) for row, label in rows]))


def uniform_gradient(tail: Replayable, score: Score) -> Float[Tensor, "c h w"]:
    """The same for the uniform label: the mean of the signed gradients over all labels."""
    _check_one_image(tail)
    with recording():
        leaf, scores = replayed(tail, partial(scores_from, score, rows=1), None)
        _check_logits(scores.detach())
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
    per_channel: bool = False,
    far_end: bool = False,
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
        levels: from 0 to 1.
        per_channel: salt and pepper for each channel anew.
        far_end: one more value at the end, for uniform random noise alone: the reaction to nonsense.
        step: called before each level; may raise to cancel.
    """
    degrade.check_noise(kind, levels, per_channel=per_channel)
    check_finite("the image", image)
    degrade.check_range("the image", image[None])
    check_generator(generator, image, "the image")
    if not explain:
        raise ValueError("explain must name at least one method, got none.")
    values: dict[str, list[Tensor]] = {name: [] for name in explain}
    for changed in _changed(image[None], kind, levels, generator, per_channel, far_end):
        if step is not None:
            step()
        for name, maps_of in explain.items():
            values[name].append(agreement(maps_of(changed.clone()).detach())[0])
    found = {name: torch.stack(some) for name, some in values.items()}
    return {name: Robustness(float(some[0]), some[1:]) for name, some in found.items()}


def _changed(
    images: Float[Tensor, "1 3 h w"],
    kind: str,
    levels: tuple[float, ...],
    generator: torch.Generator,
    per_channel: bool,
    far_end: bool,
) -> Iterator[Tensor]:
    yield images
    for level in levels:
        yield degrade.worsened(images, kind, level, generator=generator, per_channel=per_channel)
    if far_end:
        yield torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)


def _logits(tail: Replayable, score: Score) -> Float[Tensor, "1 k"]:
    _check_one_image(tail)
    with torch.no_grad():
        scores = scores_from(score, tail.result if isinstance(tail, Tail) else tail(tail.maps.detach()), 1)
    _check_logits(scores)
    return scores


def _check_one_image(tail: Replayable) -> None:
    if len(tail.maps) != 1:
        raise ValueError(f"implicit saliency takes the tail of one image, got one of {len(tail.maps)}.")


def _check_logits(scores: Tensor) -> None:
    check_classes(NAME, scores)
    check_finite("scores", scores)


def _labels(labels: Any) -> list[int]:
    values = labels.tolist() if hasattr(labels, "tolist") else labels
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise TypeError(f"labels must be a list or a tensor of whole numbers, at least one, got {labels!r}.")
    return [whole_number("a label", value) for value in values]


def _pseudo_maps(
    maps: Float[Tensor, "1 c h w"], gradients: Float[Tensor, "m c h w"], kind: str
) -> Float[Tensor, "m h w"]:
    if kind == "norms":
        return gradients.norm(dim=1) * maps.norm(dim=1)
    return (gradients if kind == "mismatch" else gradients * maps).abs().mean(1)


def _smooth(saliency: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    return degrade.blur(saliency[:, None], sigma)[:, 0] if sigma else saliency
