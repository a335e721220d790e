"""Answers that are recorded, with a recorder that stands in for CUDA graphs."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from families import FAMILIES, needed, scores_of
from stand_in_recorder import StandIn
from torch import Tensor

from xai_widgets import Engine, ImageModel, load_images, load_model
from xai_widgets.engine import Contrast, Query, Sources, answer
from xai_widgets.engine.recordings import Handle
from xai_widgets.kernels.ablation import removal_scores
from xai_widgets.kernels.questions import of_class_contrast, of_output, read_cam
from xai_widgets.kernels.recorded import RecordedCam, RecordedRemovals, RecordedTrunk
from xai_widgets.kernels.tail import Shell, Tail, captures
from xai_widgets.kernels.tail.recording import WARM, CudaGraphs, NoWaiting, Unrecorded, recorder_for, report, tally
from xai_widgets.kernels.tail.structure import Sparse

LAYERS = {
    "resnet": "layer3.1.conv1", "vgg": "features.8", "densenet": "features.denseblock2",
    "vit": "encoder.layers.encoder_layer_1", "convnext": "features.5",
}  # fmt: skip


def tails(name: str) -> tuple[Tail, Tail]:
    """Two images of a family."""
    pytest.importorskip(needed(name))
    shell, images = Shell(FAMILIES[name].network()), FAMILIES[name].images()[:1]
    return Tail(shell, LAYERS[name], images), Tail(shell, LAYERS[name], 0.1 + 0.7 * images.flip(-1))


@pytest.mark.parametrize("name", LAYERS)
def test_a_recording_of_one_image_serves_others(name: str) -> None:
    one, other = tails(name)
    recorded = RecordedCam(StandIn(), one, scores_of)
    for tail in (other, one, other):
        for question in (of_output(1), of_class_contrast(0)):
            wanted = read_cam(tail, scores_of, question)
            torch.testing.assert_close(read_cam(tail, scores_of, question, by=recorded), wanted, rtol=0, atol=1e-6)
    trunk = RecordedTrunk(StandIn(), one)
    again, first = trunk(other.inputs), trunk(one.inputs)
    for tail, expected in ((again, other), (first, one)):  # the second replay has not written over the first tail
        torch.testing.assert_close(tail.maps, expected.maps)
        torch.testing.assert_close(scores_of(tail(0.5 * tail.maps)), scores_of(expected(0.5 * expected.maps)))
    removals = RecordedRemovals(StandIn(), one, scores_of, 5)
    (_, removed), *_ = removal_scores(other, scores_of, [3, 1, 0])
    found = removals(other, torch.tensor([3, 1, 0]), torch.zeros(1, 1, 1))
    torch.testing.assert_close(found, removed, rtol=0, atol=2e-5)


def test_what_waits_is_found_before_a_capture() -> None:
    value = torch.rand(3)
    for work in (lambda: value.sum().item(), lambda: value[value > 0.5], lambda: value.nonzero()):
        with NoWaiting(), pytest.raises(Unrecorded, match="waits"):
            work()
    with NoWaiting():
        value[torch.tensor([0, 2])] = 1.0
    with pytest.raises(Unrecorded, match="cpu"):
        recorder_for(torch.device("cpu"))
    assert "torch records nothing on cpu" in report("cpu")


@pytest.fixture
def counts() -> Iterator[Any]:
    tally.counts.clear()
    tally.why.clear()
    yield tally.counts
    tally.counts.clear()
    tally.why.clear()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(record=StandIn())
    yield made
    made.close()


def asked(engine: Engine, sources: Sources, part: str = "explanation", **changes: Any) -> Any:
    """An answer by the worker, and what is recorded after it."""
    query = Query(**{"image": sources.images.names[0]} | changes)
    found = engine.worker.call(lambda job: answer(sources, query, part))
    assert engine.wait(60)
    return found


def recorded_in(engine: Engine) -> set[Any]:
    """The keys of what is recorded."""
    return {key for key, (value, _) in engine.cache._items.items() if isinstance(value, Handle)}


def pair(model: ImageModel, engine: Engine) -> tuple[Sources, Sources]:
    images = load_images("demo/quality" if model.task == "regression" else "demo/collages")
    return Sources(model, images, cache=engine.cache), Sources(model, images)


@pytest.mark.parametrize("name", ["demo/quality", "demo/scenes"])
def test_answers_of_an_engine_are_recorded_when_they_are_asked_again(name: str, engine: Engine, counts: Any) -> None:
    sources, plain = pair(load_model(name), engine)
    q = Contrast("score", 0.2) if name == "demo/quality" else Contrast("class", 1)
    asks: list[dict[str, Any]] = [{"gains": {0: 0.1 * step}} for step in range(4)]
    asks += [{"image": image, "gains": {1: 0.5}} for image in plain.images.names[1:4]]
    asks += [{"contrast": q}, {"contrast": q, "gains": {0: 2.0}}]
    for ask in asks:
        found = asked(engine, sources, **ask)
        expected = answer(plain, Query(**{"image": plain.images.names[0]} | ask), "explanation")
        np.testing.assert_allclose(found.output.scores, expected.output.scores, atol=2e-5)
        size = float(np.abs(expected.saliency.map).max())
        np.testing.assert_allclose(found.saliency.map, expected.saliency.map, atol=1e-5 * size)
    assert counts["made"] >= 2, "the passes and the trunk"
    assert counts["replayed"] >= 6
    assert not tally.why
    handles = [value for value, _ in engine.cache._items.values() if isinstance(value, Handle)]
    assert len(handles) == counts["made"]
    assert engine.cache.nbytes > sum(handle.nbytes for handle in handles) > 0


def test_other_weights_drop_a_recording_and_closing_frees_it(counts: Any) -> None:
    engine, model = Engine(record=StandIn()), load_model("demo/scenes")
    sources, plain = pair(model, engine)
    for step in range(3):
        asked(engine, sources, gains={0: 0.1 * step})
    kept = recorded_in(engine)
    assert kept
    with torch.no_grad():
        next(model.network.parameters()).mul_(1.5)
    for step in range(3):
        found = asked(engine, sources, gains={0: 0.1 * step})
        expected = answer(plain, Query(plain.images.names[0], gains={0: 0.1 * step}), "explanation")
        np.testing.assert_allclose(found.output.scores, expected.output.scores, atol=2e-5)
    now = recorded_in(engine)
    assert now
    assert not now & kept
    engine.close()
    assert not engine.recordings._gone
    assert not engine.cache.nbytes


def test_removals_that_go_as_ordinary_copies_are_recorded(
    engine: Engine, counts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tail, "sparse", Sparse(False, 2**16))
    sources, plain = pair(load_model("demo/quality"), engine)
    for image in plain.images.names[:3]:
        query = Query(image=image)
        found = asked(engine, sources, "impacts", image=image)
        expected = answer(plain, query, "impacts")
        assert found.done
        size = float(np.abs(expected.delta_y).max())
        np.testing.assert_allclose(found.delta_y, expected.delta_y, atol=5e-5 * max(size, 1.0))
    kinds = [key[2] for key in recorded_in(engine)]
    assert "removals" in kinds
    assert not tally.why


class FakeGraph:
    """A capture as torch makes it; `ends` is what its end raises."""

    made: ClassVar[list[FakeGraph]] = []
    ends: ClassVar[Exception | None] = None

    def __init__(self) -> None:
        self.began: dict[str, Any] = {}
        self.over = self.replays = 0
        self.made.append(self)

    def capture_begin(self, **options: Any) -> None:
        self.began = options
        assert Generator.state == "a copy of the user's", "what others draw meanwhile is not of the capture"

    def capture_end(self) -> None:
        self.over += 1
        if self.ends is not None:
            raise self.ends

    def replay(self) -> None:
        self.replays += 1


class Generator:
    """A generator of torch before it kept a state for each capture."""

    state = "the user's"

    def graphsafe_get_state(self) -> str:
        return Generator.state

    def graphsafe_set_state(self, state: str) -> None:
        Generator.state = state

    def clone_state(self) -> str:
        return f"a copy of {Generator.state}"


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `CudaGraphs` calls of torch, and a list of what is undone: there is no card to fail on."""
    undone: list[str] = []
    stream = SimpleNamespace(wait_stream=lambda other: None)
    fakes: dict[str, Any] = {
        "device": lambda device: nullcontext(), "Stream": lambda priority: stream, "current_stream": lambda: stream,
        "stream": lambda stream: nullcontext(), "CUDAGraph": FakeGraph, "graph_pool_handle": lambda: (0, 7),
        "default_generators": [Generator()], "current_device": lambda: 0, "memory_reserved": lambda: 0,
        "memory_snapshot": lambda: [{"segment_pool_id": (0, 7), "total_size": 2**21}, {"total_size": 1}],
    }  # fmt: skip
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake, raising=False)
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        monkeypatch.setattr(torch._C, name, lambda device, pool, name=name: undone.append(name), raising=False)
    monkeypatch.setattr(captures, "runtime", lambda: None)
    monkeypatch.setattr(CudaGraphs, "_streams", {})
    FakeGraph.made.clear()
    return undone


def test_a_capture_is_of_this_thread_and_cleans_up_where_it_fails(
    fake_cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value, recorder = torch.ones(2), CudaGraphs(torch.device("cuda", 0))
    recorded = recorder.record([lambda: (value + 1,), lambda: (value + 2,)])
    recorded.replay(1)
    first, second = FakeGraph.made
    assert first.began == second.began == {"pool": (0, 7), "capture_error_mode": "thread_local"}
    assert (first.replays, second.replays, recorded.nbytes, fake_cuda) == (0, 1, 2**21, [])
    turns = iter(range(9))

    def breaks() -> tuple[Tensor, ...]:
        if next(turns) == WARM:
            raise Broken("CUDA error: operation not permitted when stream is capturing")
        return (value + 1,)

    with pytest.raises(Broken):
        recorder.record([breaks])
    assert FakeGraph.made[-1].over == 1
    monkeypatch.setattr(FakeGraph, "ends", Broken("CUDA error: operation failed due to a previous error"))
    with pytest.raises(Broken):
        recorder.record([lambda: (value + 1,)])
    assert fake_cuda == ["_cuda_endAllocateToPool", "_cuda_releasePool"]
    assert Generator.state == "the user's"
    assert gc.isenabled()


class FakeRuntime:
    """The functions of the CUDA runtime that a capture calls, in their order; one of them may fail."""

    def __init__(self, fails: str = "") -> None:
        self.called: list[str] = []
        self.fails = fails

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if name == "cudaGetErrorString":
                return b"operation not permitted when stream is capturing"
            self.called.append(name)
            if name in ("cudaStreamEndCapture", "cudaGraphInstantiateWithFlags"):
                target = arguments[1] if name == "cudaStreamEndCapture" else arguments[0]
                ctypes.cast(target, ctypes.POINTER(ctypes.c_void_p))[0] = 1
            return int(name == self.fails)

        return call


@pytest.mark.parametrize("fails", ["", "cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphLaunch"])
def test_a_capture_of_one_stream_alone_leaves_nothing_behind(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[str] = []
    for name in captures.NEEDED:
        note = lambda device, pool, name=name: pools.append(name)  # noqa: E731
        monkeypatch.setattr(torch._C, name, note, raising=False)
    stream = SimpleNamespace(cuda_stream=7)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    library = FakeRuntime(fails)
    capture = captures.AloneCapture(library, 0, stream, (0, 3))
    with pytest.raises(RuntimeError, match=f"CUDA error: operation not .* \\({fails}\\)") if fails else nullcontext():
        assert captures.captured(capture, lambda: "work") == "work"
        capture.replay()
    assert ("cudaGetLastError" in library.called) == bool(fails), "torch hears of no error that is over"
    del capture
    gc.collect()
    assert pools == list(captures.NEEDED), "memory that was begun is ended and given back, once each"
    assert ("cudaGraphExecDestroy" in library.called) == (fails in ("", "cudaGraphLaunch"))


class Broken(RuntimeError):
    """As a capture fails that a user's cell breaks."""


@pytest.mark.parametrize("when", ["made", "replayed"])
def test_where_a_recording_fails_the_passes_go_on(when: str, counts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    error = Broken("CUDA error: operation failed due to a previous error during capture")
    recorder = StandIn(error if when == "made" else None)
    engine = Engine(record=recorder)
    sources, plain = pair(load_model("demo/quality"), engine)
    answers = [asked(engine, sources, gains={0: 0.1 * step}) for step in range(2)]

    def broken(self: Any, work: int = 0) -> None:
        raise error

    monkeypatch.setattr("stand_in_recorder.Again.replay", broken)
    answers += [asked(engine, sources, gains={0: 0.1 * step}) for step in range(2, 5)]
    for step, found in enumerate(answers):
        expected = answer(plain, Query(plain.images.names[0], gains={0: 0.1 * step}), "explanation")
        np.testing.assert_array_equal(found.saliency.map, expected.saliency.map)
    assert counts["refused" if when == "made" else "dropped"] == 1, "it is not tried again"
    assert "previous error during capture" in report("cpu") or tally.why
    engine.close()


def test_a_recording_that_differs_is_refused() -> None:
    one, _ = tails("resnet")

    class Off(StandIn):
        def record(self, works: Any) -> Any:
            made = super().record(works)
            again = made.replay
            made.replay = lambda work=0: (again(work), made.outputs[work][0].mul_(1.001))[0]  # type: ignore[method-assign]
            return made

    with pytest.raises(Unrecorded, match="differ"):
        RecordedCam(Off(), one, scores_of)


def test_a_card_is_recorded_by_default_where_nothing_else_is_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, never, always = Engine(), Engine(record=False), Engine(record=True)
    card, here = torch.device("cuda"), torch.device("cpu")
    for known in (FakeRuntime(), None):
        monkeypatch.setattr(captures, "runtime", lambda known=known: known)
        assert engine.recordings.records(card) == (known is not None)
        assert not engine.recordings.records(here)
        assert not never.recordings.records(card)
        assert always.recordings.records(here)
    for one in (engine, never, always):
        one.close()
