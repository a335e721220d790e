"""From parts to tables: one Parquet file a table, a README that names every column, and what failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xai_widgets.study.current import Current, Subject, subject_of
from xai_widgets.study.description import Description
from xai_widgets.study.files import write_whole
from xai_widgets.study.parts import Corrupt, Failed, Parts
from xai_widgets.study.plan import Piece, Plan
from xai_widgets.study.tables import ASKED, SUMMARIES, TABLES, Table
from xai_widgets.study.tables.record import TEXT, WORD, Column
from xai_widgets.study.work import by_image

BELONGING = ", ".join(f"rows of {table.name} stand in {table.into}" for table in TABLES.values() if table.into)
FAILURES = (
    Column("table", WORD, f"the table in which the image has no rows; {BELONGING}"),
    *ASKED,
    Column("reason", TEXT, "why"),
)
ROWS = 2**17  # of a group of rows in a file


@dataclass
class Content:
    """Where the rows of one table are.

    Attributes:
        rows: of each subject and image the part that has its rows, or None for an image that failed.
        failed: images without rows.
        missing: images whose rows are not made yet.
        corrupt: parts that cannot be read, in words.
    """

    rows: dict[Subject, dict[str, Path | None]] = field(default_factory=dict)
    failed: dict[tuple[Subject, str], Failed] = field(default_factory=dict)
    missing: int = 0
    corrupt: list[str] = field(default_factory=list)


def content_of(
    folder: Path, asked: Sequence[Description], table: str, fits: Callable[[Piece], bool] = lambda piece: True
) -> Content:
    """Where the rows of a table are, of what counts of all that was asked.

    Args:
        asked: the newest last.
        fits: which pieces are meant.
    """
    content, current = Content(), Current(asked)
    before: dict[Path, dict[str, Path]] = {}
    for description in asked:
        plan = Plan(folder, description)
        for piece in pieces_of(plan, table):
            if fits(piece) and (images := current.images(description, piece)):
                _find(content, plan, piece, images, before)
    return content


def contents_of(folder: Path, asked: Sequence[Description]) -> dict[str, Content]:
    """Where the rows of every table that was asked are, by the name of the table."""
    names = [name for name in TABLES if any(name in one.tables for one in asked)]
    return {name: content_of(folder, asked, name) for name in names}


def _find(
    content: Content, plan: Plan, piece: Piece, images: Sequence[str], before: dict[Path, dict[str, Path]]
) -> None:
    """Note where the rows of some images of a piece are.

    Args:
        before: rows by mark in all parts of a folder: those of a study that has grown stand in others for a while.
    """
    parts, path, subject = plan.parts(piece), plan.path(piece), subject_of(plan.asked, piece)
    rows = content.rows.setdefault(subject, {})
    try:
        head = parts.head(path)
    except Corrupt as error:
        content.corrupt.append(str(error))
        head = None
    if head is None:
        if parts.folder not in before:
            before[parts.folder] = parts.known()
        marks, known = plan.marks(piece), before[parts.folder]
        found = {image: known[marks[image]] for image in images if marks[image] in known}
        rows.update(found)
        content.missing += len(images) - len(found)
        return
    failed = {one.image: one for one in head.failed}
    for image in images:
        rows[image] = None if image in failed else path
        if image in failed:
            content.failed[subject, image] = failed[image]


def pieces_of(plan: Plan, table: str) -> Iterator[Piece]:
    """The pieces of one table."""
    for task in plan.tasks:
        if table in task.tables:
            yield Piece(table, task.model, task.run, task.layer, task.images)


def assemble(folder: Path, asked: Sequence[Description]) -> dict[str, Content]:
    """Write every table that was asked, and its README; where parts are missing the rows that are there.

    Raises:
        OSError: the disk is full, or cannot be written to; older tables stay.
    """
    contents = contents_of(folder, asked)
    place = folder / "tables"
    finished = list(dict.fromkeys(TABLES[name].finished for name in contents))
    for name in finished:
        some = {TABLES[one]: content for one, content in contents.items() if TABLES[one].finished == name}
        _write(place / f"{name}.parquet", TABLES[name].whole, _batches(folder, some))
    failures = list(_failures(contents))
    schema = pa.schema([(column.name, column.kind) for column in FAILURES])
    _write(place / "failures.parquet", schema, [pa.Table.from_pylist(failures, schema)])
    made = [summary for summary in SUMMARIES if summary.of in finished]
    for summary in made:
        schema = pa.schema([(column.name, column.kind) for column in summary.columns])
        rows = [summary.make(group) for group in groups_of(place / f"{summary.of}.parquet", summary.by)]
        whole = pa.concat_tables(rows).unify_dictionaries() if rows else schema.empty_table()
        _write(place / f"{summary.name}.parquet", schema, [whole])
    text = readme([TABLES[name] for name in finished], [(one.name, one.words, one.columns) for one in made])
    write_whole(place / "README.md", lambda file: file.write(text.encode()))
    return contents


def _write(path: Path, schema: pa.Schema, batches: Any) -> None:
    def write(file: Any) -> None:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(batch, row_group_size=ROWS)

    write_whole(path, write)


def groups_of(path: Path, by: Sequence[str]) -> Iterator[pa.Table]:
    """Rows of a finished table that share some values, one group after the other: no more than one is in memory.

    Args:
        by: columns of the model, run, layer and options; each group of rows of the file is about one of these, as
            `_batches` gives them, and those about the same follow each other.
    """
    waiting: list[pa.Table] = []
    before: list[dict[str, Any]] = []
    with pq.ParquetFile(path) as file:
        for index in range(file.num_row_groups):
            rows = file.read_row_group(index)
            now = rows.select(list(by)).slice(0, 1).to_pylist()
            if waiting and now != before:
                yield pa.concat_tables(waiting).unify_dictionaries()
                waiting = []
            if now:
                waiting, before = [*waiting, rows], now
    if waiting:
        yield pa.concat_tables(waiting).unify_dictionaries()


def _batches(folder: Path, contents: Mapping[Table, Content]) -> Iterator[pa.Table]:
    """The rows of a finished table, some parts at a time, in the order of model, run, layer, options and image.

    Args:
        contents: of all that belong to it; under each model, run, layer and options one after the other.
    """
    everything = [
        (subject, place, table, content)
        for place, (table, content) in enumerate(contents.items())
        for subject in content.rows
    ]
    for subject, _, table, content in sorted(everything, key=lambda one: one[:2]):
        waiting: list[pa.Table] = []
        for path, images in runs_of(content.rows[subject]):
            parts = Parts(folder, path.parent.name)
            try:
                found = by_image(parts.rows(path), images)
            except Corrupt as error:
                parts.set_aside(path)
                content.corrupt.append(str(error))
                content.missing += len(images)
                for image in images:
                    del content.rows[subject][image]
                continue
            waiting += [found[image] for image in images if image in found]
            if sum(map(len, waiting)) >= ROWS:
                yield _whole(table, subject, waiting)
                waiting = []
        if waiting:
            yield _whole(table, subject, waiting)


def runs_of(rows: Mapping[str, Path | None]) -> Iterator[tuple[Path, list[str]]]:
    """Images in their order, those together that follow each other in one part."""
    last: Path | None = None
    images: list[str] = []
    for image in sorted(rows):
        path = rows[image]
        if path is None:
            continue
        if path != last and last is not None:
            yield last, images
            images = []
        last = path
        images.append(image)
    if last is not None:
        yield last, images


def _whole(table: Table, subject: Subject, rows: Sequence[pa.Table]) -> pa.Table:
    """Rows with what they have in common as columns."""
    found = pa.concat_tables(rows).unify_dictionaries()
    common = {"set": subject.set, "model": subject.model, "run": subject.run, "layer": subject.layer}
    common |= json.loads(subject.options)
    columns = []
    for name, kind in zip(table.whole.names, table.whole.types, strict=True):
        column = found.column(name) if name in found.column_names else _constant(common[name], kind, len(found))
        columns.append(column)
    return pa.table(columns, schema=table.whole)


def _constant(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    if pa.types.is_dictionary(kind):
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))
    return pa.array([value] * count, kind)


def _failures(contents: Mapping[str, Content]) -> Iterator[dict[str, Any]]:
    for name, content in contents.items():
        for (subject, image), failed in sorted(content.failed.items(), key=lambda one: one[0]):
            yield {
                "table": name, "set": subject.set, "model": subject.model, "run": subject.run, "layer": subject.layer,
                "image": image, "reason": failed.reason,
            }  # fmt: skip


READ_SO = (
    'Each is a Parquet file, read as it is: `pandas.read_parquet("scores.parquet")`, or in DuckDB',
    "`SELECT model, avg(score) FROM 'scores.parquet' GROUP BY model`.",
    "Empty cells are values that are not known or do not exist.",
)


def readme(tables: Sequence[Table], summaries: Sequence[tuple[str, str, Sequence[Column]]] = ()) -> str:
    """Every table and column in words."""
    lines = ["# Tables of this study", "", *READ_SO, ""]
    named = [(table.name, table.words, (*ASKED, *table.columns)) for table in tables]
    for name, words, columns in [*named, *summaries, ("failures", "One image without rows in a table.", FAILURES)]:
        lines += [f"## {name}", "", words, "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{column.name}` | {_kind(column.kind)} | {column.words} |" for column in columns]
        lines += [""]
    return "\n".join(lines)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "text"
    if pa.types.is_list(kind):
        return "list of numbers"
    if pa.types.is_boolean(kind):
        return "true or false"
    return "whole number" if pa.types.is_integer(kind) else "number"
