"""Removal inside a region, asked of the engine, against removals written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from asked import SOME, close, effects, fresh, query, shared
from tiny import SIDE, TinyNet, photos, rated, regressor
from torchvision.transforms import CenterCrop, Compose, ToTensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Region, Sources, answer
from xai_widgets.engine.parts.region import within

MODELS = ("demo/quality", "demo/scenes")
WHOLE = (0.0, 0.0, 1.0, 1.0)


def removed(model: str, baseline: str, inside: torch.Tensor) -> tuple[torch.Tensor, float]:
    """delta y of each map inside a region, and of all of them, one copy of the maps after another."""
    known, scores = effects(model, baseline), shared(model).model().scores
    maps = known.tail.maps
    level = torch.zeros(maps.shape[1]) if known.baseline is None else known.baseline
    change = []
    for index in range(maps.shape[1]):
        copy = maps.clone()
        copy[0, index][inside] = level[index]
        change.append(scores(known.tail(copy))[0, known.target] - known.score)
    everything = torch.where(inside, level[:, None, None], maps[0])[None]
    return torch.stack(change), float(scores(known.tail(everything))[0, known.target] - known.score)


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("model", MODELS)
def test_each_map_is_removed_inside_the_region_only(model: str, baseline: str) -> None:
    rows, columns = effects(model).tail.maps.shape[2:]
    inside = torch.zeros(rows, columns, dtype=torch.bool)
    inside[1:4, 2:7] = True
    mask = inside.int().tolist()
    found: Region = answer(shared(model), query(model, baseline=baseline, gains=SOME), "region", mask=mask)
    expected, together = removed(model, baseline, inside)
    close(found.delta_y, expected, 1e-4)
    assert found.joint == pytest.approx(together, abs=1e-4)
    assert (found.places, found.of) == (15, rows * columns)
    saliency = answer(shared(model), query(model, baseline=baseline, gains=SOME), "explanation").saliency
    weight = np.abs(saliency.map)
    assert found.share == pytest.approx(weight[inside.numpy()].sum() / weight.sum(), abs=1e-6)
    assert found.area == pytest.approx(15 / (rows * columns))
    become = "zero" if baseline == "zero" else "its mean over images of the set"
    assert found.note.startswith(f"Each map set to {become} at 15 of {rows * columns} places")
    assert found.done


@pytest.mark.parametrize("model", MODELS)
def test_a_region_of_all_places_is_a_removal(model: str) -> None:
    found: Region = answer(shared(model), query(model), "region", box=WHOLE)
    close(found.delta_y, effects(model).delta_y[0], 1e-4)
    assert (found.share, found.area) == (pytest.approx(1), 1)


def test_exact_values_stream_in() -> None:
    seen: list[tuple[Region, float]] = []
    found = answer(
        fresh("demo/scenes"), query("demo/scenes"), "region", box=WHOLE, progress=lambda *one: seen.append(one)
    )
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    for known, share in seen:
        there = ~np.isnan(known.delta_y)
        assert there.mean() == pytest.approx(share)
        np.testing.assert_array_equal(known.delta_y[there], found.delta_y[there])
        assert not known.done


def test_a_box_lies_on_the_photo_and_not_on_the_grid() -> None:
    """A network that sees the middle half of a photo: a quarter of the photo to the left is not seen at all."""
    wide = np.concatenate([photos()[0]] * 2, 1)
    images = ImageSet([wide, *photos()], ratings=[0.5, None, None, None])
    transform = Compose([CenterCrop(SIDE), ToTensor()])
    model = ImageModel(TinyNet(), transform, "features", range=(0, 1), name="crop")
    sources = Sources(model, images)
    asked = Query(image=images.names[0])
    left_half: Region = answer(sources, asked, "region", box=(0.25, 0.0, 0.5, 1.0))
    assert (left_half.places, left_half.of) == (128, 256)
    with pytest.raises(ValueError, match=r"box must overlap what the network saw of the photo \(0.25, 0, 0.75, 1\)"):
        answer(sources, asked, "region", box=(0.0, 0.0, 0.2, 1.0))


def test_places_of_a_box() -> None:
    assert within(WHOLE, WHOLE, (2, 3)).all()
    half = within((0.0, 0.0, 0.5, 1.0), WHOLE, (2, 4))
    assert half.tolist() == [[True, True, False, False]] * 2
    small = within((0.3, 0.3, 0.31, 0.31), WHOLE, (4, 4))
    assert np.argwhere(small).tolist() == [[1, 1]], "a box smaller than a place is the place around its centre"
    seen = (0.5, 0.0, 1.0, 1.0)
    assert within((0.0, 0.0, 0.75, 1.0), seen, (1, 2)).tolist() == [[True, False]]


def test_a_share_is_that_of_the_map_that_is_shown() -> None:
    """Of a map of two dimensions, that of its saturation; of a zero map there is none."""
    sources = shared("demo/quality")
    asked = query("demo/quality", method="combined")
    saliency = answer(sources, asked, "explanation").saliency
    found: Region = answer(sources, asked, "region", box=(0.0, 0.0, 0.5, 0.5))
    inside = within((0.0, 0.0, 0.5, 0.5), saliency.box, saliency.map.shape)
    assert found.share == pytest.approx(saliency.strength[inside].sum() / saliency.strength.sum(), abs=1e-6)
    tiny = Sources(regressor(), rated())
    muted = Query(image=tiny.images.names[0], gains=tuple((index, 0.0) for index in range(24)))
    assert math.isnan(answer(tiny, muted, "region", box=WHOLE).share)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of mask and box, got neither"),
        ({"mask": [[1] * 20] * 20, "box": WHOLE}, "one of mask and box, got both"),
        ({"mask": [[1, 0], [0, 1]]}, "grid of 'features', 20 × 20 places, got 2 × 2"),
        ({"mask": [[0, 0], [0, 0]]}, "at least one place that is 1, got none"),
        ({"mask": [[0, 2], [0, 0]]}, "rows of 0 and 1, got the value 2"),
        ({"mask": [[0, 1], [0]]}, "all of one length"),
        ({"mask": [1, 0]}, r"rows of 0 and 1, got an array of shape \(2,\)"),
        ({"mask": "all"}, "rows of 0 and 1, got an array"),
        ({"box": (0.5, 0.0, 0.2, 1.0)}, r"left, top, right and bottom .* got \(0.5, 0.0, 0.2, 1.0\)"),
        ({"box": (0.5, 0.0, 0.2)}, "left, top, right and bottom"),
        ({"box": (0.0, 0.0, 1.0, math.nan)}, "left, top, right and bottom"),
        ({"box": "left"}, "left, top, right and bottom .* got 'left'"),
        ({"box": 3}, "left, top, right and bottom .* got 3"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        answer(shared("demo/quality"), query("demo/quality"), "region", **options)


@pytest.mark.parametrize("given", [np.array, torch.tensor, tuple], ids=["array", "tensor", "tuple"])
def test_the_same_region_is_remembered_however_it_is_given(given: Any) -> None:
    sources = fresh("demo/quality")
    mask = np.zeros((20, 20), bool)
    mask[3:6, 3:6] = True
    first: Region = answer(sources, query("demo/quality"), "region", mask=mask.tolist())
    again: Region = answer(sources, query("demo/quality"), "region", mask=given(mask.tolist()))
    assert again.delta_y is first.delta_y
