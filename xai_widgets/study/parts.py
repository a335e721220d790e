"""Parts: files of rows that are named by what they are made from. One that is there need not be made again.

A part is one line of JSON, which says of what and how it was made, and then its rows as a Parquet file. Both have a
digest, so that a part that a disk has changed is not taken for what it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from xai_widgets.study.files import write_whole

FORM = 1  # of the files; another one is not read
ENDING, ASIDE = ".rows", ".corrupt"


class Corrupt(ValueError):
    """A part that is not what it was when it was written."""


@dataclass(frozen=True)
class Failed:
    """One image without rows, and why.

    Attributes:
        mark: what the rows would have been made from.
    """

    mark: str
    image: str
    reason: str


@dataclass(frozen=True)
class Head:
    """What a part says of itself.

    Attributes:
        marks: what the rows of each image were made from, by image, those that failed included.
        failed: images without rows.
    """

    marks: dict[str, str] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()

    @property
    def made(self) -> set[str]:
        """Marks of the images that have rows."""
        return set(self.marks.values()) - {one.mark for one in self.failed}


def digest(*given: Any) -> str:
    """Of plain data, in 32 hexadecimal digits."""
    text = json.dumps(given, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Parts:
    """The parts of one table, model, run, layer and choice of options.

    Args:
        folder: of the study.
        origin: the digest of what all their rows are made from, besides the image.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder / "parts" / origin

    def path(self, marks: Iterable[str]) -> Path:
        """The file with the rows that are made from these, in their order."""
        return self.folder / f"{digest(list(marks))}{ENDING}"

    def write(self, head: Head, rows: pa.Table) -> None:
        """Write a part.

        Raises:
            OSError: it cannot be written; an older one of that name stays.
        """
        body = pa.BufferOutputStream()
        pq.write_table(rows, body, compression="zstd")
        there = body.getvalue()
        failed = [[one.mark, one.image, one.reason] for one in head.failed]
        said = json.dumps({"form": FORM, "marks": head.marks, "failed": failed, "rows": _sum(there)})

        def write(file: BinaryIO) -> None:
            file.write(f"{_sum(said.encode())} {said}\n".encode())
            file.write(there)

        write_whole(self.path(head.marks.values()), write)

    def names(self) -> list[Path]:
        """All files that are there."""
        return sorted(self.folder.glob(f"*{ENDING}"))

    def head(self, path: Path) -> Head | None:
        """What a part says of itself; None where there is none.

        Raises:
            Corrupt: it cannot be read, or is not what was written.
        """
        try:
            with path.open("rb") as file:
                return _head_of(_said(file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"the part {path.name} cannot be read: {error}") from None

    def rows(self, path: Path) -> pa.Table:
        """Its rows.

        Raises:
            Corrupt: it cannot be read, or not all of it is as it was written.
        """
        try:
            with path.open("rb") as file:
                said, there = _said(file), file.read()
            if _sum(there) != said["rows"]:
                raise ValueError("its rows are not those that were written")
            return pq.read_table(pa.BufferReader(there))
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise Corrupt(f"the part {path.name} cannot be read: {error}") from None

    def set_aside(self, path: Path) -> None:
        """Rename a part that is corrupt, so that it is made again."""
        with suppress(OSError):
            path.replace(path.with_suffix(ASIDE))

    def known(self) -> dict[str, Path]:
        """Where the rows are that were made from each mark; corrupt parts are passed over."""
        found: dict[str, Path] = {}
        for path in self.names():
            with suppress(Corrupt):
                head = self.head(path)
                for mark in () if head is None else head.made:
                    found.setdefault(mark, path)
        return found


def _sum(there: Any) -> str:
    return blake2b(there, digest_size=16).hexdigest()


def _said(file: BinaryIO) -> dict[str, Any]:
    """The first line of a part."""
    first, _, said = file.readline().rstrip(b"\n").partition(b" ")
    if first.decode("ascii", "replace") != _sum(said):
        raise ValueError("its first line is not what was written")
    return dict(json.loads(said))


def _head_of(said: dict[str, Any]) -> Head:
    if said["form"] != FORM:
        raise ValueError(f"its form is {said['form']}, and {FORM} is read")
    return Head(dict(said["marks"]), tuple(Failed(*one) for one in said["failed"]))
