"""Transforms that a lab might bring: chance, crops, bars, grey, paths."""

# mypy: ignore-errors
# ruff: noqa: PT018
from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from lab import MEAN, STD, Rater, batch, brought, own_gradient, own_scores, own_script, photos, rater, spread, usual
from lab_checks import hand_over, share_in
from PIL import Image, ImageDraw, ImageOps
from torchvision import transforms as T


@brought(
    "transforms",
    "the training transform by mistake: RandomResizedCrop, RandomHorizontalFlip, ColorJitter, RandomErasing",
)
def x08_random_training(folder, seed):
    transform = T.Compose(
        [
            T.RandomResizedCrop(64),
            T.RandomHorizontalFlip(),
            T.ColorJitter(0.4, 0.4, 0.4),
            T.ToTensor(),
            T.Normalize(MEAN, STD),
            T.RandomErasing(),
        ]
    )
    network = rater(seed, usual(64))
    paths = photos(folder / "photos", seed, 3)
    several = [float(own_script(network, transform(Image.open(paths[0]))[None])) for _ in range(5)]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        note=f"five calls: {min(several):.1f} to {max(several):.1f}",
        expected={"refuse": "either", "says": [r"random|chance|differ|same|determin|each (call|time)"]},
    )


@brought(
    "transforms",
    "TenCrop and a stack: the transform gives 10 x 3 x 56 x 56 and the lab averages the scores of the ten",
)
def x09_tencrop(folder, seed):
    norm = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])
    transform = T.Compose([T.Resize(64), T.TenCrop(56), T.Lambda(lambda crops: torch.stack([norm(c) for c in crops]))])
    network = rater(seed, usual(56))
    paths = photos(folder / "photos", seed, 3)
    means, first = {}, {}
    for p in paths:
        y = own_script(network, transform(Image.open(p).convert("RGB"))).flatten()
        means[p.name], first[p.name] = [float(y.mean())], [float(y[0])]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "refuse": "either",
            "says": [r"10|ten", r"transform|input|picture|crop|image"],
            "scores": means,
            "wrong": first,
        },
    )


@brought(
    "transforms",
    "YOLO's letterbox: aspect kept, grey 114 bars to a square of 128, a tall photograph whose bright disc is "
    "at the lower right; the network is the mean of one small convolution in the inner part",
)
def x10_letterbox(folder, seed):
    def letterbox(image, side=128):
        w, h = image.size
        r = side / max(w, h)
        nw, nh = round(w * r), round(h * r)
        canvas = Image.new("RGB", (side, side), (114, 114, 114))
        canvas.paste(image.resize((nw, nh), Image.BILINEAR), ((side - nw) // 2, (side - nh) // 2))
        return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).float() / 255

    torch.manual_seed(seed)

    class Disc(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Linear(4, 1)
            with torch.no_grad():  # fires where red is far above green
                self.conv.weight.zero_()
                self.conv.weight[:, 0], self.conv.weight[:, 1] = 1 / 9, -1 / 9
                self.conv.bias.copy_(torch.tensor([-0.3, -0.4, -0.5, -0.6]))
                self.head.weight.fill_(500.0)

        def forward(self, x):
            return self.head(self.relu(self.conv(x)).mean((2, 3)))

    network = Disc().eval()
    root = folder / "photos"
    root.mkdir()
    for i in range(2):
        image = Image.new("RGB", (90, 200), (70, 110, 90))
        ImageDraw.Draw(image).ellipse([60, 140 + 10 * i, 88, 170 + 10 * i], fill=(250, 20, 20))
        image.save(root / f"tall{i}.png")
    paths = sorted(root.iterdir())
    scores = own_scores(network, letterbox, paths)
    assert all(v[0] > 5 for v in scores.values())
    in_photo, in_input = (0.64, 0.68, 1, 0.87), (0.55, 0.68, 0.735, 0.87)
    found = own_gradient(network, letterbox(Image.open(paths[0]))[None])
    on_photo = found[:, 35:93]
    assert share_in(found, in_input) > 0.95 and share_in(on_photo, in_photo) > 0.95 and share_in(found, in_photo) < 0.8
    return hand_over(
        network=network,
        transform=letterbox,
        images=root,
        model_options={"range": (0, 100)},
        expected={"scores": scores, "pixels": ("gradient", in_photo, 0.9, "tall0.png"), "pixels_input": in_input},
        note=f"share in the box {share_in(on_photo, in_photo):.2f}",
    )


@brought(
    "transforms",
    "torchxrayvision's: to grey, centre square by slicing, scaled to -1024 to 1024, 1 x 64 x 64, from RGB "
    "screenshots of X-rays, with histogram equalisation",
)
def x11_grey_1024(folder, seed):
    def transform(image):
        a = np.asarray(ImageOps.equalize(image.convert("L")), dtype=np.float32)
        a = (2 * (a / 255.0) - 1.0) * 1024
        n = min(a.shape)
        y, x = a.shape[0] // 2 - n // 2, a.shape[1] // 2 - n // 2
        t = torch.from_numpy(a[y : y + n, x : x + n].copy())[None, None]
        return F.interpolate(t, (64, 64), mode="bilinear", align_corners=False)[0]

    torch.manual_seed(seed)
    network = Rater(1).eval()
    spread(network, network.head, batch(seed, transform))
    paths = photos(folder / "screens", seed, 3, (150, 80))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "screens",
        model_options={"range": (0, 100)},
        expected={"scores": own_scores(network, transform, paths)},
    )


@brought(
    "transforms",
    "the paper's repository has preprocess(path): it opens the file itself and gives 1 x 3 x H x W with "
    "requires_grad, and that function is handed over",
)
def x12_takes_a_path(folder, seed):
    def preprocess(path):
        if not isinstance(path, (str, os.PathLike)):
            raise AttributeError(f"{type(path).__name__!r} object has no attribute 'read'")
        image = Image.open(path).convert("RGB").resize((64, 64))
        x = T.functional.normalize(T.functional.to_tensor(image), MEAN, STD).unsqueeze(0)
        return x.requires_grad_(True)

    network = rater(seed, usual(64))
    paths = photos(folder / "photos", seed, 3)
    scores = {p.name: [float(network(preprocess(str(p))))] for p in paths}
    return hand_over(
        network=network,
        transform=preprocess,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={"scores": scores, "refuse": "either", "says": [r"transform", r"path|picture|PIL|image|file"]},
    )
