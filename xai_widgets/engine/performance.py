"""How well a model does on images of which a rating or a label is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from xai_widgets.engine.answers import Output
from xai_widgets.engine.known import label_of, ratings_of
from xai_widgets.images import ImageSet
from xai_widgets.kernels.measures import class_auroc
from xai_widgets.models import ImageModel


@dataclass(frozen=True)
class Performance:
    """Over the images that the model has scored and of which a rating or a label is known.

    Attributes:
        n: How many images.
        accuracy: Share of images whose predicted class is the label; of labels of which several may hold, share of all
            labels of all images that are right at a probability of 0.5. None for scores.
        auroc: Binary: of the second class. Several classes: mean over one class against the others; labels of which
            several may hold: mean over labels; those that no image has, or all have, are left out. None where none is
            left, and for scores.
        r: Pearson's correlation of score and rating; None for classes, for fewer than three images, and where either
            does not vary.
        rmse: Root mean square error, in the unit of the score; None for classes.
        trained: How many of the images the model was trained on, as their split says.
        labels: Over how many classes or labels the AUROC is a mean; 1 for binary.
    """

    n: int
    accuracy: float | None = None
    auroc: float | None = None
    r: float | None = None
    rmse: float | None = None
    trained: int = 0
    labels: int = 0


def performance_of(
    model: ImageModel, images: ImageSet, outputs: Mapping[str, Output], target: int = 0, *, most: float = math.inf
) -> Performance | None:
    """From the scores of images; None where of none of them a rating or a label is known.

    Args:
        target: which score is rated, where there are several.
        most: images times classes for which the AUROC is computed; it takes two seconds for five million.
    """
    if not model.has_classes:
        return _of_scores(model, images, outputs, target)
    labels = {name: label for name in outputs if (label := label_of(model, images, name)) is not None}
    several = any(isinstance(label, tuple) for label in labels.values())
    if not labels or not (model.exclusive or several):  # of one label alone it is not known which others hold
        return None
    scores = torch.from_numpy(np.stack([outputs[name].scores for name in labels]))
    trained = _trained(images, labels)
    auroc, count = None, 0
    if several:
        known = torch.zeros(scores.shape, dtype=torch.bool, device="cpu")
        for row, label in zip(known, labels.values(), strict=True):
            row[list(label) if isinstance(label, tuple) else label] = True
        accuracy = float(((scores >= 0) == known).double().mean())
    else:
        known = torch.tensor(list(labels.values()), device="cpu")
        accuracy = float((scores.argmax(1) == known).double().mean())
    if scores.numel() <= most and bool(scores.isfinite().all()):
        logits = model.scores.as_logits(scores) if model.exclusive else scores
        areas = class_auroc(logits[:, None], known, exclusive=model.exclusive)[0]
        areas = areas[1:] if model.task == "binary" else areas
        areas = areas[areas.isfinite()]
        auroc, count = (float(areas.mean()) if len(areas) else None), len(areas)
    return Performance(len(labels), accuracy, auroc, trained=trained, labels=count)


def right_labels(model: ImageModel, images: ImageSet, outputs: Mapping[str, Output]) -> dict[str, int]:
    """How many labels of an image are right at a probability of 0.5, by name, where all that hold are known."""
    found: dict[str, int] = {}
    if not model.has_classes or model.exclusive:
        return found
    for name, output in outputs.items():
        label = label_of(model, images, name)
        if isinstance(label, tuple):
            holds = np.isin(np.arange(len(output.scores)), label)
            found[name] = int(((output.scores >= 0) == holds).sum())
    return found


def _of_scores(model: ImageModel, images: ImageSet, outputs: Mapping[str, Output], target: int) -> Performance | None:
    rated = dict(zip(images.names, ratings_of(model, images, target), strict=True))
    names = [name for name in outputs if np.isfinite(rated[name])]
    scores = np.array([outputs[name].scores[target] for name in names], np.float64)
    ratings = np.array([rated[name] for name in names], np.float64)
    if not names or not np.isfinite(scores).all():
        return None
    varies = len(names) > 2 and bool(np.ptp(scores) > 0) and bool(np.ptp(ratings) > 0)
    return Performance(
        len(names),
        r=float(np.corrcoef(scores, ratings)[0, 1]) if varies else None,
        rmse=float(np.sqrt(np.mean((scores - ratings) ** 2))),
        trained=_trained(images, names),
    )


def _trained(images: ImageSet, names: Mapping[str, object] | list[str]) -> int:
    return sum(images.split(name) == "train" for name in names)
