"""The five measures as they come in: those of the kernels one by one, of any method, and in the words of the engine."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from unchecked import refused

from xai_widgets.engine import Query, Sources, Subject, measuring
from xai_widgets.engine.answers import Measures
from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.measures import Explained, Ladder, Measured

SIDE = 28


def blobs(images: Tensor, weights: tuple[float, ...] = (1.0, 0.2, 0.1)) -> Tensor:
    """A method that is no Grad-CAM: the brightness of the image, some of it of each channel, in coarse cells."""
    return F.avg_pool2d((images * images.new_tensor(weights)[:, None, None]).sum(1, keepdim=True), 2)[:, 0]


RUNS = [partial(blobs, weights=weights) for weights in ((0.1, 1.0, 0.2), (0.3, 0.3, 1.0))]


def scored(images: Tensor, targets: Tensor | None) -> Explained:
    """A method with targets and scores: how bright each channel is."""
    scores = images.mean((2, 3))
    channel = scores.argmax(1) if targets is None else targets
    return Explained(F.avg_pool2d(images.take_along_dim(channel[:, None, None, None], 1), 2)[:, 0], scores)


@pytest.fixture
def images() -> Tensor:
    noise = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return degrade.blur(noise, 1.5)


def by_axis(found: list[Measured]) -> dict[str, Measured]:
    return {one.axis: one for one in found[:5]}


# One by one


def test_the_five_come_first_and_are_those_of_the_kernels_one_by_one(images: Tensor) -> None:
    found = list(measures.measured(blobs, images, runs=RUNS, generators=[3, 14]))
    assert [one.axis for one in found] == [*measures.AXES, "noise", "noise"]
    assert [one.further for one in found if isinstance(one, Ladder)] == [False, True, True]
    five = by_axis(found)
    maps = torch.stack([blobs(images), *(run(images) for run in RUNS)])
    clean = measures.clean_of(blobs, images)
    torch.testing.assert_close(five["entropy"].values, 1 - measures.entropy(maps[0]))
    torch.testing.assert_close(five["stability"].values, measures.stability_of(maps))
    for index, image in enumerate(images):
        explain = measures.explain_for(blobs, image)
        seed = (3, 14)[index]
        ladder = measures.noise_robustness(explain, image, generator=seed, pure_noise=True)
        assert five["noise"].values[index] == ladder[3]
        parts = five["noise"].parts(index)
        assert parts == {"levels": [*measures.LEVELS, "pure noise"], "ssim": pytest.approx(ladder.tolist())}
        for one, kind in zip(found[5:], ("gaussian_noise", "blur"), strict=True):
            assert one.tested == f"SSIM with the map under {kind.replace('_', ' ')}"
            alone = measures.noise_robustness(explain, image, generator=seed, kind=kind)
            assert one.parts(index) == {kind: pytest.approx([*alone.tolist(), ladder[-1].item()])}
        groups = measures.resilience(explain, image)
        assert five["resilience"].parts(index) == pytest.approx(groups)
        assert five["resilience"].values[index].item() == pytest.approx(sum(groups.values()) / 3)
        salient, other = measures.focus(explain, image)
        parts = five["focus"].parts(index)
        assert (parts["salient_removed"], parts["other_removed"]) == pytest.approx((salient, other))
        assert math.isnan(parts["score_change_salient"]), "this method gives no scores"
        assert five["focus"].values[index].item() == pytest.approx((1 - salient + other) / 2)
    assert found[4].parts() == {"runs": 3}
    changes = measures.focus_of(scored, images, measures.clean_of(scored, images)).change
    (focus,) = (one for one in measures.measured(scored, images) if one.axis == "focus")
    named = focus.parts(1)["score_change_salient"], focus.parts(1)["score_change_other"]
    assert named == pytest.approx(tuple(changes[1].tolist()))
    again = list(measures.measured(blobs, images, clean, runs=RUNS, generators=[3, 14]))
    for one, same in zip(found, again, strict=True):
        assert torch.equal(one.values.nan_to_num(9), same.values.nan_to_num(9))


@pytest.mark.parametrize("rule", measures.RULES)
def test_the_radar_is_made_of_them(images: Tensor, rule: str) -> None:
    options: dict[str, Any] = {"rule": rule, "kinds": ("blur", "salt_and_pepper"), "pure_noise": True}
    radar = measures.five_measures([scored, scored], images, seeds=[5, 6], **options)
    found = list(measures.measured(scored, images, runs=[scored], generators=[5, 6], **options))
    axes = torch.stack([one.values for one in found[:5]], 1)
    assert axes.isfinite().all()
    assert torch.equal(radar.axes(), axes)
    assert [one.result.kind for one in found if isinstance(one, Ladder)] == ["salt_and_pepper", "blur"]
    assert list(radar.noise) == ["blur", "salt_and_pepper"], "in the order that was asked for"
    rows = [row for one in found for row in one.rows(first=7)]
    assert sorted(map(repr, radar.rows(first=7))) == sorted(map(repr, rows))
    assert {row.target for row in rows} == {rule}
    assert {row.image for row in rows} == {7, 8}


def test_the_row_of_a_number_says_how_it_was_taken(images: Tensor) -> None:
    images[1, :, :] = 0  # its map is zero
    for one in measures.measured(blobs, images, runs=RUNS):
        row = one.row()
        assert row.image == 0
        assert row.measure == one.axis
        side = SIDE if one.axis in ("resilience", "focus") else SIDE // 2
        assert (row.height, row.width, row.degenerate) == (side, side, 0)
        assert one.row(1).degenerate > 0
    assert one.row().maps == 2
    entropy = next(measures.measured(blobs, images))
    assert entropy.values.isnan().tolist() == [False, True]


# What cannot be measured


def test_stability_needs_two_runs(images: Tensor) -> None:
    stability = by_axis(list(measures.measured(blobs, images)))["stability"]
    assert not stability.available
    assert stability.missing == "at least two training runs of the model are needed"
    assert stability.values.isnan().all()
    assert stability.parts() == {"runs": 1}


def test_oblong_images_have_no_quarter_turns(images: Tensor) -> None:
    resilience = by_axis(list(measures.measured(blobs, images[:, :, :20])))["resilience"]
    assert resilience.available
    assert resilience.missing == "quarter turns: n/a, the image is not square"
    assert math.isnan(resilience.parts()["turns"])
    assert resilience.values.isfinite().all()
    square = by_axis(list(measures.measured(blobs, images)))["resilience"]
    assert square.missing == ""


def test_nothing_is_explained_before_it_is_asked_for_and_clean_maps_are_taken_as_they_are(images: Tensor) -> None:
    calls: list[int] = []

    def counted(some: Tensor) -> Tensor:
        calls.append(len(some))
        return blobs(some)

    clean = measures.clean_of(blobs, images)
    each = measures.measured(counted, images, clean)
    assert not calls
    assert torch.equal(next(each).values, 1 - measures.entropy(clean.maps))
    assert not calls
    assert next(each).axis == "noise"
    assert sum(calls) == 2 * (len(measures.LEVELS) + 1)
    steps: list[int] = []
    assert len(list(measures.measured(counted, images, clean, step=lambda: steps.append(1)))) == 7
    assert steps


def test_what_does_not_go_together_is_refused_at_once(images: Tensor) -> None:
    clean = measures.clean_of(scored, images)
    with refused(ValueError, "targets are those of the clean maps where these are given"):
        measures.measured(scored, images, clean, targets=1)
    with refused(ValueError, "seeds must be one an image, so that no noise depends on the order; got 3"):
        measures.measured(blobs, images, generators=[1, 2, 3])
    with refused(ValueError, "kind must be one of salt_and_pepper, gaussian_noise, blur, got 'rain'"):
        measures.measured(blobs, images, kinds=("rain",))
    with refused(ValueError, "all runs must have maps of one size, got 14 x 14 and 28 x 28"):
        list(measures.measured(blobs, images, runs=[lambda some: some[:, 0]]))


# The engine

NAN = math.nan
RECORDED: dict[str, Any] = {
    "values": {
        "entropy": 0.021517,
        "noise": 0.111341,
        "resilience": 0.801658,
        "focus": 0.655882,
        "stability": 0.779381,
    },
    "details": {
        "entropy": {"entropy": 0.978483},
        "noise": {
            "ssim": [0.537905, 0.161969, -0.066247, 0.111341, -0.161521, -0.139539, 0.040924, NAN],
            "gaussian_noise": [0.874468, 0.510951, 0.021779, -0.028755, -0.00126, NAN, NAN, NAN],
            "blur": [1.0, 0.999665, 0.613792, 0.082872, 0.014262, 0.028253, 0.07788, NAN],
        },
        "resilience": {"shifts": 0.772774, "flips": 0.834497, "turns": 0.797703},
        "focus": {
            "salient_removed": 0.348413,
            "other_removed": 0.660178,
            "score_change_salient": -0.217056,
            "score_change_other": -0.119006,
        },
        "stability": {"runs": 3},
    },
}


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources("demo/quality", "demo/quality")


def subject_of(sources: Sources, place: int) -> Subject:
    return Subject(sources, Query(image=sources.images.names[place]))


def test_the_standard_measures_are_the_recorded_ones(sources: Sources) -> None:
    """Taken before there was an iterator, by the measures called one after the other."""
    subject, seen = subject_of(sources, 0), list[Measures]()
    explain, runs = measuring.grad_cams_of(subject)
    found = measuring.measures_of(subject, explain, "Grad-CAM", runs=runs, show=seen.append)
    assert found.values == pytest.approx(RECORDED["values"], abs=2e-4)
    for axis, parts in RECORDED["details"].items():
        for name, part in parts.items():
            assert found.details[axis][name] == pytest.approx(part, abs=2e-4, nan_ok=True), name
    assert [len(one.notes) for one in seen] == [1, 2, 3, 4, 5]
    assert not any(one.done for one in seen)
    assert found.done


def test_the_engine_measures_any_map(sources: Sources) -> None:
    subject = subject_of(sources, 0)
    found = measuring.measures_of(subject, blobs, "the brightness")
    pixels = subject.pixels[None]
    wanted = {one.axis: one.values[0].item() for one in list(measures.measured(blobs, pixels))[:5]}
    assert found.values == pytest.approx(wanted, nan_ok=True)
    assert found.notes["entropy"] == (
        "1 − entropy; the brightness; fixed target: the score; compared at 80 × 80; 0 of 1 maps degenerate."
    )
    assert found.notes["stability"] == "n/a: at least two training runs of the model are needed."
    assert found.notes["noise"].endswith("one of blur a sigma in tenths of the shorter side.")
