"""A panel: one question, and what is known of its answer. It draws nothing and knows no view."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields, replace
from typing import Any

from traitlets import HasTraits, Instance, Unicode

from xai_widgets.engine import (
    Impacts,
    Joint,
    Likeness,
    Maps,
    Margins,
    Measures,
    Output,
    Query,
    Receipt,
    Region,
    Saliency,
    Secondary,
)

_keys = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Answers:
    """What has arrived; a part is None until it is there.

    Attributes:
        output: scores; during a drag a little older than the query.
        saliency: the map.
        secondary: harmful maps, where the look shows them.
        maps: feature maps.
        impacts: what the removal of each changes.
        joint: what all muted maps change together; None where none is muted.
        measures: of saliency.
        receipt: the check of the map that is shown, where it was asked for.
        likeness: of the shown map to Grad-CAM, where it asks about Q.
        margins: what the removal of each map changes of P - Q, where Q is a class.
        region: what each map does inside a region, where one is asked about.
    """

    output: Output | None = None
    saliency: Saliency | None = None
    secondary: Secondary | None = None
    maps: Maps | None = None
    impacts: Impacts | None = None
    joint: Joint | None = None
    measures: Measures | None = None
    receipt: Receipt | None = None
    region: Region | None = None
    likeness: Likeness | None = None
    margins: Margins | None = None


PARTS_SHOWN = tuple(field.name for field in fields(Answers))
BESIDE = ("region", "likeness", "margins")  # what is known beside the map of the active panel, where it is asked for
# What every part of an answer depends on.
OF_THE_PLACE = ("image", "model", "run", "layer", "degradation", "shown", "call")


class Panel(HasTraits):
    """One question, its answers as one frozen record, and what went wrong."""

    query = Instance(Query, help="What is explained, and how.")
    answers = Instance(Answers, args=(), help="What has arrived, one frozen record.")
    error = Unicode(help="One line; empty when all is well.")
    pending = Unicode(help="What is being done, while there is no map yet.")

    def __init__(self, query: Query) -> None:
        super().__init__(query=query)
        self.key = next(_keys)  # of its lanes

    def take(self, **parts: Any) -> None:
        """Some parts have arrived, or are no longer true (None)."""
        if any(getattr(self.answers, name) is not part for name, part in parts.items()):
            self.answers = replace(self.answers, **parts)

    def forget(self, *, everything: bool = False) -> None:
        """What was computed is of weights or of an image that are no more.

        Args:
            everything: also the score and the map, which else stay in sight until the new ones come.
        """
        kept = () if everything else ("output", "saliency")
        self.take(**dict.fromkeys(name for name in PARTS_SHOWN if name not in kept))

    def ask(self, query: Query) -> None:
        """Ask something else. An answer about another image, model or layer must not stand beside the new question."""
        before = self.query
        if before.differs(query, OF_THE_PLACE):
            self.answers, self.error = Answers(), ""
        elif before.target != query.target:
            of_p = ("saliency", "secondary", "impacts", "measures", "receipt", *BESIDE)
            self.take(**dict.fromkeys(of_p))
        elif before != query:
            self.take(receipt=None, likeness=None)  # they are of the map that was shown
            if before.contrast != query.contrast:
                self.take(margins=None)
        self.query = query
