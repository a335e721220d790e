"""Which layers of a network can be explained, and which one is where none is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from threading import RLock

from torch import Tensor, nn

from xai_widgets.kernels.tail import Layout, Shell
from xai_widgets.kernels.tail.structure import read_layer
from xai_widgets.models.checks import device_of, own_randomness
from xai_widgets.models.layers import LayerInfo, Survey

TRIED = 12  # layers that are probed before only those are taken that need no probe


class Layers:
    """The layers of a network, as its first run found them, and how their outputs are read.

    A layer can be explained where the positions of its maps are known to be those of the image. The operations before
    it may show this; otherwise the layer is probed once, by changing a part of the image.

    Args:
        owner: what the model is called in sentences.
        network: whose modules may be named.
        found: by the first run.
        inputs: two images of the first run.
        told: how layers are read by the caller's word, by name.
    """

    def __init__(
        self, owner: str, network: nn.Module, found: Survey, inputs: Tensor, told: dict[str, Layout | str]
    ) -> None:
        self.owner, self._told = owner, told
        self._network, self._found, self._inputs = network, found, inputs
        self._placed: dict[str, bool] = {}  # what probes showed
        self._lock = RLock()

    def all(self) -> list[LayerInfo]:
        """The layers with feature maps, in the order in which they end."""
        return list(self._found.layers)

    def info(self, name: str) -> LayerInfo | None:
        """What is known of a layer with feature maps."""
        return next((layer for layer in self._found.layers if layer.name == name), None)

    def first_choice(self) -> str:
        """The last layer with spatial maps; empty where no layer has any."""
        return self._found.default or ""

    def default(self, shell: Shell) -> tuple[str, str]:
        """The layer to explain where none is named, and a notice where it is not the first choice.

        Raises:
            ValueError: no layer has spatial maps, or of none the positions are shown to be those of the image.
        """
        wanted = self._found.default
        if wanted is None:
            raise ValueError(f"{self.owner} has no layer with spatial maps (n c h w), (n h w c) or a grid of tokens.")
        if self._is_placed(wanted, shell):
            return wanted, ""
        known = self._found.placed
        others = [name for index, name in enumerate(self._found.earlier) if index < TRIED or name in known]
        other = next((name for name in others if self._is_placed(name, shell)), None)
        if other is None:
            raise ValueError(
                f"{self.owner} has no layer whose positions are shown to be those of the image; name one with layer= "
                "and say how it is to be read with layout=."
            )
        notice = (
            f"layer {other!r} is explained: the positions of later layers, such as {wanted!r}, are not those of the "
            "image."
        )
        return other, notice

    def named(self, layer: str | nn.Module, shell: Shell) -> str:
        """The name of a layer that can be explained, given by its name or as a module.

        Raises:
            TypeError, ValueError: as in `ImageModel.layer_named`.
        """
        with_maps = [info.name for info in self._found.layers]
        name = self.name_of(layer)
        if name in with_maps and self._is_placed(name, shell):
            return name
        if name in with_maps:
            placed = [other for other in with_maps if other in self._found.placed or self._placed.get(other)]
            raise ValueError(
                f"the positions of layer {name!r} of {self.owner} are not shown to be those of the image; choose a "
                f"layer whose are, such as {listed(_nearest(name, placed))}, or say how it is to be read with layout=."
            )
        why = "does not run when the network is called"
        if name in self._found.outputs:
            why = f"has no spatial maps: for one image it returns {self._found.outputs[name]}"
        near = listed(_nearest(name, with_maps))
        raise ValueError(f"layer {name!r} of {self.owner} {why}; choose one with maps, such as {near}.")

    def name_of(self, layer: str | nn.Module) -> str:
        """The name of a module of the network; the first of them where it has several.

        Raises:
            TypeError: it is neither a name nor a module.
            ValueError: it is no part of the network.
        """
        modules = dict(self._network.named_modules(remove_duplicate=False))
        if not isinstance(layer, str | nn.Module):
            raise TypeError(f"layer must be a name or a module of the network, got {type(layer).__name__}.")
        wanted = layer if isinstance(layer, nn.Module) else modules.get(_without_wrappers(layer, modules))
        found = next((name for name, module in modules.items() if module is wanted), "")
        if found:
            return found
        if isinstance(layer, nn.Module):
            raise ValueError(f"the {type(layer).__name__} given as layer is not a part of {self.owner}.")
        near = get_close_matches(layer, [name for name in modules if name], 3, 0.4)
        near = near or [info.name for info in self._found.layers[-3:]]
        raise ValueError(f"{self.owner} has no layer {layer!r}; the nearest are {listed(near)}.")

    def tell(self, name: str, layout: Layout | str, shell: Shell) -> None:
        """Read a layer by the caller's word."""
        self._told[name] = shell.layouts[name] = layout
        with self._lock, own_randomness(self._inputs.device):
            self._found.layers = self.as_told(self._found.layers, self._inputs, shell)

    def as_told(self, layers: list[LayerInfo], inputs: Tensor, shell: Shell) -> list[LayerInfo]:
        """Layers with the sizes that follow from how the caller reads them."""
        for name, layout in self._told.items():
            told = read_layer(shell, name, inputs, layout=layout)[1].layout
            known = next((layer for layer in layers if layer.name == name), LayerInfo(name, "", 0, 0, 0, 0.0))
            info = replace(known, kind=told.kind, maps=told.channels, height=told.height, width=told.width)
            layers = [info if layer.name == name else layer for layer in layers]
            layers = layers if info in layers else [*layers, info]
        return layers

    def _is_placed(self, name: str, shell: Shell) -> bool:
        if name in self._told or name in self._found.placed:
            return True
        with self._lock:
            if name not in self._placed:
                inputs = self._inputs.to(device_of(shell.original))
                with own_randomness(inputs.device):
                    try:
                        self._placed[name] = read_layer(shell, name, inputs)[1].placed
                    except ValueError:
                        self._placed[name] = False
            return self._placed[name]


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(map(repr, names)) or "none"


def _without_wrappers(name: str, modules: dict[str, nn.Module]) -> str:
    while name not in modules and name.startswith(("module.", "_orig_mod.")):
        name = name.split(".", 1)[1]
    return name


def _nearest(name: str, names: list[str]) -> list[str]:
    return list(dict.fromkeys(get_close_matches(name, names, 2, 0.4) + names[-2:]))
