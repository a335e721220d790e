"""What each gesture costs, as it is today: draws, messages and bytes of all views, and nothing of a network at once.

A change that makes one of these larger has to say why; one that makes it smaller lowers the number here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest
import tiny
from torch.utils._python_dispatch import TorchDispatchMode

from xai_widgets import Explorer, ImageSet
from xai_widgets.engine import Lane
from xai_widgets.session import requests
from xai_widgets.views._base import View

VIEWS = ("status", "gallery", "stage", "contrast", "bank", "plane", "radar")
GRID = 16 * 16 * 4  # bytes of a map of the tiny network
STEPS = 7  # of a drag of a gain


class Opened:
    """An explorer whose draws, messages and bytes are counted."""

    def __init__(self, explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.explorer, self.session, self.draws = explorer, explorer.session, Counter[str]()
        for name in VIEWS:
            monkeypatch.setattr(self.view(name), "draw", self._counted(name, self.view(name).draw))

    def view(self, name: str) -> View:
        found: View = getattr(self.explorer, name)
        return found

    def _counted(self, name: str, draw: Callable[[], None]) -> Callable[[], None]:
        def counted() -> None:
            self.draws[name] += 1
            draw()

        return counted

    def cost(self, gesture: str) -> tuple[dict[str, tuple[int, int]], int]:
        """(draws, messages) of each view in which anything happened, and the bytes of all messages."""
        for name in VIEWS:
            self.view(name).comm.take()
        self.draws.clear()
        self.do(gesture)
        assert self.session.wait(60)
        assert self.explorer.stage.settle(30)
        sent = {name: self.view(name).comm.take() for name in VIEWS}
        each = {name: (self.draws[name], len(updates)) for name, (updates, _) in sent.items()}
        return {name: some for name, some in each.items() if some != (0, 0)}, sum(size for _, size in sent.values())

    def do(self, gesture: str, *, wait: bool = True) -> None:
        explorer = self.explorer
        if gesture == "pick":
            explorer.gallery.comm.click(kind="pick", name=self.session.images.names[1])
        elif gesture == "gain":
            for step in range(1, STEPS + 1):
                details = {"indices": [3], "value": 1 - step / 10, "gesture": 1, "step": step}
                explorer.bank.comm.arrive(drag={"kind": "gain", **details})
                assert not wait or self.session.wait(60)  # else the machine decides how many steps are answered
        elif gesture == "q":
            explorer.contrast.comm.click(kind="score", value=0.25, form="plain")
        elif gesture == "layer":
            explorer.status.comm.click(kind="layer", name="features.0")
        elif gesture == "opacity":
            explorer.stage.comm.click(kind="look", opacity=0.3)
        elif gesture == "select":
            explorer.bank.comm.click(kind="select", indices=[1, 2])
        elif gesture == "undo":
            explorer.status.comm.click(kind="undo")


@pytest.fixture
def opened(make_session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    monkeypatch.setattr(requests, "NOTICED", inf)  # else a busy machine decides whether an answer is spoken of
    explorer = Explorer(make_session(tiny.regressor(), tiny.rated()))
    assert explorer.stage.settle(30)
    yield Opened(explorer, monkeypatch)
    explorer.close()


# Draws and messages a view.
EXACT = {
    "gain": {"stage": (7, 7), "contrast": (7, 7), "bank": (7, 0)},
    "q": {"status": (1, 1), "stage": (2, 2), "contrast": (2, 0), "bank": (1, 1), "radar": (1, 0)},
    "opacity": {"stage": (1, 0)},
    "select": {"bank": (1, 0), "plane": (1, 1), "stage": (1, 1)},  # the stage outlines where they act
}
BYTES = {"gain": STEPS * (GRID + 560), "q": GRID + 1_900, "opacity": 0, "select": GRID + 700}


@pytest.mark.parametrize("gesture", EXACT)
def test_draws_and_messages_of_a_short_gesture(opened: Opened, gesture: str) -> None:
    if gesture == "gain":
        opened.session.set_gain(1, 0.5)  # the first step of all makes an undo possible, which a bar shows once
        assert opened.session.wait(60)
    each, size = opened.cost(gesture)
    assert each == EXACT[gesture]
    assert size <= BYTES[gesture]


# How answers and progress follow each other is up to threads, so these are bounds: draws, messages, bytes of all views.
# Since the stage and the status bar say what is being done from the first moment there are more messages, and with each
# image come the reasons why methods cannot be asked of it, and the picture in words.
BOUNDS = {"pick": (44, 38, 27_500), "layer": (48, 42, 20_500), "undo": (48, 42, 20_500)}


@pytest.mark.parametrize("gesture", BOUNDS)
def test_draws_and_messages_of_a_gesture_with_long_answers(opened: Opened, gesture: str) -> None:
    if gesture == "undo":
        opened.do("layer")
        assert opened.session.wait(60)
    each, size = opened.cost(gesture)
    draws, messages, most = BOUNDS[gesture]
    assert sum(count for count, _ in each.values()) <= draws
    assert sum(count for _, count in each.values()) <= messages
    assert size <= most
    assert each["stage"][0] >= 1


class Operations(TorchDispatchMode):
    """Counts what torch computes on this thread."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("gesture", ["pick", "gain", "q", "layer", "opacity", "select", "undo"])
def test_a_callback_computes_and_reads_nothing(opened: Opened, gesture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback puts a request into its lane: what it cannot do in no time, it must not do at all."""
    opened.session.set_gain(1, 0.5)
    assert opened.session.wait(60)
    readers: list[str] = []
    read = ImageSet._read

    def watched(self: ImageSet, *args: Any, **keys: Any) -> Any:
        readers.append(threading.current_thread().name)
        return read(self, *args, **keys)

    monkeypatch.setattr(ImageSet, "_read", watched)
    opened.session.images.forget()
    hold = threading.Event()
    opened.session.engine.worker.submit(Lane(object(), "call"), lambda job: hold.wait(30))  # no answer comes in between
    with Operations() as counted:
        opened.do(gesture, wait=False)
    here = threading.current_thread().name
    assert counted.names == []
    assert here not in readers
    hold.set()
    assert opened.session.wait(60)
    assert opened.session.error == ""
