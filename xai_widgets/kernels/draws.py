"""Random numbers that depend on the seed alone: not on the device, the precision, or what else is in a batch.

All are drawn on the CPU in float64, and then brought to the device and the precision in which they are used. A kernel
takes a `Seed`, which is a whole number or a generator; one that takes many images takes `Seeds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels.checks import whole_number

Seed = int | torch.Generator
Seeds = Seed | Sequence[Seed]  # one for all images, which then get the same numbers; or one for each image


def check_generator(generator: Any) -> torch.Generator:
    """The generator that was given, where it is one on the CPU.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}; make one by its manual_seed.")
    if generator.device.type != "cpu":
        raise ValueError(
            "generator must be on the CPU, where random numbers are drawn for every device, so that one seed gives "
            f"the same numbers on each; it is on {generator.device}."
        )
    return generator


def seeded(seed: int) -> torch.Generator:
    """A generator that starts from a whole number."""
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

    Raises:
        TypeError: neither a generator nor a whole number.
        ValueError: a generator that is not on the CPU, or a number of more than 64 bits.
    """
    generator = generator_of(seed)
    if isinstance(seed, torch.Generator):
        return int(whole(2**62, (), generator, torch.device("cpu")))
    return int(seed)


def repeatable(generator: torch.Generator) -> Callable[[], torch.Generator]:
    """Generators that all start where this one stands, for levels that share their numbers; it goes on itself.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    state = generator.get_state()
    whole(2**62, (), generator, torch.device("cpu"))
    return lambda: torch.Generator("cpu").set_state(state)


def one_an_image(seeds: Seeds, images: int) -> list[torch.Generator]:
    """A generator for each image. From one seed all draw the same numbers, which so do not depend on the batch.

    Raises:
        TypeError: no seed.
        ValueError: another number of seeds than of images, or a generator that is not on the CPU.
    """
    several = _several(seeds)
    if several is not None:
        if len(several) != images:
            raise ValueError(f"there must be one generator for each image, got {len(several)} for {images} images.")
        return [generator_of(seed) for seed in several]
    first = generator_of(seeds)  # type: ignore[arg-type]
    return [first, *(torch.Generator("cpu").set_state(first.get_state()) for _ in range(images - 1))]


def for_images(seeds: Seeds, images: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """What is drawn for images: (1 ...) from one seed, the same for all, or (n ...) from one seed for each image.

    Args:
        draw: from a generator to what it draws for one image, (1 ...).

    Raises:
        TypeError: no seed.
        ValueError: another number of seeds than of images, or a generator that is not on the CPU.
    """
    count = 1 if _several(seeds) is None else images
    return torch.cat([draw(generator) for generator in one_an_image(seeds, count)])


def normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers, on the device and in the precision of `like`.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    drawn = torch.randn(tuple(shape), generator=check_generator(generator), dtype=torch.float64, device="cpu")
    return _like(drawn, like)


def uniform(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Uniform numbers from 0 to 1, on the device and in the precision of `like`.

    Where a decision depends on whether a number is below a level, use `below`, which compares before rounding.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    return _like(_uniform(shape, generator), like)


def below(
    levels: Sequence[float], shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """For each level a mask: which of some uniform numbers, drawn once for all levels, are below it.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    drawn = _uniform(shape, generator)
    return [(drawn < level).to(device) for level in levels]


def whole(below: int, shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Whole numbers from 0 to `below` - 1.

    Raises:
        TypeError: no generator.
        ValueError: a generator that is not on the CPU.
    """
    drawn = torch.randint(below, tuple(shape), generator=check_generator(generator), device="cpu")
    return drawn.to(device)


def _several(seeds: Any) -> Sequence[Seed] | None:
    """The list of seeds, also where an array or a tensor holds it; None for a single one."""
    some = seeds.tolist() if hasattr(seeds, "tolist") else seeds
    return some if isinstance(some, Sequence) and not isinstance(some, str) else None


def _uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return torch.rand(tuple(shape), generator=check_generator(generator), dtype=torch.float64, device="cpu")


def _like(drawn: Tensor, like: Tensor) -> Tensor:
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return drawn.to(dtype).to(like.device)  # rounded first, since Apple's GPU has no float64
