"""Every part of an answer, a record each. A new part is a function and a record in one of the files of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai_widgets.engine.parts import (
    activations,
    agreement,
    contrasts,
    effects,
    likeness,
    margins,
    measuring,
    output,
    receipt,
    region,
    removals,
)
from xai_widgets.engine.parts.record import Part as Part

_FILES = (output, removals, effects, margins, measuring, region, receipt, likeness, activations, agreement, contrasts)
PARTS: dict[str, Part] = {part.name: part for file in _FILES for part in file.PARTS}


def stale_fields(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a query on which a part depends, besides those that say which image, model and layer.

    Args:
        options: of the part.
    """
    depends = PARTS[name].depends
    return depends(options) if callable(depends) else depends
