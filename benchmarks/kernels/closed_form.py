"""Rows about what follows from the weights where the tail is affine, whole calls against forwards."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from benchmarks.kernels.removals import Subject, forward
from benchmarks.kernels.timing import Row
from xai_widgets.kernels.tail import Tail


def whole_call(name: str, subject: Subject, goal: float, answer: Callable[[Tail], Tensor]) -> Row:
    """A closed form, the trunk included, against full forwards: a goal of 1/2 is two of them."""

    def ours() -> Tensor:
        return answer(subject.tail())

    title = f"{name} at {subject.layer}, {subject.name}, whole call"
    return Row(title, "full forward", ours, forward(subject), goal, repeats=9)
