"""What a model says of its outputs: names, ranges, and the words of sentences."""

from __future__ import annotations

from functools import cached_property

from xai_widgets.kernels.outputs import Outputs
from xai_widgets.models.arguments import Range
from xai_widgets.models.meaning import Meaning


class Named:
    """What a model says of its outputs; a part of `ImageModel`."""

    _meaning: Meaning
    name: str

    @property
    def scores(self) -> Outputs:
        """From what the network returns to the explained scores (n k): call it, and ask it for names and logits."""
        return self._meaning.outputs

    @property
    def outputs(self) -> int:
        """How many explained scores there are; 2 of a binary task."""
        return self._meaning.count

    @property
    def task(self) -> str:
        """ "classification", "binary", "multilabel" or "regression"."""
        return self.scores.task

    @property
    def has_classes(self) -> bool:
        """Whether the outputs are classes or labels with probabilities; else they are scores."""
        return self.scores.has_classes

    @property
    def exclusive(self) -> bool:
        """Whether one class excludes the others, so that their probabilities sum to 1."""
        return self.scores.exclusive

    @property
    def one_score(self) -> bool:
        """Whether there is a single score, and so nothing to choose."""
        return self.outputs == 1

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of classes or scores, where they were given."""
        return self.scores.labels  # type: ignore[return-value]

    @property
    def range(self) -> Range | None:
        """Of the only score, or of the first of several; None where it is not known."""
        return self.range_of(0)

    @property
    def ranges(self) -> tuple[Range | None, ...] | None:
        """The lowest and the highest value of each score, where they are known."""
        return self.scores.ranges  # type: ignore[return-value]

    def range_of(self, index: int) -> Range | None:
        """The lowest and the highest value of a score; None where it is not known."""
        return None if self.ranges is None else self.ranges[index]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all classes or scores: their labels, or "class 3" and "score 3" where they have none."""
        kind = "class" if self.has_classes else "score"
        return self.labels or tuple(f"{kind} {index}" for index in range(self.outputs))

    def name_of(self, index: int) -> str:
        """A class or score by its number; "class 3" where it has no name.

        Raises:
            ValueError: there is no such class or score.
        """
        if not 0 <= index < self.outputs:
            kinds = "classes" if self.has_classes else "scores"
            raise ValueError(f"{self.name} has the {kinds} 0 to {self.outputs - 1}, got {index}.")
        return self.names[index]

    def words(self, index: int) -> str:
        """What is explained, in a sentence: "the score", the name of a class or score, or its log-probability."""
        if self.one_score:
            return "the score"
        name = self.name_of(index)
        return f"the log-probability of {name}" if self.scores.by_logarithm else name

    def score_words(self, index: int) -> str:
        """The number that is explained, in a sentence: "the score", "the score of cat"."""
        if self.one_score or self.scores.by_logarithm:
            return self.words(index)
        return f"the score of {self.name_of(index)}" if self.has_classes else self.name_of(index)

    def lead_words(self, p: int, q: int) -> str:
        """How far a class is ahead of another one, in a sentence; of a binary output that is its logit, z or -z."""
        if self.task == "binary":
            return f"the log-odds of {self.name_of(p)}"
        return f"{self.score_words(p)} minus {self.score_words(q)}"

    def known_column(self, index: int) -> str:
        """The column of a table of images that says what is right: of one of several scores that of its name."""
        if self.has_classes or self.one_score:
            return "rating or label"
        return repr(self.labels[index]) if self.labels else "of its name, given as labels="

    def known_words(self, index: int) -> str:
        """What of an image says how wrong the model is: "label that names a class", "rating", "rating of colour"."""
        if self.has_classes:
            return "label that names a class"
        return "rating" if self.one_score else f"rating of {self.name_of(index)}"

    @property
    def error_words(self) -> str:
        """The error of an image of which a rating or label is known."""
        return {"regression": "error", "classification": "cross entropy"}.get(self.task, "binary cross entropy")

    @property
    def kinds(self) -> str:
        """What the network tells, for refusals: "tells classes apart", "gives a score"."""
        if self.has_classes:
            return "tells classes apart" if self.exclusive else "gives labels that do not exclude each other"
        return "gives a score" if self.one_score else "gives scores"
