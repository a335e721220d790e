"""Means over the images of a set: of the measures, with what METHODS calls their intervals, and of the agreement."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from xai_widgets.kernels.measures import Interval, auroc_of_odds, interval_of_stability, intervals_of_means, pair_name
from xai_widgets.study.tables import agreement, measures
from xai_widgets.study.tables.record import ASKED, FLOAT, WHOLE, WORD, Column, Summary, Table

SEED = 0  # of every bootstrap
OF_SET = tuple(column for column in ASKED if column.name != "image")
STATISTICS = (
    Column("mean", FLOAT, "over the images that have a value"),
    Column("sd", FLOAT, "standard deviation over these images (n - 1); empty for fewer than two, and of an AUROC"),
    Column(
        "low", FLOAT,
        "lower end of the interval of 95 %: 2,000 bootstrap samples of the images, of stability of images and training "
        "runs, always with the same seed; empty for fewer than two images, and of an AUROC",
    ),
    Column("high", FLOAT, "upper end of that interval"),
    Column("n", WHOLE, "images with a value, over which the mean is taken"),
    Column(
        "left_out", WHOLE,
        "images that have rows here and no value; those that failed as a whole stand in the table failures alone",
    ),
)  # fmt: skip
Row = dict[str, Any]


def _named(table: Table, *names: str) -> tuple[Column, ...]:
    return tuple(column for column in table.columns if column.name in names)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, column.kind) for column in columns])


def _as_table(rows: Sequence[Row], columns: Sequence[Column]) -> pa.Table:
    schema = _schema(columns)
    values = {name: [_cell(row.get(name)) for row in rows] for name in schema.names}
    return pa.table(values, schema=schema)


def _cell(value: Any) -> Any:
    """Empty for what is not known."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _groups(frame: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[Row, pd.DataFrame]]:
    """Rows that have these columns in common, in the order of the table."""
    for key, group in frame.groupby(list(keys), observed=True, dropna=False, sort=False):
        yield dict(zip(keys, key, strict=True)), group


def _of_interval(interval: Interval, images: int) -> Row:
    return {
        "mean": interval.mean, "sd": interval.std, "low": interval.low, "high": interval.high, "n": interval.n,
        "left_out": images - interval.n,
    }  # fmt: skip


def _with_means(given: Sequence[tuple[Row, Any]]) -> list[Row]:
    """Rows, each with the mean of its values, one an image, and the interval of it."""
    values = [np.asarray(some, np.float64) for _, some in given]
    known = [some[~np.isnan(some)] for some in values]
    together: dict[int, list[int]] = {}  # those of as many images are drawn at once
    for place, some in enumerate(known):
        together.setdefault(len(some), []).append(place)
    found: dict[int, Row] = {}
    for places in together.values():
        stacked = torch.tensor(np.stack([known[place] for place in places], 1), device="cpu")
        for place, interval in zip(places, intervals_of_means(stacked, generator=SEED), strict=True):
            found[place] = _of_interval(interval, len(values[place]))
    return [row | found[place] for place, (row, _) in enumerate(given)]


# ---------------------------------------------------------------------- measures

SUBJECT = (*(column.name for column in OF_SET), "method", "side", "rule")
WHAT = ("target_rule", "measure", "part", "level", "quantity", "height", "width")
OF_MEANS = (
    *OF_SET,
    *_named(measures.TABLE, "method", "side", "rule", "target_rule", "measure", "part", "level"),
    Column(
        "quantity", WORD,
        "as in the table measures; also score (of the target at that part and level, of focus as a whole on the clean "
        "image) and auroc (how well the probability of a class tells the images with its label from all others, 0.5 by "
        "chance; of the measure focus, on clean images and with salient and with other regions removed, over "
        "the labelled images that have all three)",
    ),
    Column(
        "class", WORD,
        "of an auroc: the class, one against all others, its probability the softmax where classes exclude each other, "
        "else the sigmoid of its own output; empty for the mean over the classes that have one, which of two "
        "classes is that of either",
    ),
    *_named(measures.TABLE, "height", "width"),
    *STATISTICS,
    Column("runs", WHOLE, "training runs that are compared, of stability; else 1"),
    Column("maps", WHOLE, "maps that all these values are made of"),
    Column("degenerate", WHOLE, "how many of them are zero, constant or not finite"),
)  # fmt: skip


def _means(table: pa.Table) -> pa.Table:
    frame = table.drop_columns(["log_odds", "note"]).to_pandas()
    rows: list[Row] = []
    for subject, group in _groups(frame, SUBJECT):
        rows += _with_unmeasured(group, subject)
    rows += [row for subject, some in _groups(frame, SUBJECT) for row in _aurocs(table, subject, some.index)]
    order = {name: place for place, name in enumerate(dict.fromkeys(_key(row) for row in rows))}
    return _as_table(sorted(rows, key=lambda row: order[_key(row)]), OF_MEANS)


def _key(row: Row) -> Hashable:
    return tuple(row[name] for name in SUBJECT)


def _with_unmeasured(group: pd.DataFrame, subject: Row) -> Iterator[Row]:
    """All means of one model, run and layer; images that could not be measured at all are left out of each."""
    nothing = group["height"] == 0
    lost = group[nothing].groupby("measure", observed=True)["image"].nunique()
    known = set(group.loc[~nothing, "measure"])
    kept = group[~nothing | ~group["measure"].isin(known)]
    for row in _measured(kept):
        row["left_out"] += int(lost.get(row["measure"], 0)) if row["measure"] in known else 0
        yield subject | row


def _measured(group: pd.DataFrame) -> list[Row]:
    stable, rows, over_runs = group[group["measure"] == "stability"], [], []
    for what, some in _groups(group, WHAT):
        made = {"runs": 1, "maps": int(some["maps"].sum()), "degenerate": int(some["degenerate"].sum())}
        pairs = _pairs(stable, some["image"]) if what["measure"] == "stability" and not what["part"] else None
        if pairs is None:
            rows.append((what | made, some["value"]))
        else:
            interval = interval_of_stability(pairs, generator=SEED)
            over_runs.append(what | made | _of_interval(interval, len(some)) | {"runs": interval.runs})
    scored = group[group["score"].notna()].drop_duplicates(["image", "measure", "part", "level"])
    for what, some in _groups(scored, [name for name in WHAT if name != "quantity"]):
        rows.append((what | {"quantity": "score", "runs": 1, "maps": 0, "degenerate": 0}, some["score"]))
    return [*_with_means(rows), *over_runs]


def _pairs(stable: pd.DataFrame, images: pd.Series) -> Tensor | None:
    """(n p) the similarity of each pair of runs, in the order of the kernels; None where there are no pairs."""
    paired = stable[stable["part"] != ""]
    runs = (1 + math.isqrt(1 + 8 * paired["part"].nunique())) // 2
    if runs < 2:
        return None
    order = [pair_name(one, other) for one in range(runs) for other in range(one + 1, runs)]
    values = paired.astype({"image": str, "part": str}).pivot(index="image", columns="part", values="value")
    found = values.reindex(index=images.astype(str), columns=order).to_numpy(np.float64)
    return torch.tensor(found, device="cpu")


def _aurocs(table: pa.Table, subject: Row, places: Any) -> Iterator[Row]:
    """The AUROC of class probability under each removal, of the classes and their mean."""
    some = table.select(["image", "part", "label", "label_number", "log_odds"]).take(pa.array(places))
    some = some.filter(pc.is_valid(some["log_odds"]))
    if not len(some):
        return
    image, part = (some[name].combine_chunks().dictionary_decode().to_numpy(False) for name in ("image", "part"))
    odds = pc.list_flatten(some["log_odds"]).to_numpy().reshape(len(some), -1)
    by_part = {name: {image[place]: place for place in np.flatnonzero(part == name)} for name in measures.CONDITIONS}
    images = list(by_part[""])
    rows = np.array([[by_part[name][one] for name in measures.CONDITIONS] for one in images])
    values = torch.tensor(odds[rows], device="cpu")  # (n 3 k)
    fine = ~values.isnan().flatten(1).any(1)
    labels = torch.tensor(some["label_number"].to_numpy()[rows[:, 0]], device="cpu").long()
    names = dict(zip(some["label_number"].to_pylist(), some["label"].to_pylist(), strict=True))
    areas = auroc_of_odds(values[fine], labels[fine])
    what = {"target_rule": None, "measure": "focus", "quantity": "auroc", "level": None, "runs": 1, "maps": 0}
    what |= {"degenerate": 0, "n": int(fine.sum()), "left_out": int((~fine).sum())}
    for name, each in zip(measures.CONDITIONS, areas, strict=True):
        yield subject | what | {"part": name, "mean": float(each.nanmean())}
        for index, area in enumerate(each.tolist()) if values.shape[2] > 2 else ():
            if index in names:
                yield subject | what | {"part": name, "class": names[index], "mean": area}


MEANS = Summary(
    name="means",
    words="One set, model, training run and layer, and one value of the table measures as a mean over the images. Of "
    "stability, which is about all training runs, there is one, under run 0.",
    of=measures.TABLE.name,
    by=SUBJECT,
    columns=OF_MEANS,
    make=_means,
)

# ---------------------------------------------------------------------- agreement

OPTIONS_OF_AGREEMENT = tuple(option.name for option in agreement.TABLE.options)
AGREED = ("method", "side", "maps", "map", "measure", "share")
OF_AGREEMENT = (
    *OF_SET,
    *_named(agreement.TABLE, *AGREED),
    *STATISTICS,
    Column("infinite", WHOLE, "images whose relative risk is infinite: they are left out of the mean"),
)


def _agreement_means(table: pa.Table) -> pa.Table:
    frame = table.select([column.name for column in OF_SET] + [*AGREED, "value"]).to_pandas()
    rows = []
    for what, some in _groups(frame, [*(column.name for column in OF_SET), *AGREED]):
        values = some["value"].to_numpy(np.float64)
        infinite = np.isinf(values)
        rows.append((what | {"infinite": int(infinite.sum())}, np.where(infinite, np.nan, values)))
    return _as_table(_with_means(rows), OF_AGREEMENT)


AGREEMENT = Summary(
    name="agreement_means",
    words="One set, model, training run, layer and other map, and one measure of agreement as a mean over the images.",
    of=agreement.TABLE.name,
    by=(*(column.name for column in OF_SET), *OPTIONS_OF_AGREEMENT),
    columns=OF_AGREEMENT,
    make=_agreement_means,
)
