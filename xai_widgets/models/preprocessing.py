"""A transform, split into geometry (which pixels) and normalisation (which numbers)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FunctionType
from typing import Any, Protocol

import numpy as np
import torch
import torchvision.transforms as v1
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms._presets import ImageClassification

from xai_widgets.models.geometry import GivenGeometry, Picture, Prepared, Step, moves, through, whole, with_channels
from xai_widgets.models.probing import probed
from xai_widgets.models.taking import (
    TEST_SIZES,
    as_input,
    called,
    entry_of,
    photographs,
    picture_of,
    same_again,
    sample_photo,
)

NORMALISATIONS = (v1.Normalize, v2.Normalize)
CONVERSIONS = (
    *(v1.ToTensor, v1.PILToTensor, v1.ToPILImage, v1.ConvertImageDtype, v1.Grayscale),
    *(v2.ToTensor, v2.PILToTensor, v2.ToPILImage, v2.ConvertImageDtype, v2.Grayscale),
    *(v2.ToImage, v2.ToDtype, v2.ToPureTensor, v2.RGB, v2.Identity, nn.Identity),
)
LIBRARIES = {"torchvision", "timm", "torch"}
RANDOM = {"AugMix", "AutoAugment", "ColorJitter", "CutMix", "ElasticTransform", "MixUp", "RandAugment", "ScaleJitter"}
REFUSAL = (
    "the transform is one callable that could not be split: maps are shown on what the network saw, and images cannot "
    "be degraded; give a pair (geometry, normalise) instead."
)
NOT_PLACED = (
    "maps are shown on what the network saw, since it is not known which part of an image that is: geometry turns, "
    "mirrors or bends it; a geometry may return (pixels, box) instead."
)
BY_LOOKING = (
    "the transform was split into geometry and normalisation by what it makes of test pictures; a pair (geometry, "
    "normalise) says it instead."
)


class Preprocessing(Protocol):
    """What an ImageModel does with a photo before its network."""

    can_degrade: bool
    known: bool  # made of steps of known libraries alone, which any thread may run
    channels: int  # of the pictures that it takes
    notices: tuple[str, ...]

    @property
    def placed(self) -> bool:
        """Whether it is known which part of a photo the network sees, of every photo so far."""

    def prepare(self, photo: Picture) -> Prepared: ...

    def normalise(self, pixels: Tensor) -> Tensor: ...

    def inputs(self, photo: Picture) -> Tensor: ...


class Split:
    """Geometry and normalisation, known apart."""

    can_degrade = True

    def __init__(
        self,
        geometry: Callable[[Picture], Prepared],
        normalise: Callable[[Tensor], Tensor],
        channels: int = 3,
        notices: tuple[str, ...] = (),
        *,
        known: bool = False,
    ) -> None:
        self.known = known
        self.prepare = geometry
        self.normalise = normalise
        self.channels = channels
        self.notices = notices

    @property
    def placed(self) -> bool:
        return getattr(self.prepare, "placed", True)

    def inputs(self, photo: Picture) -> Tensor:
        return self.normalise(self.prepare(photo).pixels[None])


class Opaque:
    """A callable of which only the result is known."""

    can_degrade = placed = False
    known = False
    notices: tuple[str, ...] = (REFUSAL,)

    def __init__(self, transform: Step, entry: Step, channels: int = 3) -> None:
        self._transform, self._entry, self.channels = transform, entry, channels

    def prepare(self, photo: Picture) -> Prepared:
        """What the network saw, stretched to [0, 1] for display."""
        seen = self.inputs(photo)[0].float()
        low, high = seen.min(), seen.max()
        pixels = (seen - low) / torch.where(high > low, high - low, torch.ones_like(high))
        pixels = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
        return Prepared(pixels, (0.0, 0.0, float(pixels.shape[2]), float(pixels.shape[1])), placed=False)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Refuse.

        Raises:
            ValueError: always, since the normalisation is not known.
        """
        raise ValueError(REFUSAL)

    def inputs(self, photo: Picture) -> Tensor:
        return as_input(self._transform(self._entry(photo)))


def preprocessing_of(transform: Any, channels: int = 3) -> Preprocessing:
    """Split a transform: None, a torchvision transform, a pair (geometry, normalise), or any callable.

    A callable that is not made of known steps is split by what it makes of test pictures (`probing.py`).

    Args:
        channels: of the pictures that it takes; three are a photograph.

    Raises:
        TypeError: it is none of these.
        ValueError: it is random, fails on a test photograph, or does not return a tensor (c h w).
    """
    if isinstance(transform, Split | Opaque):
        return transform
    if transform is None:
        return Split(whole, lambda pixels: pixels[:, :1] if channels == 1 else pixels, channels, known=True)
    if isinstance(transform, tuple | list):
        return _given(transform, channels)
    if not callable(transform):
        raise TypeError(
            "transform must be a torchvision transform, a callable, a pair (geometry, normalise) or None, "
            f"got {type(transform).__name__}."
        )
    transform = called(transform)
    steps = list(flat(transform))
    _refuse_random(steps)
    entry = entry_of(transform, channels)
    expected = [same_again(transform, entry, sample_photo(size, channels)) for size in TEST_SIZES]
    known = _split(steps, entry, channels)
    if known is not None and _agrees(known, expected):
        return known
    found = probed(lambda photo: as_input(transform(entry(photo)))[0], picture_of, channels, TEST_SIZES[:2])
    if found is not None:
        split = Split(found[0], found[1].done, channels, (BY_LOOKING,))
        if _agrees(split, expected):
            return split
    return Opaque(transform, entry, channels)


def _agrees(split: Split, expected: Sequence[Tensor]) -> bool:
    """Whether the two parts together are the transform."""
    for size, wanted in zip(TEST_SIZES, expected, strict=True):
        got = split.inputs(sample_photo(size, split.channels))
        if got.shape != wanted.shape or not torch.allclose(got, wanted.to(got.dtype), rtol=1e-4, atol=1e-4):
            return False
    return True


def flat(transform: Any) -> Iterator[Step]:
    """The steps of a transform, one after the other."""
    if isinstance(transform, v1.Compose | v2.Compose):
        for step in transform.transforms:
            yield from flat(step)
    elif isinstance(transform, nn.Sequential):
        for step in transform:
            yield from flat(step)
    elif type(transform) is ImageClassification:
        yield v1.Resize(transform.resize_size, interpolation=transform.interpolation, antialias=transform.antialias)
        yield v1.CenterCrop(transform.crop_size)
        yield v1.PILToTensor()
        yield v1.ConvertImageDtype(torch.float)
        yield v1.Normalize(transform.mean, transform.std)
    else:
        yield transform


def _given(pair: Sequence[Any], channels: int) -> Preprocessing:
    if len(pair) != 2 or not all(map(callable, pair)):
        raise TypeError(f"a transform in parts must be two callables (geometry, normalise), got {pair!r}.")
    steps = [list(flat(part)) for part in pair]
    _refuse_random([*steps[0], *steps[1]])
    prepare: Callable[[Picture], Prepared] = GivenGeometry(pair[0], channels)
    if all(moves(step) or isinstance(step, CONVERSIONS) for step in steps[0]):
        known = _split(steps[0], entry_of(pair[0], channels), channels)
        prepare = prepare if known is None else known.prepare
    tried = [with_channels(photo, channels) for photo in photographs(2)]
    prepared = [prepare(photo) for photo in tried]
    normalise = _on_batches(pair[1], torch.stack([one.pixels for one in prepared]))
    return Split(prepare, normalise, channels, () if prepared[0].placed else (NOT_PLACED,))


def _split(steps: Sequence[Step], entry: Step, channels: int) -> Split | None:
    """The two parts of known steps; None where a step is neither geometry nor normalisation."""
    geometry: list[Step] = []
    numbers: list[Step] = []
    images = [entry(sample_photo(size, channels)) for size in TEST_SIZES]
    for step in steps:
        if moves(step):
            geometry.append(step)  # resizing and normalising may be exchanged; padding may not, and is seen later
        elif isinstance(step, NORMALISATIONS):
            numbers.append(step)
        elif isinstance(step, CONVERSIONS) or all(_unchanged(step, image) for image in images):
            (numbers if numbers else geometry).append(step)
        elif all(_pointwise(step, image) for image in images):
            numbers.append(step)
        else:
            return None
        images = [step(image) for image in images]
    bright, _ = through(geometry, entry(with_channels(Image.new("RGB", (64, 64), "white"), channels)))
    if not isinstance(bright, Tensor):
        return None
    white, grey = float(bright.max()), bright.shape[-3] == 1
    parts = [_each(step) for step in numbers]

    def prepare(photo: Picture) -> Prepared:
        image, frame = through(geometry, entry(photo))
        pixels = image.as_subclass(Tensor).float() / white
        pixels = pixels.expand(3, -1, -1).contiguous() if grey else pixels.contiguous()
        return Prepared(pixels, frame.box((pixels.shape[1], pixels.shape[2])))

    def normalise(pixels: Tensor) -> Tensor:
        values = (pixels[:, :1] if grey else pixels) * white
        for part in parts:
            values = part(values)
        return values

    return Split(prepare, normalise, channels, known=all(map(_is_of_a_library, steps)))


def _is_of_a_library(step: Step) -> bool:
    """Whether nothing of a step is the user's own code, which may do anything."""
    own = type(step).__name__ == "Lambda" or isinstance(step, FunctionType | partial)
    return not own and type(step).__module__.split(".")[0] in LIBRARIES


def _each(step: Step) -> Callable[[Tensor], Tensor]:
    """A step for one image (c h w), on many."""
    if isinstance(step, NORMALISATIONS):
        return step

    def each(images: Tensor) -> Tensor:
        # On the CPU: constants of the user's own functions are there.
        return torch.stack([_tensor(step(image)) for image in images.cpu()])

    return each


def _on_batches(normalise: Step, pixels: Tensor) -> Callable[[Tensor], Tensor]:
    """The user's normalisation for many images, whether it was written for one or for many."""
    if isinstance(normalise, NORMALISATIONS):
        return normalise
    try:
        one, two = normalise(pixels[:1].clone()), normalise(pixels[:2].clone())
        if one.dim() == 4 and len(two) == 2 and torch.allclose(one[0], two[0], rtol=1e-4, atol=1e-4):
            return lambda images: _tensor(normalise(images.cpu()))
    except Exception:  # written for one image, then: any further failure is shown
        pass
    return _each(normalise)


def _tensor(result: Any) -> Tensor:
    if not isinstance(result, Tensor):
        raise ValueError(f"normalise must return a tensor, got {type(result).__name__}.")
    return result.as_subclass(Tensor)


def _unchanged(step: Step, image: Any) -> bool:
    result = step(image)
    if type(result) is not type(image):
        return False
    before, after = np.asarray(image), np.asarray(result)
    return before.shape == after.shape and bool((before == after).all())


def _pointwise(step: Step, image: Any) -> bool:
    """Whether a step does the same to each pixel, wherever it is: shuffled pixels come out shuffled."""
    if not isinstance(image, Tensor):
        return False
    order = torch.randperm(image[0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = image.flatten(1)[:, order].reshape(image.shape)
    plain, other = step(image.clone()), step(shuffled)
    if not isinstance(plain, Tensor) or plain.dim() != 3 or plain.shape[1:] != image.shape[1:]:
        return False
    return torch.allclose(plain.flatten(1)[:, order].float(), other.flatten(1).float(), rtol=1e-5, atol=1e-5)


def _refuse_random(steps: Sequence[Step]) -> None:
    for step in steps:
        name = type(step).__name__
        if name.startswith("Random") or name in RANDOM:
            raise ValueError(
                f"the transform has a random step, {name}; give the transform that is used for evaluation, "
                "such as Resize, CenterCrop, ToTensor and Normalize."
            )
