"""One change, one draw; and after any gestures every view shows what is computed for the question that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xai_widgets import Engine, Explorer, ImageModel, ImageSet, Session
from xai_widgets.views._base import View

VIEWS = ("status", "gallery", "stage", "contrast", "bank", "plane", "radar")
OWN = {
    "layout",
    "figure",
    "drag",
    "error",
    "notice",
    "status",
    "can_undo",
}  # of one widget, or of the way that led here
IMAGES = tiny.rated()


def models() -> list[ImageModel]:
    """A model with two training runs, and one with one."""
    second = tiny.TinyNet()
    with torch.no_grad():
        second.head.weight.mul_(-0.7)
    two = ImageModel(tiny.TinyNet(), None, "features", range=(0, 1), name="two runs", runs=[second])
    return [two, tiny.regressor()]


Make = Callable[..., Session]


def counted(view: View, draws: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    draw, name = view.draw, type(view).__name__

    def count() -> None:
        draws[name] += 1
        draw()

    monkeypatch.setattr(view, "draw", count)


def added(session: Session) -> None:
    session.add_panel(contrast=0.5)
    session.activate(0)


def undone(session: Session) -> None:
    session.ask(image=session.images.names[1])
    session.undo()


CHANGES: dict[str, Callable[[Session], None]] = {
    "image": lambda session: session.ask(image=session.images.names[1]),
    "everything": lambda session: session.ask(image=session.images.names[1], contrast=0.5, method="gradient"),
    "layer": lambda session: session.ask(layer="features.0"),
    "gains": lambda session: session.mute([1, 2, 3]),
    "grid": lambda session: session.grid(rows={"contrast": (None, 0.5)}, columns={"image": session.images.names}),
    "active": added,
    "undo": undone,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_costs_each_view_one_draw_at_most(
    make_session: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    session = make_session(tiny.regressor(), IMAGES)
    explorer = Explorer(session)
    assert explorer.stage.settle(30)
    draws: Counter[str] = Counter()
    gestures = {"active": 2, "undo": 2}.get(change, 1)
    for name in VIEWS:
        counted(getattr(explorer, name), draws, monkeypatch)
    with session.lock:  # no answer arrives meanwhile
        CHANGES[change](session)
        told = dict(draws)
    assert max(told.values()) <= gestures, told
    assert session.wait(60)
    assert explorer.stage.settle(30)
    explorer.close()


def test_an_answer_costs_a_draw_only_where_it_is_shown(make_session: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(tiny.regressor(), IMAGES)
    explorer = Explorer(session)
    assert explorer.stage.settle(30)
    draws: Counter[str] = Counter()
    for name in VIEWS:
        counted(getattr(explorer, name), draws, monkeypatch)
    answers, shown = session.panel.answers, {}
    for part in ("output", "saliency", "maps", "impacts", "measures"):
        draws.clear()
        session.panel.take(**{part: None})
        session.panel.take(**{part: getattr(answers, part)})
        shown[part] = set(draws)
        assert max(draws.values()) == 2, (part, draws)
    assert shown == {
        "output": {"Stage", "ContrastPicker", "MapBank", "ImpactPlane"},
        "saliency": {"Stage"},
        "maps": {"MapBank", "StatusBar", "Stage", "ImpactPlane"},  # where chosen maps act; how active each is
        "impacts": {"MapBank", "ImpactPlane"},
        "measures": {"MetricRadar"},
    }
    draws.clear()
    for share in (0.1, 0.2, 0.3):
        session.runs("scores", share)
    assert set(draws) <= {"StatusBar", "Gallery"}, "progress is the status bar's; the gallery hears that work began"
    assert draws["Gallery"] <= 1
    explorer.close()


def test_observers_hear_of_a_change_when_all_of_it_is_set(make_session: Make) -> None:
    session = make_session(tiny.regressor(), IMAGES)
    heard: list[tuple[str, str, bool]] = []
    session.observe(
        lambda change: heard.append((change["name"], session.query.image, session.selected == ())),
        ["query", "output", "saliency", "maps", "selected"],
    )
    session.select([1])
    heard.clear()
    with session.lock:
        session.ask(image=session.images.names[2], layer="features.0")
        assert {(image, moved) for _, image, moved in heard} == {(session.images.names[2], True)}
        assert [name for name, _, _ in heard].count("query") == 1


# ---------------------------------------------------------------------- any series of gestures

GESTURES = st.one_of(
    st.tuples(st.just("pick"), st.integers(0, 2)),
    st.tuples(st.just("gain"), st.integers(0, tiny.MAPS - 1), st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    st.tuples(st.just("q"), st.sampled_from([0.0, 0.3, 1.0, "rating"]), st.sampled_from(["plain", "tiles"])),
    st.tuples(st.just("method"), st.sampled_from(["grad_cam", "gradient", "primary", "behaviour", "smallest_change"])),
    st.tuples(st.just("layer"), st.sampled_from(["features", "features.0"])),
    st.tuples(st.just("model"), st.sampled_from(["two runs", "tiny"])),
    st.tuples(st.just("run"), st.integers(0, 1)),
    st.tuples(st.just("select"), st.sets(st.integers(0, tiny.MAPS - 1), max_size=3)),
    st.tuples(st.just("grid"), st.sampled_from(["image", "Q", "layers", "runs", "muted", "questions"])),
    st.tuples(st.just("add"), st.sampled_from([0.2, 0.8])),
    st.tuples(st.sampled_from(["activate", "remove"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["undo", "redo", "clear", "mute", "invert", "reset", "outline", "start_over"])),
)


def perform(explorer: Explorer, kind: str, *given: Any) -> None:
    """One gesture, as it comes from the page or from a cell; what is refused leaves all as it was."""
    session = explorer.session
    if kind == "pick":
        explorer.gallery.comm.click(kind="pick", name=session.images.names[given[0]])
    elif kind == "gain":
        session.set_gain(given[0], given[1], gesture=given[0])
    elif kind == "q":
        explorer.contrast.comm.click(kind="score", value=given[0], form=given[1])
    elif kind in ("method", "layer", "model"):
        view = explorer.stage if kind == "method" else explorer.status
        view.comm.click(kind=kind, name=given[0])
    elif kind == "run":
        explorer.status.comm.click(kind="run", number=given[0])
    elif kind == "select":
        explorer.plane.comm.click(kind="select", indices=sorted(given[0]))
    elif kind in ("undo", "redo", "start_over"):
        explorer.status.comm.click(kind=kind)
    elif kind in ("invert", "reset", "mute"):
        explorer.bank.comm.click(kind=kind, indices=[2, 3])
    elif kind == "clear":
        explorer.stage.comm.click(kind="clear")
    elif kind == "outline":
        explorer.stage.comm.click(kind="look", secondary="outline")
    else:
        try:
            if kind == "grid":
                session.grid(columns=given[0])
            elif kind == "add":
                session.add_panel(contrast=given[0])
            else:
                getattr(session, {"activate": "activate", "remove": "remove_panel"}[kind])(given[0])
        except ValueError as error:
            session.error = str(error)


def state(explorer: Explorer) -> dict[str, dict[str, Any]]:
    """All that the page has, but for what belongs to one widget."""
    found = {}
    for name in VIEWS:
        view = getattr(explorer, name)
        traits = {key: value for key, value in view.get_state().items() if key not in OWN and not key.startswith("_")}
        found[name] = {key: unversioned(value) for key, value in traits.items()}
    return found


def unversioned(value: Any) -> Any:
    """Versions and slots count how often something was sent; they say nothing about what is shown."""
    return {key: some for key, some in value.items() if key != "version"} if isinstance(value, dict) else value


def alike(one: Any, other: Any) -> bool:
    """Equal, but for the last bits of computed numbers: zeros have two signs."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if (
        isinstance(one, bytes)
        and isinstance(other, bytes)
        and one != other
        and len(one) == len(other)
        and not len(one) % 4
    ):
        return np.allclose(np.frombuffer(one, np.float32), np.frombuffer(other, np.float32), atol=1e-6, equal_nan=True)
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, atol=1e-6, equal_nan=True))
    return bool(one == other)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gestures=st.lists(GESTURES, min_size=1, max_size=8))
def test_after_any_gestures_views_show_what_a_new_explorer_computes(
    make_session: Make, gestures: list[tuple[Any, ...]]
) -> None:
    engines = [Engine(), Engine()]
    old, new = (Explorer(make_session(models(), ImageSet(list(tiny.photos()), ratings=[0.25, 0.75, None], name="tiny"),
                                      engine=engine)) for engine in engines)  # fmt: skip
    for gesture in gestures:
        perform(old, *gesture)
    session = old.session
    assert session.wait(60)
    new.session.show(secondary=session.look.secondary) if new.session.query.image != IMAGES.names[2] else None
    new.session._go(session.board)
    new.session.select(session.selected)
    for explorer in (old, new):
        assert explorer.session.wait(60)
        explorer.session.measure()
        assert explorer.session.wait(60)
        assert explorer.stage.settle(30)
        assert explorer.session.panel.error == ""
    assert session.board == new.session.board
    shown, fresh = state(old), state(new)
    for name in VIEWS:
        for trait, value in fresh[name].items():
            assert alike(shown[name][trait], value), (name, trait)
    for explorer, engine in zip((old, new), engines, strict=True):
        explorer.close()
        explorer.session.close()
        engine.close()
