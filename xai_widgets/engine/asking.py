"""What a method or a part of an answer is given when it is asked for its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from xai_widgets.engine.known import Asked
from xai_widgets.engine.query import Gains, Query
from xai_widgets.engine.subject import Subject


@dataclass(frozen=True, eq=False)
class Request:
    """One query about one subject, with the choices of the part or method that answers it.

    Attributes:
        subject: image, model, layer, P and Q, looked up.
        options: every choice of the part, by name.
        step: to be called between micro-batches; raises `Stopped`, or lets more urgent work run.
        show: takes an answer that is not complete yet, and its share in [0, 1].
        answer: another part of the answer about a subject, by its name and options; see `ask`.
        partial: whether what is known so far will do, such as effects of which some are estimated.
    """

    subject: Subject
    options: Mapping[str, Any]
    step: Callable[[], None]
    show: Callable[[Any, float], None]
    answer: Callable[[Subject, str, Mapping[str, Any], bool], Any]
    partial: bool = False

    @property
    def query(self) -> Query:
        return self.subject.query

    @property
    def gains(self) -> Gains:
        return self.subject.query.gains

    @property
    def contrast(self) -> Asked | None:
        """Q, by number."""
        return self.subject.contrast

    @property
    def changed(self) -> Tensor | None:
        """The maps (1 c h w) with the gains of the query; None where all are 1."""
        return self.subject.changed(self.gains)

    def ask(self, part: str, **options: Any) -> Any:
        """Another part of the answer about the same subject, as in `request.ask("impacts")`."""
        return self.answer(self.subject, part, options, self.partial)

    def of(self, subject: Subject) -> Request:
        """The same request about another subject."""
        return replace(self, subject=subject)
