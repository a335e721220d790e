"""Kernels and the check of a model run in IEEE arithmetic, whatever the flags of the process say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from precision_flags import STATES, State, lower, put_back, state
from torch import Tensor, nn

from xai_widgets import ImageModel
from xai_widgets.kernels import cam, degrade, gradients, saliency
from xai_widgets.kernels.ablation import delta_y, first_order, removal_scores
from xai_widgets.kernels.tail import Tail


@pytest.fixture(autouse=True)
def flags_are_put_back() -> Iterator[None]:
    with put_back():
        yield


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
