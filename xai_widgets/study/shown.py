"""How far a study is, for the reader: in words, and as a bar with the remaining time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from xai_widgets.study.assembled import Content
from xai_widgets.study.running import Tally

QUICK, SLOW = 0.3, 60.0  # seconds between two looks of a bar: of a reader, and of the log of a job


@dataclass(frozen=True)
class Status:
    """How far a study is, in images times tables.

    Attributes:
        total: all that is asked.
        done: what has rows.
        failed: images without rows and why, by table.
        corrupt: parts that cannot be read, and are made again by the next run.
        missing: what has no rows yet, besides what failed.
    """

    total: int
    done: int
    failed: Mapping[str, Mapping[str, str]]
    corrupt: tuple[str, ...] = ()
    missing: int = 0

    @property
    def finished(self) -> bool:
        """Whether everything has rows."""
        return self.done == self.total

    def __str__(self) -> str:
        lost = self.total - self.done - self.missing
        words = [f"{self.done:,} of {self.total:,} images and tables are done"]
        words += [f"{self.missing:,} are missing"] if self.missing else []
        words += [f"{lost:,} failed"] if lost else []
        words += [f"{len(self.corrupt):,} parts cannot be read and are made again"] if self.corrupt else []
        return "; ".join(words) + "."


def status_of(contents: Mapping[str, Content]) -> Status:
    """Of tables, by name."""
    failed: dict[str, dict[str, str]] = {}
    done = missing = lost = 0
    corrupt: list[str] = []
    for name, content in contents.items():
        done += sum(path is not None for rows in content.rows.values() for path in rows.values())
        missing += content.missing
        lost += len(content.failed)
        corrupt += content.corrupt
        for (_, image), one in content.failed.items():
            failed.setdefault(name, {})[image] = one.reason
    return Status(done + missing + lost, done, failed, tuple(dict.fromkeys(corrupt)), missing)


def share_of(tallies: Iterable[Tally]) -> Status:
    """Of what one run was to make, from its tallies."""
    failed: dict[str, dict[str, str]] = {}
    total = done = lost = 0
    for tally in tallies:
        total, done, lost = total + tally.total, done + tally.done, lost + len(tally.failed)
        for table, one in tally.failed:
            failed.setdefault(table, {})[one.image] = one.reason
    return Status(total, done - lost, failed, missing=total - done)


@contextmanager
def shown_as(progress: bool | Callable[[Tally], None], tally: Tally) -> Iterator[Callable[[Tally], None]]:
    """What is called when a tally has changed.

    Args:
        progress: whether a bar is shown, or a function of one's own.
    """
    if callable(progress):
        yield progress
        return
    from tqdm.auto import tqdm

    looked = QUICK if sys.stderr.isatty() or "ipykernel" in sys.modules else SLOW
    with tqdm(total=tally.total, unit=" images", disable=not progress, mininterval=looked) as bar:

        def show(now: Tally) -> None:
            bar.update(min(now.done, now.total) - bar.n)
            if now.failed:
                bar.set_postfix_str(f"{len(now.failed)} failed", refresh=False)

        yield show
