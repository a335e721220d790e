"""Rows of the five measures: what each value is of, what is left out, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from measured_runs import RUNS, SEEDS, SHELLS, SIDE, N, logits, tail_of
from torch import Tensor, nan
from unchecked import refused

from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.cam import grad_cam


@pytest.fixture
def images() -> Tensor:
    noise = torch.rand(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return degrade.blur(noise, 1.5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Rows


def test_rows_say_what_each_value_is_of(images: Tensor) -> None:
    found = measures.five_measures(RUNS, images, seeds=SEEDS, kinds=("salt_and_pepper", "blur"), pure_noise=True)
    rows = found.rows(first=100)
    assert len({row[:4] + row[-2:-1] for row in rows}) == len(rows) == N * (1 + 3 * 15 + 2 * 2 + 4 + 3 + 2 + 3 + 1 + 3)
    plain = [row for row in rows if row.quantity in ("ssim", "focus") or row.measure == "entropy"]
    by_key = {(row.image - 100, row.measure, row.part, row.level): row for row in plain}
    for index in range(N):
        headline = by_key[index, "noise", "salt_and_pepper", 0.1]
        assert headline.value == pytest.approx(found.axes()[index, 1].item())
        assert (headline.height, headline.width, headline.target) == (14, 14, "fixed")
        assert (headline.maps, headline.degenerate, headline.left_out) == (2, 0, 0)
        assert by_key[index, "noise", "pure_noise", None].value == found.noise["salt_and_pepper"].values[index, 7]
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
        pairs = [
            by_key[index, "stability", part, None].value for part in ("runs 0 and 1", "runs 0 and 2", "runs 1 and 2")
        ]
        assert pairs == found.stability[index].tolist()
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
        defined = row.image != 1 or row.quantity in ("score", "score_change")
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
    noted = {(row.measure, row.note) for row in found.rows() if row.note and row not in turns and row not in whole}
    assert noted == {("stability", "n/a: at least two training runs of the model are needed")}
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
    wrong("the target rule must be fixed or repredicted, got 'old'", rule="old")
    wrong("leave one of the two out", rule="repredicted", targets=torch.zeros(N, dtype=torch.long))
    wrong("target must be 0 to 2, got 3", targets=torch.full((N,), 3))
    wrong("targets must be one for each image", targets=torch.zeros(1, dtype=torch.long))
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
    with pytest.raises(ValueError, match="one generator for each image, got 1 for 3 images"):
        measures.noise_of(RUNS[0], images, clean, generators=[seeded(0)])
    with refused(TypeError, "generator must be a torch.Generator or a whole number, its seed, got 0.5"):
        measures.noise_of(RUNS[0], images, clean, generators=[0.5] * N)  # type: ignore[list-item]
    with refused(TypeError, "generator must be a torch.Generator or a whole number, its seed, got None"):
        measures.noise_robustness(lambda some: some[:, 0], images[0], generator=None)  # type: ignore[arg-type]
