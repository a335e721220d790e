"""Networks that run only as a whole: scripted, traced, exported, quantised to whole numbers, or without maps."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

INPUT = "image"  # the one layer of such a network: what it is fed
NOTE = "the network's input: its channels stand for feature maps"
WHY = "this network is {}: it has no layers that can be looked into; give the nn.Module it was made from"


class Sealed(nn.Module):
    """A network that is run as it is, behind a layer that hands on its input.

    A shell does not copy it: it is never written to, and its weights are noticed where they change. One that takes a
    single image only, as traced and exported networks may, is given the images of a batch one by one.

    Args:
        network: in eval mode; a copy is made of one that is not.
        why: it cannot be looked into, as a clause.
    """

    def __init__(self, network: Any, why: str) -> None:
        super().__init__()
        self.image = nn.Identity()
        self.why = why
        self.notices: tuple[str, ...] = (f"{why}.",)
        if isinstance(network, torch.jit.ScriptModule) and any(part.training for part in network.modules()):
            network = copy.deepcopy(network).eval()
            self.notices += ("the network was in training mode; an eval copy of it is used, with weights of its own.",)
        self._one_by_one = False
        self._hold(network)
        self.eval()

    def _hold(self, network: Any) -> None:
        self._held = (network,)  # in a tuple, so that it is no part
        self._parameters = {name.replace(".", "_"): weight for name, weight in network.named_parameters()}
        self._buffers = {name.replace(".", "_"): buffer for name, buffer in network.named_buffers()}

    def forward(self, images: Tensor) -> Any:
        network, images = self._held[0], self.image(images)
        if not self._one_by_one:
            try:
                return network(images)
            except Exception:  # whatever a guard or a fixed size raises
                if len(images) < 2:
                    raise
                network(images[:1])  # an error that is not of the batch comes again
                self._one_by_one = True
        results = [network(image) for image in images.split(1)]
        return tree_map(lambda *leaves: torch.cat(leaves) if isinstance(leaves[0], Tensor) else leaves[0], *results)

    def _apply(self, fn: Any, recurse: bool = True) -> Sealed:
        """On another device or in another precision: with a copy of the network."""
        self._hold(copy.deepcopy(self._held[0])._apply(fn))
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Sealed:
        twin = Sealed(self._held[0], self.why)
        twin._one_by_one = self._one_by_one
        return twin


class Whole(nn.Module):
    """A network without a layer that has maps, behind a layer that hands on its input: its channels stand for maps."""

    why = "this network has no layer whose output has maps with rows and columns: only what needs none can be asked"
    notices = (f"{why}.",)

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.image = nn.Identity()
        self.network = network
        self.train(network.training)

    def forward(self, images: Tensor) -> Any:
        return self.network(self.image(images))


def runnable(network: Any) -> Any:
    """The network, or `Sealed` where it is one that runs only as a whole."""
    if isinstance(network, torch.export.ExportedProgram):
        return Sealed(network.module(), WHY.format("exported"))
    if isinstance(network, torch.jit.ScriptModule):
        return Sealed(network, WHY.format("scripted"))
    if isinstance(network, torch.fx.GraphModule):
        called = {node.target for node in network.graph.nodes if node.op == "call_module"}
        if called <= {"_guards_fn"}:  # all others are operations
            return Sealed(network, WHY.format("exported"))
    return network


def is_quantised(network: nn.Module) -> bool:
    """Do parts of it compute with whole numbers?"""
    return any(".quantized" in type(part).__module__ for part in network.modules())
