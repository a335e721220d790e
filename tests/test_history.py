"""The tree of states: steps, branches, names, what is dropped, and what two states differ in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xai_widgets import Query
from xai_widgets.session.board import Board
from xai_widgets.session.compared import Change
from xai_widgets.session.history import LONGEST_NAME, MOST_NAMED, MOST_UNNAMED, History

START = Query("a", "m", "l")


def board(gain: float = 1.0, *more: Query) -> Board:
    return Board((replace(START, gains=((0, gain),)), *more))


def gain(history: History) -> float:
    return history.board.query.gain(0)


def test_a_step_back_and_forward() -> None:
    history = History(board())
    for value in (0.1, 0.2, 0.2):
        history.add(board(value))
    assert len(history.states) == 3, "the same question twice is one step"
    assert [history.undo().query.gain(0) for _ in range(3)] == [0.1, 1.0, 1.0]
    assert not history.can_undo
    assert [history.redo().query.gain(0) for _ in range(3)] == [0.1, 0.2, 0.2]
    assert not history.can_redo


def test_a_step_after_an_undo_is_a_branch_and_nothing_is_lost() -> None:
    history = History(board())
    history.add(board(0.1))
    history.add(board(0.2))
    history.undo()
    history.add(board(0.3))
    assert not history.can_redo
    assert [(state.number, state.parent) for state in history.states] == [(0, None), (1, 0), (2, 1), (3, 1)]
    history.undo()
    assert history.redo().query.gain(0) == 0.3, "the branch that was walked last"
    history.go_to(2)
    history.undo()
    history.undo()
    history.redo()
    assert history.redo().query.gain(0) == 0.2, "the branch that was walked last"
    assert [state.number for state in history.way()] == [0, 1, 2]


def test_the_steps_of_one_drag_are_one() -> None:
    history = History(board())
    for value in (0.9, 0.8, 0.7):
        history.add(board(value), "drag 1")
    for value in (0.6, 0.5):
        history.add(board(value), "drag 2")
    assert [state.board.query.gain(0) for state in history.states] == [1.0, 0.7, 0.5]
    history.undo()
    history.add(board(0.4), "drag 1")
    assert [state.board.query.gain(0) for state in history.states] == [1.0, 0.7, 0.5, 0.4], "a drag ends with an undo"


def test_a_drag_that_ends_where_it_began_is_no_step() -> None:
    history = History(board())
    history.add(board(0.5), "drag 1")
    for value in (0.3, 0.5, 0.4, 0.5):
        history.add(board(value), "drag 2")
    assert [state.board.query.gain(0) for state in history.states] == [1.0, 0.5]
    history.add(board(0.2), "drag 2")
    assert [state.board.query.gain(0) for state in history.states] == [1.0, 0.5, 0.2]


def test_a_drag_does_not_move_a_name() -> None:
    history = History(board())
    history.add(board(0.5), "drag")
    history.name("half")
    history.add(board(0.4), "drag")
    assert history.find("half").board == board(0.5)
    assert gain(history) == 0.4


def test_names_lead_back() -> None:
    history = History(board())
    history.name(' the "start"\n ')
    history.add(board(0.5))
    assert history.go_to('the "start"') == board()
    assert history.go_to(1) == board(0.5)
    assert history.go_to(history.states[0]) == board()
    history.name("")
    with pytest.raises(ValueError, match="no state has a name yet, so it must be given by its number, got 'x'"):
        history.go_to("x")


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("begni", "state must be one of 'begin'; got 'begni'"),
        (7, "state must be the name or number of one, from 0 to 1, got 7"),
        (-1, "state must be the name or number of one, from 0 to 1, got -1"),
        (True, "got True"),
        (1.0, r"got 1\.0"),
        (None, "got None"),
    ],
)
def test_a_state_that_is_not_there(bad: object, sentence: str) -> None:
    history = History(board())
    history.name("begin")
    history.add(board(0.5))
    with pytest.raises(ValueError, match=sentence):
        history.go_to(bad)  # type: ignore[arg-type]
    assert gain(history) == 0.5


def test_bad_names() -> None:
    history = History(board())
    history.name("begin")
    history.add(board(0.5))
    for bad, sentence in (
        ("begin", "state 0 has the name 'begin' already"),
        ("x" * (LONGEST_NAME + 1), f"text of at most {LONGEST_NAME} characters, got 'xxx"),
        (3, "text of at most .* got 3"),
    ):
        with pytest.raises(ValueError, match=sentence):
            history.name(bad)  # type: ignore[arg-type]
    assert history.present.name == ""
    history.name("half")
    history.name("half")
    for step in range(MOST_NAMED - 2):
        history.add(board(step / 1000))
        history.name(f"name {step}")
    history.add(board(0.77))
    with pytest.raises(ValueError, match=f"at most {MOST_NAMED} states may have names"):
        history.name("one more")


def test_the_oldest_without_a_name_go_and_the_first_stays() -> None:
    history = History(board())
    history.add(board(0.0001))
    history.name("early")
    history.go_to(0)
    for step in range(MOST_UNNAMED + 50):
        history.add(board(step / 1000))
    assert len([state for state in history.states if not state.name]) == MOST_UNNAMED
    assert history.dropped == 51
    assert history.states[0].board == board()
    assert history.find("early").board == board(0.0001)
    steps = 0
    while history.can_undo:
        history.undo()
        steps += 1
    assert steps == MOST_UNNAMED - 1
    assert history.redo().query.gain(0) == 0.051


def test_what_nothing_was_made_from_goes_first() -> None:
    history = History(board())
    for step in range(5):
        history.add(board(step / 10))
        history.undo()
    for step in range(MOST_UNNAMED - 5):
        history.add(board(step / 1000))
    assert history.dropped == 1
    assert [state.number for state in history.states][:5] == [0, 2, 3, 4, 5], "the oldest leaf, and none on the way"


PANEL = replace(START, image="b", method="behaviour")


def test_a_comparison_names_fields_and_panels() -> None:
    history = History(board())
    history.add(Board((replace(START, image="b", gains=((0, 0.5),)), PANEL), columns=2, active=1))
    found = history.compare(0, 1)
    assert found.changes == (
        Change(0, "image", "a", "b"),
        Change(0, "gains", (), ((0, 0.5),)),
        Change(None, "columns", 1, 2),
        Change(None, "active", 0, 1),
    )
    assert (found.added, found.removed) == (((1, PANEL),), ())
    assert history.compare(1, 0).removed == ((1, PANEL),)
    assert not history.compare(1, 1)
    with pytest.raises(ValueError, match="got 9"):
        history.compare(0, 9)


def test_a_panel_that_goes_leaves_the_others_the_same() -> None:
    three = tuple(replace(START, image=name) for name in "abc")
    history = History(Board(three))
    history.add(Board((three[0], three[2])))
    found = history.compare(0, 1)
    assert (found.changes, found.added, found.removed) == ((), (), ((1, three[1]),))


@given(st.lists(st.sampled_from(("step", "drag", "undo", "redo", "go", "name")), max_size=40), st.randoms())
def test_any_series_of_steps_leaves_a_tree(does: list[str], random: object) -> None:
    history = History(board())
    for number, what in enumerate(does):
        if what in ("step", "drag"):
            history.add(board(random.randrange(4) / 4), "drag" if what == "drag" else None)  # type: ignore[attr-defined]
        elif what == "go":
            history.go_to(random.choice(history.states))  # type: ignore[attr-defined]
        elif what == "name":
            history.name(f"name {number}")
        else:
            getattr(history, what)()
        numbers = [state.number for state in history.states]
        assert numbers == sorted(set(numbers))
        assert history.present in history.states
        assert [state.number for state in history.states if state.parent is None] == [0]
        assert all(state.parent in numbers and state.parent < state.number for state in history.states[1:])  # type: ignore[operator]
        here = history.present
        if history.can_undo:
            history.undo()
            history.redo()
            assert history.present == here
        again = History.restored(history.states, here.number)
        assert (again.states, again.present) == (history.states, here)
