"""What a caller says of a network, checked, and what is to be said to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import nn

from xai_widgets.kernels.tail.shell import unwrapped


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


def checked_labels(labels: Sequence[str] | None, outputs: int) -> tuple[str, ...] | None:
    """A name for each class.

    Raises:
        TypeError: they are not a list of texts.
        ValueError: they are not as many as the outputs.
    """
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Sequence) or not all(isinstance(one, str) for one in labels):
        raise TypeError(f"labels must be a list of names, one a class, got {labels!r}.")
    if len(labels) != outputs:
        raise ValueError(f"labels must name each of the {outputs} outputs of the network, got {len(labels)} names.")
    return tuple(labels)


def checked_range(range: tuple[float, float] | None, outputs: int) -> tuple[float, float] | None:
    """The lowest and the highest score of a regression.

    Raises:
        ValueError: the network has several scores, or these are not two finite numbers in order.
    """
    if range is None:
        return None
    if outputs > 1:
        raise ValueError(f"range is for networks with one score, this one has {outputs}; leave it out.")
    try:
        low, high = (float(value) for value in range)
    except (TypeError, ValueError):
        raise ValueError(f"range must be the lowest and the highest score, such as (0, 100), got {range!r}.") from None
    if not isfinite(low) or not isfinite(high) or low >= high:
        raise ValueError(f"range must be two finite numbers, the lower one first, got {range!r}.")
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
