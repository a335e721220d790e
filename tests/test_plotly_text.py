"""The text of plotly is sent once for all figures that are open, and front ends are texts that the page reads once."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
import pytest

from xai_widgets.session.describe import AXES
from xai_widgets.views._base import View
from xai_widgets.views._once import shared
from xai_widgets.views._plotly_text import PlotlyText, packed
from xai_widgets.views._radar_figure import RadarFigure


@pytest.fixture
def figures(fake_comm: Any) -> Iterator[list[RadarFigure]]:
    lock = threading.RLock()
    made = [RadarFigure(lock, AXES) for _ in range(2)]
    yield made
    for figure in made:
        figure.close()


def test_figures_that_are_open_share_one_text(figures: list[RadarFigure]) -> None:
    one, two = figures
    assert one._text is two._text
    assert one._plotly == two._plotly == {"text": one._text.model_id, "digest": packed()[1]}
    assert gzip.decompress(one._text.text).decode() == str(go.FigureWidget._esm)
    ((opening, (text,)),) = one._text.comm.sent
    assert opening["buffer_paths"] == [["text"]]
    assert len(text) < 2_500_000
    assert all(len(json.dumps(figure.comm.sent)) < 40_000 for figure in figures)


def test_the_text_goes_with_the_last_figure(figures: list[RadarFigure]) -> None:
    text = figures[0]._text
    figures[0].close()
    figures[0].close()
    assert text.comm is not None
    figures[1].close()
    assert text.comm is None


def test_a_figure_after_all_was_closed_brings_a_text(figures: list[RadarFigure]) -> None:
    text = figures[0]._text
    widgets.Widget.close_all()
    assert text.comm is None
    figures.append(RadarFigure(threading.RLock(), AXES))
    assert figures[-1]._text is not text
    assert figures[-1]._text.comm is not None


def test_a_text_that_somebody_closed_is_made_anew(figures: list[RadarFigure]) -> None:
    figures[0]._text.close()
    figures.append(RadarFigure(threading.RLock(), AXES))
    for figure in figures[:2]:
        figure.close()
    assert figures[-1]._text.comm is not None, "figures of the text that was closed do not close this one"


def test_threads_that_open_figures_at_once_share_one_text(fake_comm: Any) -> None:
    users = [object() for _ in range(8)]
    found: list[PlotlyText] = []
    threads = [threading.Thread(target=lambda user=user: found.append(PlotlyText.of(user))) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    for user in users:
        found[0].leave(user)
    assert found[0].comm is None


def test_what_failed_before_it_was_open_is_closed_quietly(fake_comm: Any) -> None:
    half = RadarFigure.__new__(RadarFigure)
    half.close()


def test_a_view_brings_its_module_as_text() -> None:
    text = 'function render() { return "↻"; }\nexport default { render };\n'

    class Small(View):
        _esm = text

    class Same(Small):
        pass

    packed = re.search(r'", "([\w+/=]+)"\);', Small._esm)
    assert packed is not None
    assert gzip.decompress(base64.b64decode(packed[1])).decode() == text
    assert Same._esm == Small._esm, "a view that inherits it brings it as it is"
    assert Small._esm.isascii(), "the page takes two bytes for each character of any other text"
    assert "export default" in shared("once.js", "plotly_once.js")
    assert "import {" not in Small._esm + RadarFigure._esm
