"""What is checked on every accelerator, real or pretend: all kernels, all answers of the engine, and whole sessions."""

from __future__ import annotations

import atexit
import copy
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from kernel_checks import check_device, check_same, leaves
from kernel_places import Place
from kernel_table import KERNELS
from PIL import Image

from xai_widgets import Engine, ImageModel, ImageSet, Session, load_images
from xai_widgets.engine import METHODS, Contrast, Degradation, Query, Sources, answer
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
    "impacts, mean baseline": ("impacts", {"baseline": "mean"}, {}),
    "measures": ("measures", {}, {}),
    "measures of a gradient": ("measures", {"method": "gradient"}, {"of": "shown", "side": "absolute"}),
    "measures, target predicted again": ("measures", {}, {"rule": "repredicted"}),
    "scores": ("scores", {}, {}),
    "secondary": ("secondary", {"gains": SOME}, {}),
    "joint": ("joint", {"gains": {0: 0, 3: 0, 5: 0}}, {}),
    "region": ("region", {}, {"box": (0.1, 0.2, 0.6, 0.9)}),
    "likeness": ("likeness", {"method": "feature_activation"}, {}),
    "receipt": ("receipt", {}, {}),
    "activations": ("activations", {}, {"crops": (0, 3)}),
    "agreement": ("agreement", {}, {}),
    "degraded": ("output", {"degradation": Degradation("gaussian_noise", 0.1, 3)}, {}),
}
SCORE: dict[str, Ask] = {
    "contrast, plain": ("explanation", {"contrast": Contrast("score", 0.2), "gains": SOME}, {}),
    "contrast, tiles": ("explanation", {"contrast": Contrast("score", 0.2, "tiles")}, {}),
}
CLASSES: dict[str, Ask] = {
    "contrast": ("explanation", {"contrast": Contrast("class", 1), "gains": SOME}, {}),
    "margins": ("margins", {"contrast": Contrast("class", 1)}, {}),
    "region, Q": ("region", {"contrast": Contrast("class", 1)}, {"box": (0.1, 0.2, 0.6, 0.9)}),
    "all contrasts": ("contrasts", {"gains": SOME}, {}),
    "confidence": ("explanation", {"contrast": Contrast("confidence")}, {}),
}
ASKS = {"demo/quality": BOTH | SCORE, "demo/scenes": BOTH | CLASSES}
SETS = {"demo/quality": "demo/quality", "demo/scenes": "demo/collages"}
PICTURES = {"demo/quality": "demo/quality", "demo/scenes": "demo/scenes"}  # the labelled ones
# What a method needs that a plain question does not have.
NEEDED: dict[str, dict[str, Any]] = {
    "smooth_grad": {"options": {"n_samples": 3}},
    "unlabelled": {"options": {"importance": tuple(range(-32, 64))}},
}


def methods_of(model: str) -> dict[str, Ask]:
    """Every method that can be asked of a network, with gains."""
    without = {"demo/quality": ("counterfactual", "contrast_uncertainty"), "demo/scenes": ("smallest_change",)}[model]
    asks: dict[str, Ask] = {}
    for name in METHODS:
        if name not in without:
            changes = {"method": name, "gains": SOME} | NEEDED.get(name, {})
            scored = name in ("implicit_saliency", "smallest_change") and model == "demo/quality"
            asks[f"method {name}"] = (
                "explanation",
                changes | ({"contrast": Contrast("score", 0.9)} if scored else {}),
                {},
            )
    return asks


ANSWERS = [(model, name) for model, asks in ASKS.items() for name in asks | methods_of(model)]


@cache
def pictures(model: str) -> ImageSet:
    """Four bundled pictures with ratings or labels, and a human map of the first."""
    known, folder = load_images(PICTURES[model]), Path(tempfile.mkdtemp(prefix="accelerated"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rows: list[dict[str, Any]] = []
    for name in known.names[:4]:
        file = f"{len(rows)}.png"
        Image.fromarray(known.photo(name)).save(folder / file)
        rows.append({"image": file, "rating": known.rating(name), "label": known.label(name), "human_map": "seen.png"})
    seen = np.zeros(known.photo(known.names[0]).shape[:2], np.uint8)
    seen[10:40, 20:60] = 200
    Image.fromarray(seen).save(folder / "seen.png")
    pd.DataFrame(rows).dropna(axis=1, how="all").to_csv(folder / "table.csv", index=False)
    return ImageSet(folder / "table.csv")


@cache
def sources_on(device: torch.device | str, model: str, *, wide: bool = False) -> Sources:
    """A network on a device; what is remembered serves all of its answers.

    Args:
        wide: in float64.
    """
    loaded = load_model(model, device=device)
    return Sources(in_float64(loaded) if wide else loaded, pictures(model))


def in_float64(model: ImageModel) -> ImageModel:
    one, *others = (copy.deepcopy(run.network).double() for run in model.runs)
    return ImageModel(
        one, model._preprocessing, model.layer, labels=model.labels, range=model.range, name=model.name, runs=others,
        patch_scores=model.patch_scores,
    )  # fmt: skip


def answer_on(device: torch.device | str, model: str, asked: str, *, wide: bool = False) -> Any:
    part, changes, options = (ASKS[model] | methods_of(model))[asked]
    sources = sources_on(device, model, wide=wide)
    return answer(sources, Query(image=sources.images.names[0], **changes), part, **options)


# Which maps are neutral follows the precision (METHODS, tolerances), and with it roles and what is drawn of them: these
# are compared with float32 on the CPU.
BY_ROLE = (
    "estimate", "impacts", "impacts, mean baseline", "secondary", "method helpful", "method by_push", "method primary",
    "method harmful_only", "method combined",
)  # fmt: skip
# Shares of the largest value where a similarity of two maps, or one channel of many pixels, amplifies rounding.
LOOSE = {"measures of a gradient": 5e-3, "method gradient": 5e-3, "method input_x_gradient": 5e-3}


def check_answer(model: str, asked: str, there: torch.device) -> None:
    """In float32, against float64 on the CPU, as a share of the largest value of each part."""
    wide = asked not in BY_ROLE
    found, expected = answer_on(there, model, asked), answer_on("cpu", model, asked, wide=wide)
    digests = {sources_on(there, model).model().digest(), sources_on("cpu", model, wide=True).model().digest()}

    def compared(some: Any) -> list[Any]:
        return ["digest" if isinstance(leaf, str) and leaf in digests else leaf for leaf in leaves(some)]

    check_same(compared(found), compared(expected), LOOSE.get(asked, 1e-3))


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
