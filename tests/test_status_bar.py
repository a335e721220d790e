"""The status bar: what runs, steps back and forth, the layer, and one line for what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import tiny

from xai_widgets import Session
from xai_widgets.views import StatusBar

EVIL = '<b>cat</b>\n<img src=x onerror="window.hacked = 1">'


@pytest.fixture
def scored(make_session: Callable[..., Any]) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


def test_it_shows_device_model_and_layers(scored: Any) -> None:
    bar = StatusBar(scored)
    assert bar.status["device"] == scored.status.device
    assert (bar.model, bar.layer) == (scored.query.model, scored.query.layer)
    assert [layer["name"] for layer in bar.layers] == [layer.name for layer in scored.layers()]
    chosen = next(layer for layer in bar.layers if layer["name"] == bar.layer)
    assert chosen["maps"] == len(scored.maps.thumbs)
    assert 0 <= chosen["cost"] <= 1
    bar.close()


def test_undo_and_redo(scored: Any) -> None:
    bar = StatusBar(scored)
    assert (bar.status["can_undo"], bar.status["can_redo"]) == (False, False)
    scored.set_gain(1, 0.5)
    assert (bar.status["can_undo"], bar.status["can_redo"]) == (True, False)
    bar.comm.click(kind="undo")
    assert scored.query.gains == ()
    assert (bar.status["can_undo"], bar.status["can_redo"]) == (False, True)
    bar.comm.click(kind="redo")
    assert scored.query.gains == ((1, 0.5),)
    bar.close()


def test_choosing_a_layer(scored: Any) -> None:
    bar = StatusBar(scored)
    other = next(layer["name"] for layer in bar.layers if layer["name"] != bar.layer)
    bar.comm.click(kind="layer", name=other)
    assert scored.query.layer == bar.layer == other
    scored.wait()
    assert scored.error == ""
    bar.comm.click(kind="layer", name="no such layer")
    assert scored.query.layer == bar.layer == other
    assert "no such layer" in bar.error
    bar.close()


def test_errors_and_notices_are_one_line_and_are_dismissed(scored: Any) -> None:
    bar = StatusBar(scored)
    with scored.lock:
        scored.error, scored.notice = EVIL, "a notice"
    assert bar.error == EVIL.replace("\n", " ")
    assert bar.notice == "a notice"
    bar.comm.click(kind="dismiss", what="error")
    assert (scored.error, bar.error, bar.notice) == ("", "", "a notice")
    bar.comm.click(kind="dismiss", what="notice")
    assert (scored.notice, bar.notice) == ("", "")
    bar.comm.click(kind="dismiss", what="query")  # nothing else can be set from the browser
    assert scored.query.image
    bar.close()


def test_progress_and_cancel(scored: Any) -> None:
    bar = StatusBar(scored)
    with scored.lock:
        scored.status = replace(scored.status, busy="effect of each map", progress=0.25)
    assert (bar.status["busy"], bar.status["progress"]) == ("effect of each map", 0.25)
    bar.comm.click(kind="cancel")
    assert bar.notice == scored.notice != ""
    bar.close()


def test_progress_is_a_small_message(scored: Any) -> None:
    bar = StatusBar(scored)
    bar.comm.take()
    with scored.lock:
        scored.status = replace(scored.status, busy="effect of each map", progress=0.25)
    updates, size = bar.comm.take()
    assert updates == [["status"]]
    assert size < 400
    bar.close()


def test_sizes_are_left_out_where_they_differ_from_image_to_image(demo_session: Session) -> None:
    bar = StatusBar(demo_session)
    try:
        assert demo_session.maps is not None
        assert demo_session.maps.thumbs.shape[1:] == (20, 20)
        assert {(layer["height"], layer["width"]) for layer in bar.layers} == {(0, 0)}
    finally:
        bar.close()
