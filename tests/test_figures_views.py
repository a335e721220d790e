"""A still of each view of an explorer, and which of them a display carries."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from tiny import rated, regressor

from xai_widgets import Explorer, scenes
from xai_widgets.views import _notebook as notebook

VIEWS = {"stage": scenes.Stage, "bank": scenes.Bank, "plane": scenes.Plane, "radar": scenes.Radar,
         "gallery": scenes.Gallery, "contrast": scenes.Picker}  # fmt: skip


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    made = Explorer(regressor(), rated())
    assert made.session.wait(60)
    assert made.stage.settle(60)
    yield made
    made.close()


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_leaves_a_still_in_the_notebook(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    left: list[Any] = []
    monkeypatch.setattr(notebook, "leave", lambda picture, words, *, cell: left.append((picture, words)))
    assert isinstance(getattr(explorer, name).scene(), VIEWS[name])
    explorer.keep(of=name)
    ((picture, words),) = left
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.format == "PNG"
        assert opened.width in (512, 900)
    assert words.strip()


def test_a_contact_sheet_holds_the_photos_of_the_session(explorer: Explorer) -> None:
    scene = explorer.gallery.scene()
    assert [index for index, _ in scene.thumbs] == list(range(len(scene.names)))
    for _, data in scene.thumbs:
        with Image.open(io.BytesIO(data)) as opened:
            assert max(opened.size) <= 192


def test_a_display_of_a_bank_waits_for_keep_and_that_of_a_stage_does_not(explorer: Explorer) -> None:
    stage, _ = explorer.stage._repr_mimebundle_()
    bank, _ = explorer.bank._repr_mimebundle_()
    assert "image/png" in stage
    assert "image/png" not in bank


def test_a_view_that_has_no_figure_is_named(explorer: Explorer) -> None:
    with pytest.raises(ValueError, match=r"of must be one of 'stage'.*got 'status'"):
        explorer.keep(of="status")
    assert explorer.status.still() is None
