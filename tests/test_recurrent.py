"""A network with a recurrent part, also on CUDA, where cuDNN rounds more and goes back in training mode only."""

from __future__ import annotations

import pytest
import torch
from recurrent import Reader

from xai_widgets.kernels import ablation, cam
from xai_widgets.kernels.tail import Tail


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_removals_and_gradients_are_those_of_eval_mode(kind: str) -> None:
    network, images = Reader(kind).eval(), torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tail = Tail(network, "features", images)
    with torch.no_grad():
        assert torch.allclose(tail.result, network(images), atol=1e-6)
        assert torch.allclose(tail(tail.maps), network(images), atol=1e-6)
        removed = tail.maps.clone()
        removed[:, 2] = 0
        without = network.read(removed)
        assert torch.allclose(tail(removed), without, atol=1e-6)
    one = Tail(network, "features", images[:1])
    leaf = one.maps.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network.read(leaf)[0, 1], leaf)
    expected = (slope.mean((2, 3), keepdim=True) * one.maps).sum(1)
    assert torch.allclose(cam.grad_cam(one, lambda result: result, 1), expected, atol=1e-7)
    change = ablation.delta_y(one, lambda result: result, 1)
    assert change[2] == pytest.approx(float(without[0, 1] - tail.result[0, 1]), abs=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_on_cuda(kind: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    here = Tail(Reader(kind).eval().double(), "features", images.double())
    network = Reader(kind).eval().cuda()
    there = Tail(network, "features", images.cuda())
    for kernel in (cam.grad_cam, ablation.delta_y):
        expected = kernel(here, lambda result: result, 1)
        found = kernel(there, lambda result: result, 1).cpu().double()
        torch.testing.assert_close(found, expected, atol=5e-5 * float(expected.abs().max()), rtol=0)
    assert (network.reader.training, network.reader.dropout) == (False, 0.5)
    assert torch.backends.cudnn.enabled
