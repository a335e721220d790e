"""CAMs of maps that are 0 everywhere, in half precision, of a batch, of a scrambled layer, on any default device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xai_widgets.kernels import cam, gradients, measures, mismatch
from xai_widgets.kernels.measures import grad_cam_explainer
from xai_widgets.kernels.tail import Tail

CLASSES, MAPS = 4, 6


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Spread(nn.Module):
    """Pools maps by their standard deviation, whose gradient is NaN for a map that is the same everywhere."""

    def __init__(self, maps: int = MAPS, dead: int | None = None) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, maps, 3, 2), nn.ReLU())
        self.head = nn.Linear(maps, CLASSES)
        if dead is not None:
            with torch.no_grad():
                self.get_parameter("layer.0.bias")[dead] = -100

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layer(images).var((2, 3)).sqrt()).tanh()
        return scores


def without_map(network: Spread, index: int) -> Spread:
    kept = [i for i in range(MAPS) if i != index]
    other = Spread(MAPS - 1).to(network.head.weight.dtype)
    other.load_state_dict(
        {name: value[:, kept] if name == "head.weight" else value if name == "head.bias" else value[kept]
         for name, value in network.state_dict().items()}
    )  # fmt: skip
    return other.eval()


def logits(result: Tensor) -> Tensor:
    return result


def one_score(result: Tensor) -> Tensor:
    return result[:, :1]


def patches(result: Tensor) -> Tensor:
    return result.unflatten(1, (2, 2))


KERNELS: dict[str, Callable[[Any], Tensor]] = {
    "grad_cam": lambda tail: cam.grad_cam(tail, logits, 1),
    "class_contrast": lambda tail: cam.class_contrast(tail, logits, 2),
    "chosen class": lambda tail: cam.class_contrast(tail, logits, 2, target=3),
    "full confidence": lambda tail: cam.class_contrast(tail, logits, 2, target=2),
    "class_cams": lambda tail: cam.class_cams(tail, logits),
    "all_contrasts": lambda tail: cam.all_contrasts(tail, logits),
    "counterfactual": lambda tail: cam.counterfactual(tail, logits),
    "score_contrast": lambda tail: cam.score_contrast(tail, one_score, -3.0),
    "patch_contrast": lambda tail: cam.patch_contrast(tail, patches, 0.2).signed,
}
IMPLICIT: dict[str, Callable[[Any], Tensor]] = {
    f"{kind}, {combine}": lambda tail, kind=kind, combine=combine: mismatch.implicit_saliency(  # type: ignore[misc]
        tail, logits, kind=kind, combine=combine
    )
    for kind, combine in (("mismatch", "mean"), ("mismatch", "variance"), ("product", "mean"), ("norms", "variance"))
}


# Maps that are 0 everywhere


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", [*KERNELS, *IMPLICIT])
def test_a_dead_map_adds_nothing_though_its_gradient_is_nan(name: str, n: int) -> None:
    if name in IMPLICIT and n > 1:
        return
    network, images = Spread(dead=2).double().eval(), torch.rand(n, 3, 11, 13).double()
    tail, less = Tail(network, "layer", images), Tail(without_map(network, 2), "layer", images)
    assert tail.maps[:, 2].abs().max() == 0
    leaf = tail.maps.clone().requires_grad_()
    assert torch.autograd.grad(tail(leaf)[:, 1].sum(), leaf)[0][:, 2].isnan().all()
    found, expected = ((KERNELS | IMPLICIT)[name](some) for some in (tail, less))
    if name in IMPLICIT and not name.startswith("norms"):  # a mean over maps, or the variance of one
        expected = expected * ((MAPS - 1) / MAPS) ** (1 + name.endswith("variance"))
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-8)


def test_the_measures_of_a_network_with_a_dead_map_are_those_without_it() -> None:
    network, image = Spread(dead=2).double().eval(), torch.rand(3, 24, 24).double()

    def entropy_of(network: nn.Module) -> Tensor:
        explain = grad_cam_explainer(lambda images: Tail(network, "layer", images), logits)
        return measures.entropy(explain(image[None], torch.tensor([1])).maps)

    found = entropy_of(network)
    torch.testing.assert_close(found, entropy_of(without_map(network, 2)))
    assert 0 < float(found) < 1


@pytest.mark.parametrize("name", [*KERNELS, *IMPLICIT])
def test_a_gradient_that_is_not_finite_of_a_live_map_is_said(name: str) -> None:
    class Flat(Spread):
        def forward(self, images: Tensor) -> Tensor:
            maps = self.layer(images) + 0
            scores: Tensor = self.head(maps.mean((2, 3)) + maps[:, :, :1, :1].var((2, 3), correction=0).sqrt())
            return scores

    network = Flat().double().eval()
    with torch.no_grad():
        network.get_parameter("layer.0.bias").fill_(1)
    tail = Tail(network, "layer", torch.rand(1, 3, 11, 13).double())
    with pytest.raises(ValueError, match=r"the gradient of .* at the maps must be finite, got nan"):
        (KERNELS | IMPLICIT)[name](tail)


# Half precision


class Ordinary(nn.Module):
    """Deep enough that slopes are small: means over 900 places."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, MAPS, 3), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(MAPS, 12), nn.Tanh(), nn.Linear(12, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layer(images).mean((2, 3)))
        return scores


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 1e-2), (torch.bfloat16, 8e-2)])
@pytest.mark.parametrize("name", [*KERNELS, *IMPLICIT])
def test_half_precision_gives_the_maps_of_the_same_weights(name: str, dtype: torch.dtype, tolerance: float) -> None:
    network, images = Ordinary().to(dtype).eval(), torch.rand(1, 3, 32, 32).to(dtype)
    exact = Ordinary().double().eval()
    exact.load_state_dict(network.state_dict())
    found = (KERNELS | IMPLICIT)[name](Tail(network, "layer", images))
    expected = (KERNELS | IMPLICIT)[name](Tail(exact, "layer", images.double()))
    assert found.dtype == torch.float32
    assert expected.abs().max() > 0
    assert (found.double() - expected).abs().max() <= tolerance * expected.abs().max()


def test_the_variance_over_labels_is_not_0_in_float16() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    images = torch.rand(1, 3, 64, 64)
    expected = mismatch.implicit_saliency(Tail(network, "1", images), logits, combine="variance")
    found = mismatch.implicit_saliency(Tail(network.half(), "1", images.half()), logits, combine="variance")
    assert found.min() > 0
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0)


# Weights, batches, order of places


def test_weights_of_grad_cam_are_the_means_of_the_gradient() -> None:
    tail = Tail(Ordinary().double().eval(), "layer", torch.rand(3, 3, 12, 12).double())
    target = torch.tensor([3, 0, 1])
    weights = cam.grad_cam_weights(tail, logits, target)
    leaf = tail.maps.clone().requires_grad_()
    chosen = tail(leaf).gather(1, target[:, None]).sum()
    torch.testing.assert_close(weights, torch.autograd.grad(chosen, leaf)[0].mean((2, 3)))
    summed = torch.einsum("nc,nchw->nhw", weights, tail.maps)
    torch.testing.assert_close(cam.grad_cam(tail, logits, target), summed)


class OneByOne:
    """A tail that gives the tail of each of its images."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        self.tails = [Tail(network, "layer", one[None]) for one in images]

    def images(self) -> list[Tail]:
        return self.tails


def test_implicit_saliency_of_a_batch_is_that_of_its_images() -> None:
    network, images = Ordinary().double().eval(), torch.rand(3, 3, 12, 12).double()
    together = OneByOne(network, images)
    options: dict[str, Any] = {"labels": "others", "kind": "product", "combine": "variance", "smoothing": 0.7}
    found = mismatch.implicit_saliency_of(together, logits, **options)
    alone = [mismatch.implicit_saliency(Tail(network, "layer", one[None]), logits, **options) for one in images]
    assert torch.equal(found, torch.stack(alone))
    with pytest.raises(ValueError, match="takes the tail of one image, got one of 3; `implicit_saliency_of` takes"):
        mismatch.implicit_saliency(Tail(network, "layer", images), logits)


class Scrambled:
    """A tail whose places are not where they are in the image."""

    placed, layer = False, "stages.2"

    def __init__(self, tail: Tail) -> None:
        self.tail, self.maps = tail, tail.maps

    def __call__(self, maps: Tensor) -> Any:
        return self.tail(maps)


@pytest.mark.parametrize("name", [*KERNELS, *IMPLICIT])
def test_a_layer_that_is_not_in_raster_order_has_no_map(name: str) -> None:
    tail = Scrambled(Tail(Ordinary().eval(), "layer", torch.rand(1, 3, 12, 12)))
    with pytest.raises(ValueError, match=r"layer 'stages\.2' are not in raster order.*`layout=`.*remove maps, which"):
        (KERNELS | IMPLICIT)[name](tail)
    assert cam.grad_cam_weights(tail, logits, 0).shape == (1, MAPS)


def test_a_default_device_does_not_matter() -> None:
    network, images = Ordinary().eval(), torch.rand(1, 3, 12, 12)
    tail = Tail(network, "layer", images)
    names = [name for name in (KERNELS | IMPLICIT) if name not in ("class_cams", "all_contrasts")]
    expected = [(KERNELS | IMPLICIT)[name](tail) for name in names]
    smooth = gradients.smooth_grad(network, images, generator=torch.Generator().manual_seed(0), n_samples=2)
    torch.set_default_device("meta")
    try:
        for name, map in zip(names, expected, strict=True):
            assert torch.equal((KERNELS | IMPLICIT)[name](tail), map), name
        again = torch.Generator("cpu").manual_seed(0)
        assert torch.equal(gradients.smooth_grad(network, images, generator=again, n_samples=2), smooth)
    finally:
        torch.set_default_device(None)
