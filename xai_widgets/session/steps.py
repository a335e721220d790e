"""What a session does with its history: back and forth, names, code, a file, and the same of other models or images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from xai_widgets.engine import Engine, Sources
from xai_widgets.images import ImageSet
from xai_widgets.session import scripting
from xai_widgets.session.board import Board
from xai_widgets.session.compared import Comparison
from xai_widgets.session.filters import Filter
from xai_widgets.session.history import MOST_UNNAMED, History, State
from xai_widgets.session.look import Look
from xai_widgets.session.map_names import LayerNames
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.reading import named_file, read
from xai_widgets.session.replay import fitted
from xai_widgets.session.requests import Requests
from xai_widgets.session.saved import Saved, SavedModel, write
from xai_widgets.session.sources import Models

DROPPED = f"The history keeps {MOST_UNNAMED} states without a name; the oldest are dropped. A state with a name stays."


class Steps(OneChange):
    """A part of `Session`.

    Attributes:
        differences: what is otherwise than in the file or session that it was opened from, a sentence each.
    """

    differences: tuple[str, ...] = ()
    sources: Sources
    images: ImageSet
    notice: str
    steps: tuple[bool, bool]
    look: Look
    measuring: dict[str, str]
    pins: tuple[str, ...]
    selected: tuple[int, ...]
    selected_images: tuple[str, ...]
    filters: tuple[Filter, ...]
    slices: dict[str, tuple[Filter, ...]]
    map_names: tuple[LayerNames, ...]
    say: Callable[[str], None]
    close: Callable[[], None]
    refresh: Callable[..., None]
    _go: Callable[..., None]
    _history: History
    _requests: Requests
    _said: str
    _first: Board
    _told_dropped = False

    @property
    def engine(self) -> Engine:
        raise NotImplementedError

    @property
    def board(self) -> Board:
        raise NotImplementedError

    # ------------------------------------------------------------------ back and forth

    @property
    def states(self) -> tuple[State, ...]:
        """The tree of states, the oldest first: number, parent, name and board of each."""
        with self.lock:
            self._history.turn(self.board.active)
            return self._history.states

    @property
    def state(self) -> State:
        """The present state."""
        with self.lock:
            self._history.turn(self.board.active)
            return self._history.present

    def undo(self) -> None:
        """Back to the state that the present one was made from."""
        self._step(self._history.undo)

    def redo(self) -> None:
        """Forward, on the branch that was walked last."""
        self._step(self._history.redo)

    def go_to(self, state: int | str | State) -> None:
        """To a state by its number or name.

        Raises:
            ValueError: there is no such state.
        """
        self._step(lambda: self._history.go_to(state))

    def name_state(self, words: str) -> None:
        """Name the present state, which is then kept; an empty name takes it back.

        Raises:
            ValueError: it is no text, it is too long, or another state has this name.
        """
        with self.changing():
            self._open()
            self._history.name(words)

    def compare(self, a: int | str | State, b: int | str | State) -> Comparison:
        """What differs between two states, from `a` to `b`.

        Raises:
            ValueError: there is no such state.
        """
        with self.lock:
            return self._history.compare(a, b)

    def _step(self, walk: Callable[[], Board]) -> None:
        with self.changing():
            self._open()
            self._history.turn(self.board.active)
            before = self._history.present.number
            try:
                self._go(walk(), step=False)
            except BaseException:
                self._history.go_to(before)
                raise
            finally:
                self._tell_history()

    def _tell_history(self) -> None:
        self.steps = (self._history.can_undo, self._history.can_redo)
        if self._history.dropped and not self._told_dropped:
            self._told_dropped = True
            self.say(" ".join(filter(None, (self._said, DROPPED))))

    # ------------------------------------------------------------------ code, a file

    def code(self, *, path: bool = False) -> str:
        """The Python that leads to what is seen now, in a new session of the same model and images.

        Args:
            path: whether by each step from the first state, rather than at once.
        """
        with self.lock:
            way = [state.board for state in self._history.way()][:-1] if path else []
            board, seen = self.board, scripting.seen(self)  # type: ignore[arg-type]
        return "\n".join([*scripting.asked([*way, board], self.sources), *seen]) + "\n"  # which may load a model

    def save(self, path: Any, *, overwrite: bool = False) -> Path:
        """Write what was asked and what is seen into a JSON file, which `Session.open` opens.

        Models and images are not in it, but their names and digests of their content are.

        Args:
            path: of the file; it ends with .json, and its folder must be there.
            overwrite: write over a file that exists.

        Returns:
            The path of the file.

        Raises:
            TypeError: `path` is no file name.
            ValueError: it cannot be written, or a model or an image is named by an absolute path.
            FileExistsError: the file exists, and `overwrite` is False.
        """
        return write(self._saved(), path, overwrite=overwrite)

    def _saved(self) -> Saved:
        with self.lock:
            saved = Saved(
                models=(),
                images=self.images.name,
                states=self.states,
                present=self.state.number,
                look=self.look,
                measuring=dict(self.measuring),
                pins=self.pins,
                selected=self.selected,
                selected_images=self.selected_images,
                filters=self.filters,
                slices=dict(self.slices),
                map_names=self.map_names,
                region=dict(self.looked_into),
            )
        digests = {}
        for name in saved.image_names():
            with suppress(ValueError, OSError):  # what cannot be read now has no content to compare with
                digests[name] = self.images.sample_digest(name)
        return replace(saved, models=tuple(map(self._saved_model, self.sources.given_names)), digests=digests)

    def _saved_model(self, name: str) -> SavedModel:
        runs = self.sources.model(name).runs if self.sources.loaded(name) else ()
        return SavedModel(name, tuple(run.digest() for run in runs))

    @classmethod
    def open(cls, path: Any, *, model: Models, images: Any, engine: Engine | None = None, replay: bool = False) -> Self:
        """Open a file that `save` wrote. What is otherwise than it was then is said, and stands in `differences`.

        Args:
            path: of the file.
            model: as in `Session`; what the file asks for by name must be there.
            images: likewise.
            engine: as in `Session`.
            replay: whether others may stand in the place of models and images that are not there, and what these
                cannot answer is left out.

        Raises:
            TypeError: `path` is no file name, or the model is none.
            ValueError: it is no session file of this version, or asks for what is not there; no session is made then.
        """
        saved = read(path)
        engine = engine or Engine.shared()
        sources = Sources(model, images, cache=engine.cache)
        with named_file(path):
            found, differences = fitted(saved, sources, replay=replay)
        return cls._restored(found, sources, engine, differences)

    def replay(self, model: Models | None = None, images: Any = None) -> Self:
        """The same states in a new session, of another model or other images; `differences` of it says what changed.

        Models and images that are not there are replaced by those that are, in their order. What the others cannot
        answer is left out.

        Args:
            model: as in `Session`; the same, if None.
            images: likewise.
        """
        self._open()
        models = self.sources.given if model is None else model
        sources = Sources(models, self.images if images is None else images, cache=self.engine.cache)
        found, differences = fitted(self._saved(), sources, replay=True)
        return self._restored(found, sources, self.engine, differences)

    @classmethod
    def _restored(cls, saved: Saved, sources: Sources, engine: Engine, differences: tuple[str, ...]) -> Self:
        query = saved.board.query
        first = {"layer": query.layer} if query.model == sources.names[0] else {}
        session = cls(sources, sources.images, engine=engine, image=query.image, **first)  # type: ignore[call-arg]
        try:
            with session.changing():
                session._take(saved)
                session._first = session.states[0].board
                session.differences = differences
                more = f" {len(differences) - 1} more: see session.differences." if len(differences) > 1 else ""
                if differences:
                    session.say(" ".join(filter(None, (session.notice, f"{differences[0]}{more}"))))
        except BaseException:
            session.close()
            raise
        return session

    def _take(self, saved: Saved) -> None:
        """Become what was saved, which is known to fit."""
        self._history = History.restored(saved.states, saved.present)
        self.look, self.measuring = saved.look, {**self.measuring, **saved.measuring}
        self._go(saved.board, step=False)
        self.pins, self.selected_images, self.selected = saved.pins, saved.selected_images, saved.selected
        self.set_trait("filters", saved.filters)
        self.set_trait("slices", dict(saved.slices))
        self.set_trait("map_names", saved.map_names)
        self.looked_into = dict(saved.region)
        self._tell_history()
        self.refresh()
