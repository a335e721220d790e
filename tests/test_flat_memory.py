"""Memory of the kernel over a hundred gestures with six panels, and over explorers that are opened and closed.

What is remembered of answers and of the history is bounded. Once both are full, another gesture may cost nothing. All
memory is traced from the start: what leaves would not be counted otherwise.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tiny
from scipy.stats import theilslopes

from xai_widgets import Engine, Session, explore
from xai_widgets.session import history

KEPT, GESTURES, EVERY = 40, 100, 10
MOST = 1000  # bytes a gesture
OPENINGS, FIRST = 20, 5
# What an explorer that is closed leaves: less than one object (a view that stayed would be 646, and 140 kB); and of
# bytes, which go up and down by 130 kB with the tables of Python and of its libraries, less than its pictures.
MOST_OBJECTS, MOST_OPENING = 1, 50_000
CACHE = 500_000

pytestmark = pytest.mark.slow


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def grown(step: Callable[[int], object], steps: int, every: int) -> tuple[float, float]:
    """Bytes and objects a step: the middle of the slopes between any two measurements, one after each `every` steps.

    A table of Python's that grows or shrinks does so at once, by 130 kB where it is that of all classes.
    """
    used, objects = [], []
    for number in range(steps + 1):
        if number % every == 0:
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])
            objects.append(len(gc.get_objects()))
        if number < steps:
            step(number)
    return float(theilslopes(used)[0]) / every, float(theilslopes(objects)[0]) / every


@pytest.mark.usefixtures("traced")
def test_gestures_on_six_panels_cost_no_memory_once_all_that_is_kept_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MOST_UNNAMED", KEPT)
    engine = Engine(cache_bytes=CACHE)
    session = Session(tiny.regressor(), tiny.rated(), engine=engine)
    session.grid(columns={"contrast": (None, 1, 0.75, 0.5, 0.25, 0)})
    assert session.wait(60), "measures included: what they import is imported now"
    draws = np.random.default_rng(0)

    def gesture(_: int) -> None:
        session.set_gain(int(draws.integers(4)), float(draws.uniform(0, 2)))
        assert session.wait(60, measures=False)

    for number in range(KEPT + 20):
        gesture(number)
    assert len(session.panels) == 6
    assert session._history.dropped, "the history is full"
    assert engine.cache.nbytes > 0.9 * engine.cache.most, "so is the memory of answers"
    slope, _ = grown(gesture, GESTURES, EVERY)
    session.close()
    engine.close()
    assert slope < MOST


@pytest.mark.usefixtures("traced")
def test_explorers_that_are_opened_and_closed_leave_nothing() -> None:
    model = tiny.regressor()

    def opened(_: int) -> None:
        explorer = explore(model, tiny.rated())  # a table that stays would keep dead references, 500 of each column
        assert explorer.session.wait(60), "what a closed one still computed would be counted"
        explorer.close()

    for number in range(FIRST):
        opened(number)
    used, objects = grown(opened, OPENINGS, 1)
    assert objects < MOST_OBJECTS
    assert used < MOST_OPENING
