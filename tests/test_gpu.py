"""Every kernel, every answer of the engine, and whole sessions on a real accelerator, against float64 on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from accelerated import ANSWERS, SETS, check_answer, check_kernel, check_session
from families import FAMILIES, needed, scores_of
from kernel_table import KERNELS

from xai_widgets.kernels import ablation, cam
from xai_widgets.kernels.tail import Tail

pytestmark = pytest.mark.gpu


@pytest.fixture
def accelerator() -> torch.device:
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        pytest.skip("needs CUDA or MPS")
    return torch.empty(0, device=found).device


@pytest.fixture(params=["as torch starts", "lower"])
def flags(request: pytest.FixtureRequest) -> Iterator[None]:
    """The user's own: TF32 wherever torch allows it must not be heard."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    if request.param == "lower":
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("medium")
    yield
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel(name: str, accelerator: torch.device, flags: None) -> None:
    check_kernel(name, accelerator)


@pytest.mark.parametrize(("model", "answer"), ANSWERS)
def test_an_answer(model: str, answer: str, accelerator: torch.device) -> None:
    check_answer(model, answer, accelerator)


@pytest.mark.parametrize("model", SETS)
def test_a_session(model: str, accelerator: torch.device) -> None:
    check_session(model, accelerator)


LAYERS = {
    "resnet": "layer3.1.conv1", "vgg": "features.8", "densenet": "features.denseblock2",
    "vit": "encoder.layers.encoder_layer_1",
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_effects_and_grad_cam_of_a_family(name: str, accelerator: torch.device, flags: None) -> None:
    pytest.importorskip(needed(name))
    family = FAMILIES[name]
    layer = LAYERS[name]
    here = Tail(family.network().double(), layer, family.images(dtype=torch.float64))
    there = Tail(family.network().to(accelerator), layer, family.images().to(accelerator))
    expected, found = (ablation.delta_y(tail, scores_of, 1) for tail in (here, there))
    torch.testing.assert_close(found.cpu().double(), expected, atol=5e-5 * float(expected.abs().max()), rtol=0)
    expected, found = (cam.grad_cam(tail, scores_of, 1) for tail in (here, there))
    torch.testing.assert_close(found.cpu().double(), expected, atol=5e-5 * float(expected.abs().max()), rtol=0)
