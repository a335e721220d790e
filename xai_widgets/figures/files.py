"""A figure as a file: written whole or not at all, and never over another unless asked."""

from __future__ import annotations

import difflib
import math
import os
import uuid
from pathlib import Path
from typing import Any

from xai_widgets.figures.colours import INTERPOLATIONS
from xai_widgets.figures.drawing import FORMATS, checked, rendered
from xai_widgets.figures.style import Plan
from xai_widgets.scenes import Stage

NARROWEST_MM, WIDEST_MM = 40.0, 1000.0
LOWEST_DPI, HIGHEST_DPI, MOST_PIXELS = 36.0, 1200.0, 20_000


def write(scene: Any, path: str | os.PathLike[str], plan: Plan, *, overwrite: bool) -> Path:
    """Check everything first, draw, then write; see `figures.save`."""
    file, kind = target(path)
    scene = checked(scene)
    if isinstance(scene, Stage) and scene.map is None:
        raise ValueError(f"this Stage has no map yet: {scene.pending or 'its answer is on its way'}.")
    _check_free(file, overwrite)
    put(file, rendered(scene, plan, kind), overwrite=overwrite)
    return file


def plan_of(*, width_mm: Any, dpi: Any, interpolation: Any, caption: Any, kind: str = "") -> Plan:
    """What was asked, if a figure can be drawn like that.

    Raises:
        TypeError: a width or dpi that is no number.
        ValueError: one that is out of range, or an interpolation that is not known.
    """
    width = _number("width_mm", width_mm, NARROWEST_MM, WIDEST_MM)
    dots = _number("dpi", dpi, LOWEST_DPI, min(HIGHEST_DPI, MOST_PIXELS / width * 25.4))
    known = ("native", *INTERPOLATIONS)
    if interpolation not in known:
        raise ValueError(f"interpolation must be one of {', '.join(known)}, got {interpolation!r}.")
    return Plan(width, dots, interpolation, bool(caption), vector=kind in ("pdf", "svg"))


def target(path: Any) -> tuple[Path, str]:
    """The file and its format.

    Raises:
        TypeError: what is no path.
        ValueError: an ending that is not known, a folder that does not exist.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a file name, got {type(path).__name__}.")
    file = Path(path).expanduser()
    kind = file.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        near = difflib.get_close_matches(kind, FORMATS, 1)
        hint = f"; did you mean .{near[0]}?" if near else "."
        raise ValueError(f"path must end with .pdf, .svg or .png, got {str(path)!r}{hint}")
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
        _check_free(file, overwrite=False)
        raise
    except OSError:  # a file system without links
        _check_free(file, overwrite=False)
        part.replace(file)


def _check_free(file: Path, overwrite: bool) -> None:
    if os.path.lexists(file) and not overwrite:
        raise FileExistsError(f"{str(file)!r} exists; overwrite=True writes over it.")


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value!r}.")
    return float(value)
