"""The table of all kernels: it is complete, and float32 gives what float64 does."""

from __future__ import annotations

import pytest
import torch
from kernel_checks import check_same, names
from kernel_places import Place
from kernel_table import KERNELS


def test_every_kernel_is_in_the_table() -> None:
    assert sorted(KERNELS) == sorted([*names(), "tail.Tail"])


@pytest.fixture(scope="module")
def places() -> tuple[Place, Place]:
    return Place("cpu", torch.float32), Place("cpu", torch.float64)


@pytest.mark.parametrize("name", KERNELS)
def test_float32_gives_what_float64_does(name: str, places: tuple[Place, Place]) -> None:
    single, double = places
    check_same(KERNELS[name](single), KERNELS[name](double), 1e-4)
