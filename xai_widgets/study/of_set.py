"""From the parts of a study to what an explorer shows of a whole set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xai_widgets.engine import METHODS, Column, SetAnswers
from xai_widgets.engine.parts.sides import IN_WORDS
from xai_widgets.engine.set_answers import MEASURES
from xai_widgets.images.maps import HUMAN
from xai_widgets.kernels.measures import AXES, HEADLINE
from xai_widgets.study.assembled import content_of, runs_of
from xai_widgets.study.current import Subject, options_of
from xai_widgets.study.description import Description
from xai_widgets.study.parts import Corrupt, Parts
from xai_widgets.study.plan import Piece
from xai_widgets.study.tables import TABLES, belonging
from xai_widgets.study.work import by_image

SCORES = {"score": "score", "residual": "residual", "probability": "probability of the class", "right": "right class"}
WORDS = {"scores": SCORES, "measures": MEASURES}
GROUPS = ("scores", "measures", "agreement")
MAPS = {
    "impacts": ("delta_y", "delta_error"),
    "activations": ("maximum", "mean", "row", "column"),
}


def set_answers(folder: Path, asked: Sequence[Description], model: str, run: int, layer: str) -> SetAnswers | None:
    """What the parts say of all images under one model, training run and layer; None where they say nothing.

    Args:
        folder: of the study.
        asked: all that was asked of the set, the newest last.
    """
    read = _Reader(folder, asked, model, run, layer)
    last = asked[-1]
    whole = max(asked, key=lambda one: len(one.marks))  # its order is that of the set, where not some are left out
    names = dict.fromkeys([*whole.marks, *whole.also, *last.marks, *(image for one in asked for image in one.marks)])
    places = {image: place for place, image in enumerate(names)}
    columns: dict[str, Column] = {}
    for name in GROUPS:
        for table in belonging(name):
            columns |= _columns(name, read(table.name), places)
    arrays: dict[str, Any] = {}
    for name, fields in MAPS.items():
        arrays |= _arrays(read(name), fields, places)
    kept = sorted(read.seen, key=places.__getitem__)
    if not kept:
        return None
    chosen = np.array([places[image] for image in kept])
    failed = {image: reason for image, reason in read.failed.items() if image not in read.seen}
    return SetAnswers(
        model=model,
        run=run,
        layer=layer,
        images=tuple(kept),
        source=f"the study {folder.name}",
        total=len(last.marks) + len(last.also),
        columns={name: Column(one.name, one.words, one.values[chosen], one.group) for name, one in columns.items()},
        **{name: value if name == "grid" else value[chosen] for name, value in arrays.items()},
        targets=read.targets,
        baseline=read.option("impacts", "baseline", "zero"),
        measured=read.measured(),
        set_name=last.set_name,
        failed=failed,
    )


class _Reader:
    """The rows of a table, part by part, of one model, training run and layer."""

    def __init__(self, folder: Path, asked: Sequence[Description], model: str, run: int, layer: str) -> None:
        self._folder, self._asked = folder, asked
        self._model, self._run, self._layer = model, run, layer
        self.seen: set[str] = set()
        self.failed: dict[str, str] = {}
        self.targets = ""

    def __call__(self, table: str) -> Iterator[pa.Table]:
        last = self._last(table)
        if last is None:
            return
        run, layer = self._run if TABLES[table].each_run else 0, self._layer

        def fits(piece: Piece) -> bool:
            return (piece.model.name, piece.run, piece.layer) == (self._model, run, layer)

        content = content_of(self._folder, self._asked, table, fits)
        subject = Subject(last.set_name, self._model, run, layer, options_of(last, table))
        self.failed |= {image: one.reason for (of, image), one in content.failed.items() if of == subject}
        for path, images in runs_of(content.rows.get(subject, {})):
            try:
                found = by_image(Parts(self._folder, path.parent.name).rows(path), images)
            except Corrupt:
                continue
            if not found:
                continue
            self.seen |= set(found)
            rows = pa.concat_tables(found.values()).unify_dictionaries()
            if table == "impacts":
                self._note_target(rows)
            yield rows

    def _last(self, table: str) -> Description | None:
        """Where a table of the model at the layer was asked last."""

        def has(asked: Description) -> bool:
            fits = [one for one in asked.models if one.name == self._model and self._layer in one.layers]
            return table in asked.tables and bool(fits) and table not in fits[0].lacking

        return next((one for one in reversed(self._asked) if has(one)), None)

    def option(self, table: str, name: str, default: str) -> str:
        """What was chosen for a table that was asked."""
        last = self._last(table)
        return default if last is None else str(last.tables[table].get(name, default))

    def measured(self) -> str:
        """Of which map the measures are, in words; empty where none were asked."""
        if self._last("measures") is None:
            return ""
        method = METHODS[self.option("measures", "method", "grad_cam")].words
        side = IN_WORDS[self.option("measures", "side", "positive")]
        return f"{method}, {side}, {self.option('measures', 'rule', 'fixed')} target"

    def _note_target(self, rows: pa.Table) -> None:
        found = set(rows.column("target").combine_chunks().unique().to_pylist())
        words = found.pop() if len(found) == 1 else "the predicted class of each image"
        self.targets = words if self.targets in ("", words) else "the predicted class of each image"


def _columns(group: str, parts: Iterator[pa.Table], places: Mapping[str, int]) -> dict[str, Column]:
    """One number an image: columns of the scores, axes of the radar, agreement."""
    found: dict[str, np.ndarray] = {}
    for rows in parts:
        frame = rows.to_pandas()
        for name, image, value in _ROWS[group](frame):
            if name not in found:
                found[name] = np.full(len(places), np.nan)
            if value is not None:
                found[name][places[image]] = value
    return {
        name: Column(name, WORDS.get(group, {}).get(name, name), values, group)
        for name, values in found.items()
        if not np.isnan(values).all()
    }


def _of_scores(frame: Any) -> Iterator[tuple[str, str, float | None]]:
    for row in frame[["image", *SCORES]].itertuples(index=False):
        for name in SCORES:
            value = getattr(row, name)
            yield name, row.image, None if value is None else float(value)


def _of_measures(frame: Any) -> Iterator[tuple[str, str, float | None]]:
    """The number of the radar for each axis: higher is better."""
    noise = (frame["measure"] == "noise") & (frame["part"] == "salt_and_pepper")
    level = frame["level"].to_numpy(float, na_value=np.nan)
    headline = (frame["part"] == "") | (noise & np.isclose(level, HEADLINE))
    kinds = {"entropy": "entropy", "noise": "ssim", "resilience": "ssim", "focus": "focus", "stability": "ssim"}
    for row in frame[headline].itertuples(index=False):
        if row.measure in AXES and row.quantity == kinds[row.measure]:
            yield row.measure, row.image, 1 - row.value if row.measure == "entropy" else row.value


def _of_agreement(frame: Any) -> Iterator[tuple[str, str, float | None]]:
    for row in frame.itertuples(index=False):
        share = "" if math.isnan(row.share) else f" {row.share:.0%}"
        other = "" if row.map == HUMAN else f", {row.map}"
        yield f"{row.measure}{share}{other}", row.image, row.value


_ROWS: dict[str, Callable[[Any], Iterator[tuple[str, str, float | None]]]] = {
    "scores": _of_scores,
    "measures": _of_measures,
    "agreement": _of_agreement,
}


def _arrays(parts: Iterator[pa.Table], fields: tuple[str, ...], places: Mapping[str, int]) -> dict[str, Any]:
    """(n c) of each field, NaN or 0 where an image has no rows, and the layer's grid where it is known."""
    found: dict[str, Any] = {}
    for rows in parts:
        if not len(rows):
            continue
        names = rows.column("image").combine_chunks()
        codes = names.indices.to_numpy()
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        count = len(rows) // len(starts)
        chosen = [places[name] for name in names.dictionary.take(pa.array(codes[starts])).to_pylist()]
        for name in fields:
            values = rows.column(name).to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, count)
            if name not in found:
                found[name] = np.full((len(places), count), np.nan, np.float32)
            found[name][chosen] = values
        if "rows" in rows.column_names:
            found["grid"] = rows.column("rows")[0].as_py(), rows.column("columns")[0].as_py()
    for name in ("row", "column"):
        if name in found:
            found[name] = np.nan_to_num(found[name]).astype(np.int32)
    if "delta_error" in found and np.isnan(found["delta_error"]).all():
        del found["delta_error"]
    return found
