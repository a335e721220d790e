"""What views ask of a session beside its answers: plain functions of models, images and answers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from PIL import Image
from torch import Tensor

from xai_widgets.engine import (
    Contrast,
    Degradation,
    Output,
    Query,
    Sources,
    Subject,
    degraded,
    is_known_of,
    score_range,
)
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel

SHARES = (0, 0.25, 0.5, 0.75, 1)


def picture(model: ImageModel, images: ImageSet, name: str, what: Degradation | None = None) -> np.ndarray:
    """What maps lie on, (h w 3) bytes: the photo, or what the network saw where its place there is not known.

    Args:
        what: is done to it before the network sees it.
    """
    if what is not None:
        return degraded_picture(model, images, name, what)
    photo = images.photo(name)
    return _lies_on(model, photo, photo if model.channels == 3 else images.bands(name))


def degraded_picture(model: ImageModel, images: ImageSet, name: str, what: Degradation) -> np.ndarray:
    """The picture of an image, (h w 3) bytes, with what the network saw of it when it was degraded in its place.

    A photo that is smaller there than what the network sees is enlarged, so that nothing of it is lost.

    Raises:
        ValueError: the file cannot be read, or the image cannot be degraded so.
    """
    photo = images.photo(name)
    prepared = model.prepare(photo if model.channels == 3 else images.bands(name))
    seen = _as_bytes(degraded(prepared.pixels, what))
    if not prepared.placed:
        return seen
    height, width = photo.shape[:2]
    left, top, right, bottom = prepared.box
    scale = max(1.0, seen.shape[0] / (bottom - top), seen.shape[1] / (right - left))
    whole = Image.fromarray(photo).resize((round(scale * width), round(scale * height)), Image.Resampling.BICUBIC)
    corner, end = (round(scale * left), round(scale * top)), (round(scale * right), round(scale * bottom))
    part = Image.fromarray(seen).resize((end[0] - corner[0], end[1] - corner[1]), Image.Resampling.BILINEAR)
    whole.paste(part, corner)
    return np.asarray(whole)


def _as_bytes(pixels: Tensor) -> np.ndarray:
    """Pixels (c h w) in [0, 1] as (h w 3) bytes: the first three channels, or the only one."""
    some = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    return (some.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()


def reference(model: ImageModel, images: ImageSet, name: str) -> np.ndarray | None:
    """The undistorted photo of an image as `picture` has the image itself, (h w 3) bytes; None where there is none.

    Raises:
        ValueError: it cannot be read.
    """
    photo = images.reference(name)
    if photo is None or model.placed or model.channels != 3:
        return photo
    with suppress(ValueError):  # of another size than the transform takes
        return _lies_on(model, photo, photo)
    return photo


def no_reference(images: ImageSet, name: str) -> str:
    """Why no undistorted photo can stand beside an image; empty where one can."""
    if images.has_reference(name):
        return ""
    return f"no reference photo of {name!r} is known; the column 'reference' of a table names its file."


def _lies_on(model: ImageModel, photo: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The photo, or what the network sees of it where that has no known place in it.

    Args:
        given: the channels that the network takes.
    """
    try:
        prepared = model.prepare(given)
    except ValueError:  # the answer says it; a transform in parts leaves the photo as it is
        if model.placed:
            return photo
        raise
    if prepared.placed:
        return photo
    return _as_bytes(prepared.pixels)


def where(sources: Sources, query: Query) -> str:
    """The layer, with its call and the shown image of a sample where there are several: see `Subject.where`."""
    try:
        return Subject(sources, query).where
    except ValueError:  # the network takes another number of images, which the answer says
        return query.layer


def ranked_classes(model: ImageModel, output: Output | None, most: int | None) -> list[tuple[int, str, float]]:
    """(number, name, probability) of the classes, the most probable first; empty for scores."""
    if output is None or output.probabilities is None:
        return []
    order = np.argsort(-output.probabilities, kind="stable")[:most]
    return [(int(index), model.name_of(int(index)), float(output.probabilities[index])) for index in order]


def score_range_of(model: ImageModel, sources: Sources, output: Output | None, target: int = 0) -> tuple[float, float]:
    """The range of the explained score: stated, or that of the ratings and scores seen so far.

    Args:
        target: which score, where there is no output yet.
    """
    base = () if output is None else (output.base,)
    target = target if output is None else output.target
    seen = () if model.has_classes else sources.seen((model.key, target))
    return score_range(model, sources.images, target, *seen, *base)


def contrast_of(sources: Sources, query: Query) -> Contrast | None:
    """Q by number: what "rating" and the name of a class stand for on this image; None where that is not known."""
    contrast = query.contrast
    if contrast is None or contrast.kind == "confidence":
        return contrast
    subject = Subject(sources, query)
    if contrast.asks_rating and subject.rating is None:
        return None
    asked = subject.contrast
    if asked is None:
        return None
    return replace(contrast, value=float(asked.index if asked.kind == "class" else asked.score))


def no_harmful(subject: Subject) -> str:
    """Why harmful maps cannot be shown of an image whose rating or label is not known."""
    model = subject.model
    index = 0 if model.has_classes else subject.target
    where = "" if model.has_classes or model.one_score else f" (column {model.known_column(index)})"
    first = is_known_of(model, subject.images, subject.shown)
    of = repr(subject.image) if first else f"the {shown_in_words(subject.shown)} of {subject.image!r}"
    return f"harmful maps need a {model.known_words(index)}{where}, and none is known for {of}."


def quick_scores(bounds: tuple[float, float], rating: float | None) -> list[tuple[str, float]]:
    """Scores that are worth asking about, with their names."""
    low, high = bounds
    picks = [(f"{share:.0%}", low + share * (high - low)) for share in SHARES]
    return picks if rating is None else [*picks, ("rating", rating)]


def in_words(model: ImageModel, output: Output, target: int = 0) -> tuple[float, str]:
    """What a gallery shows of an image: the score that is explained; or the predicted class and its probability."""
    if output.probabilities is None:
        value = float(output.scores[target])
        return value, f"{value:.3g}"
    best = int(output.scores.argmax())
    probability = float(output.probabilities[best])
    return probability, f"{model.name_of(best)} {probability:.2f}"
