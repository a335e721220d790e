"""Where the scores are in what a network returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
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
        output: the caller's own function from a result to scores, or the name of the part of the result that holds
            them; None: they are found by looking.
    """

    def __init__(self, output: Callable[[Any], Any] | str | None) -> None:
        self.output = output
        self.heads: tuple[str, ...] = ()  # names of all parts of a result that could be read
        self.head = ""  # of the part that is read
        self._path: Path = ()

    def __call__(self, result: Any) -> Tensor:
        """Scores (n k) from what the network returned."""
        return matrix(self.output(result) if callable(self.output) else at(result, self._path))

    def find(self, one: Any, two: Any) -> Tensor:
        """Find out where the scores are, from the results for one image and for two, and return those of one.

        Raises:
            ScoresNotFound: there are none, or `output` fails or names another part.
        """
        try:
            if not callable(self.output):
                self._path = self._chosen(paths_to_scores(one, two))
            return self(one)
        except Exception as error:
            raise ScoresNotFound(str(error)) from error

    def _chosen(self, paths: list[Path]) -> Path:
        named = {".".join(map(str, path)): path for path in paths}
        if self.output is not None and self.output not in named:
            there = ", ".join(map(repr, named)) if any(named) else "no names, since it is one tensor"
            raise ValueError(f"output must name a part of what the network returns, {there}; got {self.output!r}.")
        self.heads = tuple(named)
        self.head = next(iter(named)) if self.output is None else str(self.output)
        return named[self.head]

    @property
    def notice(self) -> str:
        """Which of several parts is read, where nobody chose one."""
        if self.output is not None or len(self.heads) < 2:
            return ""
        others = [head for head in self.heads if head != self.head]
        return (
            f"the network returns numbers for each image under {', '.join(map(repr, self.heads))}; {self.head!r} is "
            f"read, and output={others[0]!r} reads another."
        )


def paths_to_scores(one: Any, two: Any) -> list[Path]:
    """Where scores (n k) are, the likeliest first, from what the network returned for one image and for two.

    Raises:
        ValueError: nothing in it has one row of numbers an image.
    """
    found: list[Path] = []
    for path, tensor in _tensors(one):
        with suppress(ValueError, TypeError, KeyError, IndexError, AttributeError):
            if path not in found and len(matrix(tensor)) == 1 and len(matrix(at(two, path))) == 2:
                found.append(path)
    if found:
        return found
    recipe = recipe_for(one)
    raise ValueError(
        "the network must return scores as a tensor (n), (n 1) or (n k), alone or in a tuple, a dict or an object "
        f"with `logits`; for one image it returned {described(one)}, for two {described(two)}; say where the scores "
        f"are with `output`{recipe and ', such as '}{recipe or '.'}"
    )


def recipe_for(result: Any) -> str:
    """How to make scores of a map of scores, or of a list of what was detected; empty where there is neither."""
    if isinstance(result, list | tuple) and result and all(isinstance(one, Mapping) for one in result):
        floats = [key for key, value in result[0].items() if isinstance(value, Tensor) and value.is_floating_point()]
        if "scores" in floats:
            each = "torch.stack([one['scores'].sum() for one in result])"
            return f"the sum of the scores of all that was detected: output=lambda result: {each}"
    for path, tensor in _tensors(result):
        if tensor.is_floating_point() and tensor.dim() in (3, 4) and len(tensor) == 1:
            axes = tuple(range(tensor.dim() - 2, tensor.dim()))
            return f"the mean of its map over all places: output=lambda result: {_written(result, path)}.mean({axes})"
    return ""


def _written(result: Any, path: Path) -> str:
    """The part of a result that a path leads to, as Python."""
    text = "result"
    for key in path:
        item = isinstance(result, Mapping) or isinstance(key, int)
        text += f"[{key!r}]" if item else f".{key}"
        result = result[key] if item else getattr(result, str(key))
    return text


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
