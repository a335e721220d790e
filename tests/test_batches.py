"""How much is done at once: memory that runs out, for real and on purpose, time, and the way back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from families import FAMILIES, scores_of
from torch import Tensor
from unchecked import refused

from xai_widgets.kernels import ablation, batches, receipts
from xai_widgets.kernels.batches import in_batches
from xai_widgets.kernels.cam import class_cams, smallest_change, tile_contrast
from xai_widgets.kernels.gradients import gradient, guided_backpropagation, of_output
from xai_widgets.kernels.mismatch import implicit_saliency
from xai_widgets.kernels.tail import Tail

ITEMS = torch.arange(20.0)


def some(start: int, end: int) -> Tensor:
    return ITEMS[start:end]


@pytest.mark.parametrize("size", [1, 3, 20, 100])
def test_every_item_comes_once_and_in_order(size: int) -> None:
    parts = list(in_batches(20, size, some))
    assert [(a, b) for a, b, _ in parts] == [(a, min(a + size, 20)) for a in range(0, 20, size)]
    assert torch.equal(torch.cat([part for _, _, part in parts]), ITEMS)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("no more"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_memory_that_runs_out_halves_what_is_done_at_once(error: Exception) -> None:
    asked: list[int] = []

    def run(start: int, end: int) -> Tensor:
        asked.append(end - start)
        if end - start > 3:
            raise error
        return some(start, end)

    assert torch.equal(torch.cat([part for _, _, part in in_batches(20, 16, run)]), ITEMS)
    assert asked[:4] == [16, 8, 4, 2]
    assert max(asked[3:]) == 2, "what did not fit once is not tried again"


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def run(start: int, end: int) -> Tensor:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        list(in_batches(4, 4, run))


def test_where_one_item_does_not_fit_another_way_is_taken() -> None:
    def none(start: int, end: int) -> Tensor:
        raise torch.OutOfMemoryError("no more")

    found = torch.cat([part for _, _, part in in_batches(20, 8, none, retreat=lambda error: some)])
    assert torch.equal(found, ITEMS)
    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(20, 8, none))


def test_step_comes_before_each_batch_and_may_cancel() -> None:
    seen: list[int] = []

    def step() -> None:
        seen.append(1)
        if len(seen) == 3:
            raise InterruptedError

    parts = in_batches(20, 4, some, step=step)
    assert [next(parts)[0], next(parts)[0]] == [0, 4]
    with pytest.raises(InterruptedError):
        next(parts)


def test_the_size_follows_the_time_that_was_measured() -> None:
    sizes = [end - start for start, end, _ in in_batches(5000, 2000, lambda a, b: torch.zeros(b - a), seconds=1.0)]
    assert sizes[:3] == [8, 32, 128]
    assert max(sizes) == 2000


@pytest.mark.parametrize(
    ("start", "each", "least", "most"),
    [
        (0.0, 0.1, 1, 1),  # one item takes longer than it may: one at a time
        (0.0, 0.005, 7, 8),  # as many as fit into the time
        (0.04, 0.002, 19, 20),  # one item alone takes all the time: up to twice that long
        (0.03, 0.002, 14, 15),
        (3.0, 0.01, 24, 25),  # no more than a quarter of a second longer
    ],
)
def test_a_batch_that_is_slow_to_begin_may_take_longer(
    monkeypatch: pytest.MonkeyPatch, start: float, each: float, least: int, most: int
) -> None:
    clock = [0.0]
    monkeypatch.setattr(batches, "perf_counter", lambda: clock[0])

    def run(begin: int, end: int) -> Tensor:
        clock[0] += start + each * (end - begin)
        return ITEMS[:0]

    sizes = [end - begin for begin, end, _ in in_batches(300, 2000, run, seconds=0.04)]
    assert least <= min(sizes[5:-1]) <= max(sizes[5:-1]) <= most


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_no_time_is_refused(seconds: float) -> None:
    with refused(ValueError, "seconds must be above 0"):
        list(in_batches(4, 4, some, seconds=seconds))


# Every kernel that makes copies


def _effects(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    return ablation.delta_y(tail, score, batch=16)


def _groups(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    return ablation.group_scores(tail, score, torch.eye(tail.maps.shape[1]).bool(), batch=16)


def _cams(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    return class_cams(tail, score, batch=16)


def _receipt(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return receipts.map_receipt(tail, score, torch.tensor([0, 3]), generator=generator, batch=16).random


def _change(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    return torch.tensor(smallest_change(tail, score, 1e3, batch=16).scores[:3])


def _implicit(tail: Tail, score: Callable[[Any], Tensor]) -> Tensor:
    return implicit_saliency(tail, score, batch=6)


JOBS = {
    "effects": _effects,
    "groups": _groups,
    "class cams": _cams,
    "receipt": _receipt,
    "smallest change": _change,
    "implicit saliency": _implicit,
}


@pytest.fixture(scope="module")
def tail() -> Tail:
    network = FAMILIES["vgg"].network().double()
    return Tail(network, "features.11", FAMILIES["vgg"].images().double())


@pytest.mark.parametrize("job", JOBS)
def test_every_kernel_that_makes_copies_goes_on_with_fewer(tail: Tail, job: str) -> None:
    sizes: list[int] = []

    def small_machine(result: Any) -> Tensor:
        scores = scores_of(result)
        sizes.append(len(scores))
        if len(scores) > 3:
            raise torch.OutOfMemoryError("no more")
        return scores

    expected = JOBS[job](tail, scores_of)
    torch.testing.assert_close(JOBS[job](tail, small_machine), expected, atol=1e-10, rtol=0)
    assert max(sizes) > 3 >= sizes[-1]


@pytest.mark.parametrize("job", JOBS)
def test_every_kernel_says_that_not_even_one_copy_fits(tail: Tail, job: str) -> None:
    def no_memory(result: Any) -> Tensor:
        if result is not tail.result:
            raise torch.OutOfMemoryError("no more")
        return scores_of(result)

    with pytest.raises(torch.OutOfMemoryError, match=r"one copy of the maps of layer 'features\.11' does not fit"):
        JOBS[job](tail, no_memory)


def test_gradients_and_tiles_go_on_with_fewer_images() -> None:
    network, images = FAMILIES["resnet"].network().double().eval(), FAMILIES["resnet"].images(5).double()
    sizes: list[int] = []

    def on_a_small_machine(result: Any) -> Tensor:
        scores = scores_of(result)
        sizes.append(len(scores))
        if len(scores) > 2:
            raise torch.OutOfMemoryError("no more")
        return scores

    for method in (gradient, guided_backpropagation):
        for question in (of_output(1), of_output(torch.tensor([3, 1, 0, 1, 2]))):
            sizes.clear()
            expected = method(network, images, question, score=scores_of)
            found = method(network, images, question, score=on_a_small_machine)
            torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
            assert (sizes[0], max(sizes[1:])) == (5, 2)

    def explain(tiles: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(len(tiles))
        if len(tiles) > 3:
            raise torch.OutOfMemoryError("no more")
        return tiles.mean((1, 2, 3)), tiles.mean(1)

    sizes.clear()
    found = tile_contrast(explain, images[0], 0.5, window=16, stride=8).signed
    assert (sizes[0], max(sizes[3:])) == (16, 2)
    assert torch.equal(found, tile_contrast(explain, images[0], 0.5, window=16, stride=8, batch=1).signed)


LIMITED = """
import resource, sys
import torch
from torch import nn
from xai_widgets.kernels import ablation, batches
from xai_widgets.kernels.tail import Tail

torch.set_num_threads(1)
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(64, 2)).eval()
tail = Tail(network, "0", torch.randn(1, 3, 128, 128))
score = lambda result: result
expected = ablation.delta_y(tail, score, batch=1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 160 * 2**20,) * 2)   # all 64 copies at once need twice that
halved = []
was = batches._tried
def tried(run, start, end, size, retreat):
    found = was(run, start, end, size, retreat)
    halved.append(found[0] is None)
    return found
batches._tried = tried
found = ablation.delta_y(tail, score, batch=64)
assert any(halved), "the limit was never met"
torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
print("ok", sum(halved))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the memory of a process")
def test_memory_of_the_machine_that_really_runs_out() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("ok")


@pytest.mark.gpu
@pytest.mark.parametrize("job", JOBS)
def test_an_accelerator_without_memory_hands_over_to_the_cpu(job: str) -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        pytest.skip("needs CUDA or MPS")
    network = FAMILIES["vgg"].network().to(accelerator)
    tail = Tail(network, "features.11", FAMILIES["vgg"].images().to(accelerator))
    expected = JOBS[job](tail, scores_of)

    def small_accelerator(result: Any) -> Tensor:
        scores = scores_of(result)
        if scores.device.type != "cpu" and scores.shape[0] > 1:
            raise torch.OutOfMemoryError("no more")
        return scores

    found = JOBS[job](tail, small_accelerator)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert found.device == expected.device


def test_a_batch_is_a_whole_number(tail: Tail) -> None:
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        batches.check_batch(0)
    for wrong in (1.5, "2", True):
        with refused(TypeError, "batch must be a whole number"):
            batches.check_batch(wrong)  # type: ignore[arg-type]
