"""What a kernel asks of a tail: maps, and the network's return value for changed maps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from xai_widgets.kernels.tail.tail import Tail


@runtime_checkable
class Replayable(Protocol):
    """A `Tail`, or anything else that has maps (n c h w) and can be called with changed ones."""

    @property
    def maps(self) -> Tensor:
        """The feature maps as they are."""
        ...

    def __call__(self, maps: Tensor) -> Any:
        """What the network returns for changed maps."""
        ...


def arithmetic_of(tail: object) -> AbstractContextManager[None]:
    """A block in which a score of a tail is read, see `Tail.arithmetic`; nothing is set for what is no `Tail`."""
    return tail.arithmetic() if isinstance(tail, Tail) else nullcontext()
