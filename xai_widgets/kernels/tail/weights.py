"""A cheap look whether the weights of a network are still those that they were."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, is_
from typing import Any

from torch import Tensor, nn

from xai_widgets.kernels.tail.uncounted import Uncounted

VERSION = attrgetter("_version")


class WeightsChanged(RuntimeError):
    """The weights of a network were written after work with them had begun."""


class Weights:
    """The modules, parameters and buffers that a network had when this was made.

    A look costs about 0.2 ms for a ResNet-50, since the places to look at are listed once. It sees writes in place,
    also of buffers, steps of fused optimizers, replaced parameters and modules, and a network that was moved or cast.
    torch counts no writes through `parameter.data`, or through an array of NumPy that shares its memory: those are
    found by values, see `Uncounted`, within a few looks. A look does not see what is no weight: a number or a flag that
    is set on a module, a hook or a forward that is put there later.
    """

    def __init__(self, network: nn.Module) -> None:
        modules = list(network.modules())
        tables: list[Any] = [
            table for module in modules for table in (module._modules, module._parameters, module._buffers)
        ]
        # A part in TorchScript has tables of its own kind, which cannot change.
        self._tables: list[dict[str, Any]] = [table for table in tables if isinstance(table, dict)]
        # Kept alive, so that no id is used again.
        self._entries = [entry for table in self._tables for entry in table.values()]
        self._sizes = list(map(len, self._tables))
        self._filled = list(filter(None, self._tables))
        self.tensors = list({id(entry): entry for entry in self._entries if isinstance(entry, Tensor)}.values())
        # torch counts no writes to tensors that were made in inference mode.
        self._counted = [tensor for tensor in self.tensors if not tensor.is_inference()]
        self._before = self._look()
        self._uncounted = Uncounted(self.tensors)

    def unchanged(self, *, thorough: bool = False) -> bool:
        """Does the network hold the same now?

        Args:
            thorough: compare values of every row, also on an accelerator, which is waited for: 0.5 ms for a ResNet-50.
        """
        counted = self._same_entries() and self._look() == self._before
        return counted and self._uncounted.unchanged(thorough=thorough)

    # Loops that run in C alone: a step of the interpreter for each tensor would cost ten times as much.

    def _same_entries(self) -> bool:
        """Are the modules, parameters and buffers the same objects? Most tables are empty: their size is enough."""
        entries = chain.from_iterable(map(dict.values, self._filled))
        return list(map(len, self._tables)) == self._sizes and all(map(is_, entries, self._entries))

    def _look(self) -> tuple[list[int], list[int]]:
        """How often each tensor was written, and where it is."""
        return list(map(VERSION, self._counted)), list(map(Tensor.data_ptr, self.tensors))
