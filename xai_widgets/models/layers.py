"""The layers of a network that have feature maps, found by running it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry

from xai_widgets.kernels.tail import Shell
from xai_widgets.kernels.tail.calls import Call, Pass, Watch
from xai_widgets.kernels.tail.layouts import Layout, fits, is_common
from xai_widgets.kernels.tail.orders import Orders
from xai_widgets.kernels.tail.readings import Reading, reading
from xai_widgets.models.sealed import is_quantised
from xai_widgets.models.slopes import leads_to

ENOUGH = 4  # rows and columns from which on a map tells places apart
LITTLE = 0.5  # the largest share of a forward pass that a removal in the default layer may cost
HEARD = 16  # layers that are tried for the default, from the last on
# Operations of ATen, without the underscore of those that work in place.
NORMS = frozenset(
    "cudnn_batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "batch_norm_with_update miopen_batch_norm native_layer_norm native_group_norm".split()
)
ACTIVATIONS = frozenset(
    "celu clamp_min elu gelu hardsigmoid hardswish hardtanh leaky_relu mish _prelu_kernel relu selu sigmoid silu "
    "softplus tanh".split()
)


@dataclass(frozen=True)
class LayerInfo:
    """A layer whose feature maps can be changed.

    Attributes:
        kind: maps (n c h w), channels_last (n h w c), or tokens (a sequence with a token for each position).
        cost: share of the multiply-adds of a full forward pass that come after the layer, from 0 to 1.
        note: what to know before removing its maps, and why it is the default; empty where there is nothing to say.
        calls: how often a pass calls it.
        placed: whether positions are those of the image; False: only removals are right; None: tried when it is chosen.
    """

    name: str
    kind: str
    maps: int
    height: int
    width: int
    cost: float
    note: str = ""
    calls: int = 1
    placed: bool | None = None


@dataclass
class Survey:
    """What a run on one image and one on two tell."""

    layers: list[LayerInfo]
    outputs: dict[str, str]  # of every module that is called: the shape of what it returns, in words
    default: str | None  # the layer to explain where none is named
    earlier: list[str]  # what may stand in for it, the best first
    sloped: set[str]  # layers to which a gradient of the scores was seen to come
    reaches: bool  # whether the scores depend on the image by steps that have a gradient
    dtypes: set[torch.dtype]  # of floating-point numbers that modules return
    one: Any  # what the network returned for one image
    two: Any  # and for two


class Metered(Watch):
    """Also notes how many multiply-adds were spent when the last call of each module ended."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(keep=True)
        self.spent: dict[str, float] = {}
        self.meter = meter
        self.image: Tensor | None = None  # for which a gradient was recorded

    def ended(self, call: Call, leaves: list[Any]) -> None:
        self.spent[call.key[0]] = self.meter.spent


@dataclass(eq=False)
class Meter(TorchDispatchMode):
    """Counts multiply-adds, and notes what normalisations, sums and activations read and write."""

    spent: float = 0.0
    events: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []  # else an address could be used again

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in flop_registry:
            self.spent += flop_registry[packet](*args, **(kwargs or {}), out_val=output) / 2
        if kind := _kind(packet.__name__, args):
            written = output[0] if isinstance(output, tuple) else output
            self.events.append((kind, args[0].data_ptr(), written.data_ptr()))
            self._kept.append((args[0], written))
        return output

    def after(self, output: Tensor) -> list[str]:
        """What happens next to a tensor: batch norm, shortcut, activation."""
        address, kinds = output.data_ptr(), list[str]()
        for kind, read, written in self.events:
            if read == address and kind not in kinds:
                kinds.append(kind)
                address = written
        return kinds if "activation" not in kinds else kinds[: kinds.index("activation") + 1]


def _kind(operation: str, args: tuple[Any, ...]) -> str | None:
    name = operation.rstrip("_")
    if not args or not isinstance(args[0], Tensor):
        return None
    if name in NORMS:
        return "layer norm" if "layer" in name else "group norm" if "group" in name else "batch norm"
    if name in ACTIVATIONS:
        return "activation"
    shortcut = name == "add" and isinstance(args[1], Tensor) and args[1].shape == args[0].shape and args[0].dim() > 2
    return "shortcut" if shortcut else None


def survey(shell: Shell, inputs: Tensor, scores: Callable[[Any, Any], Tensor]) -> Survey:
    """Run a network on one image and on two.

    Args:
        inputs: two images (2 ...).
        scores: (n k) of one image, from what the network returned for one image and for two.
    """
    pair = Watch(keep=True)
    with torch.no_grad(), shell.running(pair) as network:
        result_of_two = network(inputs.clone())
    watch, orders, result_of_one = _metered(shell, inputs[:1])
    one, two = watch.last_calls(), pair.last_calls()
    size = (inputs.shape[-2], inputs.shape[-1])
    read: dict[str, tuple[Tensor, Layout]] = {}  # of each layer its output, and how it is read as maps
    placed = set[str]()
    for name, call in one.items():
        known = _maps_of(call, two.get(name), size, orders) if name else None
        if known is not None:
            read[name] = known[:2]
            placed |= {name} if known[2] else set()
    layers = [_info(shell.network, name, *read[name], watch, name in placed) for name in read]
    alone = {name for name, call in one.items() if sum(isinstance(leaf, Tensor) for leaf in call.leaves) == 1}
    names, score = _candidates(shell.network, layers, alone), scores(result_of_one, result_of_two)
    default, sloped = _first_with_slope(shell.network, names, layers, read, score, watch.image), set[str]()
    if default is not None:
        sloped.add(default)
    else:
        default = _first_heard(names, read, shell, inputs[:1], scores, result_of_two)
    earlier = names[names.index(default) + 1 :] if default is not None else []
    leaves = [leaf for call in one.values() for leaf in call.leaves if isinstance(leaf, Tensor)]
    dtypes = {leaf.dtype for leaf in leaves if leaf.is_floating_point()}
    outputs = {name: ", ".join(_words(leaf) for leaf in call.leaves) for name, call in one.items()}
    reaches = leads_to(score, watch.image)
    return Survey(layers, outputs, default, earlier, sloped, reaches, dtypes, result_of_one, result_of_two)


def _metered(shell: Shell, image: Tensor) -> tuple[Metered, Orders, Any]:
    """A pass on one image, with a gradient where the network can be differentiated; and what the network returned."""
    for recorded in (True, False):
        meter = Meter()
        watch = Metered(meter)
        try:
            with torch.set_grad_enabled(recorded), shell.running(watch) as network:
                # A clone: networks may write into their input, which a leaf of the gradient forbids.
                watch.image = image.detach().requires_grad_(recorded)
                fed = watch.image.clone()
                orders = Orders(fed)
                with meter, orders:
                    return watch, orders, network(fed)
        except RuntimeError:  # written so that it cannot be differentiated
            if not recorded:
                raise
    raise AssertionError


def _candidates(network: nn.Module, layers: list[LayerInfo], alone: set[str]) -> list[str]:
    """What may be the default, the best first: the last layer with enough places whose removal costs little.

    Wished for are rows and columns, weights, and weights that are still to come: for a network that ends in a
    convolution this is not its class maps but what they are made of. Among these the last comes first that has at least
    4 x 4 places, unless more than half of a forward pass comes after it; then the last of all.
    """
    modules = dict(network.named_modules())
    wishes: list[Callable[[LayerInfo], bool]] = [
        lambda layer: layer.height > 1 and layer.width > 1,
        lambda layer: next(modules[layer.name].parameters(), None) is not None,
        lambda layer: layer.cost > 0 or is_quantised(network),  # whose multiply-adds are not counted
        lambda layer: layer.name in alone,  # what is returned beside maps may be all that the network goes on with
    ]
    for wish in wishes:
        layers = [layer for layer in layers if wish(layer)] or layers
    last_first = layers[::-1]
    return [layer.name for layer in sorted(last_first, key=lambda layer: not serves(layer))]


def serves(layer: LayerInfo) -> bool:
    """Has it enough places to tell them apart, and costs a removal little?"""
    return min(layer.height, layer.width) >= ENOUGH and layer.cost <= LITTLE


def _first_with_slope(
    network: nn.Module,
    names: list[str],
    layers: list[LayerInfo],
    read: dict[str, tuple[Tensor, Layout]],
    scores: Tensor,
    image: Tensor | None,
) -> str | None:
    """The first layer with positions that the scores depend on, as their gradient shows; rather no part of a branch.

    All that reaches the scores passes through it, or it is the norm before an attention: for a vision transformer with
    a class token that is the last layer whose patches are read.
    """
    served = {layer.name: serves(layer) for layer in layers}
    first = None
    for start in range(0, len(names), HEARD):  # a gradient for the last few layers costs little
        for name in _used(names[start : start + HEARD], read, scores):
            first = name if first is None else first
            if served[name] != served[first]:
                return first
            norm = any(kind in type(network.get_submodule(name)).__name__ for kind in ("LayerNorm", "RMSNorm"))
            if norm or not leads_to(scores, image, around=read[name][0]):
                return name
    return first


def _first_heard(
    names: list[str],
    read: dict[str, tuple[Tensor, Layout]],
    shell: Shell,
    image: Tensor,
    scores: Callable[[Any, Any], Tensor],
    two: Any,
) -> str | None:
    """The same where gradients are cut off: NaN in the maps of a layer must change the scores."""
    with torch.no_grad(), shell.running(Watch()) as network:
        plain = scores(network(image.clone()), two)
    for name in names[:HEARD]:
        spoiled = _Spoiled(name, *read[name])
        with suppress(Exception), torch.no_grad(), shell.running(spoiled) as network:  # a network may refuse NaN
            if not torch.equal(scores(network(image.clone()), two), plain):
                return name
    return names[0] if names else None


class _Spoiled(Pass):
    """A pass in which the maps of one layer are NaN; tokens without a position stay."""

    def __init__(self, name: str, output: Tensor, layout: Layout) -> None:
        super().__init__()
        self._name, self._shape, self._layout = name, output.shape, layout

    def call(self, name: str, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = forward(*args, **kwargs)
        return tree_map(self._spoil, output) if name == self._name else output

    def _spoil(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or leaf.shape != self._shape:
            return leaf
        maps = torch.full_like(self._layout.maps(leaf), torch.nan)
        return self._layout.activation(maps, leaf)


def _maps_of(one: Call, two: Call | None, size: tuple[int, int], orders: Orders) -> tuple[Tensor, Layout, bool] | None:
    """An output that can be read as maps, how, and whether operations show that its positions are in order."""
    if two is None or len(one.leaves) != len(two.leaves):
        return None
    for leaf, (a, b) in enumerate(zip(one.leaves, two.leaves, strict=True)):
        if isinstance(a, Tensor) and isinstance(b, Tensor) and a.is_floating_point():
            known = reading(leaf, tuple(a.shape), tuple(b.shape), orders.of(a), size)
            layout = _likeliest(known, size) if known is not None else None
            if known is not None and layout is not None:
                return (a, layout, known.placed) if layout.height * layout.width > 1 else None
    return None


def _likeliest(known: Reading, image: tuple[int, int]) -> Layout | None:
    """How an output is read until it is tried; None where it is hardly of maps, as the parts of an attention."""
    some = known.layouts
    if not known.sure:
        some = tuple(layout for layout in some if is_common(layout) and fits(layout, image))
    return next((layout for layout in some if is_common(layout)), next(iter(some), None))


def _info(network: nn.Module, name: str, output: Tensor, layout: Layout, watch: Metered, placed: bool) -> LayerInfo:
    meter = watch.meter
    cost = 1 - watch.spent[name] / meter.spent if meter.spent else 0.0
    notes = []
    following = meter.after(output) if isinstance(network.get_submodule(name), nn.modules.conv._ConvNd) else []
    if following:
        names = " and ".join(filter(None, (", ".join(following[:-1]), following[-1])))
        notes.append(f"convolution followed by {names}: the removal acts on the convolution's own output")
    if layout.prefix:
        notes.append(f"tokens without a position ({layout.prefix}) stay as they are")
    if (times := watch.count(name)) > 1:
        notes.append(f"called {times} times")
    size = layout.channels, layout.height, layout.width
    info = LayerInfo(name, layout.kind, *size, cost=max(cost, 0.0), note="; ".join(notes), calls=times)
    return replace(info, placed=placed or None)


def _used(names: list[str], read: dict[str, tuple[Tensor, Layout]], scores: Tensor) -> list[str]:
    """Of some layers those with positions that the scores depend on."""
    tracked = [name for name in names if read[name][0].requires_grad]
    if not tracked or not scores.requires_grad:
        return []
    # NaN goes wherever the scores depend on the maps at all, also through a head of zeros or a saturated output.
    nowhere = torch.full_like(scores, torch.nan)
    try:
        gradients = torch.autograd.grad(
            scores, [read[name][0] for name in tracked], nowhere, allow_unused=True, retain_graph=True
        )
    except RuntimeError:  # written in place after it was read: nothing can be said
        return []
    return [
        name
        for name, gradient in zip(tracked, gradients, strict=True)
        if gradient is not None and bool(read[name][1].maps(gradient).any())
    ]


def _words(leaf: Any) -> str:
    return f"({' '.join(map(str, leaf.shape))})" if isinstance(leaf, Tensor) else type(leaf).__name__
