"""Choose Q in "why P, rather than Q?": a class, a score, or full confidence."""

from __future__ import annotations

import math
from typing import Any

from traitlets import Bool, Bytes, Dict, Float, Int, List, Unicode
from traitlets import Tuple as TupleTrait

from xai_widgets.scenes import Picker
from xai_widgets.session import Session, describe
from xai_widgets.static import front_end, style
from xai_widgets.views._base import WHERE, View, plain
from xai_widgets.views._thumbnails import Courier

OF_THE_CONTRAST = ("kind", "value", "form", "word")
SIDE = 96  # pixels of the longer side of the picture of a class
MOST_PICTURES = 48  # of classes, that are asked for at once


class ContrastPicker(View):
    """Choose Q in "why P, rather than Q?": one of the classes, full confidence in P, or a score."""

    _esm = front_end("contrast_picker")
    _css = style("contrast_picker")
    watches = (
        *WHERE, "query.target", "query.contrast", "query.method", "query.options", "query.baseline",
        "output", "scores", "compared_q",
    )  # fmt: skip
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
    recent = List(Int(), help="Classes that were chosen last.").tag(sync=True)
    pairs = List(List(), help="(P, Q, words) that are worth asking.").tag(sync=True)
    ways = List(List(), help="(method, form, words, title) of what can be asked about Q.").tag(sync=True)
    way = Int(-1, help="The number of the one that is asked, or -1.").tag(sync=True)
    choices = List(Dict(), help="scenes.Choice of the method that is asked.").tag(sync=True)
    scored = Bool(False, help="Whether all images are scored, so that the picture of each class is the right one.").tag(
        sync=True
    )
    candidates = Dict(help="scenes.Candidates; empty where classes Q are not compared.").tag(sync=True)

    def __init__(self, session: Session, **traits: Any) -> None:
        self._courier = Courier(session.images, self._deliver)
        self._wanted: dict[int, dict[int, float]] = {}  # classes and their probabilities, by number of the image
        super().__init__(session, **traits)

    def picture(self) -> Picker:
        """What is shown, as a scene."""
        return describe.picker(self.session)

    def draw(self) -> None:
        scene = self.picture()
        if scene.task == "classification" and not len(scene.probabilities):
            # The classes stay on the screen while the next image is computed.
            self.took(probabilities=scene.probabilities)
        self.write(scene)
        compared = describe.candidates(self.session)
        self.candidates = {} if compared is None else plain(compared)

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "score":
            self._choose_score(**details)
        elif kind == "choose" and details.get("slot") == "P":
            self.session.ask(target=int(details["index"]))  # Q stays
        elif kind == "choose":
            self.session.ask(contrast=int(details["index"]))  # P stays
        elif kind == "pair":
            self.session.ask(target=int(details["p"]), contrast=int(details["q"]))
        elif kind == "swap":
            self.session.swap()
        elif kind == "confidence":
            self.session.ask(contrast="confidence")
        elif kind == "clear":
            kept = None if self.session.model.has_classes else self.session.query.target  # the chosen score stays
            self.session.ask(target=kept, contrast=None)
        elif kind == "read":
            self.session.change_model(details["name"])
        elif kind == "hear":
            self.session.ask(method="grad_cam")
        elif kind == "way":
            self._ask_way(details["number"])
        elif kind == "option":
            self._ask_option(details["name"], details["value"])
        elif kind == "candidates":
            self.session.candidates(details["most"])
        elif kind == "pictures":
            self._ask_pictures(details["indices"])

    def _ask_way(self, number: Any) -> None:
        """Plain, by tiles, or the smallest change; Q stays."""
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(self.ways):
            raise ValueError(f"the way to ask must be from 0 to {len(self.ways) - 1}, got {number!r}.")
        method, form = self.ways[number][:2]
        asked = {} if self.session.model.has_classes else {"form": form}
        self.session.ask(method=method, **asked)

    def _ask_option(self, name: Any, value: Any) -> None:
        asked: dict[str, Any] = {"baseline": value} if name == "baseline" else {"options": {name: value}}
        try:
            self.session.ask(**asked)
        except ValueError:
            self.choices = []  # the control goes back to what is asked
            self.forget("choices")
            self.draw()
            raise

    # ------------------------------------------------------------------ pictures of classes

    def _ask_pictures(self, indices: Any) -> None:
        """The most confident image of each of these classes; they are read on a thread of their own."""
        names, count = self.session.images.names, len(self.names)
        places, self._wanted = {name: place for place, name in enumerate(names)}, {}
        for index in dict.fromkeys(indices if isinstance(indices, list) else ()):
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
                raise ValueError(f"a class is numbered from 0 to {count - 1}; got {index!r}.")
            found = self.session.likeliest_image(index)
            if found is not None and len(self._wanted) < MOST_PICTURES:
                self._wanted.setdefault(places[found[0]], {})[index] = found[1]
        self._courier.ask(list(self._wanted), SIDE)

    def _deliver(self, side: int, found: dict[int, bytes], failed: dict[int, str]) -> None:
        """Send pictures; on the courier's thread. Where one cannot be read the class has none."""
        names = self.session.images.names
        with self.session.lock:
            wanted = self._wanted
            some = [(index, share, place) for place in found for index, share in wanted.get(place, {}).items()]
        if self.comm is not None and some:
            pictures = [[index, names[place], share] for index, share, place in some]
            self.send({"kind": "pictures", "pictures": pictures}, [found[place] for _, _, place in some])

    def close(self) -> None:
        self._courier.close()
        super().close()

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
