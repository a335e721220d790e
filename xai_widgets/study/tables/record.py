"""What there is to know of a table of a study: one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xai_widgets.engine.options import Option

if TYPE_CHECKING:
    from xai_widgets.engine import Query, Sources
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel

WORD = pa.dictionary(pa.int32(), pa.string())
FLOAT, WHOLE, TRUTH, TEXT = pa.float32(), pa.int32(), pa.bool_(), pa.string()
FLOATS = pa.list_(pa.float32())


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as the table has it.
        kind: its type in Arrow.
        words: what it is, with unit, sign and range.
    """

    name: str
    kind: pa.DataType
    words: str


ASKED = (  # of every row; they come first
    Column("set", WORD, "name of the set of images"),
    Column("model", WORD, "name of the model"),
    Column("run", WHOLE, "training run of the model, from 0"),
    Column("layer", WORD, "layer whose feature maps are meant"),
    Column("image", WORD, "name of the image in its set"),
)


@dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Attributes:
        name: of the table and its file.
        words: what a row is.
        columns: after those of `ASKED`; one of an option has its name.
        part: of an answer, from which its rows are made.
        rows: from sources, query, answer and options to the columns of one image, of as many values as it has rows.
        options: its choices; each is a column too.
        query: the query of the part, from that of the image and the options.
        part_options: options of the part.
        facts: what a row depends on besides pixels and weights, as plain data: rating, label, files. From the set, the
            name of the image and the options.
        of_set: what all rows depend on of the whole set, as plain data, such as the images of a mean.
        lacking: why a model or a set has no such table, as a sentence; empty where it has.
        each_run: whether there are rows for each training run; else they are about all together.
        of_people: whether its rows depend on what people say of an image, its rating or label.
        into: the finished table to which its rows belong, where that is one of another name with the same columns and
            options: what depends on more than that one does is made, and made anew, on its own.
        version: of the definition; another one makes all rows anew.
    """

    name: str
    words: str
    columns: tuple[Column, ...]
    part: str
    rows: Callable[[Sources, Query, Any, Mapping[str, Any]], dict[str, Any]]
    options: tuple[Option, ...] = ()
    query: Callable[[Query, Mapping[str, Any]], Query] = lambda query, options: query
    part_options: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda options: {}
    facts: Callable[[ImageSet, str, Mapping[str, Any]], Any] = lambda images, name, options: ()
    of_set: Callable[[ImageSet, Mapping[str, Any]], Any] = lambda images, options: ()
    lacking: Callable[[ImageModel, ImageSet, Mapping[str, Any]], str] = lambda model, images, options: ""
    each_run: bool = True
    of_people: bool = False
    into: str = ""
    version: int = 1

    @property
    def schema(self) -> pa.Schema:
        """Of a part: what is said once of the whole part, model, run, layer and options, is not in it."""
        chosen = {option.name for option in self.options}
        of_rows = [column for column in self.columns if column.name not in chosen]
        return pa.schema([("image", WORD), *((column.name, column.kind) for column in of_rows)])

    @property
    def finished(self) -> str:
        """The name of the finished table."""
        return self.into or self.name

    @property
    def whole(self) -> pa.Schema:
        """Of the finished table."""
        return pa.schema([(column.name, column.kind) for column in (*ASKED, *self.columns)])


@dataclass(frozen=True, eq=False)
class Summary:
    """A table that is made of a finished one.

    Attributes:
        name: of it and its file.
        words: what a row is.
        of: the table of which it is made.
        by: columns of that table whose values a row here is about; its rows are made from those that share them.
        columns: all of them.
        make: from all rows of that table that share these values to rows here.
    """

    name: str
    words: str
    of: str
    by: tuple[str, ...]
    columns: tuple[Column, ...]
    make: Callable[[pa.Table], pa.Table]
