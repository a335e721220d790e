"""Exact work runs in IEEE arithmetic, and the flags of the process are afterwards what they were."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from xai_widgets import ImageModel
from xai_widgets.kernels import cam, degrade, gradients, saliency
from xai_widgets.kernels.ablation import delta_y, first_order, removal_scores
from xai_widgets.kernels.precision import NEW, OLD, SUMS, ieee, in_force, tolerance_of
from xai_widgets.kernels.tail import Tail

new_flags = pytest.mark.skipif(not NEW, reason="torch before 2.9 has the old flags alone")
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


@pytest.fixture(autouse=True)
def flags_are_put_back() -> Iterator[None]:
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


class Watching(nn.Module):
    """Remembers in which arithmetic it was called, forward and back (not for NaN); its copies too."""

    seen: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__()
        self.seen.clear()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(lower())
        maps = self.features(images)
        if maps.requires_grad:
            maps.register_hook(lambda slope: self.seen.append(lower() if slope.isfinite().all() else {}))
        scores: Tensor = self.head(maps.square().mean((2, 3)))
        return scores


def as_is(result: Tensor) -> Tensor:
    return result


EXACTLY: dict[str, Callable[[Tail], object]] = {
    "gains": lambda tail: tail(tail.maps * 0.5),
    "removals": lambda tail: list(removal_scores(tail, as_is)),
    "delta_y": lambda tail: delta_y(tail, as_is),
    "first order": lambda tail: first_order(tail, as_is),
    "grad_cam": lambda tail: cam.grad_cam(tail, as_is, 0),
    "class_cams": lambda tail: cam.class_cams(tail, as_is),
    "score_contrast": lambda tail: cam.all_contrasts(tail, as_is),
}


@pytest.fixture(params=["as torch starts", "medium", "old, all on"])
def loose(request: pytest.FixtureRequest) -> State:
    for step in STATES[request.param]:
        step()
    assert lower()
    return state()


@pytest.mark.parametrize("kernel", EXACTLY)
def test_kernels_run_exactly(loose: State, kernel: str) -> None:
    network = Watching().eval()
    tail = Tail(network, "features", torch.rand(1, 3, 8, 8))
    assert network.seen
    assert not any(network.seen)
    network.seen.clear()
    EXACTLY[kernel](tail)
    assert network.seen
    assert not any(network.seen)
    assert state() == loose


def test_a_generator_does_not_keep_it(loose: State) -> None:
    tail = Tail(Watching().eval(), "features", torch.rand(1, 3, 8, 8))
    parts = removal_scores(tail, as_is, batch=1)
    next(parts)
    assert state() == loose


def test_gradients_at_the_input_run_exactly(loose: State) -> None:
    network = Watching().eval()
    gradients.gradient(network, torch.rand(1, 3, 8, 8), gradients.of_output(0))
    assert len(network.seen) == 2
    assert not any(network.seen)


@pytest.mark.parametrize("product", ["blur", "weighted_sum", "class_cams"])
def test_products_outside_of_a_network_run_exactly(loose: State, product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Products(TorchDispatchMode):
        seen: ClassVar[list[Any]] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket.__name__ in ("mm", "bmm", "addmm", "matmul"):
                self.seen.append(lower())
            return func(*args, **(kwargs or {}))

    maps = torch.rand(2, 3, 6, 6)
    tail = Tail(Watching().eval(), "features", torch.rand(1, 3, 8, 8))
    Products.seen.clear()
    with Products() as products:
        if product == "blur":
            degrade.blur(maps, 1.0)
        elif product == "weighted_sum":
            saliency.weighted_sum(maps, torch.rand(2, 3))
        else:
            cam.all_contrasts(tail, as_is)
    assert products.seen
    assert not any(products.seen)
    assert state() == loose


def test_the_check_of_a_model_runs_exactly(loose: State) -> None:
    network = Watching()
    ImageModel(network, None, "features", labels=("a", "b"))
    assert network.seen
    assert not any(network.seen)
    assert state() == loose


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
