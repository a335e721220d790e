"""Implicit saliency against literal versions and known answers, and the protocol of robustness."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from unchecked import refused

from xai_widgets.kernels import agreement, cam, degrade, gradients, mismatch
from xai_widgets.kernels.saliency import degenerate
from xai_widgets.kernels.tail import Shell, Tail

CLASSES = 5


class Classifier(nn.Module):
    def __init__(self, classes: int = CLASSES, scale: float = 1.0) -> None:
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(inplace=True))
        self.late = nn.Sequential(nn.Conv2d(6, 8, 3), nn.ReLU(inplace=True))
        self.head = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, classes))
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * self.head(self.late(self.early(images)).mean((2, 3)))


def tail_of(layer: str = "late", classes: int = CLASSES, scale: float = 1.0, n: int = 1) -> Tail:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Classifier(classes, scale).double().eval()
        images = torch.rand(n, 3, 17, 15).double()
    return Tail(network, layer, images)


def logits(result: Tensor) -> Tensor:
    return result


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)


# Definition


@pytest.mark.parametrize("layer", ["early", "late"])
@pytest.mark.parametrize("combine", mismatch.COMBINATIONS)
@pytest.mark.parametrize("kind", ["mismatch", "product", "norms"])
def test_a_map_is_the_literal_one(kind: str, combine: str, layer: str) -> None:
    tail = tail_of(layer)
    expected = reference.implicit_saliency(tail, list(range(CLASSES)), kind, combine)
    for batch in (1, 2, 16):
        close(mismatch.implicit_saliency(tail, logits, kind=kind, combine=combine, batch=batch), expected)


@pytest.mark.parametrize(
    ("labels", "size"), [("others", CLASSES - 1), (1, 1), (3, 3), ("all", CLASSES), (CLASSES, CLASSES)]
)
def test_labels_are_all_or_all_others_or_the_most_probable(labels: str | int, size: int) -> None:
    tail = tail_of()
    order = tail.result[0].argsort(descending=True).tolist()
    chosen = {"others": order[1:], "all": order}.get(str(labels), order[:size])
    assert sorted(mismatch.label_set(tail.result, labels).tolist()) == sorted(chosen)
    close(
        mismatch.implicit_saliency(tail, logits, labels=labels),
        reference.implicit_saliency(tail, chosen, "mismatch", "mean"),
    )


def test_features_alone_do_not_ask_for_a_label() -> None:
    tail = tail_of()
    close(mismatch.implicit_saliency(tail, logits, kind="feature"), tail.maps[0].abs().mean(0))


def test_norms_are_the_size_of_a_weight_gradient_at_each_place() -> None:
    tail, place = tail_of(), (2, 3)
    gradient = mismatch.label_gradients(tail, logits, torch.tensor([4]))[0]
    outer = torch.outer(gradient[:, *place], tail.maps[0, :, *place])
    found = mismatch._pseudo_maps(tail.maps, gradient[None], "norms")[0]
    torch.testing.assert_close(found[place], outer.norm())


# Known answers


def test_the_mean_of_signed_gradients_is_one_pass_with_a_uniform_label() -> None:
    tail = tail_of()
    each = mismatch.label_gradients(tail, logits, torch.arange(CLASSES))
    close(mismatch.uniform_gradient(tail, logits), each.mean(0))
    after = mismatch.implicit_saliency(tail, logits)
    assert not torch.allclose(after, each.mean(0).abs().mean(0), rtol=0.01)


def test_the_gradient_of_a_label_is_that_of_its_contrast() -> None:
    tail = tail_of()
    each = mismatch.label_gradients(tail, logits, torch.arange(CLASSES))
    for q, gradient in enumerate(each):
        contrast = (gradient.mean((1, 2))[:, None, None] * tail.maps[0]).sum(0)
        close(cam.class_contrast(tail, logits, q)[0], contrast)
    chance = tail.result.softmax(1)[0]
    torch.testing.assert_close(torch.einsum("k,kchw->chw", chance, each), torch.zeros_like(each[0]), atol=1e-15, rtol=0)


def test_the_label_of_a_confident_network_does_not_underflow() -> None:
    tail = tail_of()
    gap = tail.result.topk(2).values.diff().abs().item()
    p = tail.result.argmax(1)
    sharp = tail_of(scale=70 / gap)
    expected = mismatch.label_gradients(sharp, logits, p)
    single = Tail(sharp.shell.original.float(), "late", sharp.inputs.float())
    found = mismatch.label_gradients(single, logits, p).double()
    assert 0 < expected.abs().max() < 1e-25
    assert (found - expected).abs().max() < 1e-2 * expected.abs().max()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=20), st.integers(1, 20))
def test_a_running_variance_is_the_population_variance(values: list[float], batch: int) -> None:
    class Scripted:
        maps = torch.ones(1, 1, 1, 1, dtype=torch.float64)

        def __call__(self, maps: Tensor) -> Tensor:
            return maps[:, 0, 0] * torch.tensor(values, dtype=torch.float64)

    found = mismatch.implicit_saliency(Scripted(), logits, combine="variance", batch=batch)
    scores = torch.tensor(values, dtype=torch.float64)
    gradients = ((scores.softmax(0) * scores).sum() - scores).abs()
    torch.testing.assert_close(found[0, 0], gradients.var(correction=0), atol=1e-12, rtol=1e-9)


def test_smoothing_blurs_the_map() -> None:
    tail = tail_of()
    plain = mismatch.implicit_saliency(tail, logits)
    found = mismatch.implicit_saliency(tail, logits, smoothing=1.5)
    close(found, torch.from_numpy(reference.blur(plain[None].numpy(), 1.5))[0])


def test_a_network_that_sees_nothing_gives_a_degenerate_map() -> None:
    tail = tail_of(scale=0.0)
    assert bool(degenerate(mismatch.implicit_saliency(tail, logits)[None]))
    with pytest.raises(ValueError, match="scores must be finite, got nan at index 0"):
        mismatch.implicit_saliency(tail, lambda result: result * math.nan)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "both"}, "kind must be one of mismatch, feature, product, norms, got 'both'"),
        ({"combine": "max"}, "combine must be mean or variance, got 'max'"),
        ({"smoothing": -1.0}, "smoothing must be 0 or more"),
        ({"smoothing": math.nan}, "smoothing must be 0 or more"),
        ({"labels": 0}, "a number from 1 to 5, got 0"),
        ({"labels": 6}, "a number from 1 to 5, got 6"),
        ({"labels": "some"}, "'all', 'others' or a number from 1 to 5, got 'some'"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"labels": 1, "combine": "variance"}, "a variance needs at least 2 labels"),
        ({"kind": "feature", "combine": "variance"}, "a variance needs at least 2 labels"),
    ],
)
def test_what_is_not_defined_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mismatch.implicit_saliency(tail_of(), logits, **options)  # type: ignore[arg-type]


def test_one_score_or_several_images_are_refused() -> None:
    with pytest.raises(ValueError, match="this network gives one score"):
        mismatch.implicit_saliency(tail_of(classes=1), logits)
    with pytest.raises(ValueError, match="the tail of one image, got one of 2"):
        mismatch.implicit_saliency(tail_of(n=2), logits)


def test_labels_may_be_cancelled() -> None:
    steps = count()

    def cancel() -> None:
        if next(steps) == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        mismatch.implicit_saliency(tail_of(), logits, batch=2, step=cancel)


# Robustness


@pytest.mark.parametrize("kind", ["blur", "gaussian_noise", "salt_and_pepper"])
def test_robustness_is_the_fall_of_the_agreement_with_the_clean_human_map(kind: str) -> None:
    image = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(1)).double()
    human = image.mean(0)

    def explain(images: Tensor) -> Tensor:
        return images.mean(1)

    def agreement(maps: Tensor) -> Tensor:
        return 2 - (maps - human).square().mean((1, 2))

    levels = (1.0, 4.0) if kind == "blur" else (0.1, 0.4)
    found = mismatch.robustness(
        {"mean": explain, "half": lambda images: explain(images) / 2}, agreement, image,
        generator=torch.Generator().manual_seed(5), kind=kind, levels=levels,
    )  # fmt: skip
    assert found["mean"].clean == 2
    for index, level in enumerate(levels):
        again = torch.Generator().manual_seed(5)
        if kind == "blur":
            changed = degrade.blur(image[None], level)
        elif kind == "gaussian_noise":
            changed = degrade.gaussian_noise(image[None], level, generator=again)
        else:
            changed = degrade.salt_and_pepper(image[None], level, generator=again)
        for name, factor in (("mean", 1.0), ("half", 0.5)):  # both see the same noise
            expected = 2 - (factor * changed.mean(1)[0] - human).square().mean()
            torch.testing.assert_close(found[name].agreement[index], expected)
            change = expected - found[name].clean
            torch.testing.assert_close(found[name].change[index], change)
            torch.testing.assert_close(found[name].relative[index], change / found[name].clean)
    assert (found["mean"].change < 0).all()


def test_an_agreement_that_is_undefined_stays_so(generator: torch.Generator) -> None:
    values = iter([0.0, math.nan, 0.5])
    found = mismatch.robustness(
        {"map": lambda images: images.mean(1)}, lambda maps: torch.tensor([next(values)]), torch.rand(3, 8, 8),
        generator=generator, levels=(0.1, 0.2),
    )["map"]  # fmt: skip
    assert found.change.isnan().tolist() == [True, False]
    assert found.relative[1] == math.inf


def test_the_protocol_with_the_three_maps_of_the_paper() -> None:
    """Implicit saliency, Grad-CAM and guided backpropagation, by NSS and AUC against the clean image's fixations."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Classifier().double().eval()
        image = torch.rand(3, 17, 15).double()
        fixations = torch.rand(24, 20) > 0.9
    shell, levels = Shell(network), (0.1, 0.5)
    target = int(network(image[None]).argmax())

    def tails(images: Tensor) -> list[Tail]:
        return [Tail(shell, "late", some[None]) for some in images]

    explain = {
        "implicit saliency": lambda images: torch.stack(
            # |g| alone is constant before a mean over all places
            [mismatch.implicit_saliency(tail, logits, kind="product") for tail in tails(images)]
        ),
        "Grad-CAM": lambda images: torch.cat([cam.grad_cam(tail, logits, target) for tail in tails(images)]),
        "guided backpropagation": lambda images: gradients.over_channels(
            gradients.guided_backpropagation(network, images, gradients.of_output(target))
        ),
    }
    changed = [image[None], *(degrade.gaussian_noise(image[None], level, generator=5) for level in levels)]
    alone = torch.rand(1, 3, 17, 15, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for measure, literal in ((agreement.nss, literal_nss), (agreement.auc_judd, literal_auc)):

        def agreed(maps: Tensor, measure: Callable[[Tensor, Tensor], Tensor] = measure) -> Tensor:
            return measure(agreement.at_size(maps, (24, 20)), fixations[None])

        found = mismatch.robustness(
            explain, agreed, image, generator=torch.Generator().manual_seed(5), kind="gaussian_noise", levels=levels,
            pure_noise=True,
        )  # fmt: skip
        assert list(found) == list(explain)
        for name, maps_of in explain.items():
            maps = [agreement.at_size(maps_of(some), (24, 20))[0].detach() for some in (*changed, alone)]
            clean, *after = [literal(some.numpy(), fixations.numpy()) for some in maps]
            assert found[name].clean == pytest.approx(clean)
            assert found[name].change.tolist() == pytest.approx([value - clean for value in after])
            relative = [(value - clean) / abs(clean) for value in after]
            assert found[name].relative.tolist() == pytest.approx(relative)
            assert len({round(value, 9) for value in (clean, *after)}) == 4


def literal_nss(saliency: np.ndarray, fixed: np.ndarray) -> float:
    return float(((saliency - saliency.mean()) / saliency.std())[fixed].mean())


def literal_auc(saliency: np.ndarray, fixed: np.ndarray) -> float:
    return reference.auc(saliency[fixed].tolist(), saliency[~fixed].tolist())


def test_salt_and_pepper_of_each_channel_in_the_protocol() -> None:
    image = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(1))
    seen: list[Tensor] = []

    def explain(images: Tensor) -> Tensor:
        seen.append(images)
        return images.mean(1)

    mismatch.robustness(
        {"mean": explain}, lambda maps: maps.mean((1, 2)), image, generator=torch.Generator().manual_seed(5),
        kind="salt_and_pepper", levels=(0.3,), per_channel=True,
    )  # fmt: skip
    expected = degrade.salt_and_pepper(image[None], 0.3, generator=torch.Generator().manual_seed(5), per_channel=True)
    assert torch.equal(seen[0], image[None])
    assert torch.equal(seen[1], expected)


def test_robustness_refuses_what_it_does_not_know(generator: torch.Generator) -> None:
    image, maps = torch.rand(3, 8, 8), {"mean": lambda images: images.mean(1)}

    def wrong(message: str, error: type[Exception] = ValueError, image: Tensor = image, **options: object) -> None:
        given = {"explain": maps, "generator": generator, **options}
        with refused(error, message):
            mismatch.robustness(given.pop("explain"), lambda maps: maps[:, 0, 0], image, **given)  # type: ignore[arg-type]

    wrong(r"kind must be one of .*, got 'fog'", kind="fog")
    wrong("at least one level, got none", levels=())
    wrong("levels of blur .* between 0 and 2, a quarter of the shorter side, got -1", levels=(-1.0,))
    wrong("levels must lie between 0 and 1, got 2", levels=(2.0,), kind="gaussian_noise")
    wrong("per_channel is a choice of salt_and_pepper alone", kind="blur", per_channel=True)
    wrong("explain must name at least one method", explain={})
    wrong("generator must be a torch.Generator or a whole number, its seed, got 0.5", TypeError, generator=0.5)
    wrong(r"the image must lie in \[0, 1\], got 255 to 256 at index 0; divide by 255", image=image + 255)
    wrong("floating-point numbers, got torch.uint8", TypeError, image=(image * 255).byte())
    image[1, 0, 0] = math.nan
    wrong("the image must be finite, got nan at index 1")
