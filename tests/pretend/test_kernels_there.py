"""Every kernel on the pretend device, against the CPU."""

from __future__ import annotations

import pytest
import torch
from accelerated import check_kernel
from kernel_checks import check_same
from kernel_places import Place, as_it_is
from kernel_table import KERNELS
from pretend_device import DEVICE
from torch import Tensor

from xai_widgets.kernels import measures
from xai_widgets.kernels.tail import Shell, Tail


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel(name: str) -> None:
    check_kernel(name, DEVICE)


def test_images_may_be_elsewhere_than_the_network() -> None:
    """What a network on the accelerator gives for images of the CPU is brought to them."""
    found = []
    for device in (torch.device("cpu"), DEVICE):
        place = Place(device)
        shell = place.one.shell

        def tail_of(images: Tensor, shell: Shell = shell, device: torch.device = device) -> Tail:
            return Tail(shell, "features", images.to(device))

        explainer = measures.grad_cam_explainer(tail_of, as_it_is)
        images = Place("cpu").images
        clean = measures.clean_of(explainer, images)
        found.append(
            [
                measures.five_measures([explainer, explainer], images, seeds=(0, 1), levels=(0.1,)).axes(),
                measures.focus_of(explainer, images, clean).change,
                measures.removals_of(images, clean.maps),
            ]
        )
    check_same(found[1], found[0], 1e-5)
