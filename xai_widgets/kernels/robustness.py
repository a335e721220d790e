"""Robustness of a map: how its agreement with a human map falls when the image is blurred or made noisy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels import degrade, draws
from xai_widgets.kernels.batches import Step
from xai_widgets.kernels.checks import check_finite
from xai_widgets.kernels.degrade import Change
from xai_widgets.kernels.draws import Seed, Seeds, generator_of
from xai_widgets.kernels.measures.explaining import Target, clean_of, explained, one_image
from xai_widgets.kernels.measures.levels import levels_of
from xai_widgets.kernels.measures.methods import Explain, explainer_of


class Robustness(NamedTuple):
    """How well a map agrees with the clean image's human map at each level, and the fall from the clean image.

    Attributes:
        clean: Of the clean image; one an image where there are several.
        agreement: At each level; the last one is of pure noise, where that was asked for.
    """

    clean: float | Float[Tensor, " n"]
    agreement: Float[Tensor, "*n s"]

    @property
    def change(self) -> Float[Tensor, "*n s"]:
        """Agreement at each level minus that of the clean image."""
        return self.agreement - self._before()

    @property
    def relative(self) -> Float[Tensor, "*n s"]:
        """The change over |clean|; infinite or NaN where the clean agreement is 0."""
        return self.change / self._before().abs()

    def _before(self) -> Tensor:
        if isinstance(self.clean, Tensor):
            return self.clean[..., None]
        return self.agreement.new_tensor(self.clean)


def robustness(
    explain: Mapping[str, Explain],
    agreement: Callable[[Tensor], Tensor],
    image: Float[Tensor, "c h w"],
    *,
    generator: Seed,
    kind: str | Change = "blur",
    levels: Sequence[float] | None = None,
    per_channel: bool = False,
    pure_noise: bool = False,
    target: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> dict[str, Robustness]:
    """How the agreement with the clean image's human map falls when the image is blurred or made noisy.

    `robustness_of` says what the arguments are; `agreement` gets the maps (1 h' w') of the one image.

    Raises:
        TypeError: as `robustness_of`.
        ValueError: as `robustness_of`.
    """
    images = one_image(image)
    check_finite("the image", image)
    degrade.check_range("the image", images)
    by_name = robustness_of(
        explain, agreement, images, generator=[generator_of(generator)], kind=kind, levels=levels,
        per_channel=per_channel, pure_noise=pure_noise, targets=target, batch=batch, step=step,
    )  # fmt: skip
    return {name: Robustness(float(some.clean), some.agreement[0]) for name, some in by_name.items()}


def robustness_of(
    explain: Mapping[str, Explain],
    agreement: Callable[[Tensor], Tensor],
    images: Float[Tensor, "n c h w"],
    *,
    generator: Seeds,
    kind: str | Change = "blur",
    levels: Sequence[float] | None = None,
    per_channel: bool = False,
    pure_noise: bool = False,
    targets: Target | None = None,
    batch: int | None = None,
    step: Step = None,
) -> dict[str, Robustness]:
    """How the agreement of many maps with the human maps of their clean images falls; see `robustness`.

    Args:
        explain: methods by name: functions of images in [0, 1], or of images and targets, which give maps (n h' w'),
            also signed ones; all see the same changed images.
        agreement: maps (n h' w') to one value each, against the human maps of the clean images; NaN stays NaN.
        images: in [0, 1].
        generator: a seed or a generator, of which all images get the same noise, or one of them an image. Every level
            starts from the same numbers, so that its noise does not depend on which other levels are asked for.
        kind: "blur" (sigma in pixels), "gaussian_noise" (a standard deviation), "salt_and_pepper" (a share of pixels),
            or a function of images (1 c h w), level and generator that gives images in [0, 1].
        levels: from 0 to 1, of blur to a quarter of the shorter side; if left out `blur_levels` of blur, and `LEVELS`
            of noise.
        per_channel: salt and pepper drawn for each channel on its own.
        pure_noise: one more value at the end, for an image of uniform random noise and nothing else.
        targets: of the methods that take targets, where it is not to be what is predicted for the clean image.
        batch: images that are explained at a time; found from their size if left out.
        step: called before each batch; may raise to cancel.

    Raises:
        TypeError: no tensors of floating-point numbers, no seeds, no numbers.
        ValueError: images outside of [0, 1], no method, an unknown kind, levels out of range, or an agreement that is
            not one value a map.
    """
    degrade.check_range("the images", images)
    if not explain:
        raise ValueError("explain must name at least one method, got none.")
    side = min(images.shape[-2:])
    if levels is None and kind == "blur":
        levels = degrade.blur_levels(side)
    ladder = levels_of(kind, levels, side, per_channel=per_channel)
    starts = [draws.repeatable(one) for one in draws.one_an_image(generator, len(images))]
    methods = {name: explainer_of(some) for name, some in explain.items()}
    if targets is not None and not any(some.targeted for some in methods.values()):
        raise ValueError("targets are given, but every method is a function of images alone.")
    asked, values = {}, {}
    for name, method in methods.items():
        mine = targets if method.targeted else None
        clean = clean_of(method, images, targets=mine, signed=True, batch=batch, step=step)
        asked[name], values[name] = clean.targets, [_agreed(agreement, clean.maps)]
    for changed in _changed(images, kind, ladder, starts, per_channel, pure_noise):
        for name, method in methods.items():
            maps = explained(method, changed, asked[name], signed=True, batch=batch, step=step).maps
            values[name].append(_agreed(agreement, maps))
    return {name: Robustness(some[0], torch.stack(some[1:], 1)) for name, some in values.items()}


def _changed(
    images: Float[Tensor, "n c h w"],
    kind: str | Change,
    levels: tuple[float, ...],
    starts: list[Callable[[], torch.Generator]],
    per_channel: bool,
    pure_noise: bool,
) -> Iterator[Tensor]:
    each = list(zip(images.split(1), starts, strict=True))
    for level in levels:
        yield torch.cat(
            [degrade.changed(image, kind, level, generator=start(), per_channel=per_channel) for image, start in each]
        )
    if pure_noise:
        yield degrade.pure_noise(images, generator=[start() for start in starts])


def _agreed(agreement: Callable[[Tensor], Tensor], maps: Tensor) -> Float[Tensor, " n"]:
    values = agreement(maps)
    if not isinstance(values, Tensor) or values.shape != maps.shape[:1]:
        given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"the agreement must be one value a map, got {given} for {len(maps)}.")
    return values
