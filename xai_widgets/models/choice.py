"""Which layers of a network can be explained, and which one is where none is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from threading import RLock
from typing import Any, NamedTuple

from torch import Tensor, nn

from xai_widgets.kernels.tail import Layout, Shell, Tail
from xai_widgets.kernels.tail.structure import read_layer
from xai_widgets.models.checks import device_of, own_randomness
from xai_widgets.models.layers import ENOUGH, LayerInfo, Survey, serves
from xai_widgets.models.sealed import NOTE, Sealed, Whole
from xai_widgets.models.slopes import comes_through

TRIED = 12  # layers that are probed before only those are taken that need no probe


class Default(NamedTuple):
    """The layer to explain where none is named, and a notice where it is not the one that would be expected."""

    layer: str
    notice: str


class Layers:
    """The layers of a network, as its first run found them, and how their outputs are read.

    A map lies over the photo where the positions of its layer are known to be those of the image. The operations before
    the layer may show this; otherwise it is probed once, when it is chosen, by changing a part of the image. Where the
    positions are others, removals of its maps are right all the same.

    Args:
        owner: what the model is called in sentences.
        network: whose modules may be named.
        found: by the first run.
        inputs: two images of the first run.
        told: how layers are read by the caller's word, by name.
        scores: (n k) from what the network returns.
    """

    def __init__(
        self,
        owner: str,
        network: nn.Module,
        found: Survey,
        inputs: Tensor,
        told: dict[str, Layout | str],
        scores: Callable[[Any], Tensor],
    ) -> None:
        self.owner, self._told, self._scores = owner, told, scores
        self._network, self._found, self._inputs = network, found, inputs
        self._placed = {layer.name: True for layer in found.layers if layer.placed}
        self._unread = set[str]()  # of these not even the axis of maps is shown
        self._sloped = dict.fromkeys(found.sloped, True)
        self._lock = RLock()

    @property
    def inputs(self) -> Tensor:
        """Two samples of the first run."""
        return self._inputs

    def all(self) -> list[LayerInfo]:
        """The layers with feature maps, in the order in which they end."""
        return list(self._found.layers)

    def info(self, name: str) -> LayerInfo | None:
        """What is known of a layer with feature maps."""
        return next((layer for layer in self._found.layers if layer.name == name), None)

    def first_choice(self) -> str:
        """The last layer with spatial maps; empty where no layer has any."""
        return self._found.default or ""

    def default(self, shell: Shell) -> Default:
        """The layer to explain where none is named.

        It is the last with maps of at least 4 x 4 places in the order of the image, which the scores depend on and
        which at most half of a forward pass follows; what comes nearest where there is none, see `layers.serves`.

        Raises:
            ValueError: no layer has spatial maps, or of none it is shown how it is to be read.
        """
        wanted = self._found.default
        if wanted is None:
            raise ValueError(f"{self.owner} has no layer with spatial maps (n c h w), (n h w c) or a grid of tokens.")
        known = [wanted, *self._found.earlier]
        some = [name for index, name in enumerate(known) if index <= TRIED or self._placed.get(name)]
        chosen = next((name for name in some if self._is_placed(name, shell)), None)
        others = chosen is None
        if chosen is None:
            chosen = next((name for name in some if name not in self._unread), None)
        if chosen is None:
            raise ValueError(
                f"{self.owner} has no layer of which it is shown which axes are maps, rows and columns; name one with "
                "layer= and say how it is to be read with layout=."
            )
        notice = ""
        if others:
            notice = self.out_of_order(chosen)
        elif chosen != wanted:
            notice = (
                f"layer {chosen!r} is explained: the positions of later layers, such as {wanted!r}, are not those of "
                "the image."
            )
        self._say_why(chosen)
        return Default(chosen, notice)

    def _say_why(self, name: str) -> None:
        """Note at the default layer why it is the default."""
        info = self.info(name)
        if info is None:
            return
        if isinstance(self._network, Sealed | Whole):
            self._note(name, note=NOTE)
            return
        why = f"default: the last layer with maps of at least {ENOUGH} x {ENOUGH} places"
        if not serves(info):
            some = [other for other in self._found.layers if other.placed is not False]
            large = any(min(other.height, other.width) >= ENOUGH for other in some)
            why = "default: the last layer with rows and columns; " + (
                f"more than half of a forward pass comes after the last one of {ENOUGH} x {ENOUGH} places"
                if large
                else f"none has {ENOUGH} x {ENOUGH} places"
            )
        self._note(name, note="; ".join(filter(None, (why, info.note))))

    def _note(self, name: str, **facts: Any) -> None:
        self._found.layers = [replace(one, **facts) if one.name == name else one for one in self._found.layers]

    def out_of_order(self, name: str) -> str:
        """That no map of a layer can be laid over the photo, as a sentence; empty where it can."""
        if self._placed.get(name, True):
            return ""
        return (
            f"the positions of layer {name!r} are not those of the image, so that none of its maps is laid over the "
            "photo; scores, gains and removals are right. layout= says how it is to be read."
        )

    def is_placed(self, name: str) -> bool:
        """Are the positions of a layer those of the image, as far as that was tried? Runs nothing."""
        return name in self._told or self._placed.get(name, True)

    def has_slope(self, name: str) -> bool:
        """Does a gradient of the scores come to a layer, as far as that was tried? Runs nothing."""
        return self._sloped.get(name, True)

    @property
    def reaches(self) -> bool:
        """Do the scores depend on the image by steps that have a gradient?"""
        return self._found.reaches

    def named(self, layer: str | nn.Module, shell: Shell) -> str:
        """The name of a layer whose maps can be removed, given by its name or as a module.

        Raises:
            TypeError, ValueError: as in `ImageModel.layer_named`.
        """
        with_maps = [info.name for info in self._found.layers]
        name = self.name_of(layer)
        if name in with_maps:
            self._is_placed(name, shell)
        if name in with_maps and name not in self._unread:
            return name
        if name in with_maps:
            placed = [other for other in with_maps if self._placed.get(other)]
            raise ValueError(
                f"nothing shows which axes of layer {name!r} of {self.owner} are maps, rows and columns; choose "
                f"another layer, such as {listed(_nearest(name, placed))}, or say how it is to be read with layout=."
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
        """Whether the positions of a layer are those of the image: tried once, with whether a gradient comes to it."""
        with self._lock:
            if name not in self._sloped or (name not in self._placed and name not in self._told):
                self._try(name, shell)
            return self.is_placed(name)

    def _try(self, name: str, shell: Shell) -> None:
        if name not in self._placed and name not in self._told:
            try:
                with self._run_on(shell) as inputs:
                    self._placed[name] = read_layer(shell, name, inputs)[1].placed
            except ValueError:
                self._placed[name] = False
                self._unread.add(name)
            self._note(name, placed=self._placed[name])
        if name not in self._sloped:
            self._sloped[name] = True
            if self._found.sloped and self._found.reaches:
                return  # one that is earlier than where a gradient was seen to come from the image
            try:
                with self._run_on(shell) as inputs:
                    self._sloped[name] = comes_through(Tail(shell, name, inputs[:1]), self._scores)
                self._found.reaches &= self._sloped[name]  # what is cut off after a layer does not come to the image
            except (ValueError, RuntimeError):
                pass  # it cannot be asked at all, as will be said when it is

    @contextmanager
    def _run_on(self, shell: Shell) -> Iterator[Tensor]:
        """The images of the first run, on the device of the network, while its randomness is its own."""
        inputs = self._inputs.to(device_of(shell.original))
        with own_randomness(inputs.device):
            yield inputs


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(map(repr, names)) or "none"


def _without_wrappers(name: str, modules: dict[str, nn.Module]) -> str:
    while name not in modules and name.startswith(("module.", "_orig_mod.")):
        name = name.split(".", 1)[1]
    return name


def _nearest(name: str, names: list[str]) -> list[str]:
    return list(dict.fromkeys(get_close_matches(name, names, 2, 0.4) + names[-2:]))
