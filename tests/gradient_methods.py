"""The five maps of the gradient at the input, in the one form in which they are called; SmoothGrad with a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xai_widgets.kernels import gradients

Method = Callable[..., Tensor]


def smooth(*asked: Any, **options: Any) -> Tensor:
    return gradients.smooth_grad(*asked, generator=torch.Generator().manual_seed(3), n_samples=3, **options)


METHODS: tuple[Method, ...] = (
    gradients.gradient,
    gradients.input_x_gradient,
    gradients.guided_backpropagation,
    gradients.positive_saliency,
    smooth,
)
