"""Networks that a lab might bring: trunks, wrappers and training code."""

# mypy: ignore-errors
# ruff: noqa: E731, PT018
from __future__ import annotations

import copy
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from lab import MEAN, STD, batch, brought, own_classes, own_effects, own_scores, photos, spread, usual
from lab_checks import hand_over
from PIL import Image
from torchvision import transforms as T


class VggQuality(nn.Module):
    def __init__(self):
        super().__init__()
        layers, c = [], 3
        for v in (8, "M", 12, "M", 16, 16, "M"):
            layers += [nn.MaxPool2d(2, 2)] if v == "M" else [nn.Conv2d(c, v, 3, padding=1), nn.ReLU(inplace=True)]
            c = c if v == "M" else v
        self.features = nn.Sequential(*layers)
        self.regressor = nn.Sequential(nn.Linear(16 * 8 * 8, 32), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(32, 1))

    def forward(self, x):
        f = self.features(x)
        return self.regressor(f.view(f.size(0), -1)), f


@brought(
    "networks",
    "a VGG with in-place ReLUs that returns (score, feature maps), handed over in training mode",
)
def n01_vgg_tuple_in_train_mode(folder, seed):
    torch.manual_seed(seed)
    network, transform, pick = VggQuality(), usual(64), lambda y: y[0]
    spread(network, network.regressor[3], batch(seed, transform), pick=pick).train()
    paths = photos(folder / "photos", seed, 3)
    x = transform(Image.open(paths[0]).convert("RGB"))[None]

    def after(network):
        assert network.training and network.regressor[2].training, "the user's network was put in eval mode"

    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "scores": own_scores(network, transform, paths, pick),
            "effects_of": paths[0].name,
            "effects": ("features.8", own_effects(network, "features.8", x, pick)),
            "scale": 100,
        },
        after=after,
    )


@brought(
    "networks",
    "NIMA: ten probabilities of the ratings 1 to 10, Softmax inside, the mean rating through output=",
)
def n02_nima_distribution(folder, seed):
    torch.manual_seed(seed)

    class Nima(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = nn.Sequential(
                nn.Conv2d(3, 16, 3, 2),
                nn.BatchNorm2d(16),
                nn.ReLU6(True),
                nn.Conv2d(16, 16, 3, 1, 1, groups=16),
                nn.Conv2d(16, 24, 1),
                nn.ReLU6(True),
                nn.AdaptiveAvgPool2d(1),
            )
            self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.75), nn.Linear(24, 10), nn.Softmax(dim=1))

        def forward(self, x):
            return self.classifier(self.base(x))

    network = Nima()
    transform = T.Compose([T.Resize(72), T.CenterCrop(64), T.ToTensor(), T.Normalize(MEAN, STD)])
    network.eval()
    with torch.no_grad():
        network.classifier[2].weight.mul_(150)
    mean = lambda p: (p * torch.arange(1, 11, dtype=p.dtype, device=p.device)).sum(1)
    paths = photos(folder / "ava", seed, 4, (100, 80), ".jpg")
    scores = own_scores(network, transform, paths, mean)
    x = transform(Image.open(paths[1]).convert("RGB"))[None]
    return hand_over(
        network=network,
        transform=transform,
        images=[str(p) for p in paths],
        model_options={"output": mean, "range": (1, 10)},
        expected={
            "scores": scores,
            "effects_of": paths[1].name,
            "effects": ("base.5", own_effects(network, "base.5", x, mean)),
        },
    )


@brought(
    "networks",
    "nn.DataParallel around a small ResNet with BatchNorm, straight out of a training loop",
)
def n03_dataparallel_batchnorm(folder, seed):
    torch.manual_seed(seed)

    class Block(nn.Module):
        def __init__(self, i, o, s):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            self.relu = nn.ReLU(inplace=True)
            self.down = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s > 1 else None

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.down is None else self.down(x)
            return self.relu(y)

    inner = nn.Sequential()
    inner.add_module("layer1", Block(3, 8, 2))
    inner.add_module("layer2", Block(8, 16, 2))
    inner.add_module("pool", nn.AdaptiveAvgPool2d(1))
    inner.add_module("flat", nn.Flatten())
    inner.add_module("fc", nn.Linear(16, 1))
    network, transform = nn.DataParallel(inner), usual(64)
    network.train()
    with torch.no_grad():
        for i in range(8):
            inner(batch(seed + i, transform, 4))
    spread(inner, inner.fc, batch(seed, transform))
    network.train()
    paths = photos(folder / "photos", seed, 3)
    scores = own_scores(inner, transform, paths)
    inner.train()
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}

    def after(network):
        assert network.training
        for k, v in network.state_dict().items():
            assert torch.equal(v, before[k]), f"{k} was changed"

    x = transform(Image.open(paths[0]).convert("RGB"))[None]
    with torch.no_grad():
        modes = {m: m.training for m in inner.modules()}
        together = float(copy.deepcopy(inner).train()(torch.cat([x, x + 0.1]))[0])
        assert modes == {m: m.training for m in inner.modules()}
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={"scores": scores, "wrong": {paths[0].name: [together]}},
        after=after,
    )


@brought(
    "networks",
    "a Lightning-like module: `trainer` raises when it is touched, metrics are submodules, hparams, logs",
)
def n04_lightning_like(folder, seed):
    torch.manual_seed(seed)

    class Accuracy(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("hits", torch.zeros((), dtype=torch.long))

        def forward(self, predicted, target):
            self.hits += (predicted == target).sum()
            return self.hits

    class LightningModule(nn.Module):
        _trainer = None

        @property
        def trainer(self):
            if self._trainer is None:
                raise RuntimeError(f"{type(self).__qualname__} is not attached to a `Trainer`.")
            return self._trainer

        @property
        def current_epoch(self):
            return self.trainer.current_epoch

        @property
        def device(self):
            return next(self.parameters()).device

        def log(self, *_, **__):
            self.trainer.log()

    class Habitat(LightningModule):
        def __init__(self, lr=1e-3, n=5):
            super().__init__()
            self.hparams = {"lr": lr, "n": n}
            self.model = nn.Sequential(
                nn.Conv2d(3, 10, 3, 2),
                nn.GELU(),
                nn.Conv2d(10, 14, 3, 2),
                nn.SiLU(),
                nn.AdaptiveMaxPool2d(1),
                nn.Flatten(),
                nn.Linear(14, n),
            )
            self.loss = nn.CrossEntropyLoss(weight=torch.ones(n))
            self.train_acc, self.val_acc = Accuracy(), Accuracy()
            self.example_input_array = torch.zeros(1, 3, 64, 64)
            self.idx_to_class = dict(enumerate(["forest", "heath", "lake", "meadow", "moor"]))

        def forward(self, x):
            return self.model(x)

        def training_step(self, b, i):
            x, y = b
            self.log("train_loss", self.loss(self(x), y))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])

    network, transform = Habitat(), usual(64)
    spread(network, network.model[6], batch(seed, transform), 0, 2)
    paths = photos(folder / "val", seed, 4)

    def after(network):
        assert int(network.val_acc.hits) == 0 and network.training

    return hand_over(
        network=network,
        transform=transform,
        images=folder / "val",
        class_names=list(network.idx_to_class.values()),
        expected={"scores": own_classes(network, transform, paths), "classes": 5},
        after=after,
    )


@brought(
    "networks",
    "torch.nn.utils.weight_norm (the old one, hooks) that has already run a forward: copy.deepcopy fails on it",
)
def n05_old_weight_norm(folder, seed):
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wn = torch.nn.utils.weight_norm
        network = nn.Sequential(
            wn(nn.Conv2d(3, 8, 3, 2)),
            nn.ELU(),
            wn(nn.Conv2d(8, 10, 3, 2)),
            nn.ELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(10, 1),
        )
    transform = usual(64)
    spread(network, network[6], batch(seed, transform))
    network(batch(seed, transform, 2)).mean().backward()  # the last step of the training
    try:
        copy.deepcopy(network)
        fails = False
    except RuntimeError:
        fails = True
    paths = photos(folder / "photos", seed, 3)
    x = transform(Image.open(paths[2]).convert("RGB"))[None]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "scores": own_scores(network, transform, paths),
            "effects_of": paths[2].name,
            "effects": ("2", own_effects(network, "2", x)),
            "scale": 100,
        },
        note=f"deepcopy fails: {fails}",
    )


@brought(
    "networks",
    "a GAN critic with spectral norm in training mode whose forward ends in .squeeze(): a batch of one gives a 0-d",
)
def n06_spectral_norm_squeeze(folder, seed):
    torch.manual_seed(seed)
    sn = torch.nn.utils.parametrizations.spectral_norm

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = sn(nn.Conv2d(3, 8, 4, 2, 1)), sn(nn.Conv2d(8, 12, 4, 2, 1))
            self.last = nn.Conv2d(12, 1, 16)

        def forward(self, x):
            x = F.leaky_relu(self.a(x), 0.2)
            x = F.leaky_relu(self.b(x), 0.2)
            return self.last(x).squeeze()

    network, transform = Critic(), T.Compose([T.Resize((64, 64)), T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)])
    with torch.no_grad():
        network.train()
        for i in range(5):
            network(batch(seed + i, transform, 3))
        network.last.weight.mul_(8)
    paths = photos(folder / "generated", seed, 4, (64, 64))
    scores = own_scores(network, transform, paths)
    x = transform(Image.open(paths[0]).convert("RGB"))[None]
    effects = own_effects(network, "b", x)
    before = {k: v.clone() for k, v in network.state_dict().items()}

    def after(network):
        assert network.training
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items()), "power iteration went on"

    return hand_over(
        network=network,
        transform=transform,
        images=folder / "generated",
        expected={"scores": scores, "effects": ("b", effects), "effects_of": paths[0].name},
        after=after,
    )
