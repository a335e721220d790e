"""The measure of noise: scores and entropies beside its levels, changes of one's own; robustness of many images."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import reference
import torch
from torch import Tensor, nn
from torch_defaults import defaults
from unchecked import refused

from xai_widgets.kernels import degrade, draws, measures
from xai_widgets.kernels.mismatch import robustness, robustness_of

SIDE = 32


@pytest.fixture
def images() -> Tensor:
    noise = torch.rand(2, 3, SIDE, SIDE, generator=draws.seeded(4), dtype=torch.float64)
    return degrade.blur(noise, 1.5)


def explain(some: Tensor, targets: Tensor | None) -> measures.Explained:
    """Brightness in squares of 4; the two scores are mean and spread."""
    maps = nn.functional.avg_pool2d(some, 4).mean(1)
    return measures.Explained(maps, torch.stack((some.mean((1, 2, 3)), some.std((1, 2, 3))), 1))


def darker(some: Tensor, level: float, generator: torch.Generator) -> Tensor:
    return some * (1 - level)


def speckled(some: Tensor, level: float, generator: torch.Generator) -> Tensor:
    return (some * (1 + level * draws.normal(some.shape, generator, some))).clamp(0, 1)


def test_beside_each_level_stand_the_score_and_the_entropy(images: Tensor) -> None:
    clean = measures.clean_of(explain, images)
    found = measures.noise_of(explain, images, clean, generators=[3, 4], levels=(0.1, 0.4), pure_noise=True)
    for index, seed in enumerate((3, 4)):
        image = images[index : index + 1]
        changed = [degrade.salt_and_pepper(image, level, generator=seed) for level in (0.1, 0.4)]
        changed.append(degrade.pure_noise(image, generator=seed))
        target = int(explain(image, None).scores.argmax())  # type: ignore[union-attr]
        before = explain(image, None)
        for column, some in enumerate(changed):
            after = explain(some, None)
            ssim = reference.ssim(before.maps[0].numpy(), after.maps[0].numpy())
            assert found.values[index, column].item() == pytest.approx(ssim, abs=1e-9)
            assert found.entropy[index, column].item() == pytest.approx(reference.entropy(after.maps[0].numpy()))
            assert after.scores is not None
            assert found.score[index, column].item() == pytest.approx(after.scores[0, target].item())
        assert found.clean_entropy[index].item() == pytest.approx(reference.entropy(before.maps[0].numpy()))
        assert before.scores is not None
        assert found.clean_score[index].item() == before.scores[0, target].item()
    assert found.scores is not None
    assert found.scores.shape == (2, 3, 2)


def test_rows_of_noise_have_the_clean_image_as_level_0(images: Tensor) -> None:
    clean = measures.clean_of(explain, images)
    found = measures.noise_of(explain, images, clean, generators=0, kind="blur", levels=(1.5, 8.0), pure_noise=True)
    rows = {(row.image, row.part, row.level, row.quantity): row for row in found.rows("fixed", first=10)}
    ladder = [("blur", 1.5), ("blur", 8.0), ("pure_noise", None)]
    assert set(rows) == {
        (image, *place, quantity) for image in (10, 11) for quantity in ("ssim", "entropy", "score")
        for place in ladder + ([("blur", 0.0)] if quantity != "ssim" else [])
    }  # fmt: skip
    for column, place in enumerate(ladder):
        for quantity, values in (("ssim", found.values), ("entropy", found.entropy), ("score", found.score)):
            assert rows[11, *place, quantity].value == values[1, column].item()
    assert rows[11, "blur", 0.0, "entropy"].value == found.clean_entropy[1].item()
    assert rows[11, "blur", 0.0, "score"].value == found.clean_score[1].item()
    assert {row.maps for row in rows.values()} == {0, 1, 2}
    given = measures.noise_of(explain, images, clean, generators=0, levels=(0.0, 0.1))
    assert len({(row.image, row.level, row.quantity) for row in given.rows("fixed")}) == 2 * 2 * 3


def test_without_scores_there_are_no_rows_of_them(images: Tensor) -> None:
    def maps_alone(some: Tensor) -> Tensor:
        return some.mean(1)

    found = measures.noise_of(maps_alone, images, measures.clean_of(maps_alone, images), generators=0, levels=(0.1,))
    assert found.scores is None
    assert found.score.isnan().all()
    assert {row.quantity for row in found.rows("fixed")} == {"ssim", "entropy"}


def test_any_change_of_images_may_be_measured(images: Tensor) -> None:
    clean = measures.clean_of(explain, images)
    found = measures.noise_of(explain, images, clean, generators=[0, 1], kind=darker, levels=(0.25, 0.5))
    assert (found.kind, found.levels) == ("darker", (0.25, 0.5))
    torch.testing.assert_close(found.values, torch.ones(2, 2, dtype=torch.float64))  # SSIM sees maps without scale
    brightness = torch.stack((0.75 * clean.own(clean.scores[:, None], 1), 0.5 * clean.own(clean.scores[:, None], 1)), 1)  # type: ignore[index]
    torch.testing.assert_close(found.score, brightness[..., 0])
    radar = measures.five_measures(
        [explain], images, seeds=[5, 6], kinds=("salt_and_pepper", "blur"), changes={"speckle": speckled},
        levels={"speckle": (0.3,), "blur": (2.0, 4.0)},
    )  # fmt: skip
    assert {kind: noise.levels for kind, noise in radar.noise.items()} == {
        "salt_and_pepper": measures.LEVELS, "blur": (2.0, 4.0), "speckle": (0.3,),
    }  # fmt: skip
    alone = measures.noise_robustness(explain, images[1], generator=6, kind=speckled, levels=(0.3,))
    torch.testing.assert_close(radar.noise["speckle"].values[1], alone)
    assert [row.part for row in radar.rows() if row.part == "speckle"] == ["speckle"] * 2 * (1 + 2 + 2)


def test_the_ladder_of_blur_is_a_tenth_of_the_side(images: Tensor) -> None:
    found = measures.five_measures([explain], images, seeds=[5, 6], kinds=measures.NOISES)
    assert found.noise["blur"].levels == pytest.approx([level * SIDE / 10 for level in measures.LEVELS])
    assert found.noise["gaussian_noise"].levels == measures.LEVELS


def test_one_seed_gives_all_images_the_same_noise(images: Tensor) -> None:
    clean = measures.clean_of(explain, images)
    found = measures.noise_of(explain, images, clean, generators=7, pure_noise=True)
    for index, image in enumerate(images):
        alone = measures.noise_robustness(explain, image, generator=7, pure_noise=True)
        torch.testing.assert_close(found.values[index], alone)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": darker}, ValueError, "at least one level of darker, got none"),
        ({"kind": darker, "levels": ("x",)}, TypeError, "levels must be a number, got 'x'"),
        (
            {"kind": darker, "levels": (0.1,), "per_channel": True},
            ValueError,
            "salt_and_pepper alone, got it with dark",
        ),
        ({"kind": 3}, TypeError, "the name of a noise, or a function that changes images, got 3"),
        ({"kind": "blur", "levels": (8.5,)}, ValueError, "between 0 and 8, a quarter of the shorter side, got 8.5"),
        ({"kind": lambda x, *_: x * 255, "levels": (1,)}, ValueError, r"images of the change must lie in \[0, 1\]"),
        ({"kind": lambda x, *_: x[:, :1], "levels": (1,)}, ValueError, "must have as many channels, got 1 and 3"),
        ({"kind": lambda x, *_: None, "levels": (1,)}, TypeError, "images of the change must be a tensor"),
    ],
)
def test_a_change_that_is_none_is_refused(
    images: Tensor, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with refused(error, message):
        measures.noise_robustness(explain, images[0], generator=0, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("salt_and_pepper", "blur"), "levels": (0.1,)}, "levels must be given by the name of each kind"),
        ({"levels": {"fog": (0.1,)}}, "levels must be of salt_and_pepper, got some of 'fog'"),
        ({"changes": {"blur": darker}}, "a name of its own, got 'blur'"),
        ({"changes": {"dark": darker}}, "at least one level of darker, got none"),
        ({"kinds": ()}, "kinds must hold at least one kind of noise"),
    ],
)
def test_levels_of_several_kinds_have_their_names(images: Tensor, options: dict[str, Any], message: str) -> None:
    with refused(ValueError, message):
        measures.five_measures([explain], images, seeds=[1, 2], **options)


@pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"device": "meta"}], ids=["float64", "meta"])
def test_defaults_of_torch_change_no_measure(images: Tensor, options: dict[str, Any]) -> None:
    def measured() -> tuple[measures.Radar, list[measures.Interval], Tensor]:
        radar = measures.five_measures(
            [explain] * 2, images.float(), seeds=[1, 2], kinds=measures.NOISES, pure_noise=True
        )
        intervals = [
            measures.interval_of_mean(radar.entropy, generator=0),
            measures.interval_of_stability(radar.stability, generator=0),
        ]
        fall = robustness_of({"map": explain}, lambda maps: maps.mean((1, 2)), images.float(), generator=0)["map"]
        return radar, intervals, fall.change

    expected = measured()
    with defaults(**options):
        found = measured()
    assert found[0].axes().dtype == torch.float32
    assert torch.equal(found[0].axes(), expected[0].axes())
    assert repr(found[0].rows()) == repr(expected[0].rows())
    assert repr(found[1]) == repr(expected[1])
    assert torch.equal(found[2], expected[2])


# Robustness


def brightness(some: Tensor) -> Tensor:
    return some.mean(1) - 0.5


def test_blur_of_robustness_reaches_a_quarter_of_the_side() -> None:
    image = torch.rand(3, 224, 224, generator=draws.seeded(0))
    seen: list[Tensor] = []

    def watched(some: Tensor) -> Tensor:
        seen.append(some)
        return some.mean(1)

    found = robustness({"map": watched}, lambda maps: maps.std((1, 2)), image, generator=0)["map"]
    assert found.agreement.shape == (8,)
    for some, sigma in zip(seen[1:], (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0), strict=True):
        torch.testing.assert_close(some, degrade.blur(image[None], sigma))
    with refused(ValueError, "between 0 and 56, a quarter of the shorter side, got 57"):
        robustness({"map": watched}, lambda maps: maps.std((1, 2)), image, generator=0, levels=(57,))


@pytest.mark.parametrize("kind", ["blur", "salt_and_pepper", darker])
def test_robustness_of_many_images_is_that_of_each(images: Tensor, kind: Any) -> None:
    human = images.mean(1)

    def agreement(maps: Tensor, human: Tensor) -> Tensor:
        return -(maps - human).square().mean((1, 2))

    options: dict[str, Any] = {"kind": kind, "levels": (0.5, 1.0), "pure_noise": True}
    found = robustness_of({"map": brightness}, partial(agreement, human=human), images, generator=[3, 4], **options)
    for index, seed in enumerate((3, 4)):
        alone = robustness(
            {"map": brightness}, partial(agreement, human=human[index]), images[index], generator=seed, **options
        )["map"]
        both = found["map"]
        assert isinstance(both.clean, Tensor)
        assert both.clean[index].item() == pytest.approx(alone.clean)
        for together, own in ((both.agreement, alone.agreement), (both.change, alone.change)):
            torch.testing.assert_close(together[index], own)
        torch.testing.assert_close(both.relative[index], alone.relative)


def test_a_method_with_targets_keeps_that_of_the_clean_image(images: Tensor) -> None:
    asked: list[list[int] | None] = []

    def watched(some: Tensor, targets: Tensor | None) -> measures.Explained:
        asked.append(None if targets is None else targets.tolist())
        return explain(some, targets)

    robustness({"map": watched}, lambda maps: maps.mean((1, 2)), images[0], generator=0, levels=(1.0, 2.0))
    assert asked == [None, [0], [0]]
    asked.clear()
    robustness({"map": watched}, lambda maps: maps.mean((1, 2)), images[0], generator=0, levels=(1.0,), target=1)
    assert asked == [[1], [1]]


def test_an_agreement_that_is_not_one_value_a_map_is_refused(images: Tensor) -> None:
    for agreement, given in ((lambda maps: maps, r"\(1, 32, 32\)"), (lambda maps: math.pi, "float")):
        with refused(ValueError, f"the agreement must be one value a map, got {given} for 1"):
            robustness({"map": brightness}, agreement, images[0], generator=0)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("kind", ["salt_and_pepper", "gaussian_noise"])
def test_the_noise_of_a_level_does_not_depend_on_the_levels_beside_it(kind: str) -> None:
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(3))
    explainer = measures.explainer_of(lambda some: some.mean(1))
    clean = measures.clean_of(explainer, images)

    def found(levels: tuple[float, ...]) -> Tensor:
        return measures.noise_of(explainer, images, clean, generators=[5, 6], kind=kind, levels=levels).values[:, -1]

    assert torch.equal(found((0.1,)), found((0.02, 0.3, 0.1)))
    one = {"mean": lambda some: some.mean(1)}
    agreed = [
        robustness(one, lambda maps: maps.mean((1, 2)), images[0], generator=7, kind=kind, levels=levels)["mean"]
        for levels in ((0.2,), (0.05, 0.2))
    ]
    assert agreed[0].agreement[-1] == agreed[1].agreement[-1]
