"""The table of agreement: a row for each image, other map and measure: how well a map agrees with people's, or another.

Shuffled AUC depends on the fixations of all other images, so that it is a table of its own, made anew when these
change, whose rows belong to this one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import Explanation, Query, Sources, Subject, answer
from xai_widgets.engine.answers import Agreed
from xai_widgets.engine.fixations import fixations_of_set
from xai_widgets.engine.options import Option
from xai_widgets.engine.parts.agreement import DENSITIES, FIXATIONS, RISKS, as_other, is_mask, other_map
from xai_widgets.engine.parts.sides import SIDE
from xai_widgets.images.maps import HUMAN
from xai_widgets.kernels import agreement as kernels
from xai_widgets.study.tables.explained import (
    METHOD,
    METHOD_COLUMN,
    SIDE_COLUMN,
    known_to_method,
    method_lacks,
    with_method,
)
from xai_widgets.study.tables.record import FLOAT, WHOLE, WORD, Column, Table

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel

SHUFFLED_AUC = "shuffled AUC"
DENSITY = f"{SHUFFLED_AUC} has no value: it needs fixations or an annotation of two values, this is a density."
ALONE = f"{SHUFFLED_AUC} has no value: no other image of the set has fixations."
PLACE = (
    "it is not known which part of a photo the network sees, since the transform cannot be split; give a pair "
    "(geometry, normalise)."
)
EVERY = (
    *(Agreed(name, None, math.nan) for name in (*FIXATIONS, *DENSITIES)),
    *(Agreed(name, share, math.nan) for name in RISKS for share in kernels.SHARES),
)


def _columns_of_maps(given: Any) -> list[str]:
    names = [given] if isinstance(given, str) else given
    fits = isinstance(names, list | tuple) and names and all(isinstance(name, str) and name for name in names)
    if not fits or len(set(names)) < len(names):
        raise ValueError(f"maps must be different columns of the table of images that name maps, got {given!r}.")
    return list(names)


OPTIONS = (
    METHOD,
    SIDE,
    Option(
        "maps", "the other maps", [HUMAN], check=_columns_of_maps,
        free="columns of the table of images that name maps",
    ),
)  # fmt: skip
COLUMNS = (
    METHOD_COLUMN,
    SIDE_COLUMN,
    Column("maps", WORD, "all columns of maps that were asked together"),
    Column("map", WORD, "the other map: the column of the table of images that names it, such as human_map"),
    Column(
        "measure", WORD,
        "NSS (in standard deviations), AUC (Judd; 0 to 1, chance 0.5), CC (-1 to 1), SIM (0 to 1), KL (nats, from 0, "
        "lower is nearer), shuffled AUC (0 to 1: against the fixations of all other images of the set, of another size "
        "where their places lie in this one; chance 0.5), RR(map | other) and RR(other | map): the relative risk, how "
        "much likelier a place is among the largest values of the first where it is among those of the second",
    ),
    Column("share", FLOAT, "of the places that are the largest values, of relative risks: 0.05, 0.1, 0.15"),
    Column(
        "value", FLOAT,
        "NaN where it is not defined; NSS and both AUC need fixations or an annotation; a relative risk is infinite "
        "where no place of the first lies outside of the second",
    ),
    Column("kept_map", WHOLE, "places in the mask of the map, of relative risks; fewer where equal values do not fit"),
    Column("kept_other", WHOLE, "places in the mask of the other map, of relative risks"),
    Column("height", WHOLE, "rows of the other map, at which they are compared; 0 where there is none"),
    Column("width", WHOLE, "columns of the other map"),
    Column("note", WORD, "why there is no value"),
)  # fmt: skip
Found = tuple[str, Agreed, tuple[int, int]]  # the other map, its measure, the size of that map


def _rows(sources: Sources, query: Query, found: Explanation, options: Mapping[str, Any]) -> dict[str, Any]:
    rows: list[Found] = []
    for column in options["maps"]:
        try:
            one = answer(sources, query, "agreement", map=column, side=options["side"])
        except ValueError as error:  # of one map: the others are as they are
            rows += [(column, empty._replace(note=_said(error)), (0, 0)) for empty in EVERY]
        else:
            rows += [(column, row, one.size) for row in one.rows]
    return _as_columns(rows)


def _as_columns(rows: list[Found]) -> dict[str, Any]:
    same = ("measure", "share", "value", "kept_map", "kept_other", "note")
    return {name: [getattr(row, name) for _, row, _ in rows] for name in same} | {
        "map": [column for column, _, _ in rows],
        "height": [size[0] for _, _, size in rows],
        "width": [size[1] for _, _, size in rows],
    }


def _said(error: Exception) -> str:
    return " ".join(str(error).split())


# ---------------------------------------------------------------------- shuffled AUC


def _shuffled_rows(sources: Sources, query: Query, found: Explanation, options: Mapping[str, Any]) -> dict[str, Any]:
    subject = Subject(sources, query)
    return _as_columns([_shuffled(subject, found, column, options["side"]) for column in options["maps"]])


def _shuffled(subject: Subject, found: Explanation, column: str, side: str) -> Found:
    nothing = Agreed(SHUFFLED_AUC, None, math.nan)
    try:
        other = other_map(subject, column)
    except ValueError as error:
        return column, nothing._replace(note=_said(error)), (0, 0)
    size = (other.shape[0], other.shape[1])
    if not is_mask(other):
        return column, nothing._replace(note=DENSITY), size
    negatives = fixations_of_set(subject, column, size) - (other > 0).long()
    value = kernels.auc_against(as_other(found.saliency, side, other), other[None] > 0, negatives[None])
    note = "" if bool((negatives > 0).any()) else ALONE
    return column, nothing._replace(value=float(value), note=note), size


def _all_maps(images: ImageSet, options: Mapping[str, Any]) -> Any:
    """Every map of the set, and the photo on which it lies."""
    return [
        [column, name, digest, _photo(images, name)]
        for column in options["maps"]
        for name in images
        if (digest := images.map_digest(name, column))
    ]


def _photo(images: ImageSet, name: str) -> str:
    try:
        return images.digest(name)
    except ValueError:
        return ""


# ---------------------------------------------------------------------- what it depends on


def _facts(images: ImageSet, name: str, options: Mapping[str, Any]) -> Any:
    maps = [images.map_digest(name, column) for column in options["maps"]]
    return [maps, known_to_method(images, name, options)]


def _lacking(model: ImageModel, images: ImageSet, options: Mapping[str, Any]) -> str:
    if not model.placed:
        return PLACE
    if not any(images.map_file(name, column) for column in options["maps"] for name in images):
        columns = " or ".join(map(repr, options["maps"]))
        return f"no image of {images.name!r} has a map: bring files in a column {columns} of the table of images."
    return method_lacks(model, images, options)


TABLE = Table(
    name="agreement",
    words="One image, model, training run and layer, another map of the image, and one measure of how well both agree, "
    "in the part of the photo that the network sees. The table agreement_means has the means.",
    columns=COLUMNS,
    part="explanation",
    rows=_rows,
    options=OPTIONS,
    query=with_method,
    facts=_facts,
    lacking=_lacking,
)
SHUFFLED = replace(TABLE, name="shuffled_auc", rows=_shuffled_rows, of_set=_all_maps, into=TABLE.name)
