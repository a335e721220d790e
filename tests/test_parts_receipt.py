"""Receipts, asked of the engine, against the kernel called directly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from asked import SOME, effects, query, shared
from tiny import rated, regressor

from xai_widgets.engine import METHODS, PARTS, Query, Receipt, Sources, answer
from xai_widgets.engine.methods import Explained
from xai_widgets.kernels.receipts import map_receipt, place_receipt
from xai_widgets.kernels.saliency import resize
from xai_widgets.kernels.tail import Tail

MODELS = ("demo/quality", "demo/scenes")


def expected(model: str, saliency: Any, baseline: str = "zero", **more: Any) -> Any:
    known = effects(model, baseline)
    generator = torch.Generator().manual_seed(more.pop("seed", 0))
    values = torch.tensor(np.array(saliency))
    return place_receipt(
        known.tail, shared(model).model().scores, values, generator=generator, target=known.target,
        baseline=known.baseline, **more,
    )  # fmt: skip


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("gains", [(), SOME], ids=["plain", "gains"])
@pytest.mark.parametrize("model", MODELS)
def test_a_receipt_is_that_of_the_kernel(model: str, gains: Any, baseline: str) -> None:
    asked = query(model, gains=gains, baseline=baseline)
    saliency = answer(shared(model), asked, "explanation").saliency
    options: dict[str, Any] = {"share": 0.05, "absolute": True, "draws": 30, "seed": 4}
    found: Receipt = answer(shared(model), asked, "receipt", **options)
    wanted = expected(model, saliency.map, baseline, **options)
    assert (found.change, found.mean) == (pytest.approx(wanted.change, abs=1e-4), pytest.approx(wanted.mean, abs=1e-4))
    assert (found.low, found.high) == (pytest.approx(wanted.low, abs=1e-4), pytest.approx(wanted.high, abs=1e-4))
    assert (found.taken, found.of, found.draws) == (wanted.tested.taken, wanted.tested.of, 30)
    assert found.beats == pytest.approx(wanted.beats, abs=0.05)
    assert ("with all gains 1" in found.text) == bool(gains)
    assert ("its mean over images of the set" in found.text) == (baseline == "mean")


def test_the_text_names_model_layer_method_and_numbers() -> None:
    sources = shared("demo/scenes")
    found: Receipt = answer(sources, query("demo/scenes"), "receipt")
    name = sources.model().name_of(effects("demo/scenes").target)
    assert found.text == (
        f"Setting every feature map of layer features of demo/scenes to zero at the {found.taken} of 144 places with "
        f"the largest values of Grad-CAM changes the score of {name} by {found.change:+.3g}; 20 random choices of as "
        f"many change it by {found.mean:+.3g} on average, 95 % of them by {found.low:+.3g} to {found.high:+.3g}, and "
        f"{100 * found.beats:.3g} % of them move it less."
    )


def test_another_seed_draws_other_places_and_the_same_seed_the_same() -> None:
    sources, asked = shared("demo/scenes"), query("demo/scenes")
    first, again, other = (answer(sources, asked, "receipt", seed=seed) for seed in (0, 0, 1))
    assert first.mean == again.mean
    assert first.mean != other.mean
    assert first.change == pytest.approx(other.change, abs=1e-5)


def made(monkeypatch: pytest.MonkeyPatch, explained: Explained) -> None:
    """Grad-CAM gives this map."""
    monkeypatch.setitem(METHODS, "grad_cam", replace(METHODS["grad_cam"], make=lambda request, options: explained))


def fresh_tiny() -> tuple[Sources, Query]:
    sources = Sources(regressor(), rated())
    return sources, Query(image=sources.images.names[0])


def test_a_map_of_the_input_is_resized_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(64 * 64, dtype=torch.float32).reshape(64, 64)
    made(monkeypatch, Explained(values))
    sources, asked = fresh_tiny()
    found: Receipt = answer(sources, asked, "receipt")
    assert "Grad-CAM (resized from 64 × 64 to 16 × 16)" in found.text
    model = sources.model()
    tail = Tail(model.network, "features", model.inputs(sources.images.photo(asked.image)))
    small = resize(values[None], (16, 16))[0]
    wanted = place_receipt(tail, model.scores, small, generator=torch.Generator().manual_seed(0))
    assert found.change == pytest.approx(wanted.change, abs=1e-6)


def test_a_map_that_lists_feature_maps_is_checked_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch, Explained(torch.ones(16, 16), listed=(1, 4, 7)))
    sources, asked = fresh_tiny()
    found: Receipt = answer(sources, asked, "receipt", draws=40)
    model = sources.model()
    tail = Tail(model.network, "features", model.inputs(sources.images.photo(asked.image)))
    wanted = map_receipt(tail, model.scores, (1, 4, 7), generator=torch.Generator().manual_seed(0), draws=40)
    assert (found.kind, found.taken, found.of) == ("maps", 3, 24)
    assert found.change == pytest.approx(wanted.change, abs=1e-6)
    assert found.text.startswith(
        "Setting the 3 of 24 feature maps of layer features of tiny that Grad-CAM lists (1, 4, 7) to zero everywhere "
        "changes the score by"
    )


@pytest.mark.parametrize(
    ("explained", "message"),
    [
        (Explained(torch.ones(16, 16), listed=()), "Grad-CAM lists no feature map for this image"),
        (Explained(torch.ones(16, 16)), "the map is constant"),
        (Explained(-torch.arange(256.0).reshape(16, 16)), "no value above 0; for both sides .* absolute=True"),
    ],
)
def test_a_map_that_points_nowhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, explained: Explained, message: str
) -> None:
    made(monkeypatch, explained)
    with pytest.raises(ValueError, match=message):
        answer(*fresh_tiny(), "receipt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 19}, "draws must be a whole number from 20 to 10000, got 19"),
        ({"share": 1.5}, "share must be a number from .* to .*, got 1.5"),
        ({"share": 0.0}, "a share of 0.0 of 400 positions is none"),
        ({"absolute": "both"}, "absolute must be False or True"),
        ({"seed": 0.5}, "seed must be a whole number"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        answer(shared("demo/quality"), query("demo/quality"), "receipt", **options)
    assert {option.name for option in PARTS["receipt"].options} == {"share", "absolute", "draws", "seed"}
