"""What every kernel refuses in the same words: what is no tensor, values that are not finite, sizes that differ."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def check_finite(name: str, values: Tensor) -> None:
    """Raise ValueError that names the first entry, along the first axis and within it, that is NaN or infinite."""
    if not values.numel() or bool(values.isfinite().all()):
        return
    place = (~values.isfinite()).nonzero()[0].tolist()
    index = f" at index {place[0]}" if place else ""
    within = f" (there at {', '.join(map(str, place[1:]))})" if len(place) > 1 else ""
    raise ValueError(f"{name} must be finite, got {values[tuple(place)].item()}{index}{within}.")


def check_tensor(name: str, values: Any, axes: tuple[str, ...] = ()) -> None:
    """Raise TypeError for what is no tensor of floating-point numbers, ValueError for other or empty axes."""
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(values).__name__}.")
    if not values.is_floating_point():
        raise TypeError(f"{name} must be of floating-point numbers, got {values.dtype}.")
    if axes and values.dim() != len(axes):
        raise ValueError(f"{name} must have the axes {', '.join(axes)}, got shape {tuple(values.shape)}.")
    for axis, size in zip(axes, values.shape, strict=False):
        if not size:
            raise ValueError(f"{name} must have at least 1 of {axis}, got shape {tuple(values.shape)}.")


def check_images(name: str, images: Any, axes: tuple[str, ...], *, bounded: bool = False) -> None:
    """Raise TypeError or ValueError for what is no image: see `check_tensor`; not finite; outside [0, 1] if bounded."""
    check_tensor(name, images, axes)
    check_finite(name, images)
    if bounded:
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            raise ValueError(f"{name} must lie in [0, 1], got {low:.4g} to {high:.4g}.")


def check_same(first: tuple[str, Tensor], second: tuple[str, Tensor], axes: tuple[str, ...]) -> None:
    """Raise ValueError that names the axis and both sizes where two tensors differ."""
    (a, x), (b, y) = first, second
    for name, tensor in (first, second):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}.")
        if tensor.dim() != len(axes):
            raise ValueError(f"{name} must have the axes {', '.join(axes)}, got shape {tuple(tensor.shape)}.")
    for axis, name in enumerate(axes):
        if x.shape[axis] != y.shape[axis]:
            raise ValueError(f"{a} and {b} must have as many {name}, got {x.shape[axis]} and {y.shape[axis]}.")


def check_target(target: Any, outputs: int, name: str = "target") -> int:
    """The index; raise TypeError for what is no whole number, ValueError that lists the range for no such output."""
    index = whole_number(name, target)
    if not 0 <= index < outputs:
        raise ValueError(f"{name} must be 0 to {outputs - 1}, got {index}.")
    return index


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """Raise TypeError for what is no whole number (True is none either), ValueError where it is too small."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (isinstance(value, Tensor) and value.dtype == torch.bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")
    return number


def real_number(name: str, value: Any) -> float:
    """Raise TypeError for what is no number: True is none, a tensor without axes is one."""
    one = isinstance(value, Tensor) and value.dim() == 0 and value.dtype != torch.bool and not value.is_complex()
    if isinstance(value, bool) or not (one or isinstance(value, numbers.Real)):
        given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise TypeError(f"{name} must be a number, got {given}.")
    return float(value)


def positive_number(name: str, value: Any) -> float:
    """Raise TypeError for what is no number, ValueError for 0, less, or what is not finite."""
    number = real_number(name, value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be more than 0 and finite, got {number}.")
    return number


def check_generator(generator: Any, like: Tensor | None, what: str) -> None:
    """Raise TypeError for what is no generator, ValueError where it does not draw on the tensor's device."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}; make one by its manual_seed.")
    if like is None:
        return
    device, wanted = generator.device, like.device
    if device.type != wanted.type or (wanted.index or 0) != (device.index or 0):
        raise ValueError(f"generator must be on {wanted}, the device of {what}; it is on {device}.")


def scores_from(score: Callable[[Any], Tensor], result: Any, rows: int) -> Tensor:
    """What `score` makes of a network's return value: (rows k).

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: another shape, or not one row a copy, as where the images of a batch are mixed.
    """
    scores = score(result)
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        given = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"the score must be a tensor of floating-point numbers, (images, outputs), got {given}.")
    if scores.dim() != 2 or not scores.shape[1]:
        hint = "; for one output an image return scores[:, None]" if scores.dim() == 1 else ""
        raise ValueError(f"the score must be (images, outputs), got shape {tuple(scores.shape)}{hint}.")
    if len(scores) != rows:
        raise ValueError(f"the score must have one row an image, got {len(scores)} for {rows}.")
    return scores


def check_classes(what: str, scores: Tensor) -> None:
    """Raise ValueError where there is one score alone, and so no other class."""
    if scores.shape[1] < 2:
        raise ValueError(f"{what} needs at least 2 classes; this network gives one score.")
