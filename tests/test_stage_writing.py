"""What a view sends of a scene: what differs, arrays as bytes, and a version where both sides move it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
from traitlets import Bytes, Dict, Float, Unicode
from traitlets import Tuple as TupleTrait

from xai_widgets import Session
from xai_widgets.scenes import Look
from xai_widgets.scenes._record import scene as scene_of
from xai_widgets.views._base import View, plain

NAN = float("nan")


@scene_of
class Shown:
    title: str
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gains: np.ndarray
    look: Look | None
    rating: float
    private: str = ""


class Shows(View):
    """A view of a made-up scene."""

    groups = {"ends": ("low", "high")}  # noqa: RUF012
    both = ("gains", "look")
    title = Unicode().tag(sync=True)
    values = Bytes().tag(sync=True)
    values_shape = TupleTrait().tag(sync=True)
    ends = Dict().tag(sync=True)
    gains = Dict().tag(sync=True)
    look = Dict().tag(sync=True)
    rating = Float(None, allow_none=True).tag(sync=True)

    def draw(self) -> None:
        pass


def shown(**changes: Any) -> Shown:
    fields: dict[str, Any] = {
        "title": "<b>", "values": np.arange(6, dtype=np.float32).reshape(2, 3), "low": np.zeros(2, np.uint8),
        "high": np.ones((1, 2), bool), "gains": np.ones(3, np.float32), "look": Look(), "rating": NAN,
    }  # fmt: skip
    return Shown(**(fields | changes))


@pytest.fixture
def view(make_session: Callable[..., Session]) -> Iterator[Shows]:
    view = Shows(make_session(tiny.regressor(), tiny.rated()))
    view.write(shown())
    view.comm.take()
    yield view
    view.close()


def test_arrays_travel_as_bytes_with_their_shape(view: Shows) -> None:
    np.testing.assert_array_equal(np.frombuffer(view.values, np.float32), np.arange(6))
    assert view.values_shape == (2, 3)
    assert view.ends == {"low": b"\0\0", "high": b"\1\1", "high_shape": [1, 2]}
    assert view.gains == {"values": np.ones(3, np.float32).tobytes(), "version": 1}
    assert view.look == plain(Look()) | {"version": 1}
    assert view.rating is None


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({}, []), ({"title": "b"}, ["title"]), ({"private": "b"}, []), ({"high": np.zeros((1, 2), bool)}, ["ends"]),
        ({"values": np.ones((1, 3), np.float32)}, ["values", "values_shape"]), ({"look": None}, ["look"]),
        ({"gains": np.zeros(3, np.float32)}, ["gains"]), ({"rating": 0.5}, ["rating"]),
    ],
    ids=str,
)  # fmt: skip
def test_only_what_differs_is_sent(view: Shows, change: dict[str, Any], sent: list[str]) -> None:
    view.write(shown(**change))
    updates, _ = view.comm.take()
    assert sorted(name for update in updates for name in update) == sent
    view.write(shown(**change))
    assert view.comm.take() == ([], 0)


def test_what_the_browser_moved_does_not_echo_and_comes_back_as_a_change(view: Shows) -> None:
    moved = replace(Look(), opacity=0.25)
    view.took(look=moved)
    view.write(shown(look=moved))
    assert view.comm.take() == ([], 0)
    view.write(shown())
    assert view.comm.take()[0] == [["look"]]
    assert view.look == plain(Look()) | {"version": 2}
    view.forget("look")
    view.write(shown())
    assert view.look["version"] == 3
