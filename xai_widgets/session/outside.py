"""What a session does about weights and files that change outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from xai_widgets.engine import Output, Query
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.panel import Panel
from xai_widgets.session.requests import Requests


class Outside(OneChange):
    """A part of `Session`."""

    closed: bool
    query: Query
    panels: tuple[Panel, ...]
    scores: dict[str, float]
    predictions: dict[str, str]
    failures: dict[str, str]
    _outputs: dict[str, Output]
    replaced: tuple[Any, ...]
    say: Callable[[str], None]
    in_order: Callable[[], list[Panel]]
    _requests: Requests
    _set_forget: Callable[..., None]
    _set_reread: Callable[[tuple[str, ...]], None]

    def refresh(self, notice: str = "") -> None:
        """Ask for everything again, such as after the weights or the file of an image have changed.

        Args:
            notice: said to the reader.
        """
        with self.changing():
            if self.closed:
                return
            if notice:
                self.say(notice)
            for model, run in {(panel.query.model, panel.query.run) for panel in self.panels}:
                self._set_forget(model, run, brought=False)  # unless the answer says that the weights are others
            self._ask_again(self.in_order())
            self._requests.scoring.all(self.query)

    def weights_changed(self, *, thorough: bool = False) -> bool:
        """Whether weights are others than those of what is shown, also where another session noticed first.

        Args:
            thorough: compare the values of the weights too, which takes some milliseconds.
        """
        if thorough:
            for model in {
                id(model): model for model in (self._requests.weights.model(panel.query) for panel in self.panels)
            }.values():
                model.examine()
        return any(self._requests.weights_changed(panel) for panel in self.panels)

    def weights_are_new(self, model: str, run: int) -> None:
        """The weights of a model have changed: all that was computed with the old ones is asked again."""
        with self.changing():
            concerned = [one for one in self.in_order() if (one.query.model, one.query.run) == (model, run)]
            self.say(f"The weights of {model} have changed; all is computed with the new ones.")
            for panel in concerned:
                panel.forget()
            self._set_forget(model, run)
            self._ask_again(concerned)
            if (self.query.model, self.query.run) == (model, run):
                self._outputs, self.scores, self.predictions = {}, {}, {}
                self._requests.scoring.all(self.query)

    def reread(self, names: Iterable[str]) -> None:
        """Take notice of images whose files were written again: their scores are asked for again."""
        with self.changing():
            if self.closed:
                return
            names = tuple(names)
            self._outputs = {name: output for name, output in self._outputs.items() if name not in names}
            self.scores = {name: score for name, score in self.scores.items() if name not in names}
            self.failures = {name: words for name, words in self.failures.items() if name not in names}
            self.replaced = (names, self.replaced[1] + 1)
            self._requests.scoring.some(self.query, names)
            self._set_reread(names)
            concerned = [panel for panel in self.in_order() if panel.query.image in names]
            if concerned:
                self.say(f"The file of {concerned[0].query.image} has changed; it is read again.")
            for panel in concerned:
                panel.forget()  # what is of the old photo, a receipt included
            self._ask_again(concerned)

    def _ask_again(self, panels: Iterable[Panel]) -> None:
        for panel in panels:
            self._requests.send(panel, None)
