"""Agreement with a human map, asked of the engine, against the kernels called directly."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny import TinyNet, photos, rated, regressor
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, ToTensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Agreement, Query, Sources, answer
from xai_widgets.kernels import agreement as kernels

WIDTH, HEIGHT = 64, 64


def density() -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    blob = np.exp(-((rows - 20) ** 2 + (columns - 44) ** 2) / 200)
    return (255 * blob).round().astype(np.uint8)


def fixations() -> np.ndarray:
    marked = np.zeros((HEIGHT, WIDTH), np.uint8)
    marked[18:24, 40:50] = 255
    return marked


def set_of(folder: Path, human: np.ndarray, photo: np.ndarray | None = None) -> ImageSet:
    Image.fromarray(photos()[0] if photo is None else photo).save(folder / "one.png")
    Image.fromarray(human).save(folder / "human.png")
    table = pd.DataFrame({"image": ["one.png"], "rating": [0.25], "human_map": ["human.png"]})
    return ImageSet(table, folder=folder)


def asked(images: ImageSet, model: ImageModel | None = None, **fields: Any) -> tuple[Agreement, Any]:
    """The answer, and the map that is shown."""
    options = {name: fields.pop(name) for name in ("side",) if name in fields}
    sources, query = Sources(model or regressor(), images), Query(image=images.names[0], **fields)
    saliency = answer(sources, query, "explanation").saliency
    return answer(sources, query, "agreement", **options), torch.tensor(np.array(saliency.weight))


def sided(signed: Tensor, side: str) -> Tensor:
    return {"positive": signed.relu(), "absolute": signed.abs(), "negative": (-signed).relu()}[side]


@pytest.mark.parametrize("side", ["positive", "absolute", "negative"])
@pytest.mark.parametrize("gains", [(), ((0, 0.0), (3, 1.8))], ids=["plain", "gains"])
def test_a_density_has_no_fixations(tmp_path: Path, gains: Any, side: str) -> None:
    images = set_of(tmp_path, density())
    found, shown = asked(images, method="helpful", gains=gains, side=side)
    human = torch.from_numpy(density() / np.float32(255))[None]
    map_ = kernels.at_size(sided(shown, side)[None], (HEIGHT, WIDTH))
    for name, measure in (("CC", kernels.cc), ("SIM", kernels.sim), ("KL", kernels.kl)):
        assert found.values[name] == pytest.approx(float(measure(map_, human)), abs=1e-5, nan_ok=True), name
    for name in ("NSS", "AUC"):
        assert math.isnan(found.values[name])
        assert found.notes[name] == (
            f"{name} has no value: it needs fixations or an annotation of two values, this is a density."
        )
    words = {"positive": "cut at 0", "absolute": "absolute value", "negative": "negative part"}[side]
    assert found.notes["map"] == f"The map, {words}, at the size of the human map: 64 × 64."


def test_an_annotation_is_both_and_relative_risks_name_their_condition(tmp_path: Path) -> None:
    found, shown = asked(set_of(tmp_path, fixations()))
    human = torch.from_numpy((fixations() > 0).astype(np.float32))[None]
    map_ = kernels.at_size(shown.relu()[None], (HEIGHT, WIDTH))
    fixed = human > 0
    expected = {
        "NSS": kernels.nss(map_, fixed), "AUC": kernels.auc_judd(map_, fixed), "CC": kernels.cc(map_, human),
        "SIM": kernels.sim(map_, human), "KL": kernels.kl(map_, human),
    }  # fmt: skip
    for share in (0.05, 0.1, 0.15):
        expected[f"RR(map | human) {share:.0%}"] = kernels.relative_risk(map_, human, share)
        expected[f"RR(human | map) {share:.0%}"] = kernels.relative_risk(human, map_, share)
    assert set(found.values) == set(expected)
    for name, value in expected.items():
        assert found.values[name] == pytest.approx(float(value), abs=1e-5, nan_ok=True), name
    kept = [int(kernels.top_share(one, 0.05).sum()) for one in (map_, human)]
    assert found.notes["RR(map | human) 5%"].startswith(
        f"{kept[0]} places in the mask of the first, {kept[1]} in that of the second."
    )


def test_a_map_that_is_the_same_everywhere_has_no_correlation(tmp_path: Path) -> None:
    found, shown = asked(set_of(tmp_path, fixations()), gains=tuple((index, 0.0) for index in range(24)))
    assert float(shown.abs().max()) == 0
    assert found.values["AUC"] == 0.5
    for name in ("NSS", "CC", "SIM", "KL"):
        assert math.isnan(found.values[name])
        assert found.notes[name] == f"{name} has no value: the map is the same everywhere."
    assert "No value" in found.notes["RR(map | human) 5%"]


def test_the_human_map_is_that_of_what_the_network_saw(tmp_path: Path) -> None:
    """A photo of three times the width, of which the network sees the middle."""
    wide = np.concatenate([photos()[1], photos()[0], photos()[1]], 1)
    human = np.concatenate([255 - density(), density(), 255 - density()], 1)
    model = ImageModel(TinyNet(), Compose([CenterCrop(64), ToTensor()]), "features", range=(0, 1), name="cropped")
    (tmp_path / "whole").mkdir()
    part, _ = asked(set_of(tmp_path, human, wide), model)
    whole, _ = asked(set_of(tmp_path / "whole", density()), model)
    assert part.values == pytest.approx(whole.values, nan_ok=True, abs=1e-6)


def test_another_human_map_is_another_answer(tmp_path: Path) -> None:
    images = set_of(tmp_path, density())
    sources, query = Sources(regressor(), images), Query(image=images.names[0])
    first = answer(sources, query, "agreement")
    assert answer(sources, query, "agreement").values is first.values, "remembered"
    Image.fromarray(fixations()).save(tmp_path / "human.png")
    os.utime(tmp_path / "human.png", (1, 1))
    again = answer(sources, query, "agreement")
    assert math.isnan(first.values["NSS"])
    assert math.isfinite(again.values["NSS"])


def test_without_a_human_map_the_sentence_says_where_to_bring_it() -> None:
    sources = Sources(regressor(), rated())
    with pytest.raises(ValueError, match=r"agreement with people needs a human map of .* in a column human_map"):
        answer(sources, Query(image=sources.images.names[0]), "agreement")
    with pytest.raises(ValueError, match=r"side must be .*'positive'.*; got 'positiv'"):
        answer(sources, Query(image=sources.images.names[0]), "agreement", side="positiv")
