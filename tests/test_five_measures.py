"""The measures of many images: each is that of its image alone, whatever the order, the batch and the neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nan, nn
from unchecked import refused

from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.tail import Shell, Tail

N, SIDE, CLASSES = 3, 28, 3
SEEDS = (3, 14, 15)


class Network(nn.Module):
    """No weight after the first layer is negative, so that every class has a map."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())
            self.head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, CLASSES))
            with torch.no_grad():
                for weight in self.head.parameters():
                    weight.abs_()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = 20 * self.head(self.features(images).mean((2, 3)))
        return scores


def logits(result: Tensor) -> Tensor:
    return result


SHELLS = [Shell(Network(seed).double().eval()) for seed in range(3)]


def tail_of(shell: Shell, images: Tensor) -> Tail:
    return Tail(shell, "features", images.double())


RUNS = [measures.grad_cam_explainer(partial(tail_of, shell), logits) for shell in SHELLS]


@pytest.fixture
def images() -> Tensor:
    noise = torch.rand(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return degrade.blur(noise, 1.5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(found: measures.Radar) -> list[Tensor]:
    """Everything that was measured."""
    ladders = [compared.values for compared in found.noise.values()]
    assert found.focus.scores is not None
    rest = [found.entropy, found.resilience.values, found.focus.compared.values, found.focus.change, found.stability]
    return [found.axes(), *ladders, *rest, found.focus.scores]


# One by one


@pytest.mark.parametrize("per_channel", [False, True])
def test_many_images_are_measured_as_each_alone(images: Tensor, per_channel: bool) -> None:
    found = measures.five_measures(
        RUNS, images, seeds=SEEDS, kinds=measures.NOISES, far_end=True, per_channel=per_channel
    )
    for index, (image, seed) in enumerate(zip(images, SEEDS, strict=True)):
        explain = measures.explain_for(RUNS[0], image)
        target = int(SHELLS[0].network(image[None]).argmax())
        maps = torch.cat([grad_cam(tail_of(shell, image[None]), logits, target).relu() for shell in SHELLS])
        torch.testing.assert_close(explain(image[None]), maps[:1])
        for kind in measures.NOISES:
            alone = measures.noise_robustness(
                explain, image, generator=seeded(seed), kind=kind, far_end=kind == "salt_and_pepper",
                per_channel=per_channel and kind == "salt_and_pepper",
            )  # fmt: skip
            torch.testing.assert_close(found.noise[kind].values[index], alone)
        groups = measures.resilience_by_transform(explain, image)
        torch.testing.assert_close(found.resilience.values[index], torch.cat(list(groups.values())))
        focus = measures.focus(explain, image)
        assert found.focus.compared.values[index].tolist() == pytest.approx(focus)
        torch.testing.assert_close(found.entropy[index], measures.entropy(maps[:1])[0])
        stable = measures.stability(maps)
        torch.testing.assert_close(found.stability[index].mean(), stable)
        resilience = np.mean(list(measures.resilience(explain, image).values()))
        axes = [1 - found.entropy[index].item(), found.noise["salt_and_pepper"].values[index, 3].item(), resilience,
                ((1 - focus[0]) + focus[1]) / 2, stable.item()]  # fmt: skip
        assert found.axes()[index].tolist() == pytest.approx(axes)


@pytest.mark.parametrize("batch", [4, 1000])
def test_order_and_batch_do_not_matter(images: Tensor, batch: int) -> None:
    expected = numbers(measures.five_measures(RUNS, images, seeds=SEEDS))
    order = torch.tensor([2, 0, 1])
    seeds = [SEEDS[index] for index in order]
    found = numbers(measures.five_measures(RUNS, images[order], seeds=seeds, batch=batch))
    for some, same in zip(found, expected, strict=True):
        torch.testing.assert_close(some, same[order], atol=1e-9, rtol=0)


def test_in_single_precision_order_and_batch_do_not_matter_beyond_rounding(images: Tensor) -> None:
    shells = [Shell(Network(seed).eval()) for seed in range(2)]
    runs = [measures.grad_cam_explainer(partial(Tail, shell, "features"), logits) for shell in shells]
    images = images.float()
    whole = measures.five_measures(runs, images, seeds=SEEDS)
    assert whole.axes().isfinite().all()
    parts = [measures.five_measures(runs, images[i : i + 1], seeds=SEEDS[i : i + 1], batch=7) for i in range(N)]
    for found, expected in zip(zip(*map(numbers, parts), strict=True), numbers(whole), strict=True):
        torch.testing.assert_close(torch.cat(found), expected, atol=1e-5, rtol=1e-5)


def test_each_image_is_explained_once_a_change_and_batches_are_even(images: Tensor) -> None:
    calls: list[int | str] = []

    def explain(some: Tensor, targets: Tensor | None) -> measures.Explained:
        assert targets is None or len(targets) == len(some)
        calls.append(len(some))
        return RUNS[0](some, targets)

    measures.five_measures([explain, RUNS[1]], images, seeds=SEEDS, batch=10, step=lambda: calls.append("step"))
    counts = [call for call in calls if isinstance(call, int)]
    assert sum(counts) == N * (1 + 7 + 12 + 2)
    assert max(counts) <= 10
    assert calls.count("step") == len(counts) + 1  # the other run
    assert all(calls[place - 1] == "step" for place, call in enumerate(calls) if call != "step")


def test_it_can_be_cancelled_before_any_batch(images: Tensor) -> None:
    steps: list[int] = []
    measures.five_measures(RUNS, images, seeds=SEEDS, batch=20, step=lambda: steps.append(0))
    for last in (0, 3, len(steps) - 1):
        left = iter(range(last))

        def cancel(left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise InterruptedError

        with pytest.raises(InterruptedError):
            measures.five_measures(RUNS, images, seeds=SEEDS, batch=20, step=cancel)


def test_memory_that_runs_out_halves_the_batch(images: Tensor) -> None:
    def small(some: Tensor, targets: Tensor | None) -> measures.Explained:
        if len(some) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return RUNS[0](some, targets)

    found = measures.five_measures([small], images, seeds=SEEDS, batch=16)
    expected = measures.five_measures(RUNS[:1], images, seeds=SEEDS)
    torch.testing.assert_close(found.axes(), expected.axes(), equal_nan=True)


def test_arguments_stay_as_they_were(images: Tensor) -> None:
    kept, state = images.clone(), torch.get_rng_state()
    measures.five_measures(RUNS, images, seeds=SEEDS)
    assert torch.equal(images, kept)
    assert torch.equal(state, torch.get_rng_state())


# Target


def test_a_target_is_fixed_by_the_clean_image_or_predicted_anew(images: Tensor) -> None:
    asked: list[Tensor | None] = []

    def watched(some: Tensor, targets: Tensor | None) -> measures.Explained:
        asked.append(targets)
        return RUNS[0](some, targets)

    predicted = SHELLS[0].network(images).argmax(1)
    fixed = measures.five_measures([watched, watched], images, seeds=SEEDS)
    assert asked[0] is None
    assert all(targets is not None for targets in asked[1:])
    assert torch.equal(torch.cat([targets for targets in asked[1:2] if targets is not None]), predicted)
    assert fixed.clean.rule == "fixed"
    asked.clear()
    anew = measures.five_measures([watched, watched], images, seeds=SEEDS, rule="anew")
    assert asked == [None] * len(asked)
    assert {row.target for row in anew.rows()} == {"anew"}
    given = measures.five_measures(RUNS, images, seeds=SEEDS, targets=torch.ones(N, dtype=torch.long))
    torch.testing.assert_close(given.clean.maps, grad_cam(tail_of(SHELLS[0], images), logits, 1).relu())


def test_a_new_target_gives_another_map_where_the_prediction_changes() -> None:
    class Bright(nn.Module):
        """Class 1 in bright, class 0 in dark images, by different maps."""

        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            both = self.maps(torch.cat((images[:, :1], images[:, 1:2]), 1)).mean((2, 3))
            return torch.stack((both[:, 0] - 5, 10 * both[:, 1] - 10), 1)

    explainer = measures.grad_cam_explainer(partial(Tail, Shell(Bright()), "maps"), logits)
    image = torch.rand(3, 9, 9, generator=seeded(0)) / 4
    bright = image + 0.75
    fixed, anew = (measures.explain_for(explainer, image, rule=rule) for rule in measures.RULES)
    torch.testing.assert_close(fixed(bright[None])[0] / fixed(bright[None]).max(), bright[0] / bright[0].max())
    torch.testing.assert_close(anew(bright[None])[0] / anew(bright[None]).max(), bright[1] / bright[1].max())
    torch.testing.assert_close(fixed(image[None]), anew(image[None]))


# Rows


def test_rows_say_what_each_value_is_of(images: Tensor) -> None:
    found = measures.five_measures(RUNS, images, seeds=SEEDS, kinds=("salt_and_pepper", "blur"), far_end=True)
    rows = found.rows(first=100)
    assert len({row[:4] + row[-2:-1] for row in rows}) == len(rows) == N * (1 + 3 * 15 + 2 * 2 + 4 + 3 + 2 + 1)
    plain = [row for row in rows if row.quantity in ("ssim", "focus") or row.measure == "entropy"]
    by_key = {(row.image - 100, row.measure, row.part, row.level): row for row in plain}
    for index in range(N):
        headline = by_key[index, "noise", "salt_and_pepper", 0.1]
        assert headline.value == pytest.approx(found.axes()[index, 1].item())
        assert (headline.height, headline.width, headline.target) == (14, 14, "fixed")
        assert (headline.maps, headline.degenerate, headline.left_out) == (2, 0, 0)
        assert by_key[index, "noise", "noise_alone", None].value == found.noise["salt_and_pepper"].values[index, 7]
        assert by_key[index, "noise", "blur", 0.5 * SIDE / 10].value == found.noise["blur"].values[index, 6]
        whole = by_key[index, "resilience", "", None]
        assert (whole.height, whole.width, whole.maps) == (SIDE, SIDE, 13)
        assert whole.value == pytest.approx(found.axes()[index, 2].item())
        flips = by_key[index, "resilience", "flips", None]
        assert flips.value == pytest.approx(found.resilience.values[index, 8:10].mean().item())
        assert by_key[index, "focus", "", None].value == pytest.approx(found.axes()[index, 3].item())
        removed = [by_key[index, "focus", part, None].value for part in ("salient_removed", "other_removed")]
        assert removed == found.focus.compared.values[index].tolist()
        stable = by_key[index, "stability", "", None]
        assert stable.value == pytest.approx(found.axes()[index, 4].item())
        assert stable.maps == 3
        assert by_key[index, "entropy", "", None].value == found.entropy[index].item()


def test_a_clean_map_that_says_nothing_is_counted_once(images: Tensor) -> None:
    def blind(some: Tensor, targets: Tensor | None) -> measures.Explained:
        """To the second image as it is, and to what has the value 0 of pepper."""
        maps, scores = RUNS[0](some, targets)
        same = (some - images[1]).abs().amax((1, 2, 3)) == 0
        return measures.Explained(torch.where(same[:, None, None], 0.0, maps), scores)

    found = measures.five_measures([blind], images, seeds=SEEDS)
    for row in found.rows():
        if row.measure == "noise" and row.quantity != "ssim":
            continue
        is_clean = row.image == 1 and row.maps > 0
        assert row.degenerate == int(is_clean)
        defined = row.image != 1 or row.quantity == "score_change"
        assert math.isnan(row.value) == (not defined or row.measure == "stability")
    whole = next(row for row in found.rows() if row.image == 1 and row.measure == "resilience" and not row.part)
    assert (whole.maps, whole.degenerate, whole.left_out) == (13, 1, 12)
    assert found.focus.change[1].tolist() == [0, 0]  # a zero map blurs nothing
    assert found.axes()[[0, 2], :4].isfinite().all()


def test_oblong_images_have_no_turns(images: Tensor) -> None:
    found = measures.five_measures(RUNS[:1], images[..., :20], seeds=SEEDS)
    assert found.resilience.values.shape == (N, 12)
    assert found.resilience.values[:, 10:].isnan().all()
    turns = [row for row in found.rows() if row.part == "turns"]
    assert all(math.isnan(row.value) and (row.maps, row.left_out) == (0, 2) for row in turns)
    whole = [row for row in found.rows() if row.measure == "resilience" and not row.part]
    assert {(row.maps, row.degenerate, row.left_out) for row in whole} == {(11, 0, 2)}
    assert {row.note for row in (*turns, *whole)} == {"quarter turns: n/a, the image is not square"}
    assert not any(row.note for row in found.rows() if row not in turns and row not in whole)
    groups = [row.value for row in found.rows() if row.part in ("shifts", "flips") and row.image == 2]
    assert found.axes()[2, 2].item() == pytest.approx(np.mean(groups))


def test_what_gives_no_scores_is_measured_too(images: Tensor) -> None:
    def explain(some: Tensor) -> Tensor:
        return some.mean(1)

    found = measures.five_measures([measures.explainer_of(explain)], images, seeds=SEEDS)
    assert found.focus.scores is None
    assert found.focus.change.isnan().all()
    torch.testing.assert_close(found.axes()[:, 2], torch.ones(N, dtype=torch.float64))
    expected = [measures.focus(explain, image) for image in images]
    torch.testing.assert_close(found.focus.compared.values, torch.tensor(expected, dtype=torch.float64))


# What the score becomes


def test_beside_focus_stands_the_change_of_the_score(images: Tensor) -> None:
    focus = measures.five_measures(RUNS[:1], images, seeds=SEEDS).focus
    assert focus.scores is not None
    for index, image in enumerate(images):
        scores = SHELLS[0].network(image[None])[0]
        target = int(scores.argmax())
        saliency = grad_cam(tail_of(SHELLS[0], image[None]), logits, target).relu()[0]
        after = SHELLS[0].network(measures.removals(image, saliency))
        torch.testing.assert_close(focus.scores[index], torch.cat((scores[None], after)))
        torch.testing.assert_close(focus.change[index], (after - scores)[:, target])


def test_maps_of_few_places_are_compared_at_the_size_of_the_image_alone(images: Tensor) -> None:
    explainer = measures.explainer_of(lambda some: some[:, 0, ::14, ::14])
    found = measures.five_measures([explainer, explainer], images, seeds=SEEDS)
    assert found.axes().isnan().tolist() == [[False, True, False, False, True]] * N
    assert not any(row.degenerate for row in found.rows())
    assert {row.left_out for row in found.rows() if row[1] == "noise" and row.quantity == "ssim"} == {1}


# Bad input


def test_what_is_not_defined_is_refused(images: Tensor) -> None:
    def wrong(message: str, error: type[Exception] = ValueError, **options: object) -> None:
        given = {"runs": RUNS, "images": images, "seeds": SEEDS, **options}
        with refused(error, message):
            measures.five_measures(given.pop("runs"), given.pop("images"), **given)  # type: ignore[arg-type]

    wrong("at least one training run, got none", runs=[])
    wrong("seeds must be one an image, .* got 2", seeds=(1, 2))
    wrong("got 7", seeds=7)
    wrong("at least one kind of noise", kinds=())
    wrong("one of salt_and_pepper, gaussian_noise, blur, got 'rain'", kinds=("blur", "rain"))
    wrong("at least one level, got none", levels=())
    wrong("levels must lie between 0 and 1, got 2", levels=(0.1, 2.0))
    wrong("per_channel is a choice of salt_and_pepper", per_channel=True, kinds=("blur",))
    wrong("the target rule must be fixed or anew, got 'old'", rule="old")
    wrong("leave one of the two out", rule="anew", targets=torch.zeros(N, dtype=torch.long))
    wrong("target must be 0 to 2, got 3", targets=torch.full((N,), 3))
    wrong("targets must be one an image", targets=torch.zeros(1, dtype=torch.long))
    wrong("targets must be whole numbers, got torch.float32", TypeError, targets=torch.zeros(N))
    wrong("batch must be at least 1, got 0", batch=0)
    wrong("exponent must be more than 0", exponent=0.0)
    wrong("floating-point numbers, got torch.uint8", TypeError, images=(images * 255).byte())
    wrong(r"images must lie in \[0, 1\], got 255 to 256 at index 0; divide by 255", images=255 + images)
    broken = images.clone()
    broken[2, 0, 0, 0] = nan
    wrong("images must be finite, got nan at index 2", images=broken)


def test_methods_that_do_not_keep_to_what_they_are_for_are_refused(images: Tensor) -> None:
    def explained(change: Callable[[Tensor], Tensor]) -> list[measures.Explainer]:
        return [measures.explainer_of(lambda some: change(some[:, 0]))]

    for change, message in (
        (lambda maps: maps - 1, "without negative values"),
        (lambda maps: maps[:1], "one map an image, got"),
        (lambda maps: maps[:, None], "one map an image, got"),
    ):
        with pytest.raises(ValueError, match=message):
            measures.five_measures(explained(change), images, seeds=SEEDS)
    two = [*explained(lambda maps: maps), *explained(lambda maps: maps[:, :9, :9])]
    with pytest.raises(ValueError, match="all runs must have maps of one size"):
        measures.five_measures(two, images, seeds=SEEDS)


def test_noise_has_one_seed_or_generator_an_image(images: Tensor) -> None:
    clean = measures.clean_of(RUNS[0], images)
    with pytest.raises(ValueError, match="one generator an image, got 1 for 3 images"):
        measures.noise_of(RUNS[0], images, clean, generators=[seeded(0)])
    with refused(TypeError, "generator must be a torch.Generator or a whole number, its seed, got 0.5"):
        measures.noise_of(RUNS[0], images, clean, generators=[0.5] * N)  # type: ignore[list-item]
    with refused(TypeError, "generator must be a torch.Generator or a whole number, its seed, got None"):
        measures.noise_robustness(lambda some: some[:, 0], images[0], generator=None)  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_another_device_measures_the_same(images: Tensor, device: str) -> None:
    if not getattr(torch, device).is_available():
        pytest.skip(f"no {device}")
    images = images.float()

    def measured(place: str) -> measures.Radar:
        shells = [Shell(Network(seed).eval().to(place)) for seed in range(2)]
        runs = [measures.grad_cam_explainer(partial(Tail, shell, "features"), logits) for shell in shells]
        return measures.five_measures(runs, images.to(place), seeds=SEEDS)

    here, there = measured("cpu"), measured(device)
    torch.testing.assert_close(there.axes().cpu(), here.axes(), atol=1e-3, rtol=0)
    assert len(there.rows()) == len(here.rows())
    assert measures.interval_of_stability(there.stability, generator=0).n == N
