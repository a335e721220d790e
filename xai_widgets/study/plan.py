"""The parts of a study: which images belong together, and in which order they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from xai_widgets.study.description import AskedModel, Description
from xai_widgets.study.parts import Parts
from xai_widgets.study.tables import TABLES

LEAST, MOST = 0.25, 2.0  # images of a part, as shares of the wished size


@dataclass(frozen=True)
class Piece:
    """One part: some images in one table, of one model, run and layer."""

    table: str
    model: AskedModel
    run: int
    layer: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """What one process does in one go: some images of one model and run at one layer, for all tables.

    Attributes:
        number: in the plan, from 0.
    """

    number: int
    model: AskedModel
    run: int
    layer: str
    images: tuple[str, ...]
    tables: tuple[str, ...]

    def pieces(self) -> list[Piece]:
        return [Piece(table, self.model, self.run, self.layer, self.images) for table in self.tables]


class Plan:
    """All tasks of a description, the same in every process.

    Which images belong together follows from their names, so that a study to which images are added keeps most of its
    parts; of those that change only the rows that are missing are made.

    Args:
        folder: of the study.
        asked: what is asked.
    """

    def __init__(self, folder: Path, asked: Description) -> None:
        self.folder, self.asked = folder, asked

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """In the order in which they are made: one model after the other."""
        groups = in_groups(sorted(self.asked.marks), self.asked.part_size)
        found: list[Task] = []
        for model, run, layer, tables in self._subjects():
            found += [Task(len(found) + place, model, run, layer, some, tables) for place, some in enumerate(groups)]
        return tuple(found)

    def _subjects(self) -> Iterator[tuple[AskedModel, int, str, tuple[str, ...]]]:
        """Models, runs and layers, with the tables that are made of each: what is asked once is made with the first."""
        for model in self.asked.models:
            for run in range(len(model.runs)):
                for layer in model.layers:
                    tables = tuple(
                        name
                        for name in self.asked.tables
                        if name not in model.lacking and (run == 0 or TABLES[name].each_run)
                    )
                    if tables:
                        yield model, run, layer, tables

    def parts(self, piece: Piece) -> Parts:
        """Where the rows of a piece belong."""
        return Parts(self.folder, self.asked.origin(piece.table, piece.model, piece.run, piece.layer))

    def marks(self, piece: Piece) -> dict[str, str]:
        """What the rows of each image of a piece are made from."""
        return {image: self.asked.mark(image, piece.table) for image in piece.images}

    def path(self, piece: Piece) -> Path:
        """The file of a piece."""
        return self.parts(piece).path(self.marks(piece).values())

    def shard(self, index: int, count: int) -> tuple[Task, ...]:
        """The tasks of one of several processes that share the work, numbered from 1.

        Each gets tasks that follow each other, so that it needs few models.

        Raises:
            ValueError: there is no such share.
        """
        if not 1 <= index <= count:
            raise ValueError(f"a shard must be from 1/{count} to {count}/{count}, got {index}/{count}.")
        total = len(self.tasks)
        return self.tasks[total * (index - 1) // count : total * index // count]


def in_groups(names: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Names in groups of about a size, whose ends follow from the names themselves.

    A name that comes or goes changes the group in which it is, and seldom the one after it.
    """
    least, most = max(1, round(LEAST * size)), max(1, round(MOST * size))
    rest = max(1, size - least)  # after the least, a group ends with one name in so many
    groups: list[tuple[str, ...]] = []
    now: list[str] = []
    for name in names:
        now.append(name)
        number = int.from_bytes(blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest())
        if len(now) >= most or (len(now) >= least and number % rest == 0):
            groups.append(tuple(now))
            now = []
    return [*groups, tuple(now)] if now else groups
