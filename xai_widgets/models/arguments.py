"""What a caller says of a network, checked, and what is to be said to the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import nn

from xai_widgets.kernels.tail.shell import unwrapped

Range = tuple[float, float]


def no_network(given: object) -> str:
    """What was given in the place of a network, and what makes one of it."""
    said = f"network must be a torch.nn.Module, got {type(given).__name__}"
    if isinstance(given, type) and issubclass(given, nn.Module):
        return (
            f"network must be a torch.nn.Module, got the class {given.__name__}: make one of it, {given.__name__}(...)."
        )
    if not isinstance(given, Mapping):
        return f"{said}."
    within = next((f"[{key!r}]" for key, value in given.items() if isinstance(value, Mapping) and _weights(value)), "")
    inner = (
        given
        if _weights(given)
        else next((one for one in given.values() if isinstance(one, Mapping) and _weights(one)), None)
    )
    if inner is None:
        return f"{said}, whose keys are {', '.join(map(repr, list(given)[:5]))}."
    wrapped = all(str(name).startswith("module.") for name in inner)
    more = ", and take off the 'module.' that DataParallel put before each name" if wrapped else ""
    return (
        f"{said} of weights: build the network that they are of, and load them with "
        f"network.load_state_dict(checkpoint{within}){more}."
    )


def names_of(network: nn.Module) -> tuple[str, ...] | None:
    """The names of classes that a network of transformers' has in `config.id2label`; None where nobody gave them."""
    named = getattr(getattr(network, "config", None), "id2label", None)
    if not isinstance(named, Mapping) or not named or sorted(named) != list(range(len(named))):
        return None
    names = tuple(str(named[place]) for place in range(len(named)))
    return None if all(name == f"LABEL_{place}" for place, name in enumerate(names)) else names


def _weights(given: Mapping[Any, Any]) -> bool:
    return bool(given) and all(isinstance(value, torch.Tensor) for value in given.values())


def checked_name(name: object, network: nn.Module) -> str:
    """What a model is called: as given, else the class of its network.

    Raises:
        TypeError: the name is no text.
        ValueError: the name is empty.
    """
    if name is None:
        return type(network).__name__
    if not isinstance(name, str):
        raise TypeError(f"name must be text, got {name!r}.")
    if not name.strip():
        raise ValueError(f"name must not be empty, got {name!r}.")
    return name


def checked_channels(channels: object) -> int:
    """How many channels the images of a model have.

    Raises:
        ValueError: it is no whole number from 1.
    """
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be how many an image has, a whole number from 1, got {channels!r}.")
    return channels


def checked_labels(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    """A name for each class or score.

    Raises:
        TypeError: they are not a list of texts.
    """
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Sequence) or not all(isinstance(one, str) for one in labels):
        raise TypeError(f"labels must be a list of names, one a class or score, got {labels!r}.")
    return tuple(labels)


def checked_ranges(range: Any, ranges: Any, outputs: int) -> tuple[Range | None, ...] | None:
    """The lowest and the highest value of each score, from one pair for all, or a pair for each.

    Raises:
        TypeError: they are no pairs.
        ValueError: both are given, these are not as many as the scores, or not two finite numbers in order.
    """
    if range is None:
        given = None if ranges is None else _several(ranges, outputs)
        return None if given is None else tuple(None if one is None else _pair("ranges", one) for one in given)
    if ranges is not None:
        raise ValueError("range is one pair for every score and ranges a pair for each; give one of the two.")
    return (_pair("range", range),) * outputs


def _several(ranges: Any, outputs: int) -> list[Any]:
    if not isinstance(ranges, Sequence) or isinstance(ranges, str):
        raise TypeError(f"ranges must be a list of pairs, one a score, got {ranges!r}.")
    if len(ranges) != outputs:
        raise ValueError(f"ranges must be a pair, or None, for each of the {outputs} outputs, got {len(ranges)}.")
    return list(ranges)


def _pair(name: str, given: Any) -> Range:
    what = "range" if name == "range" else "each of ranges"
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be the lowest and the highest score, such as (0, 100), got {given!r}.") from None
    if not isfinite(low) or not isfinite(high) or low >= high:
        raise ValueError(f"{what} must be two finite numbers, the lower one first, got {given!r}.")
    return low, high


def notices_of(network: nn.Module, home: torch.device, device: torch.device) -> list[str]:
    """What a caller should know of how a network is used: unwrapped, in eval mode, or as a copy on another device."""
    copied = "an eval copy that shares its weights is used"
    eager = "an eager copy that shares its weights is used"
    found = []
    inner: Any = network
    while inner is not unwrapped(inner):
        compiled = hasattr(inner, "_orig_mod")
        how = "compiled" if compiled else f"wrapped in {type(inner).__name__}"
        found.append(f"the network is {how}; {eager}.")
        inner = inner._orig_mod if compiled else inner.module
    if getattr(inner, "_compiled_call_impl", None) is not None:
        found.append(f"the network is compiled; {eager}.")
    if any(module.training for module in inner.modules()):
        found.append(f"the network was in training mode; {copied}.")
    if device != home:
        found.append(f"the network is on {home}; a copy on {device} is used.")
    return found
