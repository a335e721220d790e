"""Choose Q in "why P, rather than Q?": a class, a score, or full confidence."""

from __future__ import annotations

import math
from typing import Any

from traitlets import Bool, Bytes, Dict, Float, Int, List, Unicode
from traitlets import Tuple as TupleTrait

from xai_widgets.scenes import Picker
from xai_widgets.session import describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View

OF_THE_CONTRAST = ("kind", "value", "form", "word")


class ContrastPicker(View):
    """Choose Q in "why P, rather than Q?": one of the classes, full confidence in P, or a score."""

    _esm = front_end("contrast_picker")
    _css = style("contrast_picker")
    watches = (*WHERE, "query.target", "query.contrast", "query.method", "output", "scores")
    groups = {"contrast": OF_THE_CONTRAST}  # noqa: RUF012
    both = ("contrast",)

    task = Unicode(help="classification, of classes and labels, or regression, of scores.").tag(sync=True)
    subject = Unicode(help="Of what the scores are; a new one sorts the classes at once.").tag(sync=True)
    names = List(Unicode(), help="Of all classes, or of several scores.").tag(sync=True)
    probabilities = Bytes(help="float32, one a class.").tag(sync=True)
    target = Int(-1, help="P: a class or one of several scores, or -1.").tag(sync=True)
    exclusive = Bool(True, help="Whether one class excludes the others.").tag(sync=True)
    read_as = Unicode(help="How the outputs are read, where this was found by looking.").tag(sync=True)
    readings = List(List(), help="(model, words) of what they could be read as instead.").tag(sync=True)
    chosen = Bool(False, help="Whether P was chosen, and is not simply the predicted class.").tag(sync=True)
    # Both sides move this one: the version makes a return to what was sent last a change.
    contrast = Dict(help="kind: empty, class, score or confidence; value, form, word, version.").tag(sync=True)
    axis = TupleTrait(Float(), Float(), default_value=(0.0, 1.0), help="Range of the score.").tag(sync=True)
    score = Float(None, allow_none=True).tag(sync=True)
    rating = Float(None, allow_none=True).tag(sync=True)
    rating_sd = Float(None, allow_none=True, help="Its standard deviation between raters.").tag(sync=True)
    raters = Int(None, allow_none=True, help="How many gave it.").tag(sync=True)
    quick = List(List(), help="(name, score) of scores that are worth asking about.").tag(sync=True)
    unheard = Unicode(help="Why the map that is shown does not ask about Q.").tag(sync=True)
    says = List(List(), help="(where Q is, what the map shows then).").tag(sync=True)

    def picture(self) -> Picker:
        """What is shown, as a scene."""
        return describe.picker(self.session)

    def draw(self) -> None:
        scene = self.picture()
        if scene.task == "classification" and not len(scene.probabilities):
            # The classes stay on the screen while the next image is computed.
            self.took(probabilities=scene.probabilities)
        self.write(scene)

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
            kept = None if self.session.model.has_classes else self.session.query.target  # the chosen score stays
            self.session.ask(target=kept, contrast=None)
        elif kind == "read":
            self.session.change_model(details["name"])
        elif kind == "hear":
            self.session.ask(method="grad_cam")

    def _choose_score(self, value: float | str, form: str = "plain", gesture: Any = None) -> None:
        """Q as a number, or "rating"; the steps of one drag carry one mark, and are one step of the history."""
        mark = None if gesture is None else ("contrast", gesture)
        if value == "rating":
            self.session.ask(contrast=value, form=form, gesture=mark)
        else:  # the browser has moved its marker by itself
            shown = {"kind": "score", "value": value, "form": form, "word": ""}
            self.done(lambda: self.session.ask(contrast=_finite(value), form=form, gesture=mark), **shown)


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"Q must be a number, got {value!r}.")
    return float(value)
