"""Networks that take several images a sample: how they are called, and which call of a layer belongs to which image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from PIL import Image, ImageOps
from torch import Tensor

from xai_widgets.kernels.tail import Feed, Shell
from xai_widgets.kernels.tail.calls import Call, Watch, checksum_of
from xai_widgets.kernels.tail.feeds import FORMS
from xai_widgets.kernels.tail.feeds import Call as How

MOST = 3  # images a sample that are tried where nothing is said
Found = TypeVar("Found")


class OneUnheard(ValueError):
    """An image of the sample changes nothing."""


def feeds(images: int | None, call: How | None) -> list[Feed | None]:
    """How a network may be called, the likeliest first; None for one image.

    Args:
        images: how many a sample has; None: one, and where that fails two or three.
        call: by the caller's word; None: found by trying.

    Raises:
        ValueError: a number of images below 1, or a call that is none.
    """
    if images is not None and (isinstance(images, bool) or not isinstance(images, int) or images < 1):
        raise ValueError(f"images must be how many a sample has, a whole number from 1, got {images!r}.")
    if images == 1 or (images is None and call is None):
        alone: list[Feed | None] = [None]
        further = range(2, MOST + 1) if images is None else ()
        return alone + [Feed(count, form) for count in further for form in ("separate", "list")]
    counts = range(2, MOST + 1) if images is None else (images,)
    return [Feed(count, form) for count in counts for form in ([call] if call is not None else FORMS)]


def first_that_runs(found: Sequence[Feed | None], run: Callable[[Feed | None], Found]) -> tuple[Feed | None, Found]:
    """The first way in which a network runs, and what the run gave; the error of the first where none does."""
    failure: Exception | None = None
    for feed in found:
        try:
            return feed, run(feed)
        except Exception as error:
            failure = failure or error
    assert failure is not None
    if len(found) > 1 and found[0] is not None:
        ways = ", ".join(feed.words for feed in found if feed is not None)
        raise ValueError(f"{failure} (tried: {ways}; say with call= how the network is called)") from failure
    raise failure


def notice_of(feed: Feed | None, images: int | None, call: How | None) -> str:
    """What was found by trying; empty where it was said."""
    if feed is None or (images is not None and call is not None):
        return ""
    return (
        f"the network takes {feed.images} images a sample, as {feed.words}: found by trying; say otherwise with "
        "images= and call=."
    )


def sample_of(photo: Image.Image, images: int) -> list[Image.Image]:
    """A test photograph, and others of its size with little in common."""
    others = (ImageOps.invert(photo), ImageOps.mirror(photo), ImageOps.flip(photo))
    return [photo, *(others[place % len(others)] for place in range(images - 1))]


def check_all_are_heard(shell: Shell, inputs: Tensor, scores: Callable[[Any], Tensor]) -> None:
    """Check that each image of a sample changes the scores: a second argument may be something else than an image.

    Raises:
        OneUnheard: one changes nothing.
    """
    images = 1 if shell.feed is None else shell.feed.images
    with torch.no_grad():
        before = scores(shell.network(inputs[:1].clone()))
        for place, changed in enumerate(_one_changed(inputs[:1], images)):
            if torch.equal(scores(shell.network(changed)), before):
                raise OneUnheard(
                    f"image {place + 1} of {images} changes no score when the network is called as {shell.feed.words}."  # type: ignore[union-attr]
                )


def calls_of_images(shell: Shell, layer: str, inputs: Tensor, images: int) -> tuple[int, ...]:
    """Of each image of a sample the call of a layer that belongs to it: the last that no other image changes.

    Where there is none, as after images have met, the last call that the image changes.

    Args:
        inputs: of at least one sample, (n images*c h w).
    """
    moved: list[set[int]] = []  # calls that each image changes
    with torch.no_grad():
        before = _sums(shell, layer, inputs[:1].clone())
        for changed in _one_changed(inputs[:1], images):
            after = _sums(shell, layer, changed)
            moved.append({call for call, sums in before.items() if after.get(call) != sums})
    last = max(before, default=0)
    found = []
    for place, mine in enumerate(moved):
        others = set().union(*moved[:place], *moved[place + 1 :])
        found.append(max(mine - others, default=max(mine, default=last)))
    return tuple(found)


def _one_changed(inputs: Tensor, images: int) -> Iterator[Tensor]:
    """The sample with one of its images turned by half, one after the other."""
    for place in range(images):
        parts = list(inputs.chunk(images, 1))
        parts[place] = parts[place].flip(-1, -2) * 0.75
        yield torch.cat(parts, 1)


def too_few(name: str, taken: int, given: int) -> str:
    """The sentence for samples with another number of images than a network takes."""
    return (
        f"{name} takes {taken} image{'s' * (taken > 1)} a sample, got {given}; a set holds several as tuples (a, b), "
        'or as columns of a table that are named with images=["left", "right"].'
    )


def together(name: str, images: Sequence[Tensor], count: int) -> Tensor:
    """The images of samples in the channels of one tensor; see `ImageModel.together`."""
    if len(images) != count:
        raise ValueError(too_few(name, count, len(images)))
    sizes = {tuple(image.shape[1:]) for image in images}
    if len(sizes) > 1:
        shapes = " and ".join(" x ".join(map(str, image.shape[-2:])) for image in images)
        raise ValueError(
            f"the images of a sample must have one size after the transform of {name}, got {shapes} pixels; resize or "
            "crop them in the transform."
        )
    most = max(map(len, images))
    return torch.cat([image.expand(most, -1, -1, -1) for image in images], 1) if count > 1 else images[0]


class _Sums(Watch):
    """Checksums of what each call of one module returns."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer
        self.sums: dict[int, list[tuple[float, ...]]] = {}

    def ended(self, call: Call, leaves: list[Any]) -> None:
        name, number = call.key
        if name == self.layer:
            self.sums[number] = [checksum_of(leaf) for leaf in leaves]


def _sums(shell: Shell, layer: str, inputs: Tensor) -> dict[int, list[tuple[float, ...]]]:
    watch = _Sums(layer)
    with shell.running(watch) as network:
        network(inputs)
    return watch.sums
