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
from xai_widgets.engine.methods.record import PLACES
from xai_widgets.engine.methods.record import Explained as Explained
from xai_widgets.engine.methods.record import Method as Method
from xai_widgets.engine.options import resolved
from xai_widgets.engine.query import Query, one_of
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.checks import NoGradient, has_no_slope

_FILES = (cams, gradients, expectancy, removals, contrasts, activations, people)
_ALL = tuple(method for file in _FILES for method in file.METHODS)
USUAL = ("grad_cam", "behaviour", "gradient")  # what is asked where nothing was chosen, or it cannot be asked
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
    model, at_layer = subject.model, method.inside == "layer"
    if method.inside and model.sealed:
        return f"{model.sealed[0].upper()}{model.sealed[1:]}."
    if at_layer and model.out_of_order(subject.layer):
        return out_of_order(method, subject)
    for need in method.needs:
        there = model.has_gradient(subject.layer if at_layer else None) if need == "gradient" else _THERE[need](subject)
        if not there:
            return lack(method, need, subject)
    return ""


def first_possible(subject: Subject) -> Method | None:
    """The first method that can be asked: Grad-CAM, else by removal, else in the order of the menu; None: no method."""
    some = [*(METHODS[name] for name in USUAL), *METHODS.values()]
    return next((method for method in some if not missing(method, subject)), None)


def out_of_order(method: Method, subject: Subject) -> str:
    """That the method's map cannot be laid over the photo, since the positions of its layer are others."""
    return _needs(method, PLACES.format(layer=repr(subject.layer)))


def _classes(subject: Subject) -> bool:
    return subject.model.has_classes


def _contrast_of(subject: Subject, *kinds: str) -> bool:
    contrast = subject.query.contrast
    return contrast is not None and contrast.kind in kinds


_THERE: dict[str, Callable[[Subject], bool]] = {  # whether a subject has what a method may need, the names of `NEEDS`
    "rating or label": lambda subject: subject.rating is not None or subject.label is not None,
    "classes": _classes,
    "score": lambda subject: not _classes(subject),
    "contrast": lambda subject: subject.query.contrast is not None,
    "score contrast": lambda subject: _contrast_of(subject, "score"),
    "classes or contrast": lambda subject: subject.model.exclusive or subject.query.contrast is not None,
    "reachable contrast": lambda subject: _contrast_of(subject, "class", "score"),
    "importance": lambda subject: "importance" in dict(subject.query.options),
    "human map": lambda subject: subject.of_first and subject.images.has_human_map(subject.image),
    "runs": lambda subject: len(subject.model.runs) > 1,
}


def lack(method: Method, need: str, subject: Subject) -> str:
    """A sentence: the method, what is missing, and where to bring it."""
    return _needs(method, needed(need, subject))


def _needs(method: Method, what: str) -> str:
    return f'"{method.words}" needs {what}.'


def needed(need: str, subject: Subject) -> str:
    """What is missing, and where to bring it, after "needs"."""
    model = subject.model
    column = model.known_column(0 if model.has_classes else subject.target)
    q = "another label" if model.has_classes else "a score"
    return NEEDS[need].format(image=repr(subject.image), model=model.name, kinds=model.kinds, column=column, q=q)


def explain(method: Method, request: Request) -> Explained:
    """What the method makes of a request that it can answer.

    Raises:
        ValueError: an option it does not take, or a network without the gradient that it needs.
    """
    options = options_of(request.query)
    if method.inside == "layer" and not request.subject.tail.placed:
        raise ValueError(out_of_order(method, request.subject))
    try:
        return method.make(request, options)
    except (NoGradient, RuntimeError) as error:
        if "gradient" in method.needs and (has_no_slope(error) or isinstance(error, NoGradient)):
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
