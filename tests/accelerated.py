"""What is checked on every accelerator, real or pretend: all kernels, all answers of the engine, and whole sessions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from kernel_table import KERNELS, Place, check_device, check_same

from xai_widgets import Engine, Session, load_images
from xai_widgets.engine import Subject, effects, pictures
from xai_widgets.kernels.measures import AXES
from xai_widgets.models import load_model


def check_kernel(name: str, there: torch.device, *, tolerance: float = 5e-5) -> None:
    """float32 on a device against float64 on the CPU, or the device's widest against it."""
    place = Place(there)
    found = KERNELS[name](place)
    check_device(name, found, place)
    check_same(found, KERNELS[name](Place("cpu", torch.float64)), tolerance)


class Undisturbed:
    """The job of an answer that nothing else waits for."""

    def breathe(self) -> None:
        pass


Answer = Callable[[Subject, Any], Any]
SOME = ((0, 0.5), (3, 2.0))
BOTH: dict[str, Answer] = {
    "output": lambda subject, job: pictures.output_of(subject, SOME),
    "Grad-CAM": lambda subject, job: pictures.why(subject, SOME),
    "maps": lambda subject, job: effects.feature_maps(subject),
    "estimate": lambda subject, job: effects.estimated(subject),
    "impacts": lambda subject, job: effects.impacts_of(subject, job),
    "behaviour": lambda subject, job: pictures.by_impacts(subject, SOME, "behaviour", effects.estimated(subject)),
    "measures": lambda subject, job: effects.measures_of(subject, job),
    "measures anew": lambda subject, job: effects.measures_of(subject, job, rule="anew"),
    "scores": lambda subject, job: effects.set_scores([subject], job, lambda some: None),
}
SCORE: dict[str, Answer] = {
    "contrast, plain": lambda subject, job: pictures.rather_than_score(subject, SOME, 0.2, "plain", job),
    "contrast, tiles": lambda subject, job: pictures.rather_than_score(subject, (), 0.2, "tiles", job),
    "helpful": lambda subject, job: pictures.by_impacts(subject, (), "helpful", effects.impacts_of(subject, job)),
    "primary": lambda subject, job: pictures.by_impacts(subject, (), "primary", effects.impacts_of(subject, job)),
}
CLASSES: dict[str, Answer] = {
    "contrast": lambda subject, job: pictures.rather_than_class(subject, SOME, 1),
    "confidence": lambda subject, job: pictures.rather_than_class(subject, (), int(subject.scores.argmax())),
}
ANSWERS = [("demo/quality", name) for name in BOTH | SCORE] + [("demo/scenes", name) for name in BOTH | CLASSES]
SETS = {"demo/quality": "demo/quality", "demo/scenes": "demo/collages"}


@cache
def subject_on(device: torch.device | str, model: str) -> Subject:
    """The first image of a set; what it remembers serves all of its answers."""
    images, network = load_images(SETS[model]), load_model(model, device=device)
    return Subject(Engine(), network, images, images.names[0], network.layer)


def answer_on(device: torch.device | str, model: str, answer: str) -> Any:
    return (BOTH | SCORE | CLASSES)[answer](subject_on(device, model), Undisturbed())


def check_answer(model: str, answer: str, there: torch.device, *, tolerance: float = 1e-3) -> None:
    """Of maps in float32, each against the largest value of it: what small numbers round to is not compared."""
    check_same(answer_on(there, model, answer), answer_on("cpu", model, answer), tolerance)


def check_session(model: str, there: torch.device) -> None:
    """A reader's way: start, a gain, a contrast, another image; no error, and a complete radar."""
    engine = Engine()
    session = Session(model, SETS[model], engine=engine)
    try:
        assert session.wait(300)
        assert session.status.device.startswith(there.type)
        check_complete(session)
        first = value_of(session)
        session.ask(gains={0: 0.0, 1: 2.0})
        assert session.wait(300)
        assert value_of(session) != first
        session.ask(contrast=0.2 if model == "demo/quality" else 1)
        assert session.wait(300)
        assert session.saliency is not None
        assert "rather than" in session.saliency.title
        session.ask(image=session.images.names[1], gains={})
        assert session.wait(300)
        check_complete(session)
    finally:
        session.close()
        engine.close()


def value_of(session: Session) -> float:
    assert session.output is not None
    return session.output.value


def check_complete(session: Session) -> None:
    assert session.error == "", session.error
    assert session.impacts is not None
    assert session.impacts.done
    assert session.measures is not None
    assert session.measures.done
    applies = [axis for axis in AXES if not session.measures.notes[axis].startswith("n/a")]
    runs = len(session.models[session.query.model].runs)
    assert len(applies) == (len(AXES) if runs > 1 else len(AXES) - 1), "stability needs two runs"
    assert all(session.measures.values[axis] == session.measures.values[axis] for axis in applies)
