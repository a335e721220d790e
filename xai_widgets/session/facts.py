"""What views ask of a session beside its answers: plain functions of models, images and answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xai_widgets.engine import Contrast, Output, Query, Sources, Subject, score_range
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel

SHARES = (0, 0.25, 0.5, 0.75, 1)


def picture(model: ImageModel, images: ImageSet, name: str) -> np.ndarray:
    """What maps lie on, (h w 3) bytes: the photo, or what the network saw where its place there is not known."""
    photo = images.photo(name)
    if model.can_degrade:
        return photo
    prepared = model.prepare(photo)
    if prepared.placed:
        return photo
    return (prepared.pixels * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()


def ranked_classes(model: ImageModel, output: Output | None, most: int | None) -> list[tuple[int, str, float]]:
    """(number, name, probability) of the classes, the most probable first; empty for a regressor."""
    if output is None or output.probabilities is None:
        return []
    order = np.argsort(-output.probabilities, kind="stable")[:most]
    return [(int(index), model.name_of(int(index)), float(output.probabilities[index])) for index in order]


def score_range_of(model: ImageModel, sources: Sources, output: Output | None) -> tuple[float, float]:
    """The range of the score: stated, or that of the ratings and scores seen so far."""
    base = () if output is None else (output.base,)
    seen = sources.seen(model.key) if model.task == "regression" else ()
    return score_range(model, sources.images, *seen, *base)


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


def no_harmful(model: ImageModel, image: str) -> str:
    """Why harmful maps cannot be shown of an image whose rating or label is not known."""
    wanted = "a rating" if model.task == "regression" else "a label that names a class"
    return f"harmful maps need {wanted}, and none is known for {image!r}."


def quick_scores(bounds: tuple[float, float], rating: float | None) -> list[tuple[str, float]]:
    """Scores that are worth asking about, with their names."""
    low, high = bounds
    picks = [(f"{share:.0%}", low + share * (high - low)) for share in SHARES]
    return picks if rating is None else [*picks, ("rating", rating)]


def in_words(model: ImageModel, output: Output) -> tuple[float, str]:
    """What a gallery shows of an image: the score; or the predicted class and its probability."""
    if output.probabilities is None:
        return output.value, f"{output.value:.3g}"
    best = int(output.scores.argmax())
    probability = float(output.probabilities[best])
    return probability, f"{model.name_of(best)} {probability:.2f}"
