"""What there is to know of a part of an answer: one record."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xai_widgets.engine.asking import Request
from xai_widgets.engine.options import Option
from xai_widgets.engine.subject import Subject


@dataclass(frozen=True, eq=False)
class Part:
    """One part.

    Attributes:
        name: in Python.
        words: for the reader, while it is computed.
        make: the function: from a request to a frozen answer with a field `query`.
        depends: fields of the query, besides those that say which image, model and layer, on which it depends; or how
            that follows from its options.
        knows: whether it depends on a rating or label too.
        facts: what else it depends on that is known about the image, such as its human map; from subject and options.
        options: its choices.
        same: from a request to options with which the answer is the same, so that it is made once.
        lane: how urgent it is, one of `lanes.KINDS`.
        kept: whether answers are remembered.
        together: answers of several images of one model from one pass, where an accelerator makes them; None where they
            must be made one by one.
    """

    name: str
    words: str
    make: Callable[[Request], Any]
    depends: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] = ()
    knows: bool = False
    facts: Callable[[Subject, Mapping[str, Any]], Hashable] | None = None
    options: tuple[Option, ...] = ()
    same: Callable[[Request], Mapping[str, Any]] | None = None
    lane: str = "detail"
    kept: bool = True
    together: Callable[[Sequence[Subject], Sequence[Tensor]], list[Any] | None] | None = None
