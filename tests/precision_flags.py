"""The flags of torch's precision: read, written, put back, and the states that they can be in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from xai_widgets.kernels.precision import NEW, OLD, SUMS

backends: Any = torch.backends
C: Any = torch._C
State = dict[Any, Any]


def read(flag: Any) -> Any:
    try:
        if flag in NEW:
            return C._get_fp32_precision_getter(*flag)
        return getattr(C, f"_get_{flag}")()
    except RuntimeError:  # old and new flags disagree
        return "raises"


def state() -> State:
    """All flags as they act, and what the old ones would be if the new ones did not disagree."""
    return {flag: read(flag) for flag in (*OLD, *NEW, *SUMS)}


def lower() -> dict[Any, Any]:
    """The flags that allow less than IEEE, or that cannot be read."""
    exact = ("none", "ieee", "highest", False)
    return {flag: value for flag, value in state().items() if value not in exact and value != (False, True)}


def written(flag: Any, value: Any) -> None:
    if flag in NEW:
        C._set_fp32_precision_setter(*flag, value)
    else:
        getattr(C, f"_set_{flag}")(*(value if isinstance(value, tuple) else (value,)))


@contextmanager
def put_back() -> Iterator[None]:
    """Flags are afterwards what they were."""
    before = state()
    yield
    for new_flag in NEW:
        written(new_flag, "none")
    for flag in (*OLD, *NEW, *SUMS):
        written(flag, before[flag])
    assert state() == before


def old(name: str, value: Any) -> Callable[[], None]:
    owner, _, flag = name.rpartition(".")
    return lambda: setattr(getattr(backends, owner) if "." not in owner else backends.cuda.matmul, flag, value)


def new(backend: str, operation: str, value: str) -> Callable[[], None]:
    return lambda: written((backend, operation), value)


def matmul(value: str) -> Callable[[], None]:
    return lambda: torch.set_float32_matmul_precision(value)


OLD_STATES: dict[str, list[Callable[[], None]]] = {
    "as torch starts": [],
    "old, all off": [old("cudnn.allow_tf32", False), matmul("highest")],
    "old, all on": [old("cudnn.allow_tf32", True), old("cuda.matmul.allow_tf32", True)],
    "medium": [matmul("medium")],
    "high": [matmul("high")],
    "sums": [
        lambda: written("cublas_allow_fp16_accumulation", True),
        lambda: setattr(backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
    ],
}
NEW_STATES: dict[str, list[Callable[[], None]]] = {
    "all say TF32": [new("generic", "all", "tf32")],
    "all say bfloat16": [new("generic", "all", "bf16")],
    "a backend says TF32": [new("cuda", "all", "tf32"), new("mkldnn", "all", "bf16")],
    "conv alone": [new("cuda", "conv", "ieee")],
    "all of new": [new("cuda", "conv", "ieee"), new("cuda", "rnn", "ieee"), new("cuda", "matmul", "tf32")],
    "inherited": [
        old("cudnn.allow_tf32", True), new("cuda", "conv", "none"), new("cuda", "rnn", "none"),
        new("generic", "all", "tf32"), new("cuda", "matmul", "none"),
    ],
    "both": [
        old("cudnn.allow_tf32", False), new("cuda", "conv", "tf32"), matmul("medium"), new("mkldnn", "matmul", "ieee"),
    ],
    "both, off": [old("cudnn.allow_tf32", False), new("cuda", "rnn", "ieee"), new("mkldnn", "conv", "bf16")],
}  # fmt: skip
STATES = OLD_STATES | (NEW_STATES if NEW else {})
