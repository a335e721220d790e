"""What counts of all that was asked in a folder: the name of a model or a set means what it meant when asked last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xai_widgets.study.description import AskedModel, Description
from xai_widgets.study.plan import Piece, Task
from xai_widgets.study.tables import TABLES


@dataclass(frozen=True, order=True)
class Subject:
    """What the rows of a finished table have in common, besides the image."""

    set: str
    model: str
    run: int
    layer: str
    options: str  # as JSON


def subject_of(description: Description, piece: Piece) -> Subject:
    """What the rows of a piece have in common."""
    return Subject(description.set_name, piece.model.name, piece.run, piece.layer, options_of(description, piece.table))


def options_of(description: Description, table: str) -> str:
    """The options of a table, as a word."""
    return json.dumps(dict(description.tables[table]), sort_keys=True)


KNOWN = "known"  # the mark of what people say of an image


class Current:
    """Which of all that was asked in a folder still counts.

    What was asked before of another network by the same name does not, nor what was asked of images that are not in the
    set of that name any more or show something else now; and of what was asked twice the second counts.

    Args:
        asked: the newest last.
    """

    def __init__(self, asked: Sequence[Description]) -> None:
        self._asked = asked
        self._sets: dict[str, dict[str, Mapping[str, str] | None]] = {}  # images as asked last; None: not asked
        for one in asked:
            before = self._sets.get(one.set_name, {})
            also = {image: before.get(image) for image in one.also}
            self._sets[one.set_name] = {**also, **one.marks}
        self._runs = {model.name: tuple(model.runs) for one in asked for model in one.models}
        self._last: dict[tuple[str, Subject], Description] = {}
        for one in asked:
            for table in one.tables:
                for model in one.models:
                    for run in range(len(model.runs)):
                        for layer in model.layers:
                            piece = Piece(table, model, run, layer, ())
                            self._last[table, subject_of(one, piece)] = one

    def images(self, description: Description, piece: Piece) -> tuple[str, ...]:
        """The images of a piece that count."""
        if self._last[piece.table, subject_of(description, piece)] is not description:
            return ()
        if not self._is_same(piece.table, piece.model, piece.run):
            return ()
        return tuple(image for image in piece.images if self._counts(description, piece.table, image))

    def _counts(self, description: Description, table: str, image: str) -> bool:
        """Whether an image is in the set still, shows the same, and the same is known of it."""
        now, before = self._sets[description.set_name], description.marks[image]
        if image not in now:
            return False
        last = now[image]
        if last is None or last is before:
            return True
        if table in last or not TABLES[table].of_people:
            return last[""] == before[""] and last.get(table, before.get(table)) == before.get(table)
        return last[""] == before[""] and last.get(KNOWN) == before.get(KNOWN)

    def outdated(self, table: str) -> int:
        """How many images have rows in a table that are of other ratings or labels than those asked last."""
        some = set()
        for one in self._asked:
            for image, marks in one.marks.items() if table in one.tables and TABLES[table].of_people else ():
                last = self._sets[one.set_name].get(image)
                if last is not None and table not in last and last[""] == marks[""] and last[KNOWN] != marks[KNOWN]:
                    some.add((one.set_name, image))
        return len(some)

    def wants(self, description: Description, task: Task) -> bool:
        """Whether anything of a task counts."""
        return any(self.images(description, piece) for piece in task.pieces())

    def left_out(self) -> dict[str, int]:
        """How many images of each set counted before and are not in it any more, by the name of the set."""
        gone: dict[str, set[str]] = {}
        for one in self._asked:
            now = self._sets[one.set_name]
            gone.setdefault(one.set_name, set()).update(image for image in one.marks if image not in now)
        return {name: len(images) for name, images in gone.items() if images}

    def _is_same(self, table: str, model: AskedModel, run: int) -> bool:
        """Whether the network is still the one of that name."""
        now = self._runs[model.name]
        if TABLES[table].each_run:
            return now[run : run + 1] == tuple(model.runs)[run : run + 1]
        return now == tuple(model.runs)
