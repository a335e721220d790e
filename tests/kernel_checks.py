"""The names of all kernels, and how what they give is compared."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from kernel_places import Place
from torch import Tensor

import xai_widgets.kernels

PLUMBING = {
    "batches": "run through by every kernel that takes a tail",
    "checks": "run through by all",
    "precision": "is about flags",
    "tail.along": "is about axes of operations",
    "faults": "is about errors",
    "recorded": "needs a recorder", "tail.recording": "needs a recorder", "tail.captures": "needs a card",
    "tail.feeds": "call a network",
    "tail.copies": "make a tail", "tail.layouts": "make a tail", "tail.onemap": "make a tail",
    "tail.passes": "make a tail", "tail.results": "make a tail", "tail.rules": "make a tail",
    "tail.shell": "make a tail", "tail.structure": "make a tail", "tail.probes": "make a tail",
    "tail.readings": "make a tail", "tail.orders": "make a tail", "tail.autocast": "make a tail",
    "tail.weights": "look at a network", "tail.uncounted": "look at a network",
    "tail.tail": "make a tail", "tail.calls": "make a tail",
    "tail.first_use": "make a tail", "tail.mixing": "make a tail",
}  # fmt: skip
# Results that are read by people or by the CPU, wherever the images are.
AT_HOME = ("receipts.", "ranks.rank_correlation", "home.home", "questions.read_cam")


def names() -> list[str]:
    """Every public function of the kernels, as `module.function`."""
    found = []
    package = xai_widgets.kernels
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        place = info.name.removeprefix(f"{package.__name__}.")
        if place in PLUMBING:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            function = inspect.unwrap(value) if inspect.isfunction(value) else None
            if function is not None and value.__module__ == info.name and not name.startswith("_"):
                found.append(f"{place}.{name}")
    return found


def leaves(found: Any) -> list[Any]:
    """Tensors, numbers and words in what a kernel gives, in order."""
    if isinstance(found, Tensor | str) or found is None:
        return [found]
    if isinstance(found, Mapping):
        return [leaf for key in sorted(found) for leaf in leaves(found[key])]
    if is_dataclass(found):
        return leaves(vars(found))
    if isinstance(found, np.ndarray):
        return [torch.tensor(found)]  # a copy: answers cannot be written
    if isinstance(found, list | tuple):
        return [leaf for value in found for leaf in leaves(value)]
    return [found]


def check_same(found: Any, expected: Any, tolerance: float) -> None:
    """Alike to a share of the largest value of each leaf; whole numbers, masks and words are equal."""
    some, others = leaves(found), leaves(expected)
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        if isinstance(other, Tensor):
            assert isinstance(one, Tensor)
            assert one.shape == other.shape
            a, b = one.detach().cpu(), other.detach().cpu()
        elif isinstance(other, float):
            a, b = torch.tensor(float(one)), torch.tensor(other)
        else:
            assert one == other
            continue
        if b.dtype == torch.uint8:  # shades of a picture: rounding decides between two
            assert (a.int() - b.int()).abs().max() <= 1
            continue
        if not b.is_floating_point():
            assert torch.equal(a, b)
            continue
        size = b[b.isfinite()].abs().max().item() if bool(b.isfinite().any()) else 1.0
        torch.testing.assert_close(a.double(), b.double(), atol=tolerance * max(size, 1e-3), rtol=0, equal_nan=True)


def check_device(name: str, found: Any, place: Place) -> None:
    """Kernels keep the device."""
    if not name.startswith(AT_HOME):
        devices = {leaf.device.type for leaf in leaves(found) if isinstance(leaf, Tensor)}
        assert devices <= {place.device.type}, f"{name} left the device"
