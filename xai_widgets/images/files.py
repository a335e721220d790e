"""Files, before anything is read from them: of what kind they are, where they lie, and whether they changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Hashable
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
MISSING = "missing"


def digest_of(path: Path, *more: bytes) -> str:
    """Of the content of a regular file, in 32 hexadecimal digits.

    Args:
        more: what else it depends on.

    Raises:
        ValueError: as `opened`.
        OSError: as `opened`.
    """
    with opened(path) as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    for part in more:
        digest.update(part)
    return digest.hexdigest()


def opened(path: Path) -> BufferedReader:
    """A regular file, open for reading. A pipe or device, on which reading might never end, is refused at once.

    Raises:
        ValueError: it is a pipe, a socket or a device; the text continues a sentence that begins with its name.
        OSError: it is a folder, is not there or may not be read.
    """
    _refuse_special(os.stat(path).st_mode, path)

    def at_once(name: str, flags: int) -> int:
        # Another process may have put a pipe in its place meanwhile: opening one would wait for a writer.
        number = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        try:
            _refuse_special(os.fstat(number).st_mode, path)
        except ValueError:
            os.close(number)
            raise
        return number

    return open(path, "rb", opener=at_once)


def version_of(path: Path) -> Hashable:
    """What changes when a file is written, replaced or removed; one look at its entry, nothing is read."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return MISSING
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


class Inside:
    """What lies in a folder or below it, once links are followed, as they are at this time."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.realpath(folder)
        self._above: dict[str, str] = {}  # where the links of a folder lead: few folders hold many files

    def holds(self, path: Path) -> bool:
        """Whether a file lies in the folder."""
        above, name = os.path.split(path)
        try:
            if above not in self._above:
                self._above[above] = os.path.realpath(above)
            real = os.path.join(self._above[above], name)
            if name == os.pardir or os.path.islink(real):
                real = os.path.realpath(real)
        except ValueError:  # not a file name: reading it says so
            return True
        return real == self._folder or real.startswith(os.path.join(self._folder, ""))


def _refuse_special(mode: int, path: Path) -> None:
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise ValueError(f"is {kind}: a file is needed, got {str(path)!r}.")
