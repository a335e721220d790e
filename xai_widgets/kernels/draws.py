"""Random numbers that depend on the seed alone: not on the device, the precision, or what else is in a batch.

All are drawn on the CPU in float64 and then brought to where they are used. A kernel takes a `Seed`, a whole number or
a generator, and makes its generator once, with `generator_of`; one of many images takes `Seeds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels.checks import whole_number

Seed = int | torch.Generator
Seeds = Seed | Sequence[Seed]  # one for all images, which then get the same noise; or one an image


def check_generator(generator: Any) -> torch.Generator:
    """Raise TypeError for what is no generator, ValueError for one that is not on the CPU."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}; make one by its manual_seed.")
    if generator.device.type != "cpu":
        raise ValueError(
            "generator must be on the CPU, where random numbers are drawn for every device, so that one seed gives "
            f"the same numbers on each; it is on {generator.device}."
        )
    return generator


def seeded(seed: int) -> torch.Generator:
    """A generator for our own use, whose numbers are always the same."""
    return torch.Generator("cpu").manual_seed(seed)


def generator_of(seed: Seed) -> torch.Generator:
    """The generator that was given, or one that starts from the whole number that was given.

    Raises:
        TypeError: neither of the two.
        ValueError: a generator that is not on the CPU, or a number of more than 64 bits.
    """
    if isinstance(seed, torch.Generator):
        return check_generator(seed)
    try:
        number = whole_number("generator", seed)
    except TypeError:
        raise TypeError(f"generator must be a torch.Generator or a whole number, its seed, got {seed!r}.") from None
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"generator must be a torch.Generator or a seed of at most 64 bits, got {number}.")
    return seeded(number)


def seed_of(seed: Seed) -> int:
    """A whole number from which several generators can start: the one that was given, or one that is drawn.

    Raises: as of `generator_of`.
    """
    generator = generator_of(seed)
    if isinstance(seed, torch.Generator):
        return int(whole(2**62, (), generator, torch.device("cpu")))
    return int(seed)


def repeatable(generator: torch.Generator) -> Callable[[], torch.Generator]:
    """Generators that all start where this one stands, which itself goes on: for levels that share their numbers."""
    state = generator.get_state()
    whole(2**62, (), generator, torch.device("cpu"))
    return lambda: torch.Generator("cpu").set_state(state)


def one_an_image(seeds: Seeds, images: int) -> list[torch.Generator]:
    """A generator for each image: of one seed all draw the same numbers, so that no image's depend on its batch.

    Raises:
        TypeError: what is no seed.
        ValueError: another number of seeds than of images, or a generator that is not on the CPU.
    """
    several = _several(seeds)
    if several is not None:
        if len(several) != images:
            raise ValueError(f"there must be one generator an image, got {len(several)} for {images} images.")
        return [generator_of(seed) for seed in several]
    first = generator_of(seeds)  # type: ignore[arg-type]
    return [first, *(torch.Generator("cpu").set_state(first.get_state()) for _ in range(images - 1))]


def for_images(seeds: Seeds, images: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """What is drawn for images: (1 ...) of one seed, which serves all of them, or (n ...) of one seed an image.

    Raises: as of `one_an_image`.
    """
    count = 1 if _several(seeds) is None else images
    return torch.cat([draw(generator) for generator in one_an_image(seeds, count)])


def normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers, with the device and the precision of `like`."""
    drawn = torch.randn(tuple(shape), generator=check_generator(generator), dtype=torch.float64, device="cpu")
    return _as(drawn, like)


def uniform(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Uniform numbers from 0 to 1, with the device and the precision of `like`.

    Compare them with a level in float64, before rounding, where a decision depends on it: see `below`.
    """
    return _as(_uniform(shape, generator), like)


def below(
    levels: Sequence[float], shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """Of one draw of uniform numbers: which of them are below each level, as masks."""
    drawn = _uniform(shape, generator)
    return [(drawn < level).to(device) for level in levels]


def whole(below: int, shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Whole numbers from 0 to before `below`."""
    drawn = torch.randint(below, tuple(shape), generator=check_generator(generator), device="cpu")
    return drawn.to(device)


def _several(seeds: Any) -> Sequence[Seed] | None:
    """The list of seeds, also where NumPy or a tensor holds it; None for a single one."""
    some = seeds.tolist() if hasattr(seeds, "tolist") else seeds
    return some if isinstance(some, Sequence) and not isinstance(some, str) else None


def _uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return torch.rand(tuple(shape), generator=check_generator(generator), dtype=torch.float64, device="cpu")


def _as(drawn: Tensor, like: Tensor) -> Tensor:
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return drawn.to(dtype).to(like.device)  # rounded first: Apple's GPU has no float64
