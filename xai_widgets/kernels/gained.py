"""A pass through a whole network in which the feature maps of one layer are multiplied by gains.

A tail computes what follows the layer. A gradient at the input also needs what comes before it, so that here every
module runs, in the shell of the tail: the network of the user is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import tree_leaves

from xai_widgets.kernels.gains import Baseline, with_gains
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.results import with_leaf
from xai_widgets.kernels.tail.structure import calls_of


class GainedPass:
    """Replaces the maps A of the tail's layer by g A + (1 - g) b as they are handed on; one object is for one pass.

    Args:
        tail: says whose maps are multiplied: the layer, which of its calls, and how its output is read.
        gains: a row an image, or one row for all images.
        baseline: b; zero if left out.
    """

    def __init__(self, tail: Tail, gains: Float[Tensor, "#n c"], baseline: Baseline = None) -> None:
        self._structure, self._gains, self._baseline = tail.structure, gains, baseline
        self._layer, self._call = tail.structure.target
        calls, _ = calls_of(tail.shell, tail.inputs)
        self._calls = sum(name == self._layer for name, _ in calls)
        self._seen = 0

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name != self._layer or not self._is_meant():
            return forward(*args, **kwargs)
        output = forward(*args, **kwargs)
        return with_leaf(output, self._structure.leaf, self._gained(tree_leaves(output)[self._structure.leaf]))

    def _is_meant(self) -> bool:
        """Is this call of the layer the one of the tail? Gradient checkpointing calls it again on the way back."""
        if self._calls > 1 and torch._C._current_graph_task_id() != -1:
            raise RuntimeError(
                f"module {self._layer!r} is called {self._calls} times and runs again under gradient checkpointing, so "
                "that its calls cannot be told apart; switch checkpointing off for this network."
            )
        call = self._seen % self._calls
        self._seen += 1
        return call == self._call

    def _gained(self, whole: Tensor) -> Tensor:
        layout = self._structure.layout
        changed = layout.activation(with_gains(layout.maps(whole), self._gains, self._baseline), whole)
        return torch.empty_like(whole).copy_(changed)  # in its order in memory: what follows may ask for a view
