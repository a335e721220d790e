"""A tail keeps the precision in which it was made, works in half precision, and leaves ordinary tensors behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from families import FAMILIES, scores_of
from test_tail_weights import CHANGES, images, network
from torch import Tensor, nn

from xai_widgets import ImageModel
from xai_widgets.kernels.ablation import delta_y, group_scores, removal_scores
from xai_widgets.kernels.affine import is_affine
from xai_widgets.kernels.anytime import anytime_delta_y
from xai_widgets.kernels.baselines import mean_baseline, resampled_baseline
from xai_widgets.kernels.screening import screened_delta_y
from xai_widgets.kernels.tail import Shell, Tail
from xai_widgets.kernels.tail.results import unit_of


def same(result: Tensor) -> Tensor:
    return result


def bent() -> nn.Sequential:
    """Not affine, so that removals are copies; convolution after the layer, so that they are sparse."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*parts, nn.Linear(8, 3)).eval()


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("what", CHANGES)
def test_a_tail_notices_that_the_weights_changed(what: str) -> None:
    net = network()
    tail = Tail(net, "2", images())
    maps, result = tail.maps.clone(), tail.result.clone()
    CHANGES[what](net)
    uses: list[Any] = [
        lambda: tail(maps),
        lambda: tail.without(torch.tensor([0, 1], device="cpu"), torch.zeros(1, 1, 1, device="cpu")),
        lambda: tail(maps.clone().requires_grad_()),
        lambda: delta_y(tail, same),
        lambda: group_scores(tail, same, torch.ones(1, 6, dtype=torch.bool, device="cpu")),
    ]
    for use in uses:
        with pytest.raises(
            RuntimeError, match="the weights of the network changed since this tail was made; make a new one"
        ):
            use()
    assert torch.equal(tail.maps, maps)
    assert torch.equal(tail.result, result)


@pytest.mark.parametrize("what", [what for what in CHANGES if what != "cast"])
def test_a_tail_of_a_shell_that_is_old_is_of_the_new_weights(what: str) -> None:
    net = network()
    shell = Shell(net)
    old = Tail(shell, "1", images())
    CHANGES[what](net)
    tail = Tail(shell, "1", images())
    with torch.no_grad():
        assert torch.equal(tail.result, net(images()))
        assert torch.equal(tail(tail.maps), tail.result)
    with pytest.raises(RuntimeError, match="make a new one"):
        old(old.maps)


# ---------------------------------------------------------------- autocast


@contextmanager
def lower(dtype: torch.dtype = torch.bfloat16) -> Iterator[None]:
    with torch.autocast("cpu", dtype):
        yield


def test_a_tail_that_was_made_outside_stays_outside() -> None:
    tail = Tail(bent(), "1", images())
    expected = [delta_y(tail, same, 1), torch.cat([s for _, s in removal_scores(tail, same)])]
    leaf = tail.maps.clone().requires_grad_()
    (slope,) = torch.autograd.grad(tail(leaf)[0, 1], leaf)
    head, masks = Tail(network(), "2", images()), torch.eye(8, dtype=torch.bool)
    groups = group_scores(tail, same, masks)
    with lower():
        assert tail(tail.maps).dtype == torch.float32
        assert torch.equal(tail(tail.maps), tail.result)
        assert torch.equal(delta_y(tail, same, 1), expected[0])
        assert torch.equal(torch.cat([s for _, s in removal_scores(tail, same)]), expected[1])
        y = tail(leaf)[0, 1]
        with tail.autocast.set():  # torch runs a backward pass in the precision of its caller
            assert torch.equal(torch.autograd.grad(y, leaf)[0], slope)
        assert is_affine(head, same)
        assert torch.equal(group_scores(tail, same, masks), groups)
        assert list(anytime_delta_y(tail, same, 1))[-1].done
    assert tail.precision == torch.float32


def test_a_tail_that_was_made_inside_stays_inside() -> None:
    with lower():
        tail = Tail(bent(), "1", images())
        expected = tail.result.clone()
        inside = torch.cat([s for _, s in removal_scores(tail, same)])
    assert tail.maps.dtype == tail.precision == torch.bfloat16
    assert torch.equal(tail(tail.maps), expected)
    assert expected.dtype == torch.bfloat16
    assert torch.equal(torch.cat([s for _, s in removal_scores(tail, same)]), inside)
    with lower(torch.float16):
        assert torch.equal(tail(tail.maps), expected)
    leaf = tail.maps.clone().requires_grad_()
    assert torch.autograd.grad(tail(leaf)[0, 1].float(), leaf)[0].abs().max() > 0


def test_one_shell_serves_both() -> None:
    shell = Shell(bent())
    with lower():
        inside = Tail(shell, "1", images())
        assert inside.sparse.right
    outside = Tail(shell, "1", images())
    assert (inside.maps.dtype, outside.maps.dtype) == (torch.bfloat16, torch.float32)
    assert (inside.precision, outside.precision) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(outside(outside.maps), bent()(images()).detach(), atol=0, rtol=0)


def test_screening_lowers_on_purpose() -> None:
    tail = Tail(bent(), "1", images())
    lowered = tail.lowered(torch.bfloat16)
    assert lowered(lowered.maps).dtype == torch.bfloat16
    assert (tail.precision, lowered.precision) == (torch.float32, torch.bfloat16)
    exact = delta_y(tail, same, 1, batch=8)
    with lower(torch.float16):
        found = screened_delta_y(tail, same, 1, top=8)
    torch.testing.assert_close(found.delta_y, exact, atol=1e-6, rtol=0)


class Inner(nn.Module):
    """Hands its maps on in bfloat16, and gives its scores in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = bent()[:4], nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.body(x)
        scores: Tensor = self.head(maps.float().mean((2, 3)))
        return scores


def test_precision_is_the_coarsest_from_the_layer_on() -> None:
    net = Inner().eval()
    tail = Tail(net, "body.1", images())
    assert tail.result.dtype == torch.float32
    assert tail.precision == torch.bfloat16
    assert Tail(bent().double(), "1", images().double()).precision == torch.float64


# ---------------------------------------------------------------- half precision


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["bent", "vgg", "swin, not square", "vit"])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    layers = {"vgg": "features.14", "swin, not square": "features.1", "vit": "encoder.layers.encoder_layer_1.mlp"}
    net = bent() if name == "bent" else FAMILIES[name].network()
    inputs = images() if name == "bent" else FAMILIES[name].images()
    layer = layers.get(name, "1")
    exact = Tail(net, layer, inputs)
    precise = delta_y(exact, scores_of, 1, batch=16)
    tail = Tail(net.to(dtype), layer, inputs.to(dtype))
    assert tail.maps.dtype == tail.precision == dtype
    assert tail.placed
    found = delta_y(tail, scores_of, 1, batch=16)
    assert found.dtype == dtype
    step = {torch.float16: 5e-3, torch.bfloat16: 5e-2}[dtype] * float(exact.result.abs().max())
    torch.testing.assert_close(found.float(), precise, atol=step, rtol=0)
    assert not is_affine(tail, scores_of)
    if name == "bent":
        assert tail.sparse.right


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("largest", [0.0, 0.75, 3.0, 6e4, 1e30])
def test_the_unit_of_probes_fits_into_every_precision(dtype: torch.dtype, largest: float) -> None:
    maps = torch.tensor([[[[-largest, largest / 2]]]], dtype=torch.float64).to(dtype)
    unit = unit_of(maps)
    assert torch.isfinite(torch.tensor(8 * unit).to(dtype))
    if 1e-3 <= largest <= 1e3:
        assert unit / 2 <= largest <= unit


def test_a_model_in_half_precision() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        model = ImageModel(bent().to(dtype), None, "1")
        assert model.outputs == 3


# ---------------------------------------------------------------- what leaves


def test_results_are_ordinary_tensors() -> None:
    tail = Tail(bent(), "1", images())
    index, level = torch.arange(4), torch.zeros(1, 1, 1)
    assert tail.sparse.right
    weight = torch.ones(3, requires_grad=True)
    for result in (tail(tail.maps), tail.without(index, level), tail.with_own(index, tail.maps[0, :4, None])):
        assert not result.is_inference()
        (slope,) = torch.autograd.grad((result * weight).sum(), weight)
        torch.testing.assert_close(slope, result.sum(0))


def test_images_of_a_batch_without_the_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = torch.cat((images(), images().flip(3), images() * 0.5))
    for net, layer in ((bent(), "1"), (FAMILIES["vit"].network(), "encoder.layers.encoder_layer_1.mlp"),
                       (FAMILIES["inception"].network(), "Mixed_5c.branch3x3dbl_1")):  # fmt: skip
        inputs = batch if layer == "1" else torch.cat([batch.repeat(1, 1, 5, 5)[..., :80, :80]])
        inputs = inputs[..., :64, :64] if "encoder" in layer else inputs
        tail = Tail(net, layer, inputs)
        calls: list[str] = []
        first = next(module for module in tail.shell.network.modules() if isinstance(module, nn.Conv2d))
        real = first._conv_forward
        monkeypatch.setattr(
            first, "_conv_forward", lambda *args, real=real, calls=calls: calls.append(1) or real(*args)
        )
        ones = tail.images()
        assert not calls
        for one, image in zip(ones, inputs, strict=True):
            alone = Tail(net, layer, image[None])
            scores, own = scores_of(one.result), scores_of(alone.result)
            torch.testing.assert_close(scores, own, atol=1e-4 * float(own.abs().max()), rtol=0)
            assert torch.equal(scores_of(one(one.maps)), scores)
            index = torch.arange(3)
            found = scores_of(one.without(index, torch.zeros(1, 1, 1)))
            expected = scores_of(alone.without(index, torch.zeros(1, 1, 1)))
            torch.testing.assert_close(found, expected, atol=1e-4 * float(own.abs().max()), rtol=0)


# ---------------------------------------------------------------- other defaults


@contextmanager
def defaults(device: str | None, dtype: torch.dtype | None) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_device(device)
    torch.set_default_dtype(dtype or before)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)


@pytest.mark.parametrize(("device", "dtype"), [("meta", None), (None, torch.float64)])
def test_the_defaults_of_torch_change_nothing(device: str | None, dtype: torch.dtype | None) -> None:
    net, linear, inputs, order = bent(), network(), images(), torch.arange(4)
    level, batch = torch.zeros(1, 1, 1), torch.cat((images(), images().flip(3)))
    transformer, patches = FAMILIES["vit"].network(), FAMILIES["vit"].images()

    def run() -> list[Tensor]:
        tail, head = Tail(net, "1", inputs), Tail(linear, "2", inputs)
        assert tail.sparse.right
        assert is_affine(head, same)
        assert ImageModel(net, None, "1").outputs == 3
        maps, seed = Tail(net, "1", batch).maps, torch.Generator(device="cpu").manual_seed(3)
        screened, last = screened_delta_y(tail, same, 1, top=3), list(anytime_delta_y(tail, same))[-1]
        tokens = Tail(transformer, "encoder.layers.encoder_layer_1", patches)
        assert tokens.placed
        return [
            tail.result, tail.without(order, level), screened.delta_y, delta_y(head, same), last.delta_y, tokens.maps,
            mean_baseline([maps]), resampled_baseline([maps], generator=seed),
        ]  # fmt: skip

    expected = run()
    with defaults(device, dtype):
        found = run()
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
