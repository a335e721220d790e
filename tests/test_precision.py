"""Exact work runs in IEEE arithmetic, and the flags of the process are afterwards what they were."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from precision_flags import STATES, State, backends, lower, matmul, new, old, put_back, read, state, written

from xai_widgets.kernels.precision import NEW, ieee, in_force, tolerance_of

new_flags = pytest.mark.skipif(not NEW, reason="torch before 2.9 has the old flags alone")


@pytest.fixture(autouse=True)
def flags_are_put_back() -> Iterator[None]:
    with put_back():
        yield


@pytest.fixture(params=STATES)
def chosen(request: pytest.FixtureRequest) -> State:
    for step in STATES[request.param]:
        step()
    return state()


def raw() -> State:
    """The new flags without what they inherit."""
    found: State = {}
    flag: Any
    for flag in NEW:  # what others inherit from comes first
        found[flag] = read(flag)
        if flag[1] == "all":
            written(flag, "none")
    for name, value in found.items():
        written(name, value)
    return found


def test_within_all_is_ieee_and_readable(chosen: State) -> None:
    with ieee():
        assert lower() == {}
        assert (backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32) == (False, False)
        assert torch.get_float32_matmul_precision() == "highest"
    assert state() == chosen


@new_flags
def test_what_inherits_inherits_again(chosen: State) -> None:
    before = raw()
    with ieee():
        pass
    assert state() == chosen
    assert raw() == before


def test_the_default_is_tf32_and_none() -> None:
    """What the others stand on: torch allows TF32 in convolutions, and nothing is set for products."""
    assert backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    if NEW:
        assert read(("cuda", "conv")) == "tf32"
        assert read(("cuda", "matmul")) == "none"
        with ieee():
            pass
        backends.fp32_precision = "tf32"
        assert read(("cuda", "matmul")) == read(("mkldnn", "matmul")) == "tf32", "what was none is none again"


def test_nested_and_after_an_exception(chosen: State) -> None:
    @ieee()
    def fails() -> None:
        assert not lower()
        raise KeyError

    with ieee():
        with pytest.raises(KeyError):
            fails()
        assert not lower()
    assert state() == chosen
    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
        assert state() == chosen


def test_owners_that_interleave(chosen: State) -> None:
    a, b = ieee(), ieee()
    a.__enter__()
    b.__enter__()
    a.__exit__(None, None, None)
    assert not lower()
    b.__exit__(None, None, None)
    assert state() == chosen


CHOICES: dict[str, Callable[[], None]] = {
    "cudnn on": old("cudnn.allow_tf32", True),
    "matmul high": matmul("high"),
    "matmul medium": matmul("medium"),
    "matmul on": old("cuda.matmul.allow_tf32", True),
}
if NEW:
    CHOICES |= {
        "cudnn off": old("cudnn.allow_tf32", False),
        "matmul highest": matmul("highest"),
        "matmul off": old("cuda.matmul.allow_tf32", False),
        "all": new("generic", "all", "tf32"),
        "cuda": new("cuda", "all", "ieee"),
        "oneDNN": new("mkldnn", "matmul", "bf16"),
        "conv": new("cuda", "conv", "ieee"),
    }


@pytest.mark.parametrize("start", ["as torch starts", "old, all on", "medium", "old, all off"])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_that_is_made_meanwhile_is_kept(start: str, choice: str) -> None:
    """As if it had been made outside, and work that begins after it is exact again."""
    for step in STATES[start]:
        step()
    with ieee():
        CHOICES[choice]()
        with ieee():
            assert not lower()
    within = state()
    for flag in NEW:
        written(flag, "none")
    written("cudnn_allow_tf32", True)
    written("float32_matmul_precision", "highest")
    if NEW:
        written(("cuda", "matmul"), "none")
        written(("mkldnn", "matmul"), "none")
    for step in STATES[start]:
        step()
    CHOICES[choice]()
    outside = state()
    if choice == "matmul off" and start == "medium":  # torch alone leaves flags that disagree
        assert outside.pop("float32_matmul_precision") == "raises"
        within.pop("float32_matmul_precision")
    assert within == outside


@new_flags
def test_flags_that_are_set_against_each_other_stay_so() -> None:
    backends.cudnn.conv.fp32_precision = "ieee"
    before = state()
    assert before["cudnn_allow_tf32"] == "raises"
    with ieee():
        assert backends.cudnn.allow_tf32 is False
        backends.mkldnn.matmul.fp32_precision = "bf16"
        with ieee():
            assert not lower()
    assert state() == before | {("mkldnn", "matmul"): "bf16", "float32_matmul_precision": "raises"}


def test_threads_that_interleave(chosen: State) -> None:
    """Each sees IEEE while it is within, also where the other leaves first."""
    seen: list[State] = []
    end = threading.Event()

    def work() -> None:
        while not end.is_set():
            with ieee():
                seen.append(lower())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        with ieee():
            seen.append(lower())
    end.set()
    for thread in threads:
        thread.join()
    assert not any(seen)
    assert state() == chosen


@pytest.mark.parametrize("start", ["as torch starts", "medium", "old, all off"])
def test_a_cell_that_reads_the_flags_meanwhile_gets_no_error(start: str) -> None:
    for step in STATES[start]:
        step()
    before = backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    end = threading.Event()
    problems: list[Any] = []

    def cell() -> None:
        while not end.is_set():
            try:
                found = backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
                backends.cuda.matmul.allow_tf32  # noqa: B018
                if found[0] not in (before[0], False) or found[1] not in (before[1], "highest"):
                    problems.append(found)
            except Exception as error:
                problems.append(error)

    thread = threading.Thread(target=cell)
    thread.start()
    for _ in range(500):
        with ieee():
            pass
    end.set()
    thread.join()
    assert not problems


def test_in_words() -> None:
    assert in_force("cuda") == "TF32 in convolutions and recurrent layers"
    assert in_force("cpu") == in_force("mps") == "IEEE"
    torch.set_float32_matmul_precision("medium")
    assert in_force("cuda") == "TF32 in products, convolutions and recurrent layers"
    assert in_force("cpu") == ("bfloat16 in products" if NEW else "IEEE")
    with ieee():
        assert in_force("cuda") == in_force("cpu") == "IEEE"


def test_tolerances() -> None:
    assert tolerance_of(torch.float64) == 1e-6
    assert tolerance_of(torch.float64, torch.float32) == 2e-5
    assert tolerance_of(torch.float16, torch.float32) == 2e-3
    assert tolerance_of(torch.bfloat16, torch.float16, torch.float64) == 2e-2
