"""The table of all kernels: it is complete, and float32 gives what float64 does."""

from __future__ import annotations

import pytest
import torch
from accelerated import ANSWERS, ASKS
from kernel_checks import check_same, names
from kernel_places import Place
from kernel_table import KERNELS

from xai_widgets.engine import METHODS, PARTS


def test_every_kernel_is_in_the_table() -> None:
    assert sorted(KERNELS) == sorted([*names(), "tail.Tail"])


def test_every_method_and_part_of_an_answer_is_asked_on_an_accelerator() -> None:
    assert {ask[0] for asks in ASKS.values() for ask in asks.values()} | {"explanation"} == set(PARTS)
    assert {name.removeprefix("method ") for _, name in ANSWERS if name.startswith("method ")} == set(METHODS)


@pytest.fixture(scope="module")
def places() -> tuple[Place, Place]:
    return Place("cpu", torch.float32), Place("cpu", torch.float64)


@pytest.mark.parametrize("name", KERNELS)
def test_float32_gives_what_float64_does(name: str, places: tuple[Place, Place]) -> None:
    single, double = places
    check_same(KERNELS[name](single), KERNELS[name](double), 1e-4)
