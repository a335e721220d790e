"""The table of impacts: a row for each image and feature map, what its removal changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from xai_widgets.engine import ROLES, Impacts, Query, Sources, Subject
from xai_widgets.engine.options import Option
from xai_widgets.engine.query import BASELINES
from xai_widgets.engine.set_mean import baseline_digests
from xai_widgets.images import ImageSet
from xai_widgets.study.tables.record import FLOAT, WHOLE, WORD, Column, Table
from xai_widgets.study.tables.scores import known_of, target_words


def _rows(sources: Sources, query: Query, found: Impacts, options: Mapping[str, Any]) -> dict[str, Any]:
    count = len(found.delta_y)
    subject = Subject(sources, query)
    return {
        "map": np.arange(count, dtype=np.int32),
        "target": [target_words(subject, subject.target)] * count,
        "score": np.full(count, found.value, np.float32),
        "delta_y": found.delta_y,
        "delta_error": [None] * count if found.delta_error is None else found.delta_error,
        "role": [None] * count if found.roles is None else [ROLES[role] for role in found.roles],
    }


def _of_set(images: ImageSet, options: Mapping[str, Any]) -> Any:
    if options["baseline"] == "zero":
        return ()
    return baseline_digests(images)


OPTIONS = (Option("baseline", "what a map is replaced by", "zero", BASELINES),)
TABLE = Table(
    name="impacts",
    words="One image, model, training run, layer and feature map: what the removal of that map alone changes.",
    columns=(
        Column("map", WHOLE, "number of the feature map, from 0"),
        Column("baseline", WORD, "what the map is replaced by: zero, or its mean over images of the set and places"),
        Column("target", WORD, "the class or score whose change is meant: the predicted class, or the score"),
        Column("score", FLOAT, "with all maps; of classes the logit"),
        Column("delta_y", FLOAT, "score without the map minus score; above 0: the map lowered the score"),
        Column(
            "delta_error", FLOAT,
            "error without the map minus error; above 0: the map helps. The error is the distance to the rating, of "
            "labelled images the cross entropy with the label in nats; empty where neither is known",
        ),
        Column("role", WORD, f"one of: {'; '.join(ROLES)}; empty where no rating or label is known"),
    ),
    part="impacts",
    rows=_rows,
    of_people=True,
    options=OPTIONS,
    query=lambda query, options: replace(query, baseline=options["baseline"]),
    facts=known_of,
    of_set=_of_set,
)  # fmt: skip
