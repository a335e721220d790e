"""Arguments of a set of images, checked."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from xai_widgets.images.cells import shown


def bounds_of(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is None:
        return None
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"range must be two finite numbers, the lower one first, got {bounds!r}.")
    return low, high


def folder_of(keyword: str, given: object) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"{keyword} must be a folder, got {shown(given)}.")
    folder = Path(given).expanduser()
    if keyword == "root" and not folder.is_dir():
        raise ValueError(f"root must be a folder that exists, got {str(given)!r}.")
    return folder


def name_of(source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        return "images"
    path = Path(source).expanduser().resolve()
    return path.parent.name if path.stem == "table" else path.stem or "images"
