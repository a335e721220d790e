"""The table of measures: a row for each image, measure, part and level: how good a saliency map is.

Stability is about all training runs, so that it is a table of its own, made once for all, whose rows belong to this
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch

from xai_widgets.engine import METHODS, Measures, Query, Sources, Subject
from xai_widgets.engine.measuring import OPAQUE
from xai_widgets.engine.parts import PARTS
from xai_widgets.kernels.measures import FEW_RUNS, class_log_odds
from xai_widgets.study.tables.explained import (
    METHOD,
    METHOD_COLUMN,
    SIDE_COLUMN,
    known_to_method,
    method_lacks,
    with_method,
)
from xai_widgets.study.tables.record import FLOAT, FLOATS, WHOLE, WORD, Column, Table
from xai_widgets.study.tables.scores import names_of, target_words

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet
    from xai_widgets.models import ImageModel

CONDITIONS = ("", "salient_removed", "other_removed")  # parts of focus, in the order of the scores of its answer
OPTIONS = (METHOD, *(option for option in PARTS["measures"].options if option.name in ("rule", "side")))
COLUMNS = (
    METHOD_COLUMN,
    SIDE_COLUMN,
    Column("rule", WORD, "target of changed images as asked: fixed (of the clean one) or repredicted (each its own)"),
    Column("target", WORD, "the explained class or score; empty where nothing could be measured"),
    Column("target_rule", WORD, "the rule that held: of scores none is predicted, so that it is always fixed"),
    Column(
        "measure", WORD,
        "entropy, noise, resilience, focus or stability. Stability is about all training runs together: it stands "
        "under run 0 alone, explains the target of run 0, and exists where there are two runs at least",
    ),
    Column(
        "part", WORD,
        "what was done to the image: a kind of noise, pure_noise, shifts, flips, turns, salient_removed, "
        'other_removed; of stability the pair, such as "runs 0 and 2"; empty for the measure as a whole',
    ),
    Column(
        "level", pa.float64(),
        "of salt_and_pepper a share of pixels, of gaussian_noise a standard deviation in [0, 1], of blur a sigma in "
        "pixels of the network's input; 0 is the clean image; empty for everything else",
    ),
    Column(
        "quantity", WORD,
        "what the value is: ssim (with the clean map, or of two runs; -1 to 1, 1 is the same map); entropy (0 one "
        "place, 1 uniform; the radar shows 1 minus that of the measure entropy); focus (((1 - salient removed) + other "
        "removed) / 2); score_change (score of the changed image minus that of the clean one)",
    ),
    Column("value", FLOAT, "of the quantity; the radar cuts negative ones at 0; NaN where it is not defined"),
    Column(
        "score", FLOAT,
        "of the target on the image with that part and level, of focus as a whole on the clean image; of classes the "
        "logit; empty where no image was changed, and of resilience",
    ),
    Column("height", WHOLE, "rows of the maps as they are compared; values at other sizes cannot be compared"),
    Column("width", WHOLE, "columns of the maps as they are compared"),
    Column("maps", WHOLE, "how many maps the value is made of; 0 for changes of the score"),
    Column("degenerate", WHOLE, "how many of them are zero, constant or not finite; a clean map counts once"),
    Column("left_out", WHOLE, "how many comparisons have no value and are not in the mean"),
    Column("label", WORD, "known class; empty where it is not known"),
    Column("label_number", WHOLE, "its place among the outputs, from 0; empty where several labels may hold"),
    Column(
        "log_odds", FLOATS,
        "log(p / (1 - p)) of each class in the order of the outputs, p its probability (softmax where classes exclude "
        "each other, else the sigmoid of each): of focus, as a whole (the clean image) and for both removals, where "
        "the label is known; the AUROC in means is made of it",
    ),
    Column("note", WORD, "what must be known of the value; of an image that could not be measured why"),
)  # fmt: skip


def _rows(sources: Sources, query: Query, found: Measures, options: Mapping[str, Any]) -> dict[str, Any]:
    subject = Subject(sources, query)
    scores = {(row.measure, row.part, row.level): row.value for row in found.rows if row.quantity == "score"}
    rows = [row for row in found.rows if row.quantity != "score"]
    same = ("measure", "part", "level", "quantity", "value", "height", "width", "maps", "degenerate", "left_out")
    odds, label = _odds(subject, found), subject.label
    number = None if isinstance(label, tuple) else label
    count = len(rows)
    return {name: [getattr(row, name) for row in rows] for name in same} | {
        "note": [row.note for row in rows],
        "target": [None if found.target is None else target_words(subject, found.target)] * count,
        "target_rule": [row.target for row in rows],
        "score": [scores.get((row.measure, row.part, row.level)) for row in rows],
        "label": [names_of(subject, label)] * count,
        "label_number": [number] * count,
        "log_odds": [odds.get(row.part) if _has_odds(row.measure, row.quantity) else None for row in rows],
    }


def _has_odds(measure: str, quantity: str) -> bool:
    return measure == "focus" and quantity in ("focus", "ssim")


def _odds(subject: Subject, found: Measures) -> dict[str, list[float]]:
    """By the part of focus."""
    if found.removal_scores is None or subject.label is None or isinstance(subject.label, tuple):
        return {}
    scores = torch.tensor(found.removal_scores, device="cpu")[None]
    odds = class_log_odds(scores, exclusive=subject.model.exclusive)[0]
    return dict(zip(CONDITIONS, odds.tolist(), strict=True))


def _part_options(axes: str) -> Any:
    def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
        of = "standard" if options["method"] == METHOD.default else "shown"
        return {"of": of, "rule": options["rule"], "side": options["side"], "axes": axes}

    return chosen


def _facts(images: ImageSet, name: str, options: Mapping[str, Any]) -> Any:
    return [images.label(name), known_to_method(images, name, options)]


def _lacking(model: ImageModel, images: ImageSet, options: Mapping[str, Any]) -> str:
    method = METHODS[options["method"]]
    if not model.can_degrade:
        return f"{OPAQUE}."
    if method.unmeasured:
        return f"{method.words} cannot be measured: {method.unmeasured}."
    return method_lacks(model, images, options)


def _lacks_runs(model: ImageModel, images: ImageSet, options: Mapping[str, Any]) -> str:
    return _lacking(model, images, options) or ("" if len(model.runs) > 1 else f"{FEW_RUNS}.")


TABLE = Table(
    name="measures",
    words="One image, model, training run and layer, and one value of a saliency measure of its map. Each value is "
    "that of one image; the table means has the means.",
    columns=COLUMNS,
    part="measures",
    rows=_rows,
    of_people=True,
    options=OPTIONS,
    query=with_method,
    part_options=_part_options("of one run"),
    facts=_facts,
    lacking=_lacking,
)
STABILITY = replace(
    TABLE,
    name="stability",
    part_options=_part_options("stability"),
    lacking=_lacks_runs,
    each_run=False,
    into=TABLE.name,
)
