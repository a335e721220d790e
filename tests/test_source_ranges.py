"""The range of scores that is known so far, and classes by name."""

from __future__ import annotations

from threading import Thread

import pytest
from tiny import TinyNet, classifier, rated, regressor

from xai_widgets.engine.sources import Sources
from xai_widgets.models import ImageModel


def test_the_range_of_scores_grows() -> None:
    found = Sources(regressor(), rated())
    assert found.seen("key") == ()
    found.note_seen("key", 0.4, 0.5)
    found.note_seen("key", float("nan"), 2)
    found.note_seen("key", 0.45, 0.9)
    found.note_seen("other", 7, 8)
    assert (found.seen("key"), found.seen("other")) == ((0.4, 0.9), (7, 8))

    def note(thread: int) -> None:
        for step in range(200):
            found.note_seen("threads", -thread - step, thread + step)

    threads = [Thread(target=note, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.seen("threads") == (-202, 202)


def test_classes_by_name() -> None:
    model = classifier()
    assert [model.name_of(index) for index in range(3)] == ["cat", "<b>cup</b>", "crew"]
    assert ImageModel(TinyNet(3), None, "features").name_of(2) == "class 2"
    with pytest.raises(ValueError, match="has the classes 0 to 2, got 3"):
        model.name_of(3)
