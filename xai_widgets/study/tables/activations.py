"""The table of activations: a row for each image and feature map, how strongly it answers and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xai_widgets.engine import Activations, Query, Sources
from xai_widgets.study.tables.record import FLOAT, WHOLE, Column, Table


def _rows(sources: Sources, query: Query, found: Activations, options: Mapping[str, Any]) -> dict[str, Any]:
    count = len(found.maximum)
    height, width = found.grid
    return {
        "map": np.arange(count, dtype=np.int32),
        "maximum": found.maximum,
        "row": found.row,
        "column": found.column,
        "mean": found.mean,
        "rows": np.full(count, height, np.int32),
        "columns": np.full(count, width, np.int32),
    }


TABLE = Table(
    name="activations",
    words="One image, model, training run, layer and feature map: how strongly the map answers to the image and where.",
    columns=(
        Column("map", WHOLE, "number of the feature map, from 0"),
        Column("maximum", FLOAT, "largest activation, in the unit of the layer; the map is active where it is above 0"),
        Column("row", WHOLE, "row of the maximum in the layer's grid, from 0 at the top; ties by lowest index"),
        Column("column", WHOLE, "column of the maximum in the layer's grid, from 0 at the left"),
        Column("mean", FLOAT, "mean activation over all places"),
        Column("rows", WHOLE, "height of the layer's grid"),
        Column("columns", WHOLE, "width of the layer's grid"),
    ),
    part="activations",
    rows=_rows,
)
