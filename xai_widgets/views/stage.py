"""The photo, and the saliency over it."""

from __future__ import annotations

import io
import math
import time
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from traitlets import Bool, Bytes, Dict, Int, List, Tuple, Unicode

from xai_widgets.session import METHODS, NEED_ERROR, Session
from xai_widgets.static import front_end, style
from xai_widgets.views._base import View

LONGEST = 1024  # pixels of a photo's longer side as it is sent
LOSSLESS = 320 * 320  # a photo of so few pixels travels as PNG: a JPEG would add distortions of its own
WORDS = {
    "grad_cam": "Why this {what}?",
    "contrast": "Contrast: why not another {what}?",
    "behaviour": "Model behaviour (all maps)",
    "helpful": "Helpful maps",
    "primary": "Primary (maps that help)",
}
PATIENCE = 2.0  # seconds that a display waits for the first answer, so that its picture is one


class Stage(View):
    """The photo beside the photo with its saliency; what full colour means, and the value under the pointer."""

    _esm = front_end("stage.js")
    _css = style("stage.css")
    watches = ("query", "output", "saliency", "look", "error")

    photo = Bytes(help="PNG or JPEG.").tag(sync=True)
    size = Tuple(Int(), Int(), default_value=(1, 1), help="Width and height of the photo itself.").tag(sync=True)
    name = Unicode(help="Of the image; shown as text.").tag(sync=True)
    saliency = Dict(
        help="values: float32; h, w, limit, box, low, high, title, note, degenerate, one_sided, palette."
    ).tag(sync=True)
    score = Dict(help="label, headline and facts, in words.").tag(sync=True)
    methods = List(List(), help="name, words, description, whether it can be asked.").tag(sync=True)
    method = Unicode().tag(sync=True)
    look = Dict(help="opacity, palette, sign, smooth; version: grows, because both sides move it.").tag(sync=True)
    grey = Bool(True, help="Show the photo without its colours under the map.").tag(sync=True, echo_update=False)
    height = Int(400, min=80, help="Of a picture, at most, in CSS pixels.").tag(sync=True)

    def __init__(self, session: Session, **traits: Any) -> None:
        self._image: str | None = None  # whose photo the browser has
        self._answer: Any = None  # the answer whose map it has
        self._look: Any = None
        super().__init__(session, **traits)

    def draw(self) -> None:
        session = self.session
        self._draw_photo()
        self._draw_map()
        self.score = self._score()
        self.method = session.query.method
        self.methods = self._methods()
        if session.look != self._look:
            self._look = session.look
            self.look = asdict(session.look) | {"version": self.look.get("version", 0) + 1}

    def gesture(self, kind: str, **details: Any) -> None:
        if kind == "look":
            self.grey = bool(details.pop("grey", self.grey))
            self._look = replace(self.session.look, **details)  # the browser shows it already
            self.session.show(**details)
        elif kind == "method" and details["name"] == "contrast" and self.session.query.contrast is None:
            self.session.ask(contrast=self._likely_contrast())
        elif kind == "method":
            self.session.ask(method=details["name"])

    def _likely_contrast(self) -> float:
        """Q, where none was chosen yet: the most probable class beside P, or the best score."""
        session = self.session
        ranked = [index for index, _, _ in session.ranked_classes(2)]
        others = [index for index in ranked if session.output is None or index != session.output.target]
        return others[0] if others else session.score_range()[1]

    def scene(self) -> dict[str, Any] | None:
        """What is shown, as plain data; waits a moment where the first answer is on its way."""
        end = time.monotonic() + PATIENCE
        while not self.saliency and not self.session.error and time.monotonic() < end:
            time.sleep(0.02)
        with self.session.lock:
            if not self.photo:
                return None
            shown = dict(self.saliency)
            if shown:
                shown["values"] = np.frombuffer(shown["values"], np.float32).reshape(shown["h"], shown["w"])
            return {
                "photo": self.photo,
                "name": self.name,
                "score": self.score,
                "map": shown,
                "look": asdict(self.session.look) | {"grey": self.grey},
            }

    def _draw_photo(self) -> None:
        """Show the photo with the first answer about it: reading it would hold up the callback that asked."""
        session = self.session
        image = session.query.image
        answers = [answer for answer in (session.output, session.saliency) if answer and answer.query.image == image]
        if image == self._image or not (answers or session.error):
            return
        self._image, self.name, self.photo = image, image, b""
        with suppress(ValueError, OSError):  # the session's error line says what is wrong with it
            photo = session.picture(image)
            self.size = (photo.shape[1], photo.shape[0])
            self.photo = encoded(photo)

    def _draw_map(self) -> None:
        answer = self.session.saliency
        if answer is not None and answer.query.image != self._image:
            answer = None  # never a map over another photo
        if answer is self._answer:
            return
        self._answer = answer
        if answer is None:
            self.saliency = {}
            return
        values = np.ascontiguousarray(answer.map, np.float32)
        self.saliency = {
            "values": values.tobytes(),
            "h": values.shape[0],
            "w": values.shape[1],
            "limit": float(answer.limit),
            "box": [float(side) for side in answer.box],
            "low": answer.low,
            "high": answer.high,
            "title": answer.title,
            "note": answer.note,
            "degenerate": _degenerate(values),
            # Red and blue mean raising and lowering; helping and harming have colours of their own.
            "palette": "purple-green" if answer.helpful else "",
            "one_sided": answer.one_sided,
        }

    def _score(self) -> dict[str, Any]:
        output = self.session.output
        if output is None:
            return {}
        changed = bool(output.query.gains)
        if output.probabilities is not None:
            return self._class_score(output, changed)
        low, high = self.session.score_range()
        decimals = int(np.clip(3 - math.floor(math.log10(max(high - low, 1e-6))), 0, 6))
        facts = []
        if changed:
            facts.append(f"change {output.value - output.base:+.{decimals}f}")
        if output.rating is not None:
            facts += [f"rating {output.rating:.{decimals}f}", f"residual {output.residual:+.{decimals}f}"]
        headline = _arrow(output.base, output.value, changed, decimals)
        return {"label": "score", "headline": headline, "facts": [_minus(fact) for fact in facts]}

    def _class_score(self, output: Any, changed: bool) -> dict[str, Any]:
        labels = self.session.model.labels
        label = labels[output.target] if labels else f"class {output.target}"
        known = self.session.images.label(output.query.image)
        facts = ["logit " + _arrow(output.base, output.value, changed, 2), *([f"labelled {known}"] if known else [])]
        shares = (100 * output.base_probability, 100 * output.probabilities[output.target])
        return {"label": label, "headline": f"{_arrow(*shares, changed, 1)} %", "facts": facts}

    def _methods(self) -> list[list[Any]]:
        session = self.session
        classifier = session.model.task == "classification"
        what = "class" if classifier else "score"
        known = session.knows_error()
        return [
            [name, WORDS.get(name, name).format(what=what), text, known or name not in NEED_ERROR]
            for name, text in METHODS.items()
        ]


def encoded(photo: NDArray[np.uint8]) -> bytes:
    """A photo (h w 3) as PNG or JPEG, at most `LONGEST` pixels long."""
    picture = Image.fromarray(photo)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if picture.width * picture.height <= LOSSLESS:
        picture.save(file, "PNG", compress_level=4)
    else:
        picture.save(file, "JPEG", quality=93, subsampling=0)
    return file.getvalue()


def _degenerate(values: NDArray[np.float32]) -> str:
    """Why a map shows nothing, in words; empty for one that does."""
    if not np.isfinite(values).all():
        return "This map holds values that are not finite: it shows nothing."
    if values.min() < values.max():
        return ""
    return "This map is zero everywhere." if values.flat[0] == 0 else "This map is constant: it points nowhere."


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _arrow(base: float, value: float, changed: bool, decimals: int) -> str:
    now = _minus(f"{value:.{decimals}f}")
    return f"{_minus(f'{base:.{decimals}f}')} → {now}" if changed else now
