"""A figure of a session holds what its reader laid over the stage, with the numbers of the answers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import rated, regressor

from xai_widgets import Explorer, figures, scenes
from xai_widgets.figures.over import difference_of, laid
from xai_widgets.kernels import agreement

BOX = (0.1, 0.2, 0.7, 0.6)
SAYS = {
    "difference": "a: the map of a (Grad-CAM) minus that of b (Feature activation)",
    "divider": "a: left of the line a (Grad-CAM), right of it b (Feature activation)",
    "contours": "a: contours of the top 5, 10 and 15 %: solid a (Grad-CAM), dashed b (Feature activation)",
}


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    made = Explorer(regressor(), rated())
    made.session.add_panel(method="feature_activation")
    made.session.activate(0)
    assert made.session.wait(60)
    assert made.stage.settle(60)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def as_before(explorer: Explorer) -> Iterator[None]:
    yield
    explorer.session.show(over="off", other=-1, divider=0.5, top=0)
    explorer.session.look_into(None)
    assert explorer.session.wait(60)


def written(path: Path) -> str:
    """All that stands in an SVG: its words, and what it says of itself."""
    return " ".join(" ".join(ET.parse(path).getroot().itertext()).split())


def as_on_the_stage(explorer: Explorer) -> scenes.Grid:
    scene = explorer.stage.picture()
    assert isinstance(scene, scenes.Grid)
    return scene


@pytest.mark.parametrize("over", SAYS)
def test_what_a_gesture_lays_over_the_stage_is_in_the_file_and_in_the_still(
    explorer: Explorer, tmp_path: Path, over: str
) -> None:
    assert SAYS[over] not in figures.caption(as_on_the_stage(explorer))
    explorer.stage.gesture("look", over=over, other=1, divider=0.3)
    path = explorer.figure(tmp_path / "it.svg")
    assert written(path).count(SAYS[over]) >= 2, "in the caption, and in words for those who do not see it"
    still = explorer.stage.scene()
    assert still is not None
    assert SAYS[over] in figures.still(still)[1]


def test_a_difference_has_the_values_of_both_answers(explorer: Explorer) -> None:
    explorer.session.show(over="difference", other=1)
    first, second = (panel.answers.saliency for panel in explorer.session.panels)
    assert first is not None
    assert second is not None
    one_unit = first.unit == second.unit
    a, b = (np.asarray(one.map, float) / (1 if one_unit else one.limit) for one in (first, second))
    scene = as_on_the_stage(explorer)
    np.testing.assert_allclose(difference_of(scene).values, a - b, atol=1e-6)
    assert difference_of(scene).limit == (max(first.limit, second.limit) if one_unit else 1)
    shown, over = laid(scene)
    assert [one.minus for one in over] == [True, False]
    assert shown.panels[0].map is not None
    np.testing.assert_array_equal(shown.panels[0].map.values, difference_of(scene).values)


def test_contours_have_the_relative_risks_of_both_answers(explorer: Explorer) -> None:
    explorer.session.show(over="contours", other=1)
    answers: list[Any] = [panel.answers.saliency for panel in explorer.session.panels]
    a, b = (torch.tensor(np.asarray(one.map, np.float32))[None] for one in answers)
    risks = [float(agreement.relative_risk(a, b, share)) for share in (0.05, 0.1, 0.15)]
    said = ", ".join("n/a" if np.isnan(risk) else "∞" if np.isinf(risk) else f"{risk:.1f}" for risk in risks)
    assert f"relative risk of this map given b (Feature activation) {said}" in figures.caption(
        as_on_the_stage(explorer)
    )
    _, (over, _) = laid(as_on_the_stage(explorer))
    for one, share in zip(over.lines[3:], (0.05, 0.1, 0.15), strict=True):
        np.testing.assert_array_equal(one.inside, agreement.top_share(a, share)[0].numpy())


def test_a_region_and_chosen_maps_are_said_as_on_the_stage(explorer: Explorer, tmp_path: Path) -> None:
    session = explorer.session
    explorer.stage.gesture("region", box=BOX)
    session.selected = (1,)
    assert session.wait(60)
    assert explorer.stage.region["words"].startswith("Region: ")
    words = [explorer.stage.region["words"], explorer.stage.acts["words"]]
    path = explorer.figure(tmp_path / "it.svg")
    for one in words:
        assert f"a: {one.rstrip('.')}" in written(path)
    _, (over, beside) = laid(as_on_the_stage(explorer))
    assert session.region is not None
    np.testing.assert_array_equal(over.lines[-1].inside, session.region.mask)
    assert (len(over.lines), beside.lines) == (2, ())
    session.selected = ()
    session.look_into(None)
    assert session.wait(60)
    assert "Region" not in figures.caption(as_on_the_stage(explorer))
