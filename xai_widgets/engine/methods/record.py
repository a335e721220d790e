"""What there is to know of a method: one record, from which menus, legends, titles, refusals and tables are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xai_widgets.engine.asking import Request
from xai_widgets.engine.options import Option

GROUPS = ("gradient", "removal", "contrast", "activation", "people")
# What a method may need, in words that end "... needs ...". {image} and {model} stand for their names, {kinds} for what
# the model tells, such as "gives a score", {column} for that of what is known of an image, {q} for what Q is.
NEEDS = {
    "rating or label": "to know how wrong the model is: a rating of {image}, or for classes its label; "
    "bring them as a column {column} of the table of images",
    "classes": "a model that tells classes apart, and {model} {kinds}",
    "score": "a model that gives a score, and {model} tells classes apart",
    "contrast": "Q, a class or a score to compare with: choose it beside P, or ask with contrast=",
    "score contrast": "Q, a score to compare with: choose it beside P, or ask with contrast=",
    "classes or contrast": "Q, {q} to compare with, since {model} {kinds}: choose it beside P, or ask with contrast=",
    "reachable contrast": "Q that removals can reach, a score or another class than P: choose it beside P, "
    "or ask with contrast=",
    "gradient": "a network that lets gradients through, and {model} does not: look in its forward for no_grad, "
    "detach, round, quantised layers or a step that writes in place",
    "importance": "the importance of each map over a set of images: give it as the option importance",
    "human map": "a human map of {image}: bring its file in a column human_map of the table of images",
    "runs": "at least two training runs of {model}: give the others to the model as runs=",
}
PLACES = (
    "a layer whose positions are those of the image, and those of {layer} are not: choose another layer, or say with "
    "layout= how it is read"
)
INSIDE = ("layer", "modules", "")
COSTS = ("one pass", "several passes", "all removals")


@dataclass(frozen=True, eq=False)
class Explained:
    """What the function of a method returns. Words that are left empty are those of the record.

    Attributes:
        map: (h w), raw and signed.
        scores: (k) with the gains of the query, where the same pass gave them.
        question: what the map answers, such as "why moon, rather than coffee?".
        low: what negative values mean.
        high: what positive values mean.
        note: further sentences for the reader.
        limit: the value of the full colour; the largest of the map if left out.
        one_sided: whether negative values cannot occur.
        strength: (h w) in [0, 1], of a map with two dimensions: how saturated the colour is.
        strength_words: what a saturated colour means.
        listed: feature maps that the map is made of, where these are few.
        done: whether nothing in it is estimated.
    """

    map: Tensor
    scores: Tensor | None = None
    question: str = ""
    low: str = ""
    high: str = ""
    note: str = ""
    limit: float | None = None
    one_sided: bool | None = None
    strength: Tensor | None = None
    strength_words: str = ""
    listed: tuple[int, ...] | None = None
    done: bool = True


@dataclass(frozen=True, eq=False)
class Method:
    """One method.

    Attributes:
        name: in Python, and in a query.
        words: for menus and titles; short.
        group: where it stands in the menu, one of `GROUPS`.
        description: one sentence: what the map is.
        make: the function: from a request to what it explains.
        question: what the map answers; {p} stands for P.
        low: what negative values mean; {p} stands for P.
        high: what positive values mean.
        needs: what must be there, names in `NEEDS`.
        unit: of the values of the map, in words.
        palette: colours of its own, where red and blue would mean something else; empty for the reader's choice.
        one_sided: whether negative values cannot occur.
        takes_contrast: whether it answers "rather than Q" where Q is chosen.
        takes_tiles: whether it answers for each tile of the image where Q is a score and that is asked.
        takes_gains: whether gains of feature maps change it.
        without_contrast: why Q does not act, after "Q does not act on this map:".
        without_gains: why gains do not act, after "The gains do not act on this map:".
        options: its choices.
        cost: of one map, one of `COSTS`; with "all removals" measures are computed on demand only.
        inside: what of the network it looks into: "layer" for the maps of the layer, "modules" for others, "" for none.
        unmeasured: why no saliency measures can be taken of it; empty where they can.
        asks_p: whether, without Q, its map is of the score of P, and shows rounding where that holds nothing else.
        source: where it was published.
    """

    name: str
    words: str
    group: str
    description: str
    make: Callable[[Request, dict[str, Any]], Explained]
    question: str
    low: str
    high: str
    needs: tuple[str, ...] = ()
    unit: str = ""
    palette: str = ""
    one_sided: bool = False
    takes_contrast: bool = False
    takes_tiles: bool = False
    takes_gains: bool = True
    without_contrast: str = "it asks about P alone"
    without_gains: str = "it is that of all gains 1"
    options: tuple[Option, ...] = ()
    cost: str = "one pass"
    inside: str = "layer"
    unmeasured: str = ""
    asks_p: bool = True
    source: str = ""

    @property
    def on_demand(self) -> bool:
        """Whether measures of its map wait for a click, since they take long or cannot be taken."""
        return self.cost == "all removals" or bool(self.unmeasured)

    def __post_init__(self) -> None:
        said = ((self.group, GROUPS), (self.cost, COSTS), (self.inside, INSIDE))
        for word, known in (*said, *((need, tuple(NEEDS)) for need in self.needs)):
            if word not in known:
                raise ValueError(f"the record of {self.name!r} says {word!r}, which is none of {', '.join(known)}.")
