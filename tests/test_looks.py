"""An answer looks once at the weights and once at the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import tiny

from xai_widgets import ImageModel, ImageSet, Session


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a model is asked what it is now, and an image for its content."""
    found: Counter[str] = Counter()
    monkeypatch.setattr("xai_widgets.session.watch.look", lambda *some, **keys: None)  # it looks once a second

    def counted(kind: type, name: str) -> None:
        old = getattr(kind, name)

        def watched(self: Any, *args: Any, **keys: Any) -> Any:
            found[name] += 1
            return old(self, *args, **keys)

        monkeypatch.setattr(kind, name, watched)

    for kind, name in ((ImageModel, "now"), (ImageSet, "digest"), (ImageSet, "photo")):
        counted(kind, name)
    for name in ("shell", "key"):  # each is a look of its own
        old = vars(ImageModel)[name].fget

        def watched(self: Any, old: Any = old, name: str = name) -> Any:
            found[name] += 1
            return old(self)

        monkeypatch.setattr(ImageModel, name, property(watched))
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"gains": {1: 0.5}}, {"method": "behaviour"}, {"method": "helpful"}, {"contrast": 0.25}, {"contrast": "rating"},
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_looks_once(make_session: Callable[..., Session], looks: Counter[str], change: dict) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    looks.clear()
    session.ask(**change)
    assert session.wait(60)
    assert session.error == ""
    assert dict(looks) == {"now": 1, "digest": 1}


def test_classes_look_once_too(make_session: Callable[..., Session], looks: Counter[str]) -> None:
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=["cat", "crew", "dog"]))
    # Of another class as Q there are two answers: the map, and the effect of each map on P - Q.
    changes: tuple[tuple[dict[str, Any], int], ...] = (
        ({"contrast": "crew"}, 2),
        ({"contrast": "confidence"}, 1),
        ({"method": "primary"}, 1),
    )
    for change, answers in changes:
        looks.clear()
        session.ask(**change)
        assert session.wait(60)
        assert dict(looks) == {"now": answers, "digest": answers}, change
    looks.clear()
    session.ask(image=session.images.names[1])  # answer, maps, impacts and measures: four answers
    assert session.wait(60)
    # Stability asks each run; the map is made again where it came before the effects that it is made of.
    assert looks["now"] <= 6
    assert looks["shell"] == looks["key"] == 0


def test_weights_that_change_are_seen_by_the_next_answer(make_session: Callable[..., Session]) -> None:
    model = tiny.regressor()
    session = make_session(model, tiny.rated())
    assert session.output is not None
    before = session.output.value
    head = model.network.head
    assert isinstance(head, tiny.nn.Linear)
    with tiny.torch.no_grad():
        head.bias.add_(1)
    session.set_gain(1, 0.999)
    assert session.wait(60)
    assert session.output.base == pytest.approx(before + 1, abs=1e-5)
