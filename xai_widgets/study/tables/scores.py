"""The table of scores: a row for each image, model and training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai_widgets.engine import Output, Query, Sources, Subject
from xai_widgets.images import ImageSet
from xai_widgets.images.cells import number
from xai_widgets.study.tables.record import FLOAT, FLOATS, TRUTH, WORD, Column, Table


def known_of(images: ImageSet, name: str, options: Mapping[str, Any]) -> Any:
    """What people say of an image: rating, label, and the columns of its row that name scores."""
    numbers = {str(key): number(value) for key, value in images.table.loc[name].items()}
    known = {key: value for key, value in sorted(numbers.items()) if value is not None}
    return [str(images.table.loc[name, "label"]), known]


def target_words(subject: Subject, index: int) -> str:
    """The explained class by name, or the score."""
    return subject.name_of(index) if subject.model.has_classes else subject.model.words(index)


def names_of(subject: Subject, label: int | tuple[int, ...] | None) -> str | None:
    """A known label by name; several with a semicolon between them."""
    if not isinstance(label, tuple):
        return None if label is None else subject.name_of(label)
    return "; ".join(map(subject.name_of, label))


def _rows(sources: Sources, query: Query, output: Output, options: Mapping[str, Any]) -> dict[str, Any]:
    subject = Subject(sources, query)
    model = subject.model
    label = subject.label
    likely = output.probabilities
    right = None if label is None or likely is None or not model.exclusive else bool(likely.argmax() == label)
    return {
        "target": [target_words(subject, output.target)],
        "score": [output.value],
        "probability": [None if likely is None else float(likely[output.target])],
        "rating": [output.rating],
        "residual": [output.residual],
        "label": [names_of(subject, label)],
        "right": [right],
        "outputs": [output.scores.tolist()],
        "probabilities": [None if likely is None else likely.tolist()],
    }


TABLE = Table(
    name="scores",
    words="One image, model and training run: what the network says of the image. Where several layers are asked, the "
    "same row stands under each.",
    columns=(
        Column("target", WORD, "the explained class or score: the predicted class, or the score"),
        Column("score", FLOAT, "its value: of classes the logit, else in the unit of the ratings"),
        Column("probability", FLOAT, "of the class, 0 to 1; empty for scores"),
        Column("rating", FLOAT, "known value of the score; empty where it is not known"),
        Column("residual", FLOAT, "score minus rating; above 0: the score is too high"),
        Column("label", WORD, "known class, or labels that hold; empty where it is not known"),
        Column("right", TRUTH, "whether the predicted class is the known one, of classes that exclude each other"),
        Column("outputs", FLOATS, "all outputs of the network as scores, in its order"),
        Column("probabilities", FLOATS, "of all classes, 0 to 1; empty for scores"),
    ),
    part="output",
    rows=_rows,
    of_people=True,
    facts=known_of,
)
