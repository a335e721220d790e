"""A transform, split into geometry (which pixels) and normalisation (which numbers)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
import torchvision.transforms as v1
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms._presets import ImageClassification

from xai_widgets.models.geometry import GivenGeometry, Prepared, Step, moves, through, whole

NORMALISATIONS = (v1.Normalize, v2.Normalize)
CONVERSIONS = (
    *(v1.ToTensor, v1.PILToTensor, v1.ToPILImage, v1.ConvertImageDtype, v1.Grayscale),
    *(v2.ToTensor, v2.PILToTensor, v2.ToPILImage, v2.ConvertImageDtype, v2.Grayscale),
    *(v2.ToImage, v2.ToDtype, v2.ToPureTensor, v2.RGB, v2.Identity, nn.Identity),
)
RANDOM = {"AugMix", "AutoAugment", "ColorJitter", "CutMix", "ElasticTransform", "MixUp", "RandAugment", "ScaleJitter"}
TEST_SIZES = ((240, 320), (83, 61), (480, 640))  # height, width
REFUSAL = (
    "the transform is one callable that could not be split: maps are shown on what the network saw, and images cannot "
    "be degraded; give a pair (geometry, normalise) instead."
)


class Preprocessing(Protocol):
    """What an ImageModel does with a photo before its network."""

    can_degrade: bool
    notices: tuple[str, ...]

    def prepare(self, photo: Image.Image) -> Prepared: ...

    def normalise(self, pixels: Tensor) -> Tensor: ...

    def inputs(self, photo: Image.Image) -> Tensor: ...


class Split:
    """Geometry and normalisation, known apart."""

    can_degrade = True
    notices: tuple[str, ...] = ()

    def __init__(self, geometry: Callable[[Image.Image], Prepared], normalise: Callable[[Tensor], Tensor]) -> None:
        self.prepare = geometry
        self.normalise = normalise

    def inputs(self, photo: Image.Image) -> Tensor:
        return self.normalise(self.prepare(photo).pixels[None])


class Opaque:
    """A callable of which only the result is known."""

    can_degrade = False
    notices: tuple[str, ...] = (REFUSAL,)

    def __init__(self, transform: Step, entry: Step) -> None:
        self._transform, self._entry = transform, entry

    def prepare(self, photo: Image.Image) -> Prepared:
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

    def inputs(self, photo: Image.Image) -> Tensor:
        return as_input(self._transform(self._entry(photo)))


def preprocessing_of(transform: Any) -> Preprocessing:
    """Split a transform: None, a torchvision transform, a pair (geometry, normalise), or any callable.

    Raises:
        TypeError: it is none of these.
        ValueError: it is random, fails on a test photograph, or does not return a tensor (c h w).
    """
    if isinstance(transform, Split | Opaque):
        return transform
    if transform is None:
        return Split(whole, lambda pixels: pixels)
    if isinstance(transform, tuple | list):
        return _given(transform)
    if not callable(transform):
        raise TypeError(
            "transform must be a torchvision transform, a callable, a pair (geometry, normalise) or None, "
            f"got {type(transform).__name__}."
        )
    steps = list(flat(transform))
    _refuse_random(steps)
    entry = _entry(transform)
    expected = [_same_again(transform, entry, _test_photo(size)) for size in TEST_SIZES]
    split = _split(steps, entry)
    if split is None:
        return Opaque(transform, entry)
    for size, wanted in zip(TEST_SIZES, expected, strict=True):
        got = split.inputs(_test_photo(size))
        if got.shape != wanted.shape or not torch.allclose(got, wanted.to(got.dtype), rtol=1e-4, atol=1e-4):
            return Opaque(transform, entry)
    return split


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


def as_input(result: Any) -> Tensor:
    """What a transform returned for one photo, as (1 c h w).

    Raises:
        ValueError: it is not a tensor (c h w).
    """
    if isinstance(result, np.ndarray):
        result = torch.from_numpy(np.ascontiguousarray(result))
    if isinstance(result, Tensor):
        tensor = result.detach().as_subclass(Tensor)
        if tensor.dim() == 4 and len(tensor) == 1:
            tensor = tensor[0]
        if tensor.dim() == 3:
            return tensor[None]
    got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    raise ValueError(f"the transform must return a tensor (c h w) for one photo, got {got}.")


def _given(pair: Sequence[Any]) -> Preprocessing:
    if len(pair) != 2 or not all(map(callable, pair)):
        raise TypeError(f"a transform in parts must be two callables (geometry, normalise), got {pair!r}.")
    steps = [list(flat(part)) for part in pair]
    _refuse_random([*steps[0], *steps[1]])
    prepare: Callable[[Image.Image], Prepared] = GivenGeometry(pair[0])
    if all(moves(step) or isinstance(step, CONVERSIONS) for step in steps[0]):
        known = _split(steps[0], _entry(pair[0]))
        prepare = prepare if known is None else known.prepare
    normalise = _on_batches(pair[1], torch.stack([prepare(photo).pixels for photo in photographs(2)]))
    return Split(prepare, normalise)


def _split(steps: Sequence[Step], entry: Step) -> Split | None:
    """The two parts of known steps; None where a step is neither geometry nor normalisation."""
    geometry: list[Step] = []
    numbers: list[Step] = []
    images = [entry(_test_photo(size)) for size in TEST_SIZES]
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
    bright, _ = through(geometry, entry(Image.new("RGB", (64, 64), "white")))
    if not isinstance(bright, Tensor):
        return None
    white, grey = float(bright.max()), bright.shape[-3] == 1
    parts = [_each(step) for step in numbers]

    def prepare(photo: Image.Image) -> Prepared:
        image, frame = through(geometry, entry(photo))
        pixels = image.as_subclass(Tensor).float() / white
        return Prepared(pixels.expand(3, -1, -1).contiguous(), frame.box((pixels.shape[1], pixels.shape[2])))

    def normalise(pixels: Tensor) -> Tensor:
        values = (pixels[:, :1] if grey else pixels) * white
        for part in parts:
            values = part(values)
        return values

    return Split(prepare, normalise)


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
    before, after = np.asarray(image), np.asarray(step(image))
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


def _entry(transform: Step) -> Step:
    """How a transform wants its photo: as a Pillow image, an array (h w 3) or a tensor (3 h w), of bytes."""
    forms: tuple[Step, ...] = (
        lambda photo: photo,
        np.array,
        lambda photo: torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous(),
    )
    failures: list[Exception] = []
    for form in forms:
        try:
            transform(form(_test_photo(TEST_SIZES[0])))
        except Exception as error:
            failures.append(error)
        else:
            return form
    why = str(failures[0]).partition("\n")[0]
    raise ValueError(f"the transform fails on a photograph of 320 x 240: {type(failures[0]).__name__}: {why}")


def _same_again(transform: Step, entry: Step, photo: Image.Image) -> Tensor:
    first = as_input(transform(entry(photo)))
    for _ in range(2):
        again = as_input(transform(entry(photo)))
        if first.shape != again.shape or not torch.equal(torch.nan_to_num(first), torch.nan_to_num(again)):
            raise ValueError(
                "the transform is random: the same photo comes out differently each time; "
                "give the transform that is used for evaluation."
            )
    return first


def _refuse_random(steps: Sequence[Step]) -> None:
    for step in steps:
        name = type(step).__name__
        if name.startswith("Random") or name in RANDOM:
            raise ValueError(
                f"the transform has a random step, {name}; give the transform that is used for evaluation, "
                "such as Resize, CenterCrop, ToTensor and Normalize."
            )


@cache
def _noise(size: tuple[int, int]) -> np.ndarray:
    """A random photograph with coarse and fine detail."""
    height, width = size
    random = np.random.default_rng(height * 10_000 + width)
    coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), np.uint8))
    smooth = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return (0.7 * smooth + 0.3 * random.integers(0, 256, smooth.shape)).astype(np.uint8)


def _test_photo(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(_noise(size))  # a new one each time: a transform may change it


def photographs(count: int, size: tuple[int, int] = TEST_SIZES[0]) -> list[Image.Image]:
    """Different test photographs of one size (height, width)."""
    return [
        Image.fromarray(np.roll(_noise(size), (37 * index, 37 * index, index), (0, 1, 2))) for index in range(count)
    ]
