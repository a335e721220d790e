"""The first run of a network, on test photographs: where its scores and maps are, and whether it can be explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from xai_widgets.kernels.tail import Shell
from xai_widgets.models.checks import check_scores
from xai_widgets.models.layers import Survey, survey
from xai_widgets.models.preprocessing import photographs
from xai_widgets.models.results import Scores, ScoresNotFound, described

SIDES = (128, 224, 256, 64, 32, 28, 96, 299, 384, 512)  # tried where no transform says which size a network takes
TEST_SIZE = (240, 320)  # height, width


def first_run(
    name: str,
    shell: Shell,
    inputs_of: Callable[[Image.Image], Tensor],
    scores: Scores,
    patch_scores: Callable[..., object] | None,
) -> tuple[Tensor, int, Survey]:
    """The input for two test photographs, the number of scores, and the layers that were found.

    Args:
        name: what the model is called in sentences.
        inputs_of: the input of the network for a photo, (1 ...).
        scores: finds out here where the scores are.

    Raises:
        ValueError: the network cannot be run, or its scores cannot be used.
    """
    inputs, found = _run_any_size(name, shell, inputs_of, scores)
    one, two = scores(found.one).detach(), scores(found.two).detach()
    if len(one) != 1 or len(two) != 2:
        raise ValueError(
            f"output must return one row of scores an image, got {tuple(one.shape)} for one image and "
            f"{tuple(two.shape)} for two."
        )
    check_scores(name, shell, inputs, one, two, scores, found.dtypes)
    if patch_scores is not None:
        patches = patch_scores(found.two)
        if not isinstance(patches, Tensor) or patches.dim() != 3 or len(patches) != 2:
            raise ValueError(f"patch_scores must return (n h w), got {described(patches)} for two images.")
    return inputs, one.shape[1], replace(found, one=None, two=None)


def _run_any_size(
    name: str, shell: Shell, inputs_of: Callable[[Image.Image], Tensor], scores: Scores
) -> tuple[Tensor, Survey]:
    """A run at the size that the transform makes, or at the first of usual sizes that the network takes."""
    own_size = inputs_of(photographs(1)[0]).shape[-2:] == TEST_SIZE
    sizes = [(side, side) for side in SIDES] if own_size else [TEST_SIZE]
    failure: Exception | None = None
    for size in sizes:
        inputs = torch.cat([inputs_of(photo) for photo in photographs(2, size)])
        try:
            return inputs, survey(shell, inputs, scores.find)
        except ScoresNotFound:
            raise
        except Exception as error:
            failure = failure or error
    shape = "2 3 h w" if own_size else " ".join(map(str, inputs.shape))
    why = str(failure).partition("\n")[0]
    raise ValueError(f"{name} cannot be run on a test batch ({shape}): {type(failure).__name__}: {why}") from failure
