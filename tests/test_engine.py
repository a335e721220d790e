"""What the engine answers, against the kernels called directly; and what it says of what cannot be answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from xai_widgets import ImageModel, ImageSet, load_images, load_model
from xai_widgets.engine import Contrast, Query, Sources, Stopped, Subject, answer
from xai_widgets.kernels import ablation, measures
from xai_widgets.kernels.cam import class_contrast, grad_cam, patch_contrast, tile_contrast
from xai_widgets.kernels.tail import Tail


def subject_of(model: str, images: str, place: int) -> Subject:
    sources = Sources(model, images)
    return Subject(sources, Query(image=sources.images.names[place]))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return subject_of("demo/quality", "demo/quality", 4)


@pytest.fixture(scope="module")
def collage() -> Subject:
    return subject_of("demo/scenes", "demo/collages", 0)


def explained(subject: Subject, **changes: Any) -> Any:
    return answer(subject.sources, replace(subject.query, **changes), "explanation")


def direct(subject: Subject) -> Tail:
    inputs = subject.model.inputs(subject.images.photo(subject.image))
    return Tail(subject.model.network, subject.layer, inputs)


def test_score_and_map_are_those_of_the_kernels(subject: Subject) -> None:
    tail, model = direct(subject), subject.model
    gains = ((3, 0.0), (5, 1.75))
    found = explained(subject, gains=gains)
    output, saliency = found.output, found.saliency
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


def test_effects_are_those_of_the_kernels_and_stream_in(subject: Subject) -> None:
    seen: list[Any] = []
    shares: list[float] = []

    def note(known: Any, share: float) -> None:
        seen.append(known)
        shares.append(share)

    impacts = answer(subject.sources, subject.query, "impacts", progress=note)
    assert shares == sorted(shares)
    assert seen[0].query == impacts.query == subject.query
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


@pytest.mark.parametrize("part", ["impacts", "measures"])
def test_a_stopped_answer_ends_at_the_next_batch(part: str) -> None:
    subject, steps = subject_of("demo/quality", "demo/quality", 7), list[int]()

    def stop() -> bool:
        steps.append(1)
        return len(steps) == 2

    with pytest.raises(Stopped):
        answer(subject.sources, subject.query, part, stop=stop)
    assert len(steps) == 2
    assert answer(subject.sources, subject.query, part).done, "what was stopped is not taken for the whole"


def test_contrasts_are_those_of_the_kernels(collage: Subject, subject: Subject) -> None:
    tail = direct(collage)
    found = explained(collage, contrast=Contrast("class", 4))
    output, saliency = found.output, found.saliency
    np.testing.assert_allclose(saliency.map, class_contrast(tail, collage.model.scores, 4)[0].numpy(), atol=1e-6)
    assert output.probabilities is not None
    assert output.probabilities.sum() == pytest.approx(1, abs=1e-5)
    sure = explained(collage, contrast=Contrast("confidence")).saliency
    assert "100 % confidence" in sure.title

    tail, patches = direct(subject), subject.model.patch_scores
    assert patches is not None
    tiles = explained(subject, contrast=Contrast("score", 0.9, "tiles")).saliency
    np.testing.assert_allclose(tiles.map, patch_contrast(tail, patches, 0.9).signed[0].numpy(), atol=1e-6)
    assert (tiles.low, tiles.high) == ("prevents Q", "merits a score above Q")


def test_plain_contrasts_with_scores_stand_on_one_scale(subject: Subject) -> None:
    answers = [explained(subject, contrast=Contrast("score", q)).saliency for q in (0.9, 0.95, 1.0)]
    limits = {round(answer.limit, 9) for answer in answers}
    assert len(limits) == 1
    value = subject.value
    shares = [float(answer.map.sum()) / abs(value - q) for answer, q in zip(answers, (0.9, 0.95, 1.0), strict=True)]
    assert abs(shares[0]) > 0
    np.testing.assert_allclose(shares, shares[0], rtol=1e-3)
    assert "same picture" in answers[0].note


@pytest.mark.parametrize("stated", [None, (0, 100)])
def test_the_scale_does_not_follow_q_where_the_model_has_no_range(
    plain: Callable[..., Subject], stated: tuple[float, float] | None
) -> None:
    subject = plain(model_range=None, images_range=stated)
    answers = [explained(subject, contrast=Contrast("score", q)).saliency for q in (-1e3, 10.0, 55.0, 60.0, 1e3)]
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
def plain(generator: torch.Generator) -> Callable[..., Subject]:
    def make(model_range: Any = (0, 100), images_range: Any = (0, 100)) -> Subject:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            network = Plain()
        photos = (torch.rand(2, 48, 64, 3, generator=generator) * 255).byte().numpy()
        images = ImageSet(list(photos), ratings=[10.0, 60.0], range=images_range)
        model = ImageModel(network, None, range=model_range, layer="features")
        return Subject(Sources(model, images), Query(image=images.names[0]))

    return make


def test_tiles_of_an_image_where_the_network_has_no_patches(plain: Callable[[], Subject]) -> None:
    subject = plain()
    model, q = subject.model, subject.value

    def explain(tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        tail = Tail(model.network, subject.layer, tiles)
        return model.scores(tail.result)[:, 0], grad_cam(tail, model.scores, 0)

    saliency = explained(subject, contrast=Contrast("score", q, "tiles")).saliency
    tiled = tile_contrast(explain, subject.prepared.pixels, q)
    merits, prevents = tiled.merits.numpy(), tiled.prevents.numpy()
    assert saliency.map.shape == (48, 64)
    np.testing.assert_allclose(saliency.map, np.where(merits >= prevents, merits, -prevents), atol=1e-6)
    assert saliency.map.min() < 0 < saliency.map.max(), "some tiles score above Q, some below"
    assert not saliency.one_sided
    with pytest.raises(ValueError, match="reset the gains"):
        explained(subject, contrast=Contrast("score", 50.0, "tiles"), gains={1: 0.0})


def test_measures_are_those_of_the_kernels(subject: Subject) -> None:
    seen: list[Any] = []
    found = answer(subject.sources, subject.query, "measures", progress=lambda known, share: seen.append(known))
    assert set(found.values) == set(measures.AXES)
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
    for axis in measures.AXES:
        assert "degenerate" in found.notes[axis]


def test_one_run_has_no_stability(collage: Subject) -> None:
    found = answer(collage.sources, collage.query, "measures")
    assert math.isnan(found.values["stability"])
    assert "n/a" in found.notes["stability"]


def test_an_opaque_transform_is_explained_but_not_degraded() -> None:
    def opaque(photo: object) -> torch.Tensor:
        values = torch.from_numpy(np.asarray(photo, np.float32) / 127.5 - 1)
        return values.permute(2, 0, 1).flip(2)

    images = load_images("demo/scenes")
    model = ImageModel(load_model("demo/scenes").network, opaque)
    subject = Subject(Sources(model, images), Query(image=images.names[0]))
    whole = explained(subject)
    assert np.isfinite(whole.saliency.map).all()
    found = answer(subject.sources, subject.query, "measures")
    assert all(math.isnan(value) for value in found.values.values())
    assert "n/a" in found.notes["noise"]
    (scores,) = answer(subject.sources, [subject.query], "scores")
    np.testing.assert_allclose(scores.scores, whole.output.scores, atol=1e-5)


def test_names_of_parts_methods_and_options_are_checked(subject: Subject) -> None:
    sources, query = subject.sources, subject.query
    for change, part, options, sentence in (
        ({}, "explanaton", {}, "part must be one of 'explanation'"),
        ({"method": "gradcam"}, "explanation", {}, "method must be one of 'grad_cam'"),
        ({"method": "behaviour", "options": {"n_sample": 3}}, "explanation", {}, "option"),
        ({}, "measures", {"rul": 1}, "an option of the part 'measures' must be one of 'rule'"),
        ({"image": "chelsae-1-clean.png"}, "maps", {}, "names are like 'chelsea-1-clean.png'"),
        ({"model": "demo/qualty"}, "maps", {}, "'demo/quality'"),
        ({"run": 7}, "maps", {}, "run must be from 0 to 2 for demo/quality, got 7"),
        ({"gains": {500: 0}}, "explanation", {}, "0 to 95; got 500"),
        ({"target": "moon"}, "explanation", {}, "no names here"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=sentence):
            answer(sources, replace(query, **change), part, **options)  # type: ignore[call-overload]
    for wrong in ({"gains": {1: 3}}, {"baseline": "men"}):
        with pytest.raises(ValueError, match="must be"):
            Query(**wrong)


def test_the_same_is_answered_once_and_another_question_anew(subject: Subject) -> None:
    sources, query = Sources(subject.model, subject.images), subject.query
    first = answer(sources, query, "explanation")
    again = answer(sources, replace(query), "explanation")
    assert again.saliency is first.saliency
    assert answer(sources, replace(query, gains=((2, 0.5),)), "explanation").saliency is not first.saliency
    assert answer(sources, replace(query, run=1), "explanation").saliency is not first.saliency


def test_of_several_queries_one_that_fails_does_not_cost_the_others(subject: Subject) -> None:
    sources, names = subject.sources, subject.images.names[:4]
    queries = [Query(image=name) for name in (names[0], "nowhere.png", names[1])]
    failed: list[tuple[str, str]] = []
    shares: list[float] = []
    answers = answer(
        sources, queries, "scores",
        failed=lambda query, error: failed.append((query.image, str(error))),
        progress=lambda output, share: shares.append(share),
    )  # fmt: skip
    assert [one and one.query.image for one in answers] == [names[0], None, names[1]]
    assert [name for name, _ in failed] == ["nowhere.png"]
    assert shares == [1 / 3, 1.0]
    with pytest.raises(ValueError, match="nowhere"):
        answer(sources, queries, "scores")


class Raises(nn.Module):
    """Raises for dark images."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.features, self.error = nn.Conv2d(3, 4, 3, 2, 1), error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.mean()) < 0.05:
            raise self.error("dark")
        return self.features(x).mean((1, 2, 3))


@pytest.mark.parametrize("error", [ValueError, KeyError, AssertionError, RuntimeError, SystemExit])
def test_an_image_on_which_the_network_raises_costs_no_other_its_score(error: type[BaseException]) -> None:
    photos = np.random.default_rng(0).integers(60, 256, (5, 32, 32, 3), dtype=np.uint8)
    photos[3] = 0
    sources = Sources(ImageModel(Raises(error), None, "features"), ImageSet(list(photos)))
    failed: list[str] = []
    queries = [Query(image=name) for name in sources.images.names]
    answers = answer(sources, queries, "scores", failed=lambda query, error: failed.append(query.image))
    assert failed == [sources.images.names[3]]
    assert [one is None for one in answers] == [False, False, False, True, False]


@pytest.mark.parametrize("fault", ["unreadable", "refused"])
def test_an_image_that_is_of_no_use_is_left_out_of_the_mean(fault: str, tmp_path: Path) -> None:
    photos = np.random.default_rng(0).integers(60, 256, (4, 32, 32, 3), dtype=np.uint8)
    photos[2] = 0
    for place, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{place}.png")
    images, last = ImageSet([tmp_path / f"{place}.png" for place in range(4)]), ImageSet(tmp_path / "2.png")
    if fault == "unreadable":
        (tmp_path / "2.png").write_bytes(b"no picture")
    sources = Sources(ImageModel(Raises(ValueError), None, "features"), images)
    subject = Subject(sources, Query(image="0.png", baseline="mean"))
    others = [Subject(sources, Query(image=f"{place}.png")).tail.maps.mean((2, 3)) for place in (0, 1, 3)]
    assert subject.baseline is not None
    torch.testing.assert_close(subject.baseline[None], torch.stack(others).mean(0))
    note = "Left out of the mean, since they cannot be read or run: 1 of its 4 images ('2.png')."
    assert answer(sources, subject.query, "impacts").note.endswith(note)
    none = Sources(ImageModel(Raises(ValueError), None, "features"), last)
    with pytest.raises(ValueError, match="none of the 1 images of the mean baseline can be read and run"):
        _ = Subject(none, Query(image="2.png", baseline="mean")).baseline


def test_a_baseline_and_a_degradation_are_part_of_the_question(subject: Subject) -> None:
    from xai_widgets.engine import Degradation

    sources, query = subject.sources, subject.query
    mean = Subject(sources, replace(query, baseline="mean"))
    assert mean.baseline is not None
    step = len(sources.images) // 16
    literal = torch.stack([
        Subject(sources, replace(query, image=name)).tail.maps[0].double().mean((1, 2))
        for name in sources.images.names[::step][:16]
    ]).mean(0)  # fmt: skip
    torch.testing.assert_close(mean.baseline.double(), literal, atol=1e-6, rtol=1e-5)
    removed = subject.tail.maps.clone()
    removed[0, 2] = mean.baseline[2]
    y = subject.model.scores(subject.tail(removed))[0, 0]
    muted = answer(sources, replace(query, baseline="mean", gains=((2, 0.0),)), "output")
    assert muted.value == pytest.approx(float(y), abs=1e-6)
    impacts = answer(sources, replace(query, baseline="mean"), "impacts")
    assert impacts.delta_y[2] == pytest.approx(float(y) - subject.value, abs=2e-6)
    blurred = answer(sources, replace(query, degradation=Degradation("blur", 3.0)), "output")
    assert blurred.base != subject.value
    with pytest.raises(ValueError, match="degradation must be one of"):
        answer(sources, replace(query, degradation=Degradation("rain", 3.0)), "output")
