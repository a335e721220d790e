"""What is required of a network: the same scores each time, and of each image alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from xai_widgets.kernels.precision import ieee
from xai_widgets.kernels.tail import Shell
from xai_widgets.kernels.tail.calls import Watch
from xai_widgets.kernels.tail.results import ROUNDING


def device_of(network: nn.Module) -> torch.device:
    """The one device of a network.

    Raises:
        ValueError: its weights are on several, on none (meta), or not made yet.
    """
    tensors = list(chain(network.parameters(), network.buffers()))
    if any(nn.parameter.is_lazy(tensor) for tensor in tensors):
        raise ValueError("the network has lazy layers whose weights are not made yet; run it once on an image first.")
    devices = sorted({str(tensor.device) for tensor in tensors})
    if len(devices) > 1:
        raise ValueError(f"the weights of the network must be on one device, they are on {' and '.join(devices)}.")
    if devices == ["meta"]:
        raise ValueError("the network has no weights: it was made on the meta device; load weights first.")
    return usable(devices[0] if devices else "cpu")


def usable(device: torch.device | str) -> torch.device:
    """A device with its number, so that "cuda" and "cuda:0" are the same.

    Raises:
        ValueError: there is no such device here.
    """
    try:
        found = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"device must be one that torch finds here, such as 'cpu', got {device!r}: {why}") from None
    return torch.device("cpu") if found.type == "cpu" else found


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Keep the user's sequence of random numbers as it is while a network is tried that draws some."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def check_scores(
    name: str,
    shell: Shell,
    inputs: Tensor,
    one: Tensor,
    two: Tensor,
    scores: Callable[[Any], Tensor],
    dtypes: Iterable[torch.dtype] = (),
) -> None:
    """Check that scores are finite, repeatable, and of each image alone.

    Args:
        inputs: two images.
        one: scores (1 k) of the first image.
        two: scores (2 k) of both.
        dtypes: in which the network computes; the coarsest of them says how much rounding may change.

    Raises:
        ValueError: they are not.
    """
    if not torch.isfinite(one).all() or not torch.isfinite(two).all():
        raise ValueError(f"{name} returns scores that are not finite (NaN or infinite) for a test image.")
    tolerance = max(ROUNDING.get(dtype, 0.0) for dtype in (inputs.dtype, one.dtype, *dtypes)) or 1e-4
    size = float(torch.cat((one, two)).abs().max())
    with ieee(), torch.no_grad():
        again = scores(shell.network(inputs[:1].clone()))
    if float((again - one).abs().max()) > 0.2 * tolerance * size:
        place = _first_difference(shell, inputs[:1], inputs[:1], 0.2 * tolerance)
        raise ValueError(
            f"{name} is not deterministic in eval mode: two runs on one image give scores that differ by "
            f"{float((again - one).abs().max()):.2g}{place}; make it deterministic first."
        )
    if float((two[0] - one[0]).abs().max()) > tolerance * size:
        place = _first_difference(shell, inputs[:1], inputs, tolerance)
        raise ValueError(
            f"{name} lets the images of a batch depend on each other: beside another image the scores of an image "
            f"differ by {float((two[0] - one[0]).abs().max()):.2g}{place}; each row must depend on its own image only."
        )


def _first_difference(shell: Shell, alone: Tensor, beside: Tensor, tolerance: float) -> str:
    """The first layer whose output for the first image differs between two runs, in words."""
    runs = Watch(keep=True), Watch(keep=True)
    for run, inputs in zip(runs, (alone, beside), strict=True):
        with torch.no_grad(), shell.running(run) as network:
            network(inputs.clone())
    others = runs[1].last_calls()
    for name, call in runs[0].last_calls().items():
        other = others.get(name)
        if not name or other is None:
            continue
        for a, b in zip(call.leaves, other.leaves, strict=False):
            if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.shape[1:] != b.shape[1:] or not a.dim():
                continue
            a, b = a[:1].float(), b[:1].float()
            if float((a - b).abs().max()) > tolerance * max(float(a.abs().max()), 1e-12):
                return f", first seen at layer {name!r} ({type(shell.network.get_submodule(name)).__name__})"
    return ""
