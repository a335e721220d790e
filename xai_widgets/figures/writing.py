"""A file that is written whole or not at all, and never over another unless asked."""

from __future__ import annotations

import difflib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def target(path: Any, endings: Sequence[str]) -> tuple[Path, str]:
    """The file and its format.

    Args:
        endings: that are known, without the dot.

    Raises:
        TypeError: what is no path.
        ValueError: an ending that is not known, a folder that does not exist.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a file name, got {type(path).__name__}.")
    file = Path(path).expanduser()
    kind = file.suffix.lower().removeprefix(".")
    if kind not in endings:
        near = difflib.get_close_matches(kind, endings, 1)
        hint = f"; did you mean .{near[0]}?" if near else "."
        *some, last = (f".{one}" for one in endings)
        known = f"{', '.join(some)} or {last}" if some else last
        raise ValueError(f"path must end with {known}, got {str(path)!r}{hint}")
    if "\0" in str(file):
        raise ValueError(f"path must hold no zero character, got {str(path)!r}.")
    if not os.path.isdir(file.parent):  # where pathlib would raise, a name that is too long is no folder
        raise ValueError(f"the folder of {str(path)!r} must exist, got none at {str(file.parent)!r}.")
    if os.path.isdir(file):
        raise ValueError(f"path must name a file, got the folder {str(path)!r}.")
    return file, kind


def put(file: Path, data: bytes, *, overwrite: bool) -> None:
    """Write to a temporary file beside it, which then takes its name.

    Raises:
        FileExistsError: the file exists, and it must not be written over.
        ValueError: it cannot be written.
    """
    part = file.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        if overwrite:
            part.replace(file)
        else:
            _take_name(part, file)
    except FileExistsError:
        raise
    except OSError as error:
        raise ValueError(f"{str(file)!r} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _take_name(part: Path, file: Path) -> None:
    """Give a file its name unless another has it, also one that came meanwhile."""
    try:
        os.link(part, file)
    except FileExistsError:
        check_free(file, overwrite=False)
        raise
    except OSError:  # a file system without links
        check_free(file, overwrite=False)
        part.replace(file)


def check_free(file: Path, overwrite: bool) -> None:
    """Raise a FileExistsError where a file must not be written over."""
    if os.path.lexists(file) and not overwrite:
        raise FileExistsError(f"{str(file)!r} exists; overwrite=True writes over it.")
