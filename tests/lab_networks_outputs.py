"""Networks that a lab might bring: gradients, labels, tiles, no maps, no network."""

# mypy: ignore-errors
from __future__ import annotations

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from lab import (
    Rater,
    batch,
    brought,
    own_classes,
    own_effects,
    own_gradient,
    own_scores,
    own_script,
    photo,
    photos,
    spread,
    usual,
)
from lab_checks import hand_over, share_in
from PIL import Image
from torchvision import transforms as T


@brought(
    "networks",
    "domain-adversarial network: a custom autograd Function turns gradients round before the second head; "
    "forward(x, alpha=1.) returns (class, domain)",
)
def n14_gradient_reversal(folder, seed):
    torch.manual_seed(seed)

    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, alpha):
            ctx.alpha = alpha
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return g.neg() * ctx.alpha, None

    class Dann(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 10, 5),
                nn.MaxPool2d(2),
                nn.ReLU(True),
                nn.Conv2d(10, 8, 5),
                nn.Dropout2d(),
                nn.MaxPool2d(2),
                nn.ReLU(True),
            )
            self.label, self.domain = nn.Linear(8 * 16, 4), nn.Linear(8 * 16, 2)

        def forward(self, x, alpha=1.0):
            x = x.expand(x.data.shape[0], 3, 28, 28)
            f = self.features(x).view(-1, 8 * 16)
            return self.label(f), self.domain(Reverse.apply(f, alpha))

    network, transform, pick = Dann(), T.Compose([T.Resize((28, 28)), T.ToTensor()]), lambda y: y[0]
    spread(network, network.label, batch(seed, transform), 0, 2, pick)
    paths = photos(folder / "mnist_m", seed, 4, (28, 28))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "mnist_m",
        expected={"scores": own_classes(network, transform, paths, pick), "classes": 4},
    )


@brought(
    "networks",
    "a V1 model in the Fourier domain: fft2, complex learned filters, energy of the inverse transform, "
    "divisive normalisation",
)
def n15_complex_numbers(folder, seed):
    torch.manual_seed(seed)

    class Filters(nn.Module):
        def __init__(self, n=9, side=32):
            super().__init__()
            fy, fx = torch.meshgrid(torch.fft.fftfreq(side), torch.fft.fftfreq(side), indexing="ij")
            bank = []
            for i in range(n):
                angle, f = math.pi * (i % 3) / 3, 0.08 * 2 ** (i // 3)
                bank.append(
                    torch.exp(-((fx - f * math.cos(angle)) ** 2 + (fy - f * math.sin(angle)) ** 2) / (2 * (f / 2) ** 2))
                )
            self.weight = nn.Parameter(torch.stack(bank) * torch.exp(1j * torch.randn(n, 1, 1)))

        def forward(self, x):
            return torch.fft.ifft2(torch.fft.fft2(x) * self.weight)

    class Energy(nn.Module):
        def forward(self, z):
            return z.real**2 + z.imag**2

    class V1(nn.Module):
        def __init__(self):
            super().__init__()
            self.filters, self.energy, self.readout = Filters(), Energy(), nn.Linear(9, 1)

        def forward(self, x):
            e = self.energy(self.filters(x.mean(1, keepdim=True)))
            e = e / (0.01 + e.sum(1, keepdim=True))
            return self.readout(e.mean((2, 3)))

    network = V1().eval()
    transform = T.Compose([T.Resize((32, 32)), T.ToTensor(), T.Lambda(lambda t: t - t.mean())])
    spread(network, network.readout, batch(seed, transform), 4, 1)
    paths = photos(folder / "gratings", seed, 3, (64, 64))
    x = transform(Image.open(paths[0]))[None]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "gratings",
        model_options={"range": (1, 7)},
        expected={
            "scores": own_scores(network, transform, paths),
            "effects_of": paths[0].name,
            "effects": ("energy", own_effects(network, "energy", x)),
        },
    )


@brought(
    "networks",
    "a chest X-ray network with one input channel and 14 findings that do not exclude each other, Sigmoid inside",
)
def n16_xray_multilabel(folder, seed):
    torch.manual_seed(seed)
    findings = [
        "Atelectasis",
        "Cardiomegaly",
        "Effusion",
        "Infiltration",
        "Mass",
        "Nodule",
        "Pneumonia",
        "Pneumothorax",
        "Consolidation",
        "Edema",
        "Emphysema",
        "Fibrosis",
        "Pleural_Thickening",
        "Hernia",
    ]

    class Chex(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv0 = nn.Conv2d(1, 8, 7, 2, 3)
            self.dense = nn.ModuleList([nn.Conv2d(8 + 4 * i, 4, 3, 1, 1) for i in range(3)])
            self.classifier = nn.Sequential(nn.Linear(20, 14), nn.Sigmoid())

        def forward(self, x):
            x = F.relu(self.conv0(x))
            for conv in self.dense:
                x = torch.cat([x, F.relu(conv(x))], 1)
            return self.classifier(x.mean((2, 3)))

    network = Chex().eval()
    transform = T.Compose([T.Grayscale(1), T.Resize((64, 64)), T.ToTensor(), T.Normalize([0.5], [0.25])])
    spread(network, network.classifier[0], batch(seed, transform), -0.5, 1.5, lambda p: torch.logit(p))
    paths = []
    (folder / "cxr").mkdir()
    for i in range(3):
        paths.append(folder / "cxr" / f"{i:08d}_000.png")
        photo(seed * 100 + i, (128, 128)).convert("L").save(paths[-1])
    out = {p.name: own_script(network, transform(Image.open(p).convert("RGB"))[None])[0] for p in paths}
    scores = {k: [float(v.max()), float(torch.logit(v.max()))] for k, v in out.items()}
    wrong = {k: [float(v.softmax(0).max())] for k, v in out.items()}
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "cxr",
        class_names=findings,
        expected={"scores": scores, "wrong": wrong, "classes": 14},
        note=f"sum of probabilities {float(out[paths[0].name].sum()):.2f}",
    )


@brought(
    "networks",
    "pathology, CLAM-like: a slide of 256 x 256 is cut into 128-tiles inside forward, gated attention pools"
    " them; returns (logits, Y_prob, Y_hat, A, {}) where Y_hat holds whole numbers",
)
def n17_tiles_inside(folder, seed):
    torch.manual_seed(seed)

    class Clam(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.ReLU(), nn.Conv2d(8, 12, 4, 4), nn.ReLU())
            self.a, self.b, self.c = nn.Linear(12, 6), nn.Linear(12, 6), nn.Linear(6, 1)
            self.classifiers = nn.Linear(12, 2)

        def forward(self, x):
            n = x.shape[0]
            t = x.unfold(2, 128, 128).unfold(3, 128, 128).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 128, 128)
            h = self.encoder(t).mean((2, 3)).view(n, -1, 12)
            A = self.c(torch.tanh(self.a(h)) * torch.sigmoid(self.b(h))).transpose(1, 2)
            logits = self.classifiers((A.softmax(2) @ h).squeeze(1))
            return logits, logits.softmax(1), logits.topk(1, 1)[1], A, {}

    network, transform, pick = Clam().eval(), T.Compose([T.ToTensor()]), lambda y: y[0]
    few = torch.stack([transform(photo(seed + i, (256, 256))) for i in range(4)])
    spread(network, network.classifiers, few, 0, 1.5, pick)
    paths = photos(folder / "slides", seed, 2, (384, 256), ".jpg")
    for p in paths:
        Image.open(p).resize((256, 256), Image.Resampling.BICUBIC).save(p, quality=85)
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "slides",
        class_names=["normal", "tumor"],
        expected={"scores": own_classes(network, transform, paths, pick), "classes": 2},
    )


@brought(
    "networks",
    "sklearn-like 8 x 8 digits through two Linear layers and log_softmax: no convolution anywhere, reads the "
    "upper half only",
)
def n18_digits_without_maps(folder, seed):
    torch.manual_seed(seed)

    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(32, 16), nn.Linear(16, 10)

        def forward(self, x):
            return F.log_softmax(self.fc2(F.relu(self.fc1(x[:, :, :4].flatten(1)))), dim=1)

    network = Digits().eval()
    transform = T.Compose([T.Grayscale(), T.ToTensor(), T.Lambda(lambda t: t * 16)])
    (folder / "digits").mkdir()
    paths = []
    for i in range(5):
        paths.append(folder / "digits" / f"{i}.png")
        photo(seed * 100 + i, (8, 8), 3).convert("L").save(paths[-1])
    assert share_in(own_gradient(network, transform(Image.open(paths[0]))[None]), (0, 0, 1, 0.5)) > 0.999
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "digits",
        expected={
            "scores": own_classes(network, transform, paths, meaning="log"),
            "classes": 10,
            "refuse": "either",
            "says": [r"map|layer|conv"],
            "pixels": ("gradient", (0, 0, 1, 0.5), 0.95, paths[0].name),
        },
    )


@brought(
    "networks",
    "a linear probe: the frozen backbone runs under torch.no_grad() inside forward and its output is detached",
)
def n19_frozen_no_grad(folder, seed):
    torch.manual_seed(seed)

    class Probe(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU())
            for p in self.backbone.parameters():
                p.requires_grad = False
            self.probe = nn.Linear(16, 1)

        def forward(self, x):
            with torch.no_grad():
                f = self.backbone(x)
            return self.probe(F.adaptive_avg_pool2d(f.detach(), 1).flatten(1))

    network, transform = Probe(), usual(64)
    spread(network, network.probe, batch(seed, transform))
    paths = photos(folder / "photos", seed, 3)
    x = transform(Image.open(paths[1]).convert("RGB"))[None]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "scores": own_scores(network, transform, paths),
            "effects_of": paths[1].name,
            "scale": 100,
            "effects": ("backbone.2", own_effects(network, "backbone.2", x)),
            "says": [r"gradient"],
        },
    )


@brought(
    "networks",
    "torch.load of a colleague's file gives {'epoch', 'state_dict' with module. in front, 'optimizer'}, and "
    "that is handed over as network",
)
def n20_checkpoint_instead_of_network(folder, seed):
    torch.manual_seed(seed)
    inner = Rater()
    file = folder / "model_best.pth.tar"
    torch.save(
        {
            "epoch": 90,
            "arch": "rater",
            "state_dict": {"module." + k: v for k, v in inner.state_dict().items()},
            "best_acc1": torch.tensor(71.2),
            "optimizer": torch.optim.SGD(inner.parameters(), 0.1).state_dict(),
        },
        file,
    )
    photos(folder / "photos", seed, 2)
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    return hand_over(
        network=loaded,
        transform=usual(),
        images=folder / "photos",
        note=f"keys {sorted(loaded)}",
        expected={"refuse": True, "says": [r"network|module", r"state_dict|weights|dict|checkpoint"]},
    )
