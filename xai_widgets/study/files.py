"""Files that are written whole or not at all, whatever ends a process or fills a disk."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

OURS, LEFT = ".xai-widgets-", ".part"  # how the name of what is being written begins and ends
WHERE = ("parts", "asked", "tables")  # folders of a study
OLD = 24 * 3600.0  # seconds after which what an ended process left behind is taken away


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file, so that under its name there is always a whole one or none.

    Raises:
        OSError: the disk is full, or may not be written to; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place, name = tempfile.mkstemp(prefix=f"{OURS}{path.name[:40]}.", suffix=LEFT, dir=path.parent)
    try:
        with os.fdopen(place, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_mask())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    _keep(path.parent)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time is in such a block of a folder; where files cannot be locked, all go on."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)  # it goes with the file, also when the process is killed
        yield


def clear_up(folder: Path) -> None:
    """Take away what ended processes left half written in a study long ago, and nothing else."""
    for place in WHERE:
        for left in (folder / place).rglob(f"{OURS}*{LEFT}"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > OLD:
                    left.unlink()


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _keep(folder: Path) -> None:
    """The new name outlives a power failure, where a folder can be synchronised."""
    with suppress(OSError):
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
