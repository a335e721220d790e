"""Choose Q in "why P, rather than Q?": a class, a score, or full confidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from traitlets import Bool, Bytes, Dict, Float, Int, List, Unicode
from traitlets import Tuple as TupleTrait

from xai_widgets.session import Contrast
from xai_widgets.static import front_end, style
from xai_widgets.views._base import View

NO_CONTRAST = {"kind": "", "value": 0.0, "form": "", "word": ""}


class ContrastPicker(View):
    """Choose Q in "why P, rather than Q?": one of the classes, full confidence in P, or a score."""

    _esm = front_end("contrast_picker.js")
    _css = style("contrast_picker.css")
    watches = ("query", "output", "scores")

    task = Unicode(help="classification or regression.").tag(sync=True)
    subject = Unicode(help="Of what the scores are; a new one sorts the classes at once.").tag(sync=True)
    names = List(Unicode(), help="Of all classes.").tag(sync=True)
    probabilities = Bytes(help="float32, one a class.").tag(sync=True)
    target = Int(-1, help="The class P, or -1.").tag(sync=True)
    changed = Bool(False, help="Whether P was chosen, and is not simply the predicted class.").tag(sync=True)
    # Both sides move this one: the version makes a return to what was sent last a change.
    contrast = Dict(help="kind: empty, class, score or confidence; value, form, word, version.").tag(sync=True)
    axis = TupleTrait(Float(), Float(), default_value=(0.0, 1.0), help="Range of the score.").tag(sync=True)
    score = Float(None, allow_none=True).tag(sync=True)
    rating = Float(None, allow_none=True).tag(sync=True)
    quick = List(List(), help="(name, score) of scores that are worth asking about.").tag(sync=True)

    def __init__(self, session: Any, **traits: Any) -> None:
        # Q as it is asked and what it stands for, as the browser shows it, by our messages or by its drags.
        self._shown: Any = "unknown"
        super().__init__(session, **traits)

    def draw(self) -> None:
        query, model = self.session.query, self.session.model
        self.task = model.task
        self.subject = " ".join((query.image, query.model))
        self.changed = query.target is not None
        if model.task == "classification":
            self._draw_classes()
        else:
            self._draw_scores()
        shown = query.contrast, self.session.contrast()  # the rating of another image is another number
        if shown != self._shown:  # nothing echoes: a drag is on the screen already
            self._shown = shown
            self.contrast = _plain(*shown) | {"version": self.contrast.get("version", 0) + 1}

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "score":
            self._choose_score(**details)
        elif kind == "choose" and details.get("slot") == "P":
            self.session.ask(target=int(details["index"]))  # Q stays
        elif kind == "choose":
            self.session.ask(contrast=int(details["index"]))  # P stays
        elif kind == "confidence":
            self.session.ask(contrast="confidence")
        elif kind == "clear":
            self.session.ask(target=None, contrast=None)

    def _choose_score(self, value: float | str, form: str = "plain", gesture: Any = None) -> None:
        """Q as a number, or "rating"; the steps of one drag carry one mark, and are one step of the history."""
        mark = None if gesture is None else ("contrast", gesture)
        try:
            if value != "rating":
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise ValueError(f"Q must be a number, got {value!r}.")
                value = float(value)
                self._shown = (Contrast("score", value, form),) * 2
            self.session.ask(contrast=value, form=form, gesture=mark)
        except ValueError:
            self._shown = "refused"  # the browser moved its marker by itself: take it back
            self.draw()
            raise

    def _draw_classes(self) -> None:
        model, output = self.session.model, self.session.output
        self.names = list(model.labels or (f"class {index}" for index in range(model.outputs)))
        if output is None or output.probabilities is None:
            # The classes stay on the screen while the next image is computed.
            self.target = -1
            return
        self.target = int(output.target)
        self.probabilities = np.ascontiguousarray(output.probabilities, np.float32).tobytes()

    def _draw_scores(self) -> None:
        output = self.session.output
        self.axis = self.session.score_range()
        self.quick = [[name, value] for name, value in self.session.quick_scores()]
        self.rating = self.session.images.rating(self.session.query.image)
        self.score = None if output is None else float(output.value)


def _plain(asked: Contrast | None, contrast: Contrast | None) -> dict[str, Any]:
    """Q for the browser: `word` where it is asked for by a word, and `value` what that is now."""
    if asked is None or contrast is None:
        return dict(NO_CONTRAST)
    value = int(contrast.value) if contrast.kind == "class" else contrast.value
    return {"kind": contrast.kind, "value": value, "form": contrast.form, "word": "rating" if asked.asks_rating else ""}
