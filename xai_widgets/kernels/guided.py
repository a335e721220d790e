"""Guided backpropagation's ReLU: lets only positive values pass backwards, wherever a ReLU is called.

Reference: Springenberg et al., 2014, arXiv 1412.6806.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

COMPILED = ("DifferentiableGraph", "CompiledFunction")  # what their backward passes are called


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, most: float | None) -> Tensor:
        y = x.clamp(min=0, max=most)
        ctx.save_for_backward(y)
        ctx.most = most
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        passes = (y > 0) & ~(slopes[0] <= 0)  # NaN stays NaN
        if ctx.most is not None:
            passes = passes & (y < ctx.most)
        return torch.where(passes, slopes[0], 0), None


class Guided(TorchFunctionMode):
    """Replaces every ReLU that is called within the block, on this thread only."""

    relus = frozenset((torch.relu, Tensor.relu, functional.relu))
    relus_in_place = frozenset((torch.relu_, Tensor.relu_, functional.relu_))
    thresholds = frozenset((torch.threshold, functional.threshold))
    thresholds_in_place = frozenset((torch.threshold_,))

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.relus or func in self.relus_in_place or func is functional.relu6:
            in_place = func in self.relus_in_place or _argument("inplace", 1, args, kwargs, False)
            return self._guided(_input(args, kwargs), 6.0 if func is functional.relu6 else None, in_place)
        if func in (functional.hardtanh, functional.hardtanh_):  # nn.ReLU6 is one, from 0 to 6
            low, high = _argument("min_val", 1, args, kwargs, -1.0), _argument("max_val", 2, args, kwargs, 1.0)
            in_place = func is functional.hardtanh_ or _argument("inplace", 3, args, kwargs, False)
            if (low, high) == (0, 6):
                return self._guided(_input(args, kwargs), 6.0, in_place)
        if func in self.thresholds or func in self.thresholds_in_place:  # nn.Threshold calls the first
            level, below = _argument("threshold", 1, args, kwargs, None), _argument("value", 2, args, kwargs, None)
            in_place = func in self.thresholds_in_place or _argument("inplace", 3, args, kwargs, False)
            if (level, below) == (0, 0):
                return self._guided(_input(args, kwargs), None, in_place)
        return func(*args, **kwargs)

    def _guided(self, x: Tensor, most: float | None, in_place: bool) -> Tensor:
        self.seen += 1
        y: Tensor = _GuidedReLU.apply(x, most)
        return x.copy_(y) if in_place else y


def check_seen(scores: Tensor) -> None:
    """Raise ValueError where a ReLU, or code that may hold some, would keep its own gradient on the way back."""
    nodes, seen = [scores.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        if any(word in name for word in COMPILED):
            raise ValueError(
                "guided backpropagation does not see the ReLUs of a compiled part (TorchScript or torch.compile); "
                "give it the network before it was compiled, or ask `gradient`."
            )
        if _is_relu(name, node):
            raise ValueError(
                "guided backpropagation does not see a ReLU that is not called from Python (TorchScript, or the inside "
                "of a recurrent layer); give it a network that calls its ReLUs, or ask `gradient`."
            )
        nodes.extend(before for before, _ in node.next_functions)


def _is_relu(name: str, node: Any) -> bool:
    if name.startswith("ThresholdBackward"):
        return bool(node._saved_threshold == 0)
    if name.startswith("HardtanhBackward"):
        return bool((node._saved_min_val, node._saved_max_val) == (0, 6))
    return name.startswith("ReluBackward")


def _input(args: Any, kwargs: dict[str, Any]) -> Tensor:
    first: Tensor = args[0] if args else kwargs["input"]
    return first


def _argument(name: str, position: int, args: Any, kwargs: dict[str, Any], default: Any) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)
