"""Operations and waits of one answer, counted on the pretend device; run by `benchmarks.engine` in its own process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from pretend_device import DEVICE, counting
from torchvision import models

from xai_widgets import Engine, ImageModel, ImageSet, load_images, load_model
from xai_widgets.engine import Subject, pictures

GAINS = ((3, 0.0), (5, 1.75))


def cases() -> Iterator[tuple[str, ImageModel, ImageSet, str]]:
    yield "quality features", load_model("demo/quality", device=DEVICE), load_images("demo/quality"), "features"
    photo = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    for name, build in {"ResNet-18": models.resnet18, "ResNet-50": models.resnet50}.items():
        torch.manual_seed(0)
        model = ImageModel(build(weights=None).eval().to(DEVICE), None, name=name)
        yield f"{name} layer3", model, ImageSet([photo]), "layer3"


def main() -> None:
    print("One gain, score and Grad-CAM, on the pretend device: operations (views left out), waits, copies sent to it")
    for name, model, images, layer in cases():
        engine = Engine()
        pictures.why(Subject(engine, model, images, images.names[0], layer), ())
        pictures.why(Subject(engine, model, images, images.names[0], layer), GAINS)
        with counting() as counts:
            pictures.why(Subject(engine, model, images, images.names[0], layer), GAINS)
        print(f"{name}: {counts.operations}, {counts.waits}, {counts.sent}")
        engine.close()


if __name__ == "__main__":
    main()
