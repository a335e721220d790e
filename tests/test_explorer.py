"""The explorer: the views of one session, laid out, and what becomes of it when its cell is run again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ipywidgets.widgets import widget
from torch import nn
from traitlets import TraitError

from xai_widgets import Explorer, ImageModel, ImageSet, explorer
from xai_widgets.views import _notebook as notebook


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)

    def forward(self, x: Any) -> Any:
        return self.features(x).mean((1, 2, 3))


@pytest.fixture
def opened() -> Iterator[Any]:
    made: list[Explorer] = []

    def make() -> Explorer:
        photos = {"a": np.zeros((16, 16, 3), np.uint8), "b": np.full((16, 16, 3), 200, np.uint8)}
        made.append(Explorer(ImageModel(Small(), lambda photo: photo.float() / 255, range=(0, 1)), ImageSet(photos)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def runs(monkeypatch: pytest.MonkeyPatch, cell: str, run: str) -> None:
    monkeypatch.setattr(explorer, "_which_cell", lambda: (cell, run))


def test_an_explorer_of_an_earlier_run_of_its_cell_is_closed(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(widget._instances)
    runs(monkeypatch, "cell", "1")
    first, beside = opened(), opened()
    both = len(widget._instances) - before
    runs(monkeypatch, "other cell", "2")
    other = opened()
    runs(monkeypatch, "cell", "3")
    again = opened()
    assert first.session.closed
    assert beside.session.closed
    assert not other.session.closed
    assert not again.session.closed
    assert len(widget._instances) - before == both


def test_one_that_is_still_seen_stays_until_it_is_not(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, "cell", "1")
    first = opened()
    first._view_count = 1  # as the page says
    runs(monkeypatch, "cell", "2")
    opened()
    assert not first.session.closed
    first._view_count = 0
    assert first.session.closed


def test_what_an_explorer_is_made_of_is_checked(opened: Any) -> None:
    with pytest.raises(ValueError, match="an explorer needs images: a folder, files"):
        Explorer("demo/quality")
    with pytest.raises(TypeError, match=r"explore\(\) takes engine, image, layer, show, got 'colour'\."):
        Explorer("demo/quality", "demo/quality", colour="red")
    with pytest.raises(ValueError, match="image must be one of 'a', 'b'; got 'c'"):
        explorer.explore(
            "demo/quality", {"a": np.zeros((9, 9, 3), np.uint8), "b": np.zeros((9, 9, 3), np.uint8)}, image="c"
        )


def test_an_engine_an_image_and_a_layer_reach_the_session(opened: Any, engine: Any) -> None:
    photos = {"a": np.zeros((16, 16, 3), np.uint8), "b": np.full((16, 16, 3), 200, np.uint8)}
    model = ImageModel(Small(), lambda photo: photo.float() / 255, range=(0, 1))
    one = explorer.explore(model, photos, engine=engine, image="b", layer="features")
    assert one.session.engine is engine
    assert (one.session.query.image, one.session.query.layer) == ("b", "features")
    one.close()
    assert one.session.closed


def test_without_a_notebook_none_is_replaced(opened: Any) -> None:
    assert explorer._which_cell() == ("", "")
    first = opened()
    opened()
    assert not first.session.closed


def test_views_that_are_not_shown_are_made_when_they_are_looked_at(engine: Any) -> None:
    photos = {"a": np.zeros((16, 16, 3), np.uint8), "b": np.full((16, 16, 3), 200, np.uint8)}
    model = ImageModel(Small(), lambda photo: photo.float() / 255, range=(0, 1))
    one = explorer.explore(model, photos, engine=engine, show=("stage", "gallery"))
    before = len(widget._instances)
    assert one.shown == ("gallery", "stage")
    assert list(one.parts) == ["status", "gallery", "stage"]
    assert one.parts["stage"] == f"anywidget:{one.stage.model_id}"
    assert len(widget._instances) == before
    bank = one.bank
    assert bank is one.bank
    assert "bank" not in one.parts
    one.shown = ("bank", "stage")
    assert one.parts == {
        "status": one.parts["status"],
        "stage": f"anywidget:{one.stage.model_id}",
        "bank": f"anywidget:{bank.model_id}",
    }
    one.close()
    assert bank.comm is None
    one.close()


def test_views_and_tabs_that_do_not_exist_are_refused(opened: Any) -> None:
    with pytest.raises(ValueError, match="a view that is shown must be one of 'stage', 'gallery', 'plane'"):
        explorer.explore("demo/quality", "demo/quality", show=("gallery", "table"))
    with pytest.raises(ValueError, match="an explorer shows at least one view of 'gallery'"):
        explorer.explore("demo/quality", "demo/quality", show=())
    one = opened()
    with pytest.raises(TraitError, match="a view that is shown must be one of"):
        one.shown = ("table",)
    with pytest.raises(TraitError, match="tab must be one of 'bank', 'plane', 'radar'; got 'table'"):
        one.tab = "table"
    assert (one.tab, len(one.shown)) == ("bank", 6)


def test_what_is_being_done_is_said_from_the_start(monkeypatch: pytest.MonkeyPatch, opened: Any) -> None:
    """In a running cell a frame stands until the explorer does, also where it cannot be made."""
    said: list[str] = []

    class Frame:
        def update(self, data: dict[str, str], raw: bool) -> None:
            said.append(data["text/html"])

    def display(data: dict[str, str], raw: bool, display_id: bool) -> Frame:
        said.append(data["text/html"])
        return Frame()

    monkeypatch.setattr(notebook, "running_cell", lambda: {"header": {}})
    monkeypatch.setattr(notebook, "display", display)
    opened()
    assert [part.split(">")[-2].removesuffix("</div") for part in said[:-1]] == [
        "opening …",
        "reading the images …",
        "loading Small …",
    ]
    assert said[-1] == ""
    said.clear()
    with pytest.raises(ValueError, match="no image that can be used"):
        explorer.explore("demo/quality", {})
    assert said[-1] == ""
