"""Operations and waits of one answer, counted on the pretend device; run by `benchmarks.engine` in its own process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from pretend_device import DEVICE, Counts, counting
from torchvision import models

from xai_widgets import ImageModel, ImageSet, load_images, load_model
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.engine.query import Gains

GAINS: tuple[Gains, ...] = ((), ((3, 0.0), (5, 1.5)), ((3, 0.0), (5, 1.75)))

WANTED = {"quality features": 40, "ResNet-18 layer3": 75, "ResNet-50 layer3": 105}  # operations at most


def cases() -> Iterator[tuple[str, ImageModel, ImageSet, str]]:
    yield "quality features", load_model("demo/quality", device=DEVICE), load_images("demo/quality"), "features"
    photo = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for name, build in {"ResNet-18": models.resnet18, "ResNet-50": models.resnet50}.items():
        torch.manual_seed(0)
        model = ImageModel(build(weights=None).eval().to(DEVICE), None, name=name)
        yield f"{name} layer3", model, ImageSet([photo]), "layer3"


def counted() -> Iterator[tuple[str, Counts]]:
    """What one gain takes, once the layer and the image are known."""
    for name, model, images, layer in cases():
        sources = Sources(model, images)
        first, second, third = (Query(image=images.names[0], layer=layer, gains=gains) for gains in GAINS)
        answer(sources, [first, second], "explanation")
        with counting() as counts:
            answer(sources, third, "explanation")
        yield name, counts


def main() -> None:
    print("One gain, score and Grad-CAM, on the pretend device: operations (views left out), waits, copies sent to it")
    for name, counts in counted():
        print(f"{name}: {counts.operations} (at most {WANTED[name]}), {counts.waits}, {counts.sent}")


if __name__ == "__main__":
    main()
