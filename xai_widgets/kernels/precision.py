"""In which arithmetic values are computed, and how far rounding may move them.

"Exact" means IEEE arithmetic in the network's own precision, on every device: no TF32, no bfloat16 inside float32
products, no reduced-precision sums. torch keeps these choices in flags of the process. They are set while exact work
runs, and set back when the last of it ends. torch 2.9 added new flags beside the old ones, and reading an old one
raises where both disagree, so they are always changed together.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from functools import cache, lru_cache, partial
from operator import call
from typing import Any

import torch

# Of max(1, |y|): batching alone moves a float32 score by up to 1.5e-5, a bfloat16 score by 1e-3 and more.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}

_C: Any = torch._C
Flag = Any  # its name, or backend and operation
State = dict[Flag, Any]  # of every flag, its value

# The new flags, by backend and operation, and their values while exact work runs. A flag that is "none" inherits from
# "all" of its backend, and that from "generic"; where none of them says more it is IEEE. The values differ from what
# calls of the user leave, so that these are noticed: `cudnn.allow_tf32 = False` sets "none" for rnn, and
# `set_float32_matmul_precision("highest")` sets "ieee" for matmul.
CONV, RNN, MATMUL = ("cuda", "conv"), ("cuda", "rnn"), ("cuda", "matmul")
NEW = {
    ("generic", "all"): "none", ("cuda", "all"): "none", ("mkldnn", "all"): "none",
    CONV: "none", RNN: "ieee", MATMUL: "none",
    ("mkldnn", "conv"): "none", ("mkldnn", "rnn"): "none", ("mkldnn", "matmul"): "none",
} if hasattr(_C, "_get_fp32_precision_getter") else {}  # fmt: skip
OLD_CUDNN, OLD_MATMUL = "cudnn_allow_tf32", "float32_matmul_precision"
OLD = {OLD_CUDNN: False, OLD_MATMUL: "highest"}
EXACT: State = {**OLD, **NEW}  # in the order in which they are written: an old flag sets new ones too
SUMS = tuple(
    name
    for name in (
        "cublas_allow_fp16_reduced_precision_reduction", "cublas_allow_bf16_reduced_precision_reduction",
        "cublas_allow_fp16_accumulation", "math_sdp_allow_fp16_bf16_reduction",
        "cpu_allow_fp16_reduced_precision_reduction",
    )
    if hasattr(_C, f"_get_{name}") and hasattr(_C, f"_set_{name}")
)  # fmt: skip


def tolerance_of(*dtypes: torch.dtype) -> float:
    """How far rounding may move a score, as a share of max(1, |score|), in the coarsest of some precisions."""
    return max(TOLERANCE.get(dtype, TOLERANCE[torch.float32]) for dtype in dtypes)


@cache
def widest(device: torch.device) -> torch.dtype:
    """The most precise floating type that a device computes in; Apple's GPU has no float64."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except TypeError:
        return torch.float32
    return torch.float64


def ieee() -> _Exact:
    """IEEE arithmetic within a block or a decorated function. It holds for all threads, also for those of others.

    Blocks may be nested, and those of several threads may overlap. When the last one ends every flag is what it was
    before the first, but those that somebody else changed meanwhile keep their new value. A change to the value that
    exact work itself uses cannot be noticed, and is undone. Do not decorate a generator: the flags would stay set while
    it waits.
    """
    return _exact


@contextmanager
def products(device: torch.device) -> Iterator[None]:
    """A block for matrix products of a kernel's own: IEEE arithmetic, whatever `torch.autocast` the caller has set."""
    kind = device.type
    lowered = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    with ieee(), torch.autocast(kind, enabled=False) if lowered else nullcontext():
        yield


def in_force(device: torch.device | str) -> str:
    """The arithmetic that the flags of the process allow on a device outside of exact work, in words.

    Raises:
        RuntimeError: a device that torch does not know.
    """
    kind = torch.device(device).type
    read = partial(_C._get_fp32_precision_getter, "mkldnn" if kind == "cpu" else "cuda") if NEW else _old_precision
    operations = (("matmul", "products"), ("conv", "convolutions"), ("rnn", "recurrent layers"))
    lower: dict[str, list[str]] = {}
    for operation, words in operations if kind in ("cpu", "cuda") else ():
        lower.setdefault(read(operation) if NEW or kind == "cuda" else "none", []).append(words)
    names = {"tf32": "TF32", "bf16": "bfloat16"}
    sentences = [f"{names[name]} in {_listed(where)}" for name, where in lower.items() if name in names]
    return "; ".join(sentences) or "IEEE"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _old_precision(operation: str) -> str:
    """What the flags of torch before 2.9 allow for an operation, as the new flags would say it."""
    allowed = _C._get_float32_matmul_precision() != "highest" if operation == "matmul" else _C._get_cudnn_allow_tf32()
    return "tf32" if allowed else "none"


class _WithoutCudnn(ContextDecorator):
    """cuDNN is off within: its recurrent layers round more than IEEE arithmetic, and have no gradient in eval mode.

    Measured on an H200: the error of the score of an LSTM is 4e-7 with cuDNN and 2e-8 without it. Blocks may be nested
    and may overlap, as those of `ieee`. What another thread runs meanwhile is slower, and as exact. Where somebody
    switches cuDNN off meanwhile this cannot be noticed, and is undone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners = 0
        self._before = True

    def __enter__(self) -> None:
        with self._lock:
            if not self._owners:
                self._before = _C._get_cudnn_enabled()
            _C._set_cudnn_enabled(False)
            self._owners += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._owners -= 1
            if not self._owners:
                _C._set_cudnn_enabled(self._before)


without_cudnn = _WithoutCudnn()


class _Exact(ContextDecorator):
    """Counts the blocks of exact work; the first saves and sets the flags, the last restores them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners = 0
        self._saved: State = {}
        self._warned = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._owners:
                with self._unwarned():
                    self._saved = _take()
            else:
                self._keep_choices()
            self._owners += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._owners -= 1
            if not self._owners:
                self._keep_choices()
                with self._unwarned():
                    _put(self._saved)

    def _keep_choices(self) -> None:
        """Where somebody else changed a flag meanwhile, restore that value at the end, and go on with exact work."""
        if not _is_exact():
            with self._unwarned():
                self._saved = _with_choices(self._saved, _take())

    def _unwarned(self) -> AbstractContextManager[Any]:
        """Without the warning of torch 2.9 to 2.13 that an old flag is used: the user did not use it."""
        if self._warned and not torch.is_warn_always_enabled():
            return nullcontext()
        self._warned = True
        return warnings.catch_warnings(action="ignore")


def _reading(flag: Any) -> Callable[[], Any]:
    if flag in NEW:
        return partial(_C._get_fp32_precision_getter, *flag)
    return getattr(_C, f"_get_{flag}")  # type: ignore[no-any-return]


def _writing(flag: Any, value: Any) -> Callable[[], Any]:
    if flag in NEW:
        return partial(_C._set_fp32_precision_setter, *flag, value)
    return partial(getattr(_C, f"_set_{flag}"), *(value if isinstance(value, tuple) else (value,)))


class _Sweep:
    """Reads and writes of flags that no other thread sees half done.

    `map` calls functions written in C without a step of the interpreter, and only there another thread gets its turn.
    """

    def __init__(self, *steps: tuple[Flag | None, Callable[[], Any]]) -> None:
        self.read = [(place, flag) for place, (flag, _) in enumerate(steps) if flag is not None]
        self.calls = [step for _, step in steps]

    def __call__(self) -> State:
        values = list(map(call, self.calls))
        return {flag: values[place] for place, flag in self.read}


def _look_at(flags: Iterable[Flag]) -> Iterator[tuple[Flag | None, Callable[[], Any]]]:
    """Reads of flags. One that is "none" shows what it inherits, so each "all" is set to "none" once it is read."""
    for flag in flags:
        yield flag, _reading(flag)
        if flag in NEW and flag[1] == "all":
            yield None, _writing(flag, "none")


def _set(state: State) -> Iterator[tuple[None, Callable[[], Any]]]:
    for flag, value in state.items():
        yield None, _writing(flag, value)


_take_all = _Sweep(*_look_at(EXACT), *_set(EXACT))
_take_new = _Sweep(*_look_at(NEW), *_set(dict.fromkeys(NEW, "none")))
_set_exact = _Sweep(*_set(EXACT))
_LOOK, _VALUES = [_reading(flag) for flag in EXACT], list(EXACT.values())
_SUMS = {flag: _reading(flag) for flag in SUMS}


def _is_exact() -> bool:
    """Are all flags as exact work sets them?"""
    try:
        return list(map(call, _LOOK)) == _VALUES and not any(_allowed(read()) for read in _SUMS.values())
    except RuntimeError:  # somebody set a new flag, and the old one does not agree
        return False


def _allowed(value: Any) -> bool:
    """Does a flag allow reduced-precision sums? Recent versions of torch keep a second choice with it."""
    return bool(value[0] if isinstance(value, tuple) else value)


def _take() -> State:
    """Set every flag for exact work, and return what each was by itself, without what it inherits."""
    try:
        saved = _take_all()
    except RuntimeError:
        saved = _take_mixed()
    for flag, read in _SUMS.items():
        saved[flag] = value = read()
        if _allowed(value):
            _writing(flag, (False, *value[1:]) if isinstance(value, tuple) else False)()
    return saved


def _take_mixed() -> State:
    """`_take` where the user set old and new flags to values that disagree, so that the old ones cannot be read.

    They can be read once the new flags are "none". One exception: `cudnn.allow_tf32` raises then where it is True.
    """
    saved = _take_new()
    try:
        saved[OLD_CUDNN] = _reading(OLD_CUDNN)()
    except RuntimeError:
        saved[OLD_CUDNN] = True
    saved[OLD_MATMUL] = _reading(OLD_MATMUL)()
    _set_exact()
    return saved


def _put(saved: State) -> None:
    """Set every flag to what it was."""
    _putting(tuple(saved[flag] for flag in EXACT))()
    for flag in SUMS:
        if _allowed(saved[flag]):
            _writing(flag, saved[flag])()


@lru_cache(maxsize=8)
def _putting(values: tuple[Any, ...]) -> _Sweep:
    return _Sweep(*_set(dict(zip(EXACT, values, strict=True))))


def _with_choices(saved: State, now: State) -> State:
    """What was saved, with what somebody else changed while exact work ran."""
    changed = {flag for flag, value in now.items() if (_allowed(value) if flag in SUMS else value != EXACT[flag])}
    if OLD_CUDNN in changed or now.get(RNN) == "none":
        changed |= {OLD_CUDNN, CONV, RNN}
    if OLD_MATMUL in changed or MATMUL in changed:
        changed |= {OLD_MATMUL, MATMUL}
    return saved | {flag: value for flag, value in now.items() if flag in changed}


_exact = _Exact()
