"""Layers of tokens, and those with maps on the last axis, against hooks and loops that know no layout of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from families import FAMILIES, LOUD, TOLERANCE, distance, needed, scores_of
from torch import Tensor, nn

from xai_widgets.kernels import ablation
from xai_widgets.kernels.cam import grad_cam
from xai_widgets.kernels.saliency import degenerate
from xai_widgets.kernels.tail import Tail

TARGET = 3
TOKENS = {  # a layer before the last attention, and how many of its tokens come before those of the patches
    "vit": ("encoder.layers.encoder_layer_1.mlp", 1),
    "timm vit, registers": ("blocks.0", 5),
    "timm deit, not square": ("blocks.1.norm1", 2),
    "transformers vit": ("vit.layers.1.mlp.fc2", 1),
}
BLOCKS = {  # the last block and its first norm
    "vit": ("encoder.layers.encoder_layer_3", "encoder.layers.encoder_layer_3.ln_1"),
    "timm vit": ("blocks.3", "blocks.3.norm1"),
    "transformers vit": ("vit.layers.3", "vit.layers.3.layernorm_before"),
}


def tail_of(name: str, layer: str) -> tuple[nn.Module, Tensor, Tail]:
    pytest.importorskip(needed(name))
    network, inputs = FAMILIES[name].network(), FAMILIES[name].images()
    return network, inputs, Tail(network, layer, inputs)


def score_with(network: nn.Module, layer: str, inputs: Tensor, change: Callable[[Tensor], Any]) -> Tensor:
    """The score where a plain hook has changed the layer's output in place."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        output = output.clone()
        change(output)
        return output

    handle = network.get_submodule(layer).register_forward_hook(hook)
    try:
        with torch.no_grad():
            return scores_of(network(inputs))[0, TARGET]
    finally:
        handle.remove()


def taken_apart(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's output (tokens, channels) of one image, and the gradient of the score there."""
    kept: list[Tensor] = []

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_())
        return kept[-1]

    handle = network.get_submodule(layer).register_forward_hook(hook)
    try:
        (slope,) = torch.autograd.grad(scores_of(network(inputs))[0, TARGET], kept, allow_unused=True)
    finally:
        handle.remove()
    return kept[0].detach()[0], slope[0]


@pytest.mark.parametrize("name", TOKENS)
def test_only_tokens_of_patches_change(name: str) -> None:
    layer, prefix = TOKENS[name]
    network, inputs, tail = tail_of(name, layer)
    y = scores_of(tail.result)
    delta = ablation.delta_y(tail, scores_of, TARGET)
    assert len(delta) == tail.maps.shape[1]
    patches, everything = [], []
    chosen = delta.abs().argsort(descending=True)[:4].tolist()
    for index in chosen:

        def of_patches(output: Tensor, index: int = index) -> None:
            output[:, prefix:, index] = 0

        def of_all(output: Tensor, index: int = index) -> None:
            output[:, :, index] = 0

        patches.append(score_with(network, layer, inputs, of_patches) - y[0, TARGET])
        everything.append(score_with(network, layer, inputs, of_all) - y[0, TARGET])
    tolerance = 10 * TOLERANCE[torch.float32] * float(y.abs().max())
    torch.testing.assert_close(delta[chosen], torch.stack(patches), atol=tolerance, rtol=0)
    assert min(map(abs, patches)) > 10 * tolerance
    assert (torch.stack(everything) - delta[chosen]).abs().max() > 10 * tolerance, "the first tokens matter here"


@pytest.mark.parametrize("layer", ["features.1.0.mlp.0", "features.3.1.norm2", "features.2"])
def test_maps_on_the_last_axis(layer: str) -> None:
    network, inputs, tail = tail_of("swin, not square", layer)
    y = scores_of(tail.result)
    delta = ablation.delta_y(tail, scores_of, TARGET)
    assert len(delta) == tail.maps.shape[1]
    chosen = delta.abs().argsort(descending=True)[:4].tolist()
    expected = []
    for index in chosen:

        def remove(output: Tensor, index: int = index) -> None:
            output[..., index] = 0

        expected.append(score_with(network, layer, inputs, remove) - y[0, TARGET])
    tolerance = 10 * TOLERANCE[torch.float32] * float(y.abs().max())
    torch.testing.assert_close(delta[chosen], torch.stack(expected), atol=tolerance, rtol=0)
    assert min(map(abs, expected)) > 10 * tolerance


def literal_cam(output: Tensor, slope: Tensor, first: int, prefix: int) -> Tensor:
    """Token by token; the mean of the gradient from token `first` on."""
    result = torch.zeros(len(output) - prefix)
    for channel in range(output.shape[1]):
        weight = slope[first:, channel].mean()
        for place in range(prefix, len(output)):
            result[place - prefix] += weight * output[place, channel]
    return result


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_without_a_place_are_dropped_before_the_mean(name: str) -> None:
    layer, prefix = TOKENS[name]
    network, inputs, tail = tail_of(name, layer)
    output, slope = taken_apart(network, layer, inputs)
    expected = literal_cam(output, slope, prefix, prefix)
    found = grad_cam(tail, scores_of, TARGET)[0].flatten()
    assert distance(found, expected, 10 * TOLERANCE[torch.float32]) <= 1
    assert distance(literal_cam(output, slope, 0, prefix), expected, TOLERANCE[torch.float32]) > LOUD


@pytest.mark.parametrize("name", ["vit", "timm vit, registers", "timm deit, not square"])
def test_token_cams_are_those_of_pytorch_grad_cam(name: str) -> None:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer, prefix = TOKENS[name]
    network, inputs, tail = tail_of(name, layer)
    rows, columns = (side // 16 for side in inputs.shape[-2:])

    def reshape(tokens: Tensor) -> Tensor:  # as its documentation has it
        return tokens[:, prefix:].reshape(len(tokens), rows, columns, -1).permute(0, 3, 1, 2)

    targets = [ClassifierOutputTarget(TARGET)]
    with GradCAM(network, [network.get_submodule(layer)], reshape_transform=reshape) as peer:
        peer(inputs, targets)
        kept = peer.activations_and_grads
        (activation,), (slope,) = ([some.numpy() for some in kept] for kept in (kept.activations, kept.gradients))
        expected = peer.get_cam_image(inputs, None, targets, activation, slope)  # before it is cut and scaled
    found = grad_cam(tail, scores_of, TARGET)
    assert distance(found, torch.from_numpy(expected), 10 * TOLERANCE[torch.float32]) <= 1


@pytest.mark.parametrize("name", BLOCKS)
def test_the_last_block_gives_a_map_of_zeros_and_its_norm_does_not(name: str) -> None:
    last, norm = BLOCKS[name]
    for layer, empty in ((last, True), (norm, False)):
        network, inputs, tail = tail_of(name, layer)
        _, slope = taken_apart(network, layer, inputs)
        assert bool((slope[1:] == 0).all()) == empty
        assert slope[0].abs().max() > 0, "the class token is heard"
        found = grad_cam(tail, scores_of, TARGET)
        assert bool(degenerate(found)[0]) == empty
        assert (float(found.abs().max()) == 0) == empty
