"""Lanes, the cache, and what the engine answers, against the kernels called directly."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from xai_widgets import Engine, ImageModel, ImageSet, load_images, load_model
from xai_widgets.engine import Cancelled, Job, Lane, Subject, effects, pictures
from xai_widgets.engine.cache import Cache, size_of
from xai_widgets.engine.lanes import Worker
from xai_widgets.kernels import ablation, measures
from xai_widgets.kernels.cam import class_contrast, grad_cam, patch_contrast, tile_contrast
from xai_widgets.kernels.tail import Tail


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


class Gate:
    """Work that waits until it is let go, breathing or not."""

    def __init__(self, *, breathes: bool = False) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.breathes = breathes

    def __call__(self, job: Job) -> str:
        self.began.set()
        while not self.go.wait(0.005):
            if self.breathes:
                job.breathe()
        return "done"


def test_what_waits_is_replaced_and_what_runs_is_finished(worker: Worker) -> None:
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("me", "answer"), gate, seen.append)
    assert gate.began.wait(5)
    for number in range(50):
        worker.submit(Lane("me", "answer"), partial(lambda n, job: n, number), seen.append)
    gate.go.set()
    assert worker.wait(5)
    assert seen == ["done", 49]


def test_urgent_work_runs_between_two_batches_of_long_work(worker: Worker) -> None:
    order: list[str] = []
    gate = Gate(breathes=True)
    worker.submit(Lane("me", "impacts"), gate, order.append)
    assert gate.began.wait(5)
    urgent = worker.submit(Lane("me", "answer"), lambda job: "urgent", order.append)
    later = worker.submit(Lane("me", "measures"), lambda job: "later", order.append)
    assert urgent.ended.wait(5)
    assert order == ["urgent"]
    assert not later.ended.is_set()
    gate.go.set()
    assert worker.wait(5)
    assert order == ["urgent", "done", "later"]


def test_long_work_stops_when_it_is_replaced_or_cancelled(worker: Worker) -> None:
    seen: list[str] = []
    first, second = Gate(breathes=True), Gate(breathes=True)
    worker.submit(Lane("me", "impacts"), first, seen.append)
    assert first.began.wait(5)
    job = worker.submit(Lane("me", "impacts"), second, seen.append)
    assert second.began.wait(5), "the newer request of the lane takes over"
    worker.cancel("somebody else")
    worker.cancel("me", "measures")
    assert not job.ended.wait(0.05)
    worker.cancel("me")
    assert job.ended.wait(5)
    assert seen == []


def test_a_cancel_reaches_what_waits_but_not_what_comes_after(worker: Worker) -> None:
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("other", "call"), gate)
    worker.submit(Lane("me", "answer"), lambda job: 1, seen.append)
    worker.cancel("me")
    worker.submit(Lane("me", "measures"), lambda job: 2, seen.append)
    gate.go.set()
    assert worker.wait(5)
    assert seen == [2]


def test_an_error_is_handed_over_and_the_worker_lives(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    errors: list[Exception] = []

    def fail(job: Job) -> None:
        raise ValueError("a mistake")

    worker.submit(Lane("me", "answer"), fail, None, errors.append)
    worker.submit(Lane("me", "maps"), fail)
    assert worker.wait(5)
    assert [str(error) for error in errors] == ["a mistake"]
    assert "a mistake" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a mistake"):
        worker.call(fail)
    assert worker.call(lambda job: worker.call(lambda inner: 7)) == 7, "a call on the worker's own thread runs at once"


def test_submitting_never_waits(worker: Worker) -> None:
    """A thousand requests while the worker does other work: all are taken, and the last of their lane is run."""
    gate, seen = Gate(), list[object]()
    worker.submit(Lane("me", "answer"), gate)
    assert gate.began.wait(5)
    jobs = [worker.submit(Lane("me", "maps"), partial(lambda n, job: n, number), seen.append) for number in range(1000)]
    assert not gate.go.is_set()
    assert not any(job.ended.is_set() for job in jobs)
    assert not worker.wait(0.01)
    gate.go.set()
    assert worker.wait(5)
    assert seen == [999]
    assert all(job.ended.is_set() for job in jobs)


def test_a_closed_worker_takes_nothing_and_ends_its_thread() -> None:
    worker, gate = Worker(), Gate(breathes=True)
    job = worker.submit(Lane("me", "impacts"), gate)
    assert gate.began.wait(5)
    worker.close()
    worker.close()
    assert job.ended.is_set()
    assert not worker._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(Lane("me", "impacts"), gate)


def test_a_script_may_end_while_the_engine_works() -> None:
    script = """
from xai_widgets import Session
session = Session("demo/quality", "demo/quality")
print(session.query.image)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(".png")
    assert done.stderr == ""


def test_the_cache_is_bounded_in_bytes() -> None:
    cache = Cache(10_000)
    for number in range(20):
        cache.put(number, np.zeros(250, np.float32))
    assert cache.nbytes <= 10_000
    assert len(cache) == 8
    assert cache.get(19) is not None
    assert cache.get(0) is None
    cache.put("large", torch.zeros(10_000))
    assert cache.get("large") is None
    assert size_of({"a": [np.zeros(10), "text", b"bytes", None]}) > 80
    with pytest.raises(ValueError, match="at least 1 byte, got 0"):
        Cache(0)


@pytest.fixture
def job() -> Job:
    return Job(Lane("test", "call"), lambda job: None)


@pytest.fixture(scope="module")
def subject(engine: Engine) -> Subject:
    images = load_images("demo/quality")
    model = load_model("demo/quality")
    return Subject(engine, model, images, images.names[4], model.layer)


@pytest.fixture(scope="module")
def collage(engine: Engine) -> Subject:
    images, model = load_images("demo/collages"), load_model("demo/scenes")
    return Subject(engine, model, images, images.names[0], model.layer)


def direct(subject: Subject) -> Tail:
    inputs = subject.model.inputs(subject.images.photo(subject.image))
    return Tail(subject.model.network, subject.layer, inputs)


def test_score_and_map_are_those_of_the_kernels(subject: Subject) -> None:
    tail, model = direct(subject), subject.model
    gains = ((3, 0.0), (5, 1.75))
    output, saliency = pictures.why(subject, gains)
    values = torch.ones(1, tail.maps.shape[1])
    values[0, 3], values[0, 5] = 0, 1.75
    changed = ablation.with_gains(tail.maps, values)
    assert output.value == pytest.approx(float(model.scores(tail(changed))[0, 0]), abs=1e-6)
    assert output.base == pytest.approx(float(model.scores(tail.result)[0, 0]), abs=1e-6)
    assert output.rating == subject.images.rating(subject.image)
    expected = grad_cam(tail, model.scores, 0, maps=changed)[0].numpy()
    np.testing.assert_allclose(saliency.map, expected, atol=1e-7)
    assert saliency.limit >= np.abs(saliency.map).max()
    for word in (model.name, subject.layer, "Grad-CAM"):
        assert word in saliency.title


def test_effects_are_those_of_the_kernels_and_stream_in(subject: Subject, job: Job) -> None:
    seen: list[effects.Impacts] = []
    impacts = effects.impacts_of(subject, job, seen.append)
    tail, model = direct(subject), subject.model
    expected = ablation.delta_y(tail, model.scores)
    np.testing.assert_allclose(impacts.delta_y, expected.numpy(), atol=2e-6)
    assert impacts.done
    assert impacts.exact.all()
    counts = [int(one.exact.sum()) for one in seen]
    assert counts == sorted(counts)
    assert counts[0] < len(expected), "the estimate comes first"
    rating = subject.images.rating(subject.image)
    assert rating is not None
    assert impacts.residual == pytest.approx(impacts.value - rating, abs=1e-6)
    assert impacts.delta_error is not None
    assert impacts.residual is not None
    literal = np.abs(impacts.residual + impacts.delta_y) - abs(impacts.residual)
    np.testing.assert_allclose(impacts.delta_error, literal, atol=1e-6)


def test_a_cancelled_answer_stops_at_the_next_batch(subject: Subject, engine: Engine) -> None:
    batches: list[int] = []

    def stop(impacts: effects.Impacts) -> None:
        batches.append(1)
        if len(batches) == 2:
            engine.cancel("stopped")

    job = engine.submit(Lane("stopped", "impacts"), lambda job: effects.impacts_of(subject, job, stop))
    assert job.ended.wait(20)
    assert len(batches) == 2


def test_contrasts_are_those_of_the_kernels(collage: Subject, subject: Subject, job: Job) -> None:
    tail = direct(collage)
    output, saliency = pictures.rather_than_class(collage, (), 4)
    np.testing.assert_allclose(saliency.map, class_contrast(tail, collage.model.scores, 4)[0].numpy(), atol=1e-6)
    assert output.probabilities is not None
    assert output.probabilities.sum() == pytest.approx(1, abs=1e-5)
    predicted = int(output.scores.argmax())
    _, sure = pictures.rather_than_class(collage, (), predicted)
    assert "100 % confidence" in sure.title

    tail, patches = direct(subject), subject.model.patch_scores
    assert patches is not None
    _, tiles = pictures.rather_than_score(subject, (), 0.9, "tiles", job)
    np.testing.assert_allclose(tiles.map, patch_contrast(tail, patches, 0.9).signed[0].numpy(), atol=1e-6)
    assert (tiles.low, tiles.high) == ("prevents Q", "merits a score above Q")


def test_plain_contrasts_with_scores_stand_on_one_scale(subject: Subject, job: Job) -> None:
    answers = [pictures.rather_than_score(subject, (), q, "plain", job)[1] for q in (0.9, 0.95, 1.0)]
    limits = {round(answer.limit, 9) for answer in answers}
    assert len(limits) == 1
    value = subject.value
    shares = [float(answer.map.sum()) / abs(value - q) for answer, q in zip(answers, (0.9, 0.95, 1.0), strict=True)]
    assert abs(shares[0]) > 0
    np.testing.assert_allclose(shares, shares[0], rtol=1e-3)
    assert "same picture" in answers[0].note


@pytest.mark.parametrize("stated", [None, (0, 100)])
def test_the_scale_does_not_follow_q_where_the_model_has_no_range(
    plain: Callable[..., Subject], job: Job, stated: tuple[float, float] | None
) -> None:
    subject = plain(model_range=None, images_range=stated)
    answers = [pictures.rather_than_score(subject, (), q, "plain", job)[1] for q in (-1e3, 10.0, 55.0, 60.0, 1e3)]
    assert len({answer.limit for answer in answers}) == 1
    assert answers[0].limit > 0
    assert f"{'0 to 100' if stated else 'to 60'}." in answers[0].note


class Plain(nn.Module):
    """A regressor without patch scores, so that tiles are cut from the image."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.features(x)
        return self.head(maps.mean((2, 3)))[:, 0], maps


@pytest.fixture
def plain(engine: Engine, generator: torch.Generator) -> Callable[..., Subject]:
    def make(model_range: Any = (0, 100), images_range: Any = (0, 100)) -> Subject:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            network = Plain()
        photos = (torch.rand(2, 48, 64, 3, generator=generator) * 255).byte().numpy()
        images = ImageSet(list(photos), ratings=[10.0, 60.0], range=images_range)
        model = ImageModel(network, None, range=model_range, layer="features")
        return Subject(engine, model, images, images.names[0], model.layer)

    return make


def test_tiles_of_an_image_where_the_network_has_no_patches(plain: Callable[[], Subject], job: Job) -> None:
    subject = plain()
    model, q = subject.model, subject.value

    def explain(tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tail = Tail(model.network, subject.layer, tiles)
        return model.scores(tail.result)[:, 0], grad_cam(tail, model.scores, 0)

    _, saliency = pictures.rather_than_score(subject, (), q, "tiles", job)
    tiled = tile_contrast(explain, subject.prepared.pixels, q)
    merits, prevents = tiled.merits.numpy(), tiled.prevents.numpy()
    assert saliency.map.shape == (48, 64)
    np.testing.assert_allclose(saliency.map, np.where(merits >= prevents, merits, -prevents), atol=1e-6)
    assert saliency.map.min() < 0 < saliency.map.max(), "some tiles score above Q, some below"
    assert not saliency.one_sided
    with pytest.raises(ValueError, match="reset the gains"):
        pictures.rather_than_score(subject, ((1, 0.0),), 50.0, "tiles", job)


def test_measures_are_those_of_the_kernels(subject: Subject, job: Job) -> None:
    seen: list[effects.Measures] = []
    found = effects.measures_of(subject, job, seen.append)
    assert set(found.values) == set(effects.AXES)
    assert len(seen) == 5
    assert found.done
    assert not seen[0].done
    pixels = subject.prepared.pixels
    model = subject.model
    saliency = grad_cam(Tail(model.shell, subject.layer, model.normalise(pixels[None])), model.scores, 0).relu()
    assert found.values["entropy"] == pytest.approx(1 - float(measures.entropy(saliency)[0]), abs=1e-6)
    runs = [grad_cam(Tail(run.network, subject.layer, run.normalise(pixels[None])), run.scores, 0).relu()[0]
            for run in subject.model.runs]  # fmt: skip
    assert found.values["stability"] == pytest.approx(float(measures.stability(torch.stack(runs))), abs=1e-4)
    assert found.details["stability"]["runs"] == 3
    for axis in effects.AXES:
        assert "degenerate" in found.notes[axis]


def test_one_run_has_no_stability(collage: Subject, job: Job) -> None:
    found = effects.measures_of(collage, job)
    assert math.isnan(found.values["stability"])
    assert "n/a" in found.notes["stability"]


def test_an_opaque_transform_is_explained_but_not_degraded(engine: Engine, job: Job) -> None:
    def opaque(photo: object) -> torch.Tensor:
        values = torch.from_numpy(np.asarray(photo, np.float32) / 127.5 - 1)
        return values.permute(2, 0, 1).flip(2)

    images = load_images("demo/scenes")
    model = ImageModel(load_model("demo/scenes").network, opaque)
    subject = Subject(engine, model, images, images.names[0], model.layer)
    output, saliency = pictures.why(subject, ())
    assert np.isfinite(saliency.map).all()
    found = effects.measures_of(subject, job)
    assert all(math.isnan(value) for value in found.values.values())
    assert "n/a" in found.notes["noise"]
    scores = effects.set_scores([subject], job, lambda fresh: None)
    np.testing.assert_allclose(scores[subject.image], output.scores, atol=1e-5)


def test_a_call_waits_for_its_result_and_hands_on_errors(engine: Engine) -> None:
    assert engine.call(lambda job: 3) == 3

    def give_up(job: Job) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        engine.call(give_up)
