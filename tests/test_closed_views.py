"""A closed view of any kind no longer follows, may be closed twice, and is freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import tiny

from xai_widgets import Session
from xai_widgets.views import ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar
from xai_widgets.views._base import View

VIEWS = (ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar)


def change_all(session: Session) -> None:
    """Something that every view would show."""
    session.ask(image=session.images.names[1], gains={1: 0.5})
    session.select([1])
    session.show(opacity=0.1)
    session.pin(session.images.names[0])
    session.notice = "a notice"
    assert session.wait(60)


@pytest.mark.parametrize("kind", VIEWS, ids=lambda kind: kind.__name__)
def test_a_closed_view_no_longer_follows_and_is_freed(make_session: Callable[..., Any], kind: type[View]) -> None:
    session: Session = make_session(tiny.regressor(), tiny.rated())
    other, view = kind(session), kind(session)
    widgets: list[Any] = [view, *([view.figure] if isinstance(view, MetricRadar) else [])]
    if isinstance(view, Gallery):
        view.comm.click(kind="need", indices=[0], side=96)
        view._courier.join()
    gone = [weakref.ref(widget) for widget in widgets]
    sent = [widget.comm.sent for widget in widgets]
    view.close()
    view.close()
    counts, before = [len(some) for some in sent], len(other.comm.sent)
    change_all(session)
    assert [len(some) for some in sent] == counts
    assert len(other.comm.sent) > before, "one that is open follows"
    del view, widgets
    gc.collect()
    assert [one() for one in gone] == [None] * len(gone)
    other.close()
