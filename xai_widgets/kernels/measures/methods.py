"""Methods that explain images, in the one form that every measure calls.

A method is a function of images (m c h w) in [0, 1], which sees to its target itself, or of images and targets (m),
where None asks for what is predicted. It gives maps (m H W), or maps and scores (m k). `explainer_of` makes the form
with targets and scores of either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from xai_widgets.kernels.cam.base import Replayable, cam_of, one_hot


class Explained(NamedTuple):
    """Maps without negative values, and the scores of the network; None where the method gives none."""

    maps: Float[Tensor, "m H W"]
    scores: Float[Tensor, "m k"] | None


Result = Tensor | tuple[Tensor, Tensor | None]
Explain = Callable[[Tensor], Result] | Callable[[Tensor, Tensor | None], Result]
Explainer = Callable[[Tensor, Tensor | None], Explained]


@dataclass(frozen=True)
class Method:
    """A method in the form that the measures call.

    Attributes:
        explain: As it was given.
        targeted: Whether it takes targets.
        labels: Names of the network's outputs, by which a target may be given.
    """

    explain: Callable[..., Any]
    targeted: bool
    labels: Sequence[str] | None = None

    def __call__(self, images: Tensor, targets: Tensor | None) -> Explained:
        """The maps of some images, and their scores where the function gives them.

        Raises:
            TypeError: the function gives neither maps nor maps and scores.
        """
        result = self.explain(images, targets) if self.targeted else self.explain(images)
        if isinstance(result, Tensor):
            return Explained(result, None)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Tensor):
            return Explained(*result)
        raise TypeError(f"a method must give maps, or maps and scores, as tensors, got {type(result).__name__}.")


def explainer_of(explain: Explain) -> Method:
    """The form with targets and scores of any function that explains; what has it already stays as it is.

    A function takes targets where its second parameter has no default, or is named target or targets. Names of the
    outputs are taken from its attribute `labels`, where it has one.

    Raises:
        TypeError: no function.
    """
    if isinstance(explain, Method):
        return explain
    if not callable(explain):
        raise TypeError(f"a method must be a function of images, or of images and targets, got {explain!r}.")
    return Method(explain, _takes_targets(explain), getattr(explain, "labels", None))


def grad_cam_explainer(tail_of: Callable[[Tensor], Replayable], score: Callable[[Any], Tensor]) -> Method:
    """Grad-CAM, cut at 0, of the given outputs, or where none are given of the one that is predicted for each image.

    Args:
        tail_of: Images (m c h w) in [0, 1] to the tail of the network for them. On a CPU convolutions of images in
            the order of torch.channels_last are faster, where the network takes them.
        score: What the network returns to (m k) scores; its attribute `labels`, where it has one, names them.
    """

    def explain(images: Tensor, targets: Tensor | None) -> Explained:
        chosen = _predicted if targets is None else partial(one_hot, targets)
        scores, cams = cam_of(tail_of(images), score, chosen)
        return Explained(cams.relu(), scores)

    return Method(explain, True, getattr(score, "labels", None))


def _takes_targets(explain: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(explain.forward if isinstance(explain, nn.Module) else explain)
    except (TypeError, ValueError):  # written in C
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in signature.parameters.values() if parameter.kind in kinds]
    if len(positional) < 2:
        return False
    second = positional[1]
    return second.default is second.empty or second.name in ("target", "targets")


def _predicted(scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return one_hot(scores.argmax(1), scores)
