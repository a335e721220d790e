"""How a network makes its outputs: the softmax or sigmoid at its end, and the network that stops before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Feed, Shell
from xai_widgets.kernels.tail.results import tensors_of


class Ending(NamedTuple):
    """The module that makes a network's outputs from logits: its name, and "softmax", "log-softmax" or "sigmoid"."""

    name: str
    kind: str


KINDS = {nn.Softmax: "softmax", nn.LogSoftmax: "log-softmax", nn.Sigmoid: "sigmoid"}


def ending_of(
    shell: Shell, inputs: Float[Tensor, "n ..."], read: Callable[[Any], Tensor] | None = None
) -> Ending | None:
    """The softmax or sigmoid module whose output is what the network returns, where it ends in one.

    None where the outputs are changed after it, where it is called more than once, or where a function is called
    instead of a module: then probabilities are all that is known. Whether its input is wanted depends on the task: a
    score from 0 to 1 may well come from a sigmoid.

    Args:
        shell: the network.
        inputs: what it eats; it is run on them once.
        read: from what the network returns to its outputs.
    """
    parts = [(name, module) for module, name in shell.names.items() if type(module) in KINDS]
    over_classes = [(name, part) for name, part in parts if getattr(part, "dim", None) in (None, 1, -1)]
    watch = _Endings({name: KINDS[type(part)] for name, part in over_classes})
    if not watch.kinds:
        return None
    with torch.inference_mode(False), torch.no_grad(), shell.running(watch) as network:
        result = network(inputs.clone())
        return watch.ending(list(tensors_of(result if read is None else read(result))))


def logits_shell(
    network: nn.Module,
    ending: Ending,
    *,
    hooks: bool = True,
    source: nn.Module | None = None,
    feed: Feed | None = None,
) -> Shell:
    """A shell of the network in which its ending hands on its input, so that the network returns logits.

    Args:
        network: the user's own, which is not changed.
        ending: see `ending_of`.
        hooks, source, feed: see `Shell`.
    """
    return _LogitsShell(network, ending, hooks=hooks, source=source, feed=feed)


class _LogitsShell(Shell):
    def __init__(self, network: nn.Module, ending: Ending, **options: Any) -> None:
        self._ending = ending
        super().__init__(network, **options)

    def _copy(self) -> None:
        super()._copy()
        part = self.network.get_submodule(self._ending.name)
        vars(part)["forward"] = self._watch(self._ending.name, _hand_on)


FUNCTIONS = {
    torch.ops.aten._softmax.default: "softmax",
    torch.ops.aten._log_softmax.default: "log-softmax",
    torch.ops.aten.sigmoid.default: "sigmoid",
    torch.ops.aten.sigmoid_.default: "sigmoid",
}


def function_of(shell: Shell, inputs: Float[Tensor, "n ..."], read: Callable[[Any], Tensor] | None = None) -> str:
    """The function that made what the network returns, also where no module calls it: one of `KINDS`, or empty.

    Args:
        shell, inputs, read: see `ending_of`.
    """
    watch = _Functions()
    with torch.inference_mode(False), torch.no_grad(), shell.lock, ieee(), watch:
        result = shell.network(inputs.clone())
        returned = list(tensors_of(result if read is None else read(result)))
    for output, version, kind in reversed(watch.made):
        if returned and output._version == version and _is_whole(output, returned[0]):
            return kind
    return ""


class _Functions(TorchDispatchMode):
    """Keeps what softmax and sigmoid return, and in which version."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Tensor, int, str]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in FUNCTIONS:
            self.made.append((output, output._version, FUNCTIONS[func]))
        return output


class _Endings:
    """A pass that keeps what modules that may be an ending return, and in which version."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds
        self.calls: dict[str, list[tuple[Tensor, int]]] = {}

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = forward(*args, **kwargs)
        if name in self.kinds:
            self.calls.setdefault(name, []).append((output, output._version))
        return output

    def ending(self, returned: list[Tensor]) -> Ending | None:
        """The one module, called once, whose untouched output is the first tensor that is returned."""
        for name, [(output, version), *more] in self.calls.items():
            if returned and not more and output._version == version and _is_whole(output, returned[0]):
                return Ending(name, self.kinds[name])
        return None


def _is_whole(output: Tensor, returned: Tensor) -> bool:
    """Is one the other, at most with axes of length 1 more or less?"""
    return output.data_ptr() == returned.data_ptr() and output.numel() == returned.numel()


def _hand_on(values: Tensor) -> Tensor:
    return values
