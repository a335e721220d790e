"""Where the scores are in what a network returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

PREFERRED = ("score", "scores", "logits", "out", "output", "prediction", "predictions")
Path = tuple[str | int, ...]  # keys, names of attributes and indices, from the outside in


class ScoresNotFound(ValueError):
    """What a network returned holds no scores."""


class Scores:
    """From what a network returns to its scores.

    Args:
        output: the caller's own function from a result to scores; None: they are found by looking.
    """

    def __init__(self, output: Callable[[Any], Any] | None) -> None:
        self.output = output
        self._path: Path = ()

    def __call__(self, result: Any) -> Tensor:
        """Scores (n k) from what the network returned."""
        return matrix(self.output(result) if self.output else at(result, self._path))

    def find(self, one: Any, two: Any) -> Tensor:
        """Find out where the scores are, from the results for one image and for two, and return those of one.

        Raises:
            ScoresNotFound: there are none, or `output` fails.
        """
        try:
            if self.output is None:
                self._path = path_to_scores(one, two)
            return self(one)
        except Exception as error:
            raise ScoresNotFound(str(error)) from error


def path_to_scores(one: Any, two: Any) -> Path:
    """Where to find scores (n k), from what the network returned for one image and for two.

    Raises:
        ValueError: nothing in it has one row of numbers an image.
    """
    for path, tensor in _tensors(one):
        try:
            matrix(tensor)
            if len(matrix(tensor)) == 1 and len(matrix(at(two, path))) == 2:
                return path
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            continue
    raise ValueError(
        "the network must return scores as a tensor (n), (n 1) or (n k), alone or in a tuple, a dict or an object "
        f"with `logits`; for one image it returned {described(one)}, for two {described(two)}; say where the scores "
        "are with `output`."
    )


def at(result: Any, path: Path) -> Any:
    """The part of a result that a path leads to.

    Raises:
        KeyError, IndexError, AttributeError, TypeError: the result has no such part.
    """
    for key in path:
        item = isinstance(result, Mapping) or isinstance(key, int)
        result = result[key] if item else getattr(result, str(key))
    return result


def matrix(scores: Any) -> Tensor:
    """Scores as (n k).

    Raises:
        ValueError: they are no floats of the shape (n), (n 1), (n k), or (n k) with further axes of length one.
    """
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        raise ValueError(f"scores must be a tensor of floats, got {described(scores)}.")
    if scores.dim() == 0:  # a network that squeezes away the batch of one
        return scores.reshape(1, 1)
    if scores.dim() == 1:
        return scores[:, None]
    if scores.numel() != len(scores) * scores.shape[1] or not scores.numel():
        raise ValueError(f"scores must be (n), (n 1) or (n k), got {tuple(scores.shape)}.")
    return scores.flatten(1)


def described(result: Any) -> str:
    """A result in a few words: shapes instead of numbers."""
    if isinstance(result, Tensor):
        return f"a tensor {tuple(result.shape)}"
    if isinstance(result, Mapping):
        return "{" + ", ".join(f"{key!r}: {described(value)}" for key, value in result.items()) + "}"
    if isinstance(result, tuple | list):
        return "(" + ", ".join(described(value) for value in result) + ")"
    return type(result).__name__


def _tensors(result: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    """All tensors, the likeliest first."""
    if isinstance(result, Tensor):
        yield path, result
        return
    for key, value in _parts(result):
        yield from _tensors(value, (*path, key))


def _parts(result: Any) -> list[tuple[str | int, Any]]:
    if isinstance(result, Mapping):
        keys = [key for key in PREFERRED if key in result]
        return [(key, result[key]) for key in (*keys, *(key for key in result if key not in keys))]
    if isinstance(result, tuple | list):
        return list(enumerate(result))
    names = [*PREFERRED, *(field.name for field in fields(result))] if is_dataclass(result) else PREFERRED
    return [(name, getattr(result, name)) for name in names if getattr(result, name, None) is not None]
