"""Whether a session says what the lab's own script computes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_widgets import Session

Box = tuple[float, float, float, float]
Expected = dict[str, Any]


class Read:
    """What is read of a session."""

    @staticmethod
    def names(session: Session) -> list[str]:
        return list(session.images.names)

    @staticmethod
    def ask(session: Session, **fields: Any) -> None:
        session.ask(**fields)
        assert session.wait(60)
        assert session.error == ""

    @staticmethod
    def score(session: Session, name: str) -> float:
        """What the stage shows of the image that is asked, and the gallery of any other."""
        if name == session.query.image:
            assert session.error == ""
            assert session.output is not None
            return session.output.value
        return session.scores[name]

    @staticmethod
    def effects(session: Session, name: str, layer: str) -> NDArray[np.float64]:
        Read.ask(session, image=name, layer=layer)
        assert session.impacts is not None
        return np.asarray(session.impacts.delta_y, dtype=float)

    @staticmethod
    def map(session: Session, name: str, method: str) -> tuple[NDArray[np.float64], Box]:
        """The map, and the part of the photo that it covers."""
        Read.ask(session, image=name, method=method)
        assert session.saliency is not None
        return np.asarray(session.saliency.map, dtype=float), session.saliency.box


def find(session: Session, name: str) -> str:
    """The one image of that name, or of that stem; folders in front of it may be left out."""
    names, wanted = Read.names(session), unicodedata.normalize("NFC", name).replace("\\", "/")
    ways: list[Callable[[str], bool]] = [
        lambda one: one == wanted,
        lambda one: one.endswith("/" + wanted),
        lambda one: wanted.endswith("/" + one),
        lambda one: Path(one).stem == Path(wanted).stem,
    ]
    found = next((hits for same in ways if (hits := [one for one in names if same(one)])), [])
    assert len(found) == 1, f"{name!r} among {names}"
    return found[0]


def near(a: float, b: float, tolerance: float = 2e-4) -> bool:
    return math.isfinite(a) and abs(a - b) <= tolerance * max(1.0, abs(b))


def share_in(found: NDArray[Any], box: Box, of: Box = (0, 0, 1, 1)) -> float:
    """How much of a map of the part `of` of a photo lies in a box of the photo."""
    h, w = found.shape
    y = of[1] + (np.arange(h) + 0.5) / h * (of[3] - of[1])
    x = of[0] + (np.arange(w) + 0.5) / w * (of[2] - of[0])
    rows, columns = (box[1] <= y) & (y < box[3]), (box[0] <= x) & (x < box[2])
    return float(found[np.ix_(rows, columns)].sum() / found.sum())


def check_names(session: Session, expected: Expected) -> None:
    if "names" in expected:
        wanted = sorted(unicodedata.normalize("NFC", Path(name).name) for name in expected["names"])
        assert sorted(Path(name).name for name in session.images.names) == wanted
    for name in expected.get("has", ()):
        find(session, name)


def check_scores(session: Session, expected: Expected) -> None:
    tolerance = expected.get("tolerance", 2e-4)
    for name, accepted in expected.get("scores", {}).items():
        value = Read.score(session, find(session, name))
        assert any(near(value, one, tolerance) for one in accepted), (name, value, accepted)
    if "scores" not in expected:
        for name, mistakes in expected.get("wrong", {}).items():
            value = Read.score(session, find(session, name))
            assert not any(near(value, mistake) for mistake in mistakes), (name, value)


def check_known(session: Session, expected: Expected) -> None:
    for name, wanted in expected.get("ratings", {}).items():
        rating = session.images.rating(find(session, name))
        assert rating is None if wanted is None else rating is not None and near(rating, wanted, 1e-6), name
    if "classes" in expected:
        assert session.output is not None
        assert len(session.output.scores) == expected["classes"]


def check_effects(session: Session, expected: Expected) -> None:
    layer, wanted = expected["effects"]
    effects = Read.effects(session, find(session, expected["effects_of"]), layer)
    assert effects.shape == wanted.shape
    assert np.abs(effects - wanted).max() <= 2e-4 * max(1.0, np.abs(wanted).max(), expected.get("scale", 1))


def check_pixels(session: Session, expected: Expected) -> None:
    method, box, share, name = expected["pixels"]
    found, covered = Read.map(session, find(session, name), method)
    assert share_in(np.abs(found), box, covered) >= share


def checks(expected: Expected) -> Callable[[Session], None]:
    """A check of all that is expected."""

    def check(session: Session) -> None:
        check_names(session, expected)
        check_scores(session, expected)
        check_known(session, expected)
        if "effects" in expected:
            check_effects(session, expected)
        if "pixels" in expected:
            check_pixels(session, expected)

    return check


def hand_over(**parts: Any) -> dict[str, Any]:
    """What a lab hands over, with a check of what it expects."""
    expected = parts.setdefault("expected", {})
    parts.setdefault("check", checks(expected))
    return parts
