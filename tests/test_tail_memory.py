"""What a tail keeps: no growth over many rounds, and a peak that the layer's size does not set."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import psutil
import pytest
import torch
from families import FAMILIES

from xai_widgets.kernels.tail import Shell, Tail

PEAK = """
import resource, sys, torch, torchvision
from xai_widgets.kernels import ablation
from xai_widgets.kernels.tail import Tail

def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

torch.set_num_threads(1)
network = torchvision.models.resnet50(weights=None).eval()
images = torch.randn(1, 3, 224, 224)
with torch.no_grad():
    expected = network(images)
own = peak()
tail = Tail(network, sys.argv[1], images)
maps = tail.maps.shape[1]
done = 0
for index, scores in ablation.removal_scores(tail, lambda result: result):
    done += len(index)
assert (maps, done) == (2048, 2048), (maps, done)
assert torch.equal(tail.result, expected)
assert ablation.delta_y(tail, lambda result: result).shape == (2048,)
assert ablation.first_order(tail, lambda result: result).shape == (2048,)
print(peak() - own)
"""


def tensors() -> int:
    gc.collect()
    return sum(1 for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter))


@pytest.mark.parametrize(("rounds", "mebibytes"), [(60, 6), pytest.param(220, 12, marks=pytest.mark.slow)])
def test_many_rounds_keep_nothing(rounds: int, mebibytes: int) -> None:
    """After the first twenty: no tensor more, and no more memory than the allocator moves about."""
    network, process = FAMILIES["vgg"].network(), psutil.Process()
    shell = Shell(network)
    generator = torch.Generator().manual_seed(0)
    seen: list[tuple[int, int]] = []
    for number in range(rounds + 1):
        tail = Tail(shell, ("features.7", "features.14")[number % 2], torch.randn(1, 3, 64, 64, generator=generator))
        tail(tail.maps.repeat(4, 1, 1, 1))
        leaf = tail.maps.clone().requires_grad_()
        torch.autograd.grad(tail(leaf)[0, 0], leaf)
        if number % 10 == 0:
            seen.append((tensors(), process.memory_info().rss))
    assert seen[-1][0] <= seen[2][0], "tensors are left behind"
    assert seen[-1][1] - seen[2][1] < mebibytes * 2**20, "the process grows"


def test_a_tail_that_is_let_go_is_freed() -> None:
    network = FAMILIES["resnet"].network()
    before = tensors()
    tail = Tail(network, "layer3", FAMILIES["resnet"].images())
    leaf = tail.maps.clone().requires_grad_()
    torch.autograd.grad(tail(leaf)[0, 0], leaf)
    del tail, leaf
    assert tensors() <= before


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["layer4", "layer4.1"])
def test_all_maps_of_a_large_layer_within_bounds(layer: str) -> None:
    """1.5 GiB over the network's own, also where a block still has to run for each map."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PEAK, layer]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) < 1.5 * 2**30, f"{int(answer.stdout) / 2**20:.0f} MiB over the network's own"
