"""Checks of arguments that all kernels share, so that all refuse the same in the same words."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from xai_widgets.kernels.home import home

Target = SupportsIndex | str | Sequence[SupportsIndex | str] | Tensor  # one output, or one for each image
RANDOM = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)  # random, or mixing a batch, in training mode


# How torch says that a value which a gradient needs was written over, or that a step has none.
NO_SLOPE = (
    "modified by an inplace operation",
    "not have been used in the graph",
    "does not require grad",
    "is not implemented",
    "not differentiable",
)


def has_no_slope(error: BaseException) -> bool:
    """Is an error of torch that of a network through which no gradient comes?"""
    return any(words in str(error) for words in NO_SLOPE)


class NoGradient(ValueError):
    """Scores do not follow, by steps that have a gradient, from what they are to be differentiated by."""


class NoGradientRecorded(NoGradient, RuntimeError):
    """A layer runs where the network records no gradient."""


_finite = WeakTensorKeyDictionary()  # tensors that were found finite, and the version that they had then


def note_finite(values: Tensor) -> None:
    """Remember that values were found finite, so that a device need not be asked again until they are written."""
    if not values.is_inference():
        _finite[values] = values._version


def known_finite(values: Tensor) -> bool:
    """Were these values found finite, and are they unwritten since?"""
    return not values.is_inference() and _finite.get(values) == values._version


def check_finite(name: str, values: Tensor) -> None:
    """Refuse values that are NaN or infinite.

    Raises:
        ValueError: one of them is; the first is named by its place along the first axis, and within it.
    """
    if not values.numel() or known_finite(values) or bool(values.isfinite().all()):
        return
    place = (~values.isfinite()).nonzero()[0].tolist()
    index = f" at index {place[0]}" if place else ""
    within = f" (there at {', '.join(map(str, place[1:]))})" if len(place) > 1 else ""
    raise ValueError(f"{name} must be finite, got {values[tuple(place)].item()}{index}{within}.")


def check_tensor(name: str, values: Any, axes: tuple[str, ...] = ()) -> None:
    """Refuse what is no tensor of floating-point numbers with these axes, each of at least one entry.

    Raises:
        TypeError: no tensor, or one of other numbers.
        ValueError: other axes, or an empty one.
    """
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
    """Refuse what are no images.

    Args:
        bounded: they must lie in [0, 1].

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: other or empty axes, a value that is not finite, or one outside of [0, 1] where they are bounded.
    """
    check_tensor(name, images, axes)
    check_finite(name, images)
    if bounded:
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            raise ValueError(f"{name} must lie in [0, 1], got {low:.4g} to {high:.4g}.")


def check_same(first: tuple[str, Tensor], second: tuple[str, Tensor], axes: tuple[str, ...]) -> None:
    """Refuse two tensors whose axes differ.

    Raises:
        TypeError: no tensor.
        ValueError: other axes, or sizes that differ; the axis and both sizes are named.
    """
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
    """The index of an output.

    Raises:
        TypeError: no whole number.
        ValueError: no such output; the range is named.
    """
    index = whole_number(name, target)
    if not 0 <= index < outputs:
        raise ValueError(f"{name} must be 0 to {outputs - 1}, got {index}.")
    return index


def target_of(target: Any, outputs: int, labels: Sequence[str] | None = None, name: str = "target") -> int:
    """One output: a whole number, a tensor that holds one, or one of the labels by name.

    Raises:
        TypeError: something else.
        ValueError: no such output or name; the nearest names are listed.
    """
    if isinstance(target, str):
        return check_target(named(target, labels, name), outputs, name)
    if isinstance(target, Tensor) and target.numel() == 1 and not target.is_floating_point():
        target = target.item()
    return check_target(target, outputs, name)


def targets_of(
    target: Any, scores: Float[Tensor, "n k"], labels: Sequence[str] | None = None, name: str = "target"
) -> Int[Tensor, " n"]:
    """One output for each image, from one for all (see `target_of`), or from a tensor or list with one for each.

    Raises:
        TypeError: something else.
        ValueError: no such output or name, or another number of them than of images.
    """
    images, outputs = scores.shape
    if not one_an_image(target):
        return torch.full((images,), target_of(target, outputs, labels, name), device=scores.device)
    if len(target) != images:
        raise ValueError(f"{name} must be one for each image, got {len(target)} for {images}.")
    if not isinstance(target, Tensor):
        return torch.tensor([target_of(one, outputs, labels, name) for one in target], device=scores.device)
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"{name} must be whole numbers, got {target.dtype}.")
    for end in target.aminmax() if images else ():
        check_target(end, outputs, name)
    return target.to(scores.device, torch.int64)


def one_an_image(choice: Any) -> bool:
    """Is it a list or a tensor of several choices, rather than one for all images?"""
    if isinstance(choice, Tensor | np.ndarray):
        return choice.ndim == 1
    return isinstance(choice, list | tuple)


def labels_of(score: Any) -> Sequence[str] | None:
    """The names of the outputs: the `labels` of a score, or of the model whose method it is; None without names."""
    labels: Sequence[str] | None = getattr(score, "labels", None) or getattr(
        getattr(score, "__self__", None), "labels", None
    )
    return labels


def named(target: str, labels: Sequence[str] | None, name: str = "target") -> int:
    """The index of the output with a name.

    Raises:
        ValueError: outputs without names, no such name (the nearest are listed), or several outputs that have it.
    """
    if not labels:
        raise ValueError(f"{name} must be a number where the outputs have no names, got {target!r}.")
    if (count := list(labels).count(target)) > 1:  # as "crane" in ImageNet, a bird and a machine
        raise ValueError(f"{name} must be a number where {count} outputs have its name, got {target!r}.")
    if count:
        return list(labels).index(target)
    near = get_close_matches(target, labels, 3, 0.4) or list(labels[:6])
    raise ValueError(f"{name} must be one of {', '.join(map(repr, near))}, ...; got {target!r}.")


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """A whole number; True and False are none.

    Raises:
        TypeError: no whole number.
        ValueError: one below `least`.
    """
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
    """A number; True and False are none, a tensor without axes is one.

    Raises:
        TypeError: no number.
    """
    one = isinstance(value, Tensor) and value.dim() == 0 and value.dtype != torch.bool and not value.is_complex()
    if isinstance(value, bool) or not (one or isinstance(value, numbers.Real)):
        given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise TypeError(f"{name} must be a number, got {given}.")
    return float(value)


def positive_number(name: str, value: Any) -> float:
    """A finite number above 0.

    Raises:
        TypeError: no number.
        ValueError: 0 or less, or not finite.
    """
    number = real_number(name, value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be more than 0 and finite, got {number}.")
    return number


def scores_from(score: Callable[[Any], Tensor], result: Any, rows: int) -> Tensor:
    """The scores (rows k) that `score` reads from a network's return value.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: another shape, or not one row for each copy, as where the images of a batch are mixed; a score that
            is a network in training mode, whose values would be random or depend on the batch.
    """
    if isinstance(score, nn.Module) and any(part.training and isinstance(part, RANDOM) for part in score.modules()):
        raise ValueError(
            f"the score must give the same each time; {type(score).__name__} has dropout or batch norm in training "
            "mode: call its eval() first."
        )
    scores = score(result)
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        given = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"the score must be a tensor of floating-point numbers, (images, outputs), got {given}.")
    if scores.dim() != 2 or not scores.shape[1]:
        hint = "; for one output return scores[:, None]" if scores.dim() == 1 else ""
        raise ValueError(f"the score must be (images, outputs), got shape {tuple(scores.shape)}{hint}.")
    if len(scores) != rows:
        raise ValueError(f"the score must have one row for each image, got {len(scores)} for {rows}.")
    return scores


def check_rows_apart(score: Callable[[Any], Tensor], result: Any, scores: Tensor) -> None:
    """Refuse a score of which a row depends on the other rows. Tried where the network returns a tensor.

    Raises:
        ValueError: the first row alone gives another score than beside the others.
    """
    if not isinstance(result, Tensor) or not result.dim() or len(result) != len(scores) or len(scores) < 2:
        return
    alone, beside = (row.double() for row in home(score(result[:1])[0], scores[0]))
    size = max(1.0, float(beside.abs().nan_to_num(posinf=0).amax()))
    if not torch.allclose(alone, beside, rtol=0, atol=1e-2 * size, equal_nan=True):
        raise ValueError(
            "the score must treat each row by itself: the score of a copy changes with the copies beside it; do not "
            "scale or normalise over the rows."
        )


def check_classes(what: str, scores: Tensor) -> None:
    """Refuse what are no scores of at least two classes.

    Args:
        what: what needs them, in words.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: other axes, or one class alone.
    """
    check_tensor("the logits", scores, ("images", "classes"))
    if scores.shape[1] < 2:
        raise ValueError(f"{what} needs at least 2 classes; this network gives one score.")


def finite_number(name: str, value: Any) -> float:
    """A finite number.

    Raises:
        TypeError: no number.
        ValueError: not finite.
    """
    number = real_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}.")
    return number


def numbers_of(name: str, value: Any, scores: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """One finite number for each image, from one for all of them, or from a tensor or list with one for each.

    Raises:
        TypeError: no numbers.
        ValueError: not finite, or another number of them than of images.
    """
    if not one_an_image(value):
        return torch.full((len(scores),), finite_number(name, value), dtype=scores.dtype, device=scores.device)
    if len(value) != len(scores):
        raise ValueError(f"{name} must be one for each image, got {len(value)} for {len(scores)}.")
    if not isinstance(value, Tensor):
        value = torch.tensor([finite_number(name, one) for one in value], dtype=scores.dtype, device=scores.device)
    check_finite(name, value)
    return value.to(scores)
