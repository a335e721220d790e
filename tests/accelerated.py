"""What is checked on every accelerator, real or pretend: all kernels, all answers of the engine, and whole sessions."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from kernel_checks import check_device, check_same
from kernel_places import Place
from kernel_table import KERNELS

from xai_widgets import Engine, Session
from xai_widgets.engine import Contrast, Query, Sources, answer
from xai_widgets.kernels.measures import AXES
from xai_widgets.models import load_model


def check_kernel(name: str, there: torch.device, *, tolerance: float = 5e-5) -> None:
    """float32 on a device against float64 on the CPU, or the device's widest against it."""
    place = Place(there)
    found = KERNELS[name](place)
    check_device(name, found, place)
    check_same(found, KERNELS[name](Place("cpu", torch.float64)), tolerance)


SOME = {0: 0.5, 3: 2.0}
# What is asked of each network: a part of the answer, what changes in the query, and options of the part.
Ask = tuple[str, dict[str, Any], dict[str, Any]]
BOTH: dict[str, Ask] = {
    "output": ("output", {"gains": SOME}, {}),
    "maps": ("maps", {}, {}),
    "estimate": ("impacts", {}, {"partial": True}),
    "impacts": ("impacts", {}, {}),
    "measures": ("measures", {}, {}),
    "measures, target predicted again": ("measures", {}, {"rule": "repredicted"}),
    "scores": ("scores", {}, {}),
    **{
        f"{name} with gains": ("explanation", {"method": name, "gains": SOME}, {}) for name in ("grad_cam", "behaviour")
    },
}
SCORE: dict[str, Ask] = {
    "contrast, plain": ("explanation", {"contrast": Contrast("score", 0.2), "gains": SOME}, {}),
    "contrast, tiles": ("explanation", {"contrast": Contrast("score", 0.2, "tiles")}, {}),
    "helpful": ("explanation", {"method": "helpful"}, {}),
    "primary": ("explanation", {"method": "primary"}, {}),
}
CLASSES: dict[str, Ask] = {
    "contrast": ("explanation", {"contrast": Contrast("class", 1), "gains": SOME}, {}),
    "confidence": ("explanation", {"contrast": Contrast("confidence")}, {}),
}
ANSWERS = [("demo/quality", name) for name in BOTH | SCORE] + [("demo/scenes", name) for name in BOTH | CLASSES]
SETS = {"demo/quality": "demo/quality", "demo/scenes": "demo/collages"}


@cache
def sources_on(device: torch.device | str, model: str) -> Sources:
    """A network on a device; what is remembered serves all of its answers."""
    return Sources(load_model(model, device=device), SETS[model])


def answer_on(device: torch.device | str, model: str, asked: str) -> Any:
    part, changes, options = (BOTH | SCORE | CLASSES)[asked]
    sources = sources_on(device, model)
    return answer(sources, Query(image=sources.images.names[0], **changes), part, **options)


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
