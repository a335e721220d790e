"""What a lab shares: photographs, the usual transform, a small network, and the lab's own script for every number.

The sixty inputs in `lab_*.py` were written from the README alone. Each is a function of an empty folder and a seed that
returns what is given to ImageModel and ImageSet, and what the lab's own script computes.
"""

# mypy: ignore-errors
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from PIL import Image
from torchvision import transforms as T

REGISTRY = []


def brought(category, what):
    """Note an input: of which category it is, and what it is."""

    def keep(function):
        function.category, function.what = category, what
        REGISTRY.append(function)
        return function

    return keep


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photo(seed, size=(96, 72), shapes=5):
    """An RGB picture (width, height) with a sky, a ground, discs and grain."""
    rng = np.random.default_rng(seed)
    w, h = size
    y, x = np.mgrid[0:h, 0:w] / max(w, h)
    top, bottom = rng.uniform(60, 250, 3), rng.uniform(10, 170, 3)
    picture = top + (bottom - top) * (y / max(y.max(), 1e-9))[..., None]
    for _ in range(shapes):
        cx, cy, r = rng.uniform(0, x.max() + 1e-9), rng.uniform(0, y.max() + 1e-9), rng.uniform(0.05, 0.2)
        picture[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.uniform(0, 255, 3)
    return Image.fromarray(np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8))


def photos(folder, seed, count=4, size=(96, 72), ending=".png", stem="photo"):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(count):
        path = folder / f"{stem}{i + 1:02d}{ending}"
        photo(seed * 100 + i, size).save(path)
        paths.append(path)
    return paths


def usual(size=64):
    return T.Compose([T.Resize((size, size)), T.ToTensor(), T.Normalize(MEAN, STD)])


def spread(network, head, inputs, mean=50.0, std=8.0, pick=None):
    """Weights of the last layer such that scores of these inputs have this mean and deviation, as after a training."""
    modes = {m: m.training for m in network.modules()}
    network.eval()
    with torch.no_grad():
        out = (pick or (lambda y: y))(network(inputs)).double().flatten(1)
        factor = std / out.std(0).clamp_min(1e-6)
        head.weight.mul_(factor.view(-1, 1).to(head.weight))
        if head.bias is not None:
            head.bias.copy_(((head.bias.double() - out.mean(0)) * factor + mean).to(head.bias))
    for module, mode in modes.items():
        module.training = mode
    return network


def batch(seed, transform, count=6):
    return torch.stack([transform(photo(seed * 77 + i)) for i in range(count)])


def own_script(network, x, pick=lambda y: y):
    """`network.eval()(x)` of one image without a trace: modes are put back."""
    modes = {m: m.training for m in network.modules()}
    network.eval()
    with torch.no_grad():
        out = pick(network(x))
    for module, mode in modes.items():
        module.training = mode
    return out


def own_scores(network, transform, paths, pick=lambda y: y, opened=lambda p: Image.open(p).convert("RGB")):
    return {Path(p).name: [float(own_script(network, transform(opened(p))[None], pick).reshape(-1)[0])] for p in paths}


def class_values(out, meaning="logits"):
    """What a user may fairly see as 'the' value of the predicted class."""
    out = out.reshape(-1).double()
    p = {"logits": lambda: out.softmax(0), "log": lambda: out.exp(), "sigmoid": lambda: out}[meaning]()
    top = int(p.argmax())
    return [float(out[top]), float(p[top])]


def own_classes(network, transform, paths, pick=lambda y: y, meaning="logits"):
    return {
        Path(p).name: class_values(own_script(network, transform(Image.open(p).convert("RGB"))[None], pick), meaning)
        for p in paths
    }


def own_effects(network, layer, x, pick=lambda y: y):
    """Score without map i minus score with it, one forward each, batch of one."""
    with_all = float(own_script(network, x, pick).reshape(-1)[0])
    module, effects, wanted = dict(network.named_modules())[layer], [], {"i": None, "n": 0}

    def mute(_, __, out):
        wanted["n"] = out.shape[1]
        if wanted["i"] is not None:
            out = out.clone()
            out[:, wanted["i"]] = 0
        return out

    handle = module.register_forward_hook(mute)
    own_script(network, x, pick)
    for i in range(wanted["n"]):
        wanted["i"] = i
        effects.append(float(own_script(network, x, pick).reshape(-1)[0]) - with_all)
    handle.remove()
    return np.array(effects)


def own_gradient(network, x, pick=lambda y: y):
    """|gradient| of the largest output at the input, largest over channels."""
    x = x.clone().requires_grad_(True)
    pick(network(x)).max().backward()
    network.zero_grad()
    return x.grad.abs()[0].amax(0).numpy()


class Rater(nn.Module):
    """The plain network of the other categories: one score."""

    def __init__(self, channels=3, out=1):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(12, out)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def rater(seed, transform, channels=3, out=1):
    torch.manual_seed(seed)
    network = Rater(channels, out)
    mean, std = (50.0, 8.0) if out == 1 else (0.0, 1.5)
    return spread(network, network.head, batch(seed, transform), mean, std).eval()
