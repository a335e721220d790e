"""The rows of one task, made in the process that runs this: by the engine's `answer`, as for a click."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from xai_widgets.engine import Cache, Query, Sources, Stopped, WeightsChanging, answer
from xai_widgets.engine.sources import Models
from xai_widgets.kernels.faults import DeviceFault
from xai_widgets.study.description import Description
from xai_widgets.study.identity import look_at
from xai_widgets.study.parts import Corrupt, Failed, Head, Parts, digest
from xai_widgets.study.plan import Piece, Plan, Task
from xai_widgets.study.tables import TABLES, Table

CACHE_BYTES = 2**29
CHANGED_SET = (
    "other images of the set, or what is known of them, were changed after the study was planned: plan it again."
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Told = Callable[[int], None]
Stop = Callable[[], object]


class CannotGoOn(RuntimeError):
    """What stops a whole study, in one sentence: a full disk, a model that cannot be made. What is done is kept."""


@dataclass(frozen=True)
class Done:
    """What became of a task.

    Attributes:
        images: how many images and tables were made.
        reused: how many rows of images were found in other parts.
        failed: images without rows, and why, with the table.
        refused: in another process, what keeps it from going on; executors word errors as they like.
    """

    number: int
    images: int = 0
    reused: int = 0
    failed: tuple[tuple[str, Failed], ...] = ()
    refused: str = ""


def sources_for(models: Models, images: Any) -> Sources:
    """Models and images for the work of a study, with a memory of their own: what a session remembers stays."""
    return Sources(models, images, cache=Cache(CACHE_BYTES), most_models=2)


class Work:
    """Makes parts of one description in this process.

    Args:
        folder: of the study.
        asked: what is asked.
        sources: models and images.
    """

    def __init__(self, folder: Path, asked: Description, sources: Sources) -> None:
        self.plan = Plan(folder, asked)
        self.asked, self.sources = asked, sources
        self._checked: dict[tuple[str, int], str] = {}  # digests of weights that were found to be those that are asked
        self._of_set: dict[str, str] = {}  # by table, why it cannot be made: the set is not as it was planned
        self._known: dict[Path, dict[str, Path]] = {}  # rows of parts that were there before, by folder

    def left(self, task: Task) -> list[Piece]:
        """The pieces of a task that are not there whole."""
        return [piece for piece in task.pieces() if self.lacks(piece)]

    def lacks(self, piece: Piece) -> bool:
        """Whether a piece is not there, is corrupt, or has images that failed."""
        try:
            head = self.plan.parts(piece).head(self.plan.path(piece))
        except Corrupt:
            return True
        return head is None or bool(head.failed)

    def do(self, task: Task, *, stop: Stop | None = None, told: Told | None = None) -> Done:
        """Make what is missing of a task.

        Args:
            stop: called between batches; what it returns, if true, ends the work.
            told: takes how many images of a table are done since it was called last.

        Raises:
            CannotGoOn: nothing can be made here.
            Stopped: `stop` said so.
        """
        done = Done(task.number)
        for piece in task.pieces():
            if self.lacks(piece):
                done = self._make(piece, done, stop, told)
            elif told is not None:
                told(len(piece.images))
        return done

    def _check(self, piece: Piece) -> None:
        """The networks that are here must be those that are asked; a look of 0.1 ms, after the first."""
        name = piece.model.name
        try:
            here = self.sources.model(name)
            source = self.sources.portable_of(name)
            for run in [piece.run] if TABLES[piece.table].each_run else range(len(piece.model.runs)):
                found = here.runs[run].digest() if run < len(here.runs) else ""
                if self._checked.get((name, run)) == found:
                    continue
                if not found or not look_at(here.runs[run], source).like(piece.model.looks[run]):
                    raise CannotGoOn(
                        f"{name}, training run {run}, is not what the study was planned with: its weights, or what is "
                        "done with them, are others: plan it again. (A network without a file of weights has others in "
                        "each process.)"
                    )
                self._checked[name, run] = found
        except CannotGoOn:
            raise
        except (ValueError, TypeError, RuntimeError) as error:
            raise CannotGoOn(f"{name} cannot be made: {error}") from error

    def _make(self, piece: Piece, done: Done, stop: Stop | None, told: Told | None) -> Done:
        table, parts, marks = TABLES[piece.table], self.plan.parts(piece), self.plan.marks(piece)
        known = self._rows_elsewhere(parts, marks)
        missing = [image for image in piece.images if image not in known]
        if told is not None and known:
            told(len(known))
        made: dict[str, pa.Table] = {}
        self._check(piece)
        try:
            failed = self._answered(table, piece, missing, marks, made, stop, told)
            self._check(piece)
        except BaseException as error:
            if not isinstance(error, CannotGoOn) or isinstance(error.__cause__, DeviceFault):
                self._keep(piece, {image: marks[image] for image in made}, made)
            raise
        self._write(table, parts, Head(marks, tuple(failed)), known | made)
        told_failed = tuple((piece.table, one) for one in failed)
        return replace(
            done,
            images=done.images + len(missing),
            reused=done.reused + len(known),
            failed=(*done.failed, *told_failed),
        )

    def _write(self, table: Table, parts: Parts, head: Head, there: Mapping[str, pa.Table]) -> None:
        rows = [there[image] for image in head.marks if image in there] or [table.schema.empty_table()]
        try:
            parts.write(head, pa.concat_tables(rows).unify_dictionaries())
        except OSError as error:
            raise CannotGoOn(
                f"the folder of the study, {self.plan.folder}, {no_place(error)}. What is done is kept: run the study "
                "again when there is space."
            ) from error

    def _keep(self, piece: Piece, marks: dict[str, str], made: Mapping[str, pa.Table]) -> None:
        """Keep the rows of a piece that is not finished, as a smaller one; the next run finds them there."""
        parts = self.plan.parts(piece)
        with suppress(CannotGoOn):  # what ended the work is said
            if made:
                self._check(piece)
                self._write(TABLES[piece.table], parts, Head(marks), made)
                self._known.pop(parts.folder, None)

    def _rows_elsewhere(self, parts: Parts, marks: Mapping[str, str]) -> dict[str, pa.Table]:
        """Rows of these images in parts that were there when this process began: of a study that has grown since."""
        if parts.folder not in self._known:
            self._known[parts.folder] = parts.known()
        where = self._known[parts.folder]
        wanted: dict[Path, list[str]] = {}
        for image, mark in marks.items():
            if mark in where:
                wanted.setdefault(where[mark], []).append(image)
        found: dict[str, pa.Table] = {}
        for path, images in wanted.items():
            try:
                found |= by_image(parts.rows(path), images)
            except Corrupt:
                continue
        return found

    def _answered(
        self, table: Table, piece: Piece, images: list[str], marks: Mapping[str, str], made: dict[str, pa.Table],
        stop: Stop | None, told: Told | None,
    ) -> list[Failed]:  # fmt: skip
        """Put rows of images, by name, into `made`. Returns those that failed."""
        options = self.asked.tables[table.name]
        failed: dict[str, str] = {}
        faults: list[str] = []  # images that failed on a device, one after the other
        queries = []
        for image in images:
            if stop is not None and stop():
                raise Stopped("the study was stopped.")
            reason = self._replaced(image, table) or self._set_replaced(table)
            if reason:
                failed[image] = reason
                if told is not None:
                    told(1)
            else:
                query = Query(image=image, model=piece.model.name, run=piece.run, layer=piece.layer)
                queries.append(table.query(query, options))

        def fail(query: Query, error: BaseException) -> None:
            faults.append(query.image)
            if isinstance(error, WeightsChanging) or (isinstance(error, DeviceFault) and len(faults) > 1):
                raise error  # one image may be too large for a device, which fails at two of them
            if not isinstance(error, DeviceFault):
                faults.clear()
            failed[query.image] = in_words(error)
            if told is not None:
                told(1)

        def take(found: Any, share: float) -> None:
            try:
                if reason := self._replaced(found.query.image, table):  # while it was asked
                    raise ValueError(reason)
                rows = table.rows(self.sources, found.query, found, options)
                made[found.query.image] = as_table(table, found.query.image, rows)
                faults.clear()
            except Exception as error:  # one image does not cost the others theirs
                fail(found.query, error)
            else:
                if told is not None:
                    told(1)

        try:
            answer(
                self.sources, queries, table.part, progress=take, stop=stop, failed=fail,
                **table.part_options(options),
            )  # fmt: skip
        except (DeviceFault, WeightsChanging) as error:
            raise CannotGoOn(str(error)) from error
        return [Failed(marks[image], image, reason) for image, reason in failed.items()]

    def _replaced(self, image: str, table: Table) -> str:
        """Why an image, or what a table needs to know of it, is not what was planned; empty where it is."""
        planned, images = self.asked.marks[image], self.sources.images
        try:
            if content_of(images, image) != planned[""]:
                return f"the file of {image!r} was replaced after the study was planned: plan it again."
            known = digest(table.facts(images, image, self.asked.tables[table.name]))
            if known != planned.get(table.name, known):
                return f"what is known of {image!r} was changed after the study was planned: plan it again."
        except ValueError as error:
            return str(error)
        return ""

    def _set_replaced(self, table: Table) -> str:
        """Why what all rows of a table depend on is not what was planned; looked at once."""
        if table.name not in self._of_set:
            now = digest(table.of_set(self.sources.images, self.asked.tables[table.name]))
            same = now == self.asked.of_set.get(table.name, now)
            self._of_set[table.name] = "" if same else CHANGED_SET
        return self._of_set[table.name]


def in_words(error: BaseException) -> str:
    """An error as a sentence; of one that nobody worded its kind too."""
    said = " ".join(str(error).split())
    worded = said and isinstance(error, ValueError | RuntimeError)
    return said if worded else f"{type(error).__name__}: {said}".rstrip(": ")


def no_place(error: OSError) -> str:
    """Why a folder takes no more."""
    return "is full" if error.errno in FULL else f"cannot be written to ({error.strerror or error})"


def content_of(images: Any, image: str) -> str:
    """What an image shows, as a digest; of a sample of several, what all of them show.

    Raises:
        ValueError: there is no such image, or it cannot be read.
    """
    return ",".join(images.digests(image))


def as_table(table: Table, image: str, rows: Mapping[str, Any]) -> pa.Table:
    """The rows of an image in Arrow."""
    count = len(next(iter(rows.values())))
    return pa.table({"image": [image] * count, **rows}, schema=table.schema)


def by_image(rows: pa.Table, images: list[str]) -> dict[str, pa.Table]:
    """Some images of a part, which has the rows of each image together."""
    names = rows.column("image").combine_chunks().dictionary_decode().to_pylist() if len(rows) else []
    spans: dict[str, tuple[int, int]] = {}
    for place, name in enumerate(names):
        spans[name] = spans.get(name, (place, 0))[0], place + 1
    return {name: rows.slice(spans[name][0], spans[name][1] - spans[name][0]) for name in images if name in spans}


# ---------------------------------------------------------------------- in another process

_lock = threading.Lock()
_stop: list[Stop] = []  # of a process that one told when to stop


def stop_when(stop: Stop) -> None:
    """Say what ends the work of this process, between two batches."""
    _stop[:] = [stop]


@lru_cache(maxsize=2)
def _opened(folder: str, key: str, run: str) -> Work:
    """A study in this process: read once in a run, models loaded once."""
    asked = Description.read(Path(folder), key)
    return Work(Path(folder), asked, sources_for(asked.sources(), asked.image_set()))


def do_elsewhere(folder: str, key: str, number: int, run: str = "") -> Done:
    """Make one task of a study; what an executor runs in its processes. Nothing but names is sent.

    Args:
        folder: of the study, which all processes must see.
        key: of what is asked.
        number: of the task.
        run: another word in each run: an executor that remembers results does not take one for another, and a process
            that outlives a run reads the study anew.

    Returns:
        What became of it; where nothing can be made here, why.

    Raises:
        Stopped: this process was told to stop.
    """
    with _lock:  # threads of one process share networks
        try:
            work = _opened(folder, key, run)
            return work.do(work.plan.tasks[number], stop=_stop[0] if _stop else None)
        except (CannotGoOn, ValueError, TypeError) as error:
            return Done(number, refused=str(error))
