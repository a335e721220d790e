"""The states of a session as a tree: back, forward, by name, and what two of them differ in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from xai_widgets.engine.query import one_of, plain
from xai_widgets.session.board import Board
from xai_widgets.session.compared import Comparison, compared

MOST_UNNAMED = 500
MOST_NAMED = 500
LONGEST_NAME = 200  # characters


@dataclass(frozen=True)
class State:
    """What was asked at one moment.

    Attributes:
        number: counted from 0, the first state; no number is given twice.
        parent: the number of the state that it was made from; None for the first.
        name: given by the reader; empty where there is none.
        board: what was asked.
    """

    number: int
    parent: int | None
    name: str
    board: Board


class History:
    """A tree of states, one of which is present. A step after an undo begins a new branch, and the old one stays.

    At most `MOST_UNNAMED` states without a name are kept. Beyond, the oldest one that nothing was made from is dropped.
    Where there is none, it is the oldest, and what was made from it follows the state before. The first state, the
    present one and those with a name stay.

    Attributes:
        dropped: how many states were dropped so far.
    """

    def __init__(self, board: Board) -> None:
        self._states = {0: State(0, None, "", board)}
        self._present = 0
        self._next = 1
        self._clock = 0
        self._walked = {0: 0}  # when each state was last on the way to the present one
        self._mark: Hashable = None  # of the gesture that made the present state, while it may go on
        self.dropped = 0

    @classmethod
    def restored(cls, states: Sequence[State], present: int) -> History:
        """A history with these states: the first without a parent, every other after its parent."""
        history = cls(states[0].board)
        history._states, history._walked = {state.number: state for state in states}, {}
        history._next = max(history._states) + 1
        for state in states:
            history._stand(state.number)
        history._stand(present)
        history._thin_out()
        return history

    @property
    def states(self) -> tuple[State, ...]:
        """All states, the oldest first."""
        return tuple(self._states.values())

    @property
    def present(self) -> State:
        return self._states[self._present]

    @property
    def board(self) -> Board:
        return self.present.board

    @property
    def can_undo(self) -> bool:
        return self.present.parent is not None

    @property
    def can_redo(self) -> bool:
        return bool(self._children(self._present))

    def add(self, board: Board, gesture: Hashable = None) -> None:
        """A step from the present state. The steps of one gesture, with one mark, are one; the same board is none."""
        goes_on = gesture is not None and gesture == self._mark and not self.present.name
        if goes_on and not self._children(self._present) and self.present.parent is not None:
            self._go_on(board)
        elif board != self.board:
            state = State(self._next, self._present, "", board)
            self._states[state.number] = state
            self._next += 1
            self._stand(state.number)
            self._mark = gesture
            self._thin_out()

    def turn(self, active: int) -> None:
        """Note which panel of the present state is the active one; that is no step."""
        self._states[self._present] = replace(self.present, board=replace(self.board, active=active))

    def undo(self) -> Board:
        """The state that the present one was made from."""
        if self.present.parent is not None:
            self._stand(self.present.parent)
        return self.board

    def redo(self) -> Board:
        """The next state on the branch that was walked last."""
        children = self._children(self._present)
        if children:
            self._stand(max(children, key=self._walked.__getitem__))
        return self.board

    def go_to(self, state: int | str | State) -> Board:
        """A state by its number or name.

        Raises:
            ValueError: there is no such state.
        """
        self._stand(self.find(state).number)
        return self.board

    def find(self, state: int | str | State) -> State:
        """A state by its number or name.

        Raises:
            ValueError: there is no such state.
        """
        given = plain(state.number if isinstance(state, State) else state)
        if isinstance(given, str):
            named = {one.name: one for one in self._states.values() if one.name}
            if not named:
                raise ValueError(f"no state has a name yet, so it must be given by its number, got {given!r}.")
            return named[one_of("state", given, named)]
        if isinstance(given, bool) or not isinstance(given, int) or given not in self._states:
            raise ValueError(f"state must be the name or number of one, from 0 to {self._next - 1}, got {given!r}.")
        return self._states[given]

    def name(self, words: str) -> None:
        """Name the present state; an empty name takes it back.

        Raises:
            ValueError: it is no text, it is too long, another state has it, or too many states have names.
        """
        if not isinstance(words, str) or len(words.strip()) > LONGEST_NAME:
            raise ValueError(
                f"the name of a state must be text of at most {LONGEST_NAME} characters, got {words!r:.80}."
            )
        words = words.strip()
        named = {state.name: state.number for state in self._states.values() if state.name}
        if named.get(words, self._present) != self._present:
            raise ValueError(f"state {named[words]} has the name {words!r} already; choose another.")
        if words and not self.present.name and len(named) >= MOST_NAMED:
            raise ValueError(f"at most {MOST_NAMED} states may have names; take one back by an empty name.")
        self._states[self._present] = replace(self.present, name=words)
        self._thin_out()

    def compare(self, a: int | str | State, b: int | str | State) -> Comparison:
        """What differs between two states, from `a` to `b`.

        Raises:
            ValueError: there is no such state.
        """
        return compared(self.find(a).board, self.find(b).board)

    def way(self) -> tuple[State, ...]:
        """The states from the first to the present one."""
        found = [self.present]
        while found[-1].parent is not None:
            found.append(self._states[found[-1].parent])
        return tuple(reversed(found))

    def _children(self, number: int) -> list[int]:
        return [state.number for state in self._states.values() if state.parent == number]

    def _stand(self, number: int) -> None:
        """Make a state the present one."""
        self._present, self._mark = number, None
        self._clock += 1
        for state in self.way():
            self._walked[state.number] = self._clock

    def _go_on(self, board: Board) -> None:
        """Another step of the gesture that made the present state; one that leads back to where it began is no step."""
        if self.present.parent is not None and board == self._states[self.present.parent].board:
            left = self._present
            self._stand(self.present.parent)
            self._take_out(left)
        else:
            self._states[self._present] = replace(self.present, board=board)

    def _thin_out(self) -> None:
        unnamed = [state for state in self._states.values() if not state.name]
        for _ in range(len(unnamed) - MOST_UNNAMED):
            parents = {state.parent for state in self._states.values()}
            free = [state.number for state in unnamed if state.parent is not None and state.number != self._present]
            free = [number for number in free if number in self._states]
            leaf = next((number for number in free if number not in parents), None)
            self._take_out(free[0] if leaf is None else leaf)
            self.dropped += 1

    def _take_out(self, number: int) -> None:
        """Drop a state; what was made from it follows the state before."""
        gone = self._states.pop(number)
        del self._walked[number]
        for child in self._children(number):
            self._states[child] = replace(self._states[child], parent=gone.parent)
