"""The Python of a session: run in a new session of the same model and images it shows the same."""

from __future__ import annotations

import ast
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
import tiny

from xai_widgets import Engine, ImageModel, ImageSet, Session
from xai_widgets.engine import METHODS, Lane
from xai_widgets.scenes import same
from xai_widgets.session import describe
from xai_widgets.session.board import Board
from xai_widgets.session.grids import full
from xai_widgets.session.literals import call, gains, literal

MAKERS = {"session", "dict", "range", "list"}  # names that a script may use
NASTY = "it's \"x\"\n'); raise SystemExit #\u202e\\"


def run(code: str, session: Session) -> None:
    """Run a script in a session, if it uses public names alone."""
    tree = ast.parse(code)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert names <= MAKERS
    assert not [name for name in attributes if name.startswith("_")]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, "code", "exec"), {"session": session})


def scenes(session: Session) -> list[Any]:
    """All that is on the screen, with each panel as the active one."""
    found, active = [], session.active
    for place in range(len(session.panels)):
        session.activate(place)
        session.refresh()  # measures are taken some time after a drag, and it ends with them
        assert session.wait()
        assert session.error == "", "a question that is refused leaves what was shown before"
        found += [describe.stage(session), describe.plane(session), describe.picker(session), describe.radar(session)]
        found += [replace(describe.bank(session), can_undo=False), describe.gallery(session)]
    session.activate(active)
    return found


def differing(some: list[Any], others: list[Any]) -> list[tuple[str, str, Any, Any]]:
    """The fields of scenes that are not the same."""
    pairs = [(a, b, field.name) for a, b in zip(some, others, strict=True) for field in fields(a)]
    values = [(type(a).__name__, name, getattr(a, name), getattr(b, name)) for a, b, name in pairs]
    return [one for one in values if not same(*one[2:])]


def same_questions(a: Board, b: Board) -> bool:
    return (list(map(full, a.queries)), a.columns, a.active) == (list(map(full, b.queries)), b.columns, b.active)


def plain(session: Session) -> None:
    """Nothing at all."""


def one(session: Session) -> None:
    session.ask(image=session.images.names[1], contrast=0.25, gains={3: 0.0, 5: 1.75})
    session.ask(options={"window": 32})
    session.measure(of="shown")
    session.show(opacity=0.3, secondary="outline", palette="purple-green")
    session.pin(session.images.names[2])
    session.selected_images = session.images.names[:2]
    session.select([3, 5])


def methods(session: Session) -> None:
    session.ask(method="smooth_grad", options={"n_samples": 2}, baseline="mean")
    session.solo([7])
    session.measure(rule="repredicted")


def degraded(session: Session) -> None:
    session.ask(degradation=("salt_and_pepper", 0.1, 3))
    session.ask(contrast="rating", form="tiles", layer="features.0", options={"window": 48})


def grid(session: Session) -> None:
    session.ask(gains={2: 0.0})
    session.grid(rows={"contrast": (1, 0.75, None)}, columns={"image": session.images.names[:2]})
    session.activate(3)
    session.show(scale="all")


def methods_of_images(session: Session) -> None:
    session.grid(rows={"method": ("grad_cam", "behaviour")}, columns={"image": session.images.names[:2]})
    session.ask(gains={1: 0.5})
    session.ask(image=session.images.names[2])


def uneven(session: Session) -> None:
    session.grid(rows={"layer": ("features", "features.0")}, columns={"image": session.images.names})
    session.remove_panel(2)
    session.activate(1)
    session.ask(contrast=0.5, linked=False)
    session.add_panel(method="behaviour", gains={4: 0.0})
    session.arrange(2)


def models(session: Session) -> None:
    session.grid(columns={"model": list(session.models)})
    session.ask(gains={3: 0.25})
    session.activate(1)
    session.add_panel(target="crew", contrast="cat", image=session.images.names[1])


def runs(session: Session) -> None:
    session.grid(rows={"run": (0, 1)}, columns={"degradation": (None, ("blur", 2.0))})
    session.single()
    session.grid(rows="Q")


def way(session: Session) -> None:
    for maker in (one, grid, uneven):
        maker(session)
    session.undo()
    session.undo()
    session.ask(image=session.images.names[0], options={"window": 16})
    session.ask(gains={3: 1.0})


MADE: dict[Callable[[Session], None], Callable[[], Any]] = {
    **dict.fromkeys((plain, one, methods, degraded, grid, methods_of_images, uneven, way), tiny.regressor),
    models: lambda: [tiny.regressor(), tiny.classifier()],
    runs: lambda: ImageModel(tiny.TinyNet(), None, "features", range=(0, 1), runs=[tiny.TinyNet()], name="tiny"),
}


@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("maker", MADE, ids=lambda maker: maker.__name__)
def test_a_new_session_shows_the_same(
    make_session: Callable[..., Session], maker: Callable[[Session], None], path: bool
) -> None:
    model, images = MADE[maker](), tiny.rated()
    session = make_session(model, images)
    maker(session)
    code = session.code(path=path)
    again = make_session(model, images)
    run(code, again)
    assert same_questions(again.board, session.board)
    seen = ("look", "measuring", "pins", "selected", "selected_images")
    assert [getattr(again, name) for name in seen] == [getattr(session, name) for name in seen]
    assert differing(scenes(again), scenes(session)) == []


def test_what_a_researcher_would_have_written(make_session: Callable[..., Session]) -> None:
    session = make_session(tiny.regressor(), tiny.rated())
    head = "# In a new session of the model 'tiny', the images 'tiny':\n"
    assert session.code() == f"{head}session.ask(image='image 0')\n"
    session.ask(image="image 1", contrast=0.5)
    session.mute([3, 5])
    session.show(opacity=0.3)
    assert session.code() == (
        f"{head}session.ask(image='image 1', contrast=0.5, gains={{3: 0.0, 5: 0.0}})\nsession.show(opacity=0.3)\n"
    )
    assert session.code(path=True) == (
        f"{head}session.ask(image='image 0')\nsession.ask(image='image 1', contrast=0.5)\n"
        "session.ask(gains={3: 0.0, 5: 0.0})\nsession.show(opacity=0.3)\n"
    )
    session.reset_gains()
    session.grid(rows={"contrast": (1, 0.75)}, columns={"image": ("image 0", "image 1")})
    assert session.code().splitlines()[1:] == [
        "session.grid(rows={'contrast': [1.0, 0.75]}, columns={'image': ['image 0', 'image 1']})",
        "session.show(opacity=0.3)",
    ]
    assert session.code(path=True).splitlines()[-3:-1] == [
        "session.ask(gains={})",
        "session.grid(rows={'contrast': [1.0, 0.75]}, columns={'image': ['image 0', 'image 1']})",
    ]


def test_names_do_not_become_code_and_no_path_is_told(make_session: Callable[..., Session]) -> None:
    photos = dict(zip((NASTY, "/home/me/a.png", "C:\\b.png"), tiny.photos(), strict=True))
    images = ImageSet(photos, name="/home/me/set")
    network = tiny.TinyNet(3)
    models = [
        ImageModel(network, None, "features", labels=(NASTY, "__import__('os')", "{x}"), name=NASTY),
        ImageModel(network, None, "features", labels=("a", "b", "c"), name="/home/me/net.pt"),
    ]
    session = make_session(models, images)
    session.ask(target=NASTY, contrast="{x}")
    session.add_panel(image="/home/me/a.png", target="__import__('os')")
    session.grid(rows={"model": list(session.models)}, columns={"image": images.names})
    session.pin("C:\\b.png")
    session.pin(NASTY)
    session.selected_images = images.names
    for path in (False, True):
        code = session.code(path=path)
        assert "/home" not in code
        assert "C:" not in code
        again = make_session(models, images)
        run(code, again)
        assert again.board == session.board
        assert (again.pins, again.selected_images) == (session.pins, session.selected_images)


def test_literals() -> None:
    assert literal({"a'": (1, 2.5, None), "b": [True]}) == """{"a'": (1, 2.5, None), 'b': [True]}"""
    assert literal(("x",)) == "('x',)"
    with pytest.raises(TypeError, match="object has no literal"):
        literal(object())
    assert call("f", 1, a="x") == "f(1, a='x')"
    assert call("f", a="x" * 60, b="y" * 60).splitlines()[1] == f"    a={'x' * 60!r},"
    for given in (
        {2: 0.5},
        dict.fromkeys(range(90), 0.0),
        {**dict.fromkeys([1, 2, 5, 7, 8, 9, 10, 11], 0.25), 3: 1.5},
        {index: index / 100 for index in range(40)},
    ):
        assert eval(gains(given)) == given
    assert gains(dict.fromkeys(range(90), 0.0)) == "dict.fromkeys(range(0, 90), 0.0)"


def gesture(session: Session, chance: random.Random) -> None:
    """Something that a reader might do; what cannot be asked changes nothing."""
    names = session.images.names
    changes: dict[str, Any] = {
        "image": chance.choice(names),
        "method": chance.choice(list(METHODS)),
        "contrast": chance.choice([None, 0.25, 0.5, "rating", "cat", 1, "confidence"]),
        "target": chance.choice([None, "crew", 0]),
        "model": chance.choice(list(session.models)),
        "layer": chance.choice(["features", "features.0"]),
        "gains": {chance.randrange(24): chance.choice([0.0, 0.5, 1.0]) for _ in range(chance.randrange(4))},
        "baseline": chance.choice(["zero", "mean"]),
        "degradation": chance.choice([None, ("blur", 1.5)]),
        "options": {"n_samples": chance.choice([5, 25])},
        "form": chance.choice(["plain", "tiles"]),
    }
    some = {name: changes[name] for name in chance.sample(list(changes), chance.choice((1, 1, 2)))}
    axes: list[Any] = [{"image": names[:2]}, {"contrast": [None, 0.5]}, {"layer": ["features", "features.0"]}, None]
    does: list[Callable[[], Any]] = [
        *[lambda: session.ask(linked=chance.random() < 0.7, **some)] * 6,
        lambda: session.add_panel(**some),
        lambda: session.remove_panel(chance.randrange(len(session.panels))),
        lambda: session.activate(chance.randrange(len(session.panels))),
        lambda: session.arrange(chance.randint(1, len(session.panels))),
        lambda: session.grid(rows=chance.choice(axes), columns=chance.choice(axes)),
        session.single,
        session.undo,
        session.redo,
        lambda: session.go_to(chance.choice(session.states)),
    ]
    with suppress(ValueError):
        chance.choice(does)()


@pytest.fixture
def held() -> Iterator[Engine]:
    """An engine that answers nothing: what is asked is all that matters."""
    engine, go = Engine(), threading.Event()
    engine.worker.submit(Lane(object(), "call"), lambda job: go.wait(300))
    yield engine
    go.set()
    engine.close()


@pytest.mark.parametrize("seed", range(6))
def test_any_series_of_gestures_has_its_code(held: Engine, seed: int) -> None:
    chance = random.Random(seed)
    models, images = [tiny.regressor(), tiny.classifier()], tiny.rated()
    session = Session(models, images, engine=held)
    for _ in range(25):
        gesture(session, chance)
        for path in (False, True):
            script, again = session.code(path=path), Session(models, images, engine=held)
            run(script, again)
            assert same_questions(again.board, session.board), script
            again.close()
    session.close()
