"""The first run of a network, on test photographs: where its scores and maps are, and whether it can be explained."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor, nn

from xai_widgets.kernels.tail import Shell
from xai_widgets.kernels.tail.calls import Watch
from xai_widgets.models.checks import check_scores
from xai_widgets.models.layers import Survey, survey
from xai_widgets.models.results import Scores, ScoresNotFound, described
from xai_widgets.models.taking import photographs

# Tried where no transform says which size a network takes.
SIDES = (128, 224, 256, 64, 32, 28, 96, 299, 384, 512, 8, 16, 20, 48, 112, 160, 192, 320, 448)
TEST_SIZE = (240, 320)  # height, width


def first_run(
    name: str,
    shell: Shell,
    inputs_of: Callable[[Image.Image], Tensor],
    scores: Scores,
    patch_scores: Callable[..., object] | None,
) -> tuple[Tensor, Tensor, Survey]:
    """The input for two test photographs, their scores (2 k), and the layers that were found.

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
    return inputs, two, replace(found, one=None, two=None)


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
            found = survey(shell, inputs, scores.find)
            larger = (2 * size[0], 3 * size[1])
            if own_size and _is_cut(shell, found, inputs_of(photographs(1, larger)[0])):
                inputs = torch.cat([inputs_of(photo) for photo in photographs(2, larger)])
                found = survey(shell, inputs, scores.find)
            return inputs, found
        except ScoresNotFound:
            raise
        except Exception as error:
            failure = failure or error
    raise ValueError(_why(name, shell, inputs, failure, own_size)) from failure


def _is_cut(shell: Shell, found: Survey, larger: Tensor) -> bool:
    """Does the default layer return more rows for one image where that is larger, as a network that cuts it into tiles?

    At the size of one tile this cannot be seen, and the layer's maps would be read as those of the whole image.
    """
    layer, watch = found.default, Watch(keep=True)
    if layer is None:
        return False
    try:
        with torch.no_grad(), shell.running(watch) as network:
            network(larger)
    except Exception:  # it takes the size that it ran with
        return False
    call = watch.last_calls().get(layer)
    return call is not None and any(
        isinstance(leaf, Tensor) and leaf.dim() > 2 and len(leaf) > 1 for leaf in call.leaves
    )


def _why(name: str, shell: Shell, inputs: Tensor, failure: Exception | None, own_size: bool) -> str:
    """What a network fails for, and what would help."""
    if isinstance(failure, TypeError) and (further := further_arguments(type(shell.original))):
        names = " and ".join(further)
        return (
            f"{name} wants {names} beside the image: give a module that fixes {'it' if len(further) == 1 else 'them'}, "
            f"one whose forward(image) returns network(image, {', '.join(further)})."
        )
    of_each = 1 if shell.feed is None else shell.feed.images
    sizes = [len(inputs), inputs.shape[1] // of_each, *("h w".split() if own_size else inputs.shape[2:])]
    shape = " ".join(map(str, sizes if inputs.dim() == 4 else inputs.shape))
    each = f" for each of {of_each} images a sample, called as {shell.feed.words}" if shell.feed is not None else ""
    why = str(failure).partition("\n")[0]
    sides = ", ".join(map(str, sorted(SIDES)))
    help_ = f"; sides of {sides} were tried: end the transform with a Resize to the size that it takes" * own_size
    return f"{name} cannot be run on a test batch ({shape}){each}: {type(failure).__name__}: {why}{help_}"


def further_arguments(kind: type[nn.Module]) -> list[str]:
    """Arguments of a network's forward that it cannot do without, beside the first."""
    try:
        parameters = list(inspect.signature(kind.forward).parameters.values())[2:]
    except (TypeError, ValueError):
        return []
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY)
    return [one.name for one in parameters if one.kind in plain and one.default is inspect.Parameter.empty]
