"""How a transform is called: with which picture, of how many channels, and what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, cast

import numpy as np
import torch
import torchvision.transforms as v1
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from xai_widgets.kernels.tail import Shell
from xai_widgets.models.geometry import Picture, Prepared, Step, with_channels

TEST_SIZES = ((240, 320), (83, 61), (480, 640))  # height, width
TRIED_SIZES = (TEST_SIZES[0], (224, 224), (64, 64))
_ON_BATCHES = (v1.Normalize, v2.Normalize)


def channels_of(transform: Any, network: nn.Module) -> int:
    """How many channels the pictures have that a transform makes the input of a network of.

    3, of photographs, unless the first convolution takes another number, which the transform makes of pictures of so
    many channels and not of photographs, and the network does not run on what it makes of those.
    """
    if transform is not None and hasattr(transform, "channels") and hasattr(transform, "can_degrade"):
        return int(transform.channels)  # split already
    wanted = next((module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d)), 3)
    if wanted == 3 or _made(transform, 3) == wanted or _made(transform, wanted) != wanted:
        return 3
    return 3 if _takes_photographs(network, transform) else wanted


def _takes_photographs(network: nn.Module, transform: Any) -> bool:
    """Whether a network runs on a photograph: it may make channels of its own before its first convolution."""
    weight = next((tensor for tensor in network.parameters() if tensor.is_floating_point()), torch.zeros(1))
    for size in TRIED_SIZES:
        try:
            inputs = _input(transform, 3, size).to(weight.device, weight.dtype)
            with torch.no_grad():
                Shell(network).network(inputs)
        except Exception:  # it is told when the network is run in earnest
            continue
        return True
    return False


def _made(transform: Any, channels: int) -> int | None:
    """How many channels a transform makes of a picture of so many; None where it fails."""
    try:
        return _input(transform, channels, TEST_SIZES[0]).shape[1]
    except Exception:  # of the user's own code: it is told when the transform is split
        return None


def _input(transform: Any, channels: int, size: tuple[int, int]) -> Tensor:
    """What a transform makes of a picture, (1 c h w)."""
    photo = sample_photo(size, channels)
    if transform is None:
        return torch.from_numpy(_array(photo)).permute(2, 0, 1)[None].float() / 255
    if not isinstance(transform, tuple | list):
        run = called(transform)
        return as_input(run(entry_of(run, channels)(photo)))
    first, then = transform
    given = first(entry_of(first, channels)(photo))
    given = given.pixels if isinstance(given, Prepared) else given
    given = given[0] if isinstance(given, tuple) else given
    return as_input(then(given[None] if isinstance(then, _ON_BATCHES) else given))


def called(transform: Any) -> Step:
    """An image processor of transformers', or a transform of albumentations', as a function of a picture alone."""
    processor = getattr(transform, "image_processor", transform)  # of a processor that reads text too
    kinds = {(kind.__module__.split(".")[0], kind.__name__) for kind in type(processor).__mro__}
    if ("transformers", "ImageProcessingMixin") in kinds:
        return lambda photo: processor(images=photo, return_tensors="pt")["pixel_values"]
    if any(room == "albumentations" for room, _ in kinds) or _takes_named(processor):
        return lambda photo: processor(image=np.array(photo))["image"]
    return cast(Step, transform)


def _takes_named(transform: Any) -> bool:
    """Does it take its picture by the name `image` alone, as transforms of albumentations' do?"""
    if isinstance(transform, nn.Module | tuple | list) or not callable(transform):
        return False
    try:
        parameters = inspect.signature(transform).parameters.values()
    except (TypeError, ValueError):
        return False
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(one.kind in by_place for one in parameters):
        return False
    photo = np.array(sample_photo(TRIED_SIZES[-1]))
    for call in (lambda: transform(Image.fromarray(photo)), lambda: transform(photo)):
        with suppress(Exception):
            call()
            return False
    with suppress(Exception):
        return "image" in transform(image=photo)
    return False


def as_input(result: Any) -> Tensor:
    """What a transform returned for one photo, as (1 c h w).

    Raises:
        ValueError: it is not a tensor (c h w).
    """
    if isinstance(result, Mapping) and "pixel_values" in result:  # an image processor that is called by the user
        result = result["pixel_values"]
    if isinstance(result, list | tuple) and len(result) == 1:
        result = result[0]
    if isinstance(result, np.ndarray) and result.ndim == 3 and result.shape[2] <= 4 < result.shape[0]:
        raise ValueError(
            f"the transform must return a tensor (c h w) for one photo, got {result.shape}, channels last: end it with "
            ".transpose(2, 0, 1), and put a module that turns the axes back before a network that takes (n h w c)."
        )
    if isinstance(result, np.ndarray):
        result = torch.from_numpy(np.ascontiguousarray(result))
    if isinstance(result, Tensor):
        tensor = result.detach().as_subclass(Tensor)
        if tensor.dim() == 4 and len(tensor) == 1:
            tensor = tensor[0]
        if tensor.dim() == 3:
            return tensor[None]
    got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    advice = ""
    if isinstance(result, Tensor) and result.dim() == 4:
        advice = f", {len(result)} inputs: give a transform that makes one, such as CenterCrop for TenCrop"
    raise ValueError(f"the transform must return a tensor (c h w) for one photo, got {got}{advice}.")


def entry_of(transform: Step, channels: int = 3) -> Step:
    """How a transform wants its photo: as a Pillow image, an array (h w c) or a tensor (c h w), of bytes.

    Raises:
        ValueError: it takes none of them.
    """
    arrays: tuple[Step, ...] = (
        _array,
        lambda photo: torch.from_numpy(_array(photo)).permute(2, 0, 1).contiguous(),
    )
    forms: tuple[Step, ...] = (lambda photo: photo, *arrays) if channels in (1, 3) else arrays
    if channels == 4:  # the one way in which Pillow holds four channels; it weighs colours by the last when it resizes
        forms = (*forms, lambda photo: Image.fromarray(photo, "RGBA"))
    failures: list[Exception] = []
    for form in forms:
        try:
            transform(form(sample_photo(TEST_SIZES[0], channels)))
        except Exception as error:
            failures.append(error)
        else:
            return form
    why = str(failures[0]).partition("\n")[0]
    what = "a photograph" if channels == 3 else f"an image of {channels} channels"
    raise ValueError(
        f"the transform fails on {what} of 320 x 240: {type(failures[0]).__name__}: {why.rstrip('.')}. It is called "
        "with an image of Pillow's, an array (h w c) or a tensor (c h w) of bytes alone: one that opens a path, or "
        "takes more, needs a function of the image around it."
    )


def _array(photo: Picture) -> np.ndarray:
    values = np.array(photo)
    return values if values.ndim == 3 else values[..., None]


def picture_of(values: np.ndarray) -> Picture:
    """Bytes (h w c) as a picture."""
    channels = values.shape[2]
    if channels in (1, 3):
        return Image.fromarray(np.ascontiguousarray(values if channels == 3 else values[..., 0]))
    return values


def same_again(transform: Step, entry: Step, photo: Picture) -> Tensor:
    first = as_input(transform(entry(photo)))
    for _ in range(2):
        again = as_input(transform(entry(photo)))
        if first.shape != again.shape or not torch.equal(torch.nan_to_num(first), torch.nan_to_num(again)):
            raise ValueError(
                "the transform is random: the same photo comes out differently each time; "
                "give the transform that is used for evaluation."
            )
    return first


@cache
def _noise(size: tuple[int, int]) -> np.ndarray:
    """A random photograph with coarse and fine detail."""
    height, width = size
    random = np.random.default_rng(height * 10_000 + width)
    coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), np.uint8))
    smooth = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return (0.7 * smooth + 0.3 * random.integers(0, 256, smooth.shape)).astype(np.uint8)


def sample_photo(size: tuple[int, int], channels: int = 3) -> Picture:
    """A photograph of a size (height, width), as a transform may change it."""
    return with_channels(Image.fromarray(_noise(size)), channels)


def photographs(count: int, size: tuple[int, int] = TEST_SIZES[0]) -> list[Image.Image]:
    """Different test photographs of one size (height, width)."""
    return [
        Image.fromarray(np.roll(_noise(size), (37 * index, 37 * index, index), (0, 1, 2))) for index in range(count)
    ]
