"""Weights that are written while an answer about them is made, as where a cell trains the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xai_widgets.engine.lanes import Stopped
from xai_widgets.engine.subject import Subject
from xai_widgets.kernels.tail.weights import WeightsChanged


class WeightsChanging(RuntimeError):
    """The weights of a model were written while it was asked, so that there is no answer."""


@contextmanager
def of_one_network(subject: Subject) -> Iterator[None]:
    """A block whose numbers are all of the weights with which it began; else nothing of them is given or kept.

    A pass that reads some weights as they were and others as they are gives numbers of no network, or fails in words
    that blame the network: neither is an answer.

    Raises:
        WeightsChanging: the weights were written meanwhile.
    """
    try:
        yield
    except (Stopped, GeneratorExit):
        raise
    except WeightsChanged as error:
        raise _changing(subject) from error
    except Exception as error:
        if _written(subject):
            raise _changing(subject) from error
        raise
    if _written(subject):
        raise _changing(subject)


def _written(subject: Subject) -> bool:
    """A look of about 0.1 ms; none where the weights were not asked for."""
    return "now" in vars(subject) and not subject.now.shell.fresh()


def _changing(subject: Subject) -> WeightsChanging:
    """The sentence; what was kept of these weights may be of others, and is dropped."""
    subject.sources.cache.drop_about(subject.now.key[0])  # type: ignore[index]
    return WeightsChanging(f"the weights of {subject.model.name} are being changed; ask again when they rest.")
