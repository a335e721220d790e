"""A map that is checked by intervention: what it points at is taken away, and as much at random."""

from __future__ import annotations

import torch
from torch import Tensor

from xai_widgets.engine.answers import Explanation, Receipt, Saliency
from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import method_named
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.output import EXPLAINED
from xai_widgets.engine.parts.record import Part
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.kernels.draws import seeded
from xai_widgets.kernels.receipts import FEWEST_DRAWS, MOST_DRAWS, map_receipt, place_receipt
from xai_widgets.kernels.saliency import resize
from xai_widgets.kernels.tested import Receipt as Found


def receipt(request: Request) -> Receipt:
    """All maps set to the baseline where the shown map is largest, or the maps that it lists everywhere.

    The network is read with all gains 1.

    Raises:
        ValueError: the map points at no place, or at all; see `kernels.receipts`.
    """
    subject, options = request.subject, request.options
    explanation: Explanation = request.ask("explanation")
    saliency = explanation.saliency
    tail, scores = subject.tail, subject.model.scores
    generator = seeded(options["seed"])
    if saliency.listed is not None:
        if not saliency.listed:
            raise ValueError(f"{_named(request)} lists no feature map for this image, so that none can be taken away.")
        found = map_receipt(
            tail, scores, saliency.listed, generator=generator, target=subject.target, draws=options["draws"],
            baseline=subject.baseline, step=request.step,
        )  # fmt: skip
    else:
        subject.check_placed("the check of places")
        grid = (tail.maps.shape[2], tail.maps.shape[3])
        found = place_receipt(
            tail, scores, _on_grid(saliency, grid), generator=generator, target=subject.target, share=options["share"],
            absolute=options["absolute"], draws=options["draws"], baseline=subject.baseline, step=request.step,
        )  # fmt: skip
    return Receipt(
        text=_text(request, found, saliency),
        change=found.change,
        mean=found.mean,
        low=found.low,
        high=found.high,
        draws=found.draws,
        taken=found.tested.taken,
        of=found.tested.of,
        beats=found.beats,
        kind=found.tested.kind,
    )


def _on_grid(saliency: Saliency, grid: tuple[int, int]) -> Tensor:
    """The map (h w) at the size of the layer's grid."""
    return resize(torch.tensor(saliency.weight, device="cpu")[None], grid)[0]


def _text(request: Request, found: Found, saliency: Saliency) -> str:
    """One sentence: what was taken away from which model, what that changes, and what as much at random changes."""
    subject, tested = request.subject, found.tested
    become = "zero" if subject.baseline is None else "its mean over images of the set"
    shown = f" for the {shown_in_words(subject.shown)}" if subject.shown else ""
    layer, method = f"layer {subject.layer_words} of {subject.model.name}{shown}", _named(request)
    if tested.kind == "maps":
        named = ", ".join(map(str, tested.maps))
        what = f"the {tested.taken} of {tested.of} feature maps of {layer} that {method} lists ({named})"
        what += f" to {become} everywhere"
    else:
        values = "largest absolute values" if tested.absolute else "largest values"
        asked = "" if tested.taken == tested.asked else f" ({tested.asked} asked for)"
        what = f"every feature map of {layer} to {become} at the {tested.taken} of {tested.of} places{asked} with the "
        what += f"{values} of {method}{_resized(request, saliency)}"
    gains = ", with all gains 1," if request.gains else ""
    return (
        f"Setting {what}{gains} changes {subject.score_words} by {found.change:+.3g}; {found.draws} random choices of "
        f"as many change it by {found.mean:+.3g} on average, 95 % of them by {found.low:+.3g} to {found.high:+.3g}, "
        f"and {100 * found.beats:.3g} % of them move it less."
    )


def _resized(request: Request, saliency: Saliency) -> str:
    """From which size to which, where the map was not of the layer's own."""
    before, grid = saliency.map.shape, request.subject.tail.maps.shape[2:]
    return "" if before == tuple(grid) else " (resized from {} × {} to {} × {})".format(*before, *grid)


def _named(request: Request) -> str:
    """The map, by its method."""
    return method_named(request.query.method).words


OPTIONS = (
    Option("share", "share of the places", 0.1, low=0.0, high=1.0),
    Option("absolute", "both signs of the map", False, (False, True)),
    Option("draws", "random choices", FEWEST_DRAWS, low=FEWEST_DRAWS, high=MOST_DRAWS),
    Option("seed", "seed of the random choices", 0, low=0, high=2**63 - 1),
)
PARTS = (Part("receipt", "check by removal", receipt, EXPLAINED, knows=True, options=OPTIONS, lane="detail"),)
