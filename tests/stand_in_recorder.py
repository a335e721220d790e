"""Stands in for CUDA graphs: runs the works again, into the same memory, so that faults of aliasing show."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from xai_widgets.kernels.tail.recording import NoWaiting, Work


class Again:
    """What was recorded: works that are run anew by each replay."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._works = list(works)
        self.replays = 0
        with NoWaiting():
            first = [work() for work in works]
        self.outputs: list[tuple[Tensor, ...]] = [tuple(value.clone() for value in found) for found in first]
        self.nbytes = 1000

    def replay(self, work: int = 0) -> None:
        self.replays += 1
        with NoWaiting():
            found = self._works[work]()
        for mine, value in zip(self.outputs[work], found, strict=True):
            mine.copy_(value)


class StandIn:
    """A recorder for tests.

    Args:
        fails: what a recording raises.
    """

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.made: list[Again] = []

    def record(self, works: Sequence[Work]) -> Again:
        if self.fails is not None:
            raise self.fails
        self.made.append(Again(works))
        return self.made[-1]
