"""Every method of explanation, a record each, in the order of the menu.

A new method is a function and a record in one of the files of this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xai_widgets.engine.asking import Request
from xai_widgets.engine.methods import activations, cams, contrasts, expectancy, gradients, people, removals
from xai_widgets.engine.methods.documentation import Row as Row
from xai_widgets.engine.methods.documentation import rows_of
from xai_widgets.engine.methods.record import COSTS as COSTS
from xai_widgets.engine.methods.record import GROUPS as GROUPS
from xai_widgets.engine.methods.record import NEEDS as NEEDS
from xai_widgets.engine.methods.record import Explained as Explained
from xai_widgets.engine.methods.record import Method as Method
from xai_widgets.engine.options import resolved
from xai_widgets.engine.query import Query, one_of
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.checks import IN_PLACE, NoGradient

_FILES = (cams, gradients, expectancy, removals, contrasts, activations, people)
_ALL = tuple(method for file in _FILES for method in file.METHODS)
METHODS: dict[str, Method] = {one.name: one for group in GROUPS for one in _ALL if one.group == group}


def method_named(name: object) -> Method:
    """The record of a method.

    Raises:
        ValueError: there is no such method; the sentence lists the nearest.
    """
    return METHODS[one_of("method", name, METHODS)]


def options_of(query: Query) -> dict[str, Any]:
    """Every choice of the query's method, by name.

    Raises:
        ValueError: an option that the method does not have, or a value that it does not take.
    """
    method = method_named(query.method)
    return resolved(f"the method {method.name!r}", method.options, query.options)


def table() -> tuple[Row, ...]:
    """Every method as documentation prints it, in the order of the menu."""
    return rows_of(METHODS.values())


def missing(method: Method, subject: Subject) -> str:
    """What a method needs and is not there, as a sentence; empty where it can be asked. Runs no network."""
    for need in method.needs:
        if not _THERE[need](subject):
            return lack(method, need, subject)
    return ""


def _classes(subject: Subject) -> bool:
    return subject.model.task != "regression"


def _contrast_of(subject: Subject, *kinds: str) -> bool:
    contrast = subject.query.contrast
    return contrast is not None and contrast.kind in kinds


_THERE: dict[str, Callable[[Subject], bool]] = {  # whether a subject has what a method may need, the names of `NEEDS`
    "rating or label": lambda subject: subject.rating is not None or subject.label is not None,
    "classes": _classes,
    "score": lambda subject: not _classes(subject),
    "contrast": lambda subject: subject.query.contrast is not None,
    "score contrast": lambda subject: _contrast_of(subject, "score"),
    "classes or contrast": lambda subject: _classes(subject) or subject.query.contrast is not None,
    "reachable contrast": lambda subject: _contrast_of(subject, "class", "score"),
    "importance": lambda subject: "importance" in dict(subject.query.options),
    "human map": lambda subject: subject.images.has_human_map(subject.image),
    "runs": lambda subject: len(subject.model.runs) > 1,
    "gradient": lambda subject: True,  # only a pass tells
}


def lack(method: Method, need: str, subject: Subject) -> str:
    """A sentence: the method, what is missing, and where to bring it."""
    return f'"{method.words}" needs {NEEDS[need].format(image=repr(subject.image), model=subject.model.name)}.'


def explain(method: Method, request: Request) -> Explained:
    """What the method makes of a request that it can answer.

    Raises:
        ValueError: an option it does not take, or a network without the gradient that it needs.
    """
    options = options_of(request.query)
    try:
        return method.make(request, options)
    except (NoGradient, RuntimeError) as error:
        written_over = IN_PLACE in str(error)
        if "gradient" in method.needs and (written_over or isinstance(error, NoGradient)):
            raise ValueError(lack(method, "gradient", request.subject)) from error
        raise


def heard(method: Method, query: Query) -> Query:
    """The query without what does not act on the method's map."""
    gains = query.gains if method.takes_gains else ()
    contrast = query.contrast if method.takes_contrast else None
    if contrast is not None and not method.takes_tiles:
        contrast = replace(contrast, form="plain")
    return replace(query, gains=gains, contrast=contrast)


def unheard(method: Method, query: Query) -> str:
    """What of a query does not act on the method's map, and why, in sentences; empty where all does."""
    sentences = []
    if query.gains and not method.takes_gains:
        sentences.append(f"The gains do not act on this map: {method.without_gains}.")
    if query.contrast is not None and not method.takes_contrast:
        sentences.append(f"Q does not act on this map: {method.without_contrast}.")
    elif query.contrast is not None and query.contrast.form == "tiles" and not method.takes_tiles:
        sentences.append("Tiles do not act on this map: it asks of the whole image.")
    return " ".join(sentences)
