"""Every kernel, every answer of the engine, and whole sessions on a real accelerator, against float64 on the CPU."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from accelerated import ANSWERS, SETS, check_answer, check_kernel, check_session, sources_on
from families import FAMILIES, needed, scores_of
from kernel_table import KERNELS

from xai_widgets import Engine
from xai_widgets.engine import Contrast, Query, Sources, answer
from xai_widgets.kernels import ablation, cam
from xai_widgets.kernels.questions import of_class_contrast, of_output, read_cam
from xai_widgets.kernels.recorded import MAPS, RecordedCam, RecordedRemovals, RecordedTrunk
from xai_widgets.kernels.tail import Shell, Tail
from xai_widgets.kernels.tail.recording import WARM, recorder_for, report, tally

pytestmark = pytest.mark.gpu


@pytest.fixture
def accelerator() -> torch.device:
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        pytest.skip("needs CUDA or MPS")
    return torch.empty(0, device=found).device


@pytest.fixture(params=["as torch starts", "lower"])
def flags(request: pytest.FixtureRequest) -> Iterator[None]:
    """The user's own: TF32 wherever torch allows it must not be heard."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    if request.param == "lower":
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("medium")
    yield
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel(name: str, accelerator: torch.device, flags: None) -> None:
    check_kernel(name, accelerator)


@pytest.mark.parametrize(("model", "answer"), ANSWERS)
def test_an_answer(model: str, answer: str, accelerator: torch.device) -> None:
    check_answer(model, answer, accelerator)


@pytest.mark.parametrize("model", SETS)
def test_a_session(model: str, accelerator: torch.device) -> None:
    check_session(model, accelerator)


LAYERS = {
    "resnet": "layer3.1.conv1", "vgg": "features.8", "densenet": "features.denseblock2",
    "vit": "encoder.layers.encoder_layer_1",
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_effects_and_grad_cam_of_a_family(name: str, accelerator: torch.device, flags: None) -> None:
    pytest.importorskip(needed(name))
    family = FAMILIES[name]
    layer = LAYERS[name]
    here = Tail(family.network().double(), layer, family.images(dtype=torch.float64))
    there = Tail(family.network().to(accelerator), layer, family.images().to(accelerator))
    expected, found = (ablation.delta_y(tail, scores_of, 1) for tail in (here, there))
    torch.testing.assert_close(found.cpu().double(), expected, atol=5e-5 * float(expected.abs().max()), rtol=0)
    expected, found = (cam.grad_cam(tail, scores_of, 1) for tail in (here, there))
    torch.testing.assert_close(found.cpu().double(), expected, atol=5e-5 * float(expected.abs().max()), rtol=0)


RECORDED = LAYERS | {"convnext": "features.5"}


def two_tails(name: str, place: torch.device) -> tuple[Tail, Tail]:
    """Two images of a family on the accelerator."""
    pytest.importorskip(needed(name))
    shell, images = Shell(FAMILIES[name].network().to(place)), FAMILIES[name].images()[:1].to(place)
    return Tail(shell, RECORDED[name], images), Tail(shell, RECORDED[name], 0.1 + 0.7 * images.flip(-1))


@pytest.fixture
def card() -> Iterator[torch.device]:
    """CUDA, on which waits raise within an answer but for the copies home, which use events."""
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    tally.counts.clear()
    tally.why.clear()
    warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
    yield torch.empty(0, device="cuda").device
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", RECORDED)
def test_recordings_of_a_family(name: str, card: torch.device, flags: None) -> None:
    """Passes, trunk and removals of one image serve another; nothing waits but the copy home."""
    one, other = two_tails(name, card)
    recorder = recorder_for(card)
    recorded = RecordedCam(recorder, one, scores_of)
    for tail in (other, one, other):
        for question in (of_output(1), of_class_contrast(0)):
            for maps in (None, 0.3 * tail.maps):
                expected = read_cam(tail, scores_of, question, maps=maps)
                torch.cuda.set_sync_debug_mode("error")
                found = read_cam(tail, scores_of, question, maps=maps, by=recorded)
                torch.cuda.set_sync_debug_mode("default")
                torch.testing.assert_close(found[0], expected[0], rtol=2e-5, atol=2e-5)
                torch.testing.assert_close(found[1], expected[1], rtol=0, atol=MAPS * float(expected[1].abs().max()))
    trunk = RecordedTrunk(recorder, one)
    again, first = trunk(other.inputs), trunk(one.inputs)
    for tail, expected_tail in ((again, other), (first, one)):
        size = float(expected_tail.maps.abs().max())
        torch.testing.assert_close(tail.maps, expected_tail.maps, rtol=0, atol=2e-5 * max(1.0, size))
    removals = RecordedRemovals(recorder, one, scores_of, 5)
    removed = torch.cat([scores for _, scores in ablation.removal_scores(other, scores_of, [3, 1, 0])])
    found_scores = removals(other, torch.tensor([3, 1, 0]), torch.zeros(1, 1, 1, device=card))
    torch.testing.assert_close(found_scores, removed, rtol=5e-5, atol=5e-5)


def test_an_eager_answer_waits_for_nothing_but_its_copy_home(card: torch.device) -> None:
    sources = sources_on(card, "demo/quality")
    names = sources.images.names
    for step in range(2):
        answer(sources, Query(image=names[step], gains={0: 0.5}), "explanation")
    for changes in ({"gains": {0: 0.4}}, {"target": 0}, {"contrast": Contrast("score", 0.2)}):
        torch.cuda.set_sync_debug_mode("error")
        answer(sources, Query(image=names[1], **changes), "explanation")
        torch.cuda.set_sync_debug_mode("default")


def test_recorded_answers_of_an_engine(card: torch.device) -> None:
    engine = Engine(record=True)
    plain = sources_on(card, "demo/scenes")
    sources = Sources(plain.model(), plain.images, cache=engine.cache)

    def asked(query: Query) -> Any:
        return engine.worker.call(lambda job: answer(sources, query, "explanation"))

    for step in range(8):
        query = Query(image=sources.images.names[step // 2], gains={0: 0.1 * step})
        found = asked(query)
        engine.wait(60)
        expected = answer(plain, query, "explanation")
        assert abs(found.output.scores - expected.output.scores).max() <= 2e-5 * max(
            1, abs(expected.output.scores).max()
        )
        assert abs(found.saliency.map - expected.saliency.map).max() <= MAPS * abs(expected.saliency.map).max()
    assert not tally.why, tally.why
    assert tally.counts["made"] >= 2
    assert tally.counts["replayed"] >= 4
    assert engine.cache.nbytes > 0
    engine.close()
    assert not engine.recordings._gone


def test_memory_of_recordings_is_freed(card: torch.device) -> None:
    def reserved() -> int:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    one, _ = two_tails("resnet", card)
    RecordedCam(recorder_for(card), one, scores_of)  # what libraries keep for themselves
    before = reserved()
    several = [RecordedCam(recorder_for(card), one, scores_of) for _ in range(4)]
    assert all(recorded.nbytes > 2**20 for recorded in several), "a segment of the pool"
    assert reserved() > before
    del several
    assert reserved() <= before


def test_a_capture_that_breaks_leaves_nothing_behind(card: torch.device) -> None:
    """A work that waits is found before; one that breaks the capture itself is given up, and torch goes on."""
    value = torch.ones(4, device=card)
    state = torch.cuda.get_rng_state(card)
    turns = iter(range(100))

    def breaks() -> tuple[torch.Tensor, ...]:
        result = value * 2
        if next(turns) >= WARM:
            torch.cuda.current_stream().synchronize()
        return (result,)

    stream = torch.cuda.current_stream()
    for work in (breaks, lambda: (value * value.sum().item(),)):
        with pytest.raises(Exception, match=r".+"):
            recorder_for(card).record([work])
    assert torch.cuda.current_stream() == stream
    assert torch.equal(torch.cuda.get_rng_state(card), state)
    assert torch.rand(3, device=card).sum().item() > 0
    torch.cuda.empty_cache()
    assert "can be recorded" in report(card)
