"""Networks that a lab might bring: second inputs, heads, recurrence, tokens, chance, maps of scores."""

# mypy: ignore-errors
# ruff: noqa: B905, E731
from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from lab import (
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
    "bone age from a hand X-ray AND the sex of the child: forward(image, sex) with no default",
)
def n07_two_inputs(folder, seed):
    torch.manual_seed(seed)

    class BoneAge(nn.Module):
        def __init__(self):
            super().__init__()
            self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU())
            self.sex = nn.Linear(1, 4)
            self.fc = nn.Linear(12, 1)

        def forward(self, image, sex):
            return self.fc(torch.cat([self.cnn(image).mean((2, 3)), self.sex(sex)], 1)) * 100 + 120

    network = BoneAge().eval()
    paths = photos(folder / "hands", seed, 3)
    value = float(network(usual()(Image.open(paths[0]))[None], torch.ones(1, 1)))
    return hand_over(
        network=network,
        transform=usual(),
        images=folder / "hands",
        note=f"boy: {value:.2f} months",
        expected={"refuse": True, "says": [r"sex|second|two|argument|input"]},
    )


@brought(
    "networks",
    "one trunk, three heads in a dict: age (1 number), sex (2 logits), view (4 logits), and no output=",
)
def n08_dict_of_heads(folder, seed):
    torch.manual_seed(seed)

    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = nn.Sequential(nn.Conv2d(3, 12, 7, 4), nn.PReLU(12), nn.GroupNorm(3, 12))
            self.heads = nn.ModuleDict({"age": nn.Linear(12, 1), "sex": nn.Linear(12, 2), "view": nn.Linear(12, 4)})

        def forward(self, x):
            z = self.trunk(x).amax((2, 3))
            return {k: head(z) for k, head in self.heads.items()}

    network, transform = Heads().eval(), usual(96)
    paths = photos(folder / "faces", seed, 3)
    age = own_scores(network, transform, paths, lambda y: y["age"])
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "faces",
        expected={"refuse": "either", "says": ["age", "sex", "view", "output"], "scores": age},
    )


@brought(
    "networks",
    "a CNN whose columns go through a bidirectional GRU (CRNN); returns (logits, hidden state)",
)
def n09_crnn(folder, seed):
    torch.manual_seed(seed)

    class Crnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3, (2, 1), 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
            self.rnn = nn.GRU(12 * 8, 10, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(20, 7)

        def forward(self, x, hidden=None):
            f = self.cnn(x)
            f = f.permute(0, 3, 1, 2).flatten(2)
            self.rnn.flatten_parameters()
            y, hidden = self.rnn(f, hidden)
            return self.fc(y[:, -1]), hidden

    network = Crnn().eval()
    transform = T.Compose([T.Resize((32, 32)), T.ToTensor(), T.Normalize((0.5,), (0.5,))])
    spread(network, network.fc, batch(seed, transform), 0, 2, lambda y: y[0])
    paths = photos(folder / "words", seed, 4, (150, 40))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "words",
        expected={"scores": own_classes(network, transform, paths, lambda y: y[0]), "classes": 7},
    )


@brought(
    "networks",
    "a hand-written ViT (class token, q k v in einsum, LayerNorm) that returns (logits, list of attention maps)",
)
def n10_own_vit(folder, seed):
    torch.manual_seed(seed)

    class Attention(nn.Module):
        def __init__(self, d, heads):
            super().__init__()
            self.heads, self.qkv, self.proj = heads, nn.Linear(d, 3 * d), nn.Linear(d, d)

        def forward(self, x):
            b, n, d = x.shape
            q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
            a = (torch.einsum("bhid,bhjd->bhij", q, k) * (d // self.heads) ** -0.5).softmax(-1)
            return self.proj(torch.einsum("bhij,bhjd->bihd", a, v).reshape(b, n, d)), a

    class Vit(nn.Module):
        def __init__(self, d=24, patch=8, side=8):
            super().__init__()
            self.patch = nn.Conv2d(3, d, patch, patch)
            self.cls = nn.Parameter(torch.randn(1, 1, d))
            self.pos = nn.Parameter(torch.randn(1, side * side + 1, d) * 0.2)
            self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(4))
            self.attn = nn.ModuleList(Attention(d, 3) for _ in range(2))
            self.mlp = nn.ModuleList(nn.Sequential(nn.Linear(d, 48), nn.GELU(), nn.Linear(48, d)) for _ in range(2))
            self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 6)
            mask = torch.zeros(1, 1, 64, 64)
            mask[..., :32] = 1
            self.register_buffer("mask", mask, persistent=False)

        def forward(self, x):
            x = self.patch(x * self.mask).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
            maps = []
            for i in range(2):
                y, a = self.attn[i](self.norms[2 * i](x))
                maps.append(a)
                x = x + y
                x = x + self.mlp[i](self.norms[2 * i + 1](x))
            return self.head(self.norm(x[:, 0])), maps

    network, transform, pick = Vit().eval(), usual(64), lambda y: y[0]
    spread(network, network.head, batch(seed, transform), 0, 2, pick)
    paths = photos(folder / "photos", seed, 3, (80, 80))
    assert share_in(own_gradient(network, transform(Image.open(paths[0]))[None], pick), (0, 0, 0.5, 1)) > 0.999
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        expected={
            "scores": own_classes(network, transform, paths, pick),
            "classes": 6,
            "pixels": ("gradient", (0, 0, 0.5, 1), 0.9, paths[0].name),
        },
    )


@brought(
    "networks",
    "Monte Carlo dropout: F.dropout(x, 0.3, training=True), on at test time by design",
)
def n11_mc_dropout(folder, seed):
    torch.manual_seed(seed)

    class Bayes(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(3, 12, 5, 2), nn.ReLU(), nn.Conv2d(12, 12, 3, 2), nn.ReLU())
            self.fc = nn.Linear(12, 1)

        def forward(self, x):
            x = F.dropout2d(self.conv(x), 0.3, training=True)
            return self.fc(F.dropout(x.mean((2, 3)), 0.3, training=True))

    network, transform = Bayes().eval(), usual(64)
    spread(network, network.fc, batch(seed, transform))
    photos(folder / "fundus", seed, 3)
    x = transform(photo(seed))[None]
    several = [float(own_script(network, x)) for _ in range(5)]
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "fundus",
        model_options={"range": (0, 100)},
        note=f"five calls: {min(several):.1f} to {max(several):.1f}",
        expected={"refuse": "either", "says": [r"random|differ|chance|same|determin|repeat|twice"]},
    )


@brought(
    "networks",
    "BatchNorm with track_running_stats=False: even in eval mode an image's score depends on its neighbours "
    "in the batch",
)
def n12_batch_statistics(folder, seed):
    torch.manual_seed(seed)
    bn = lambda c: nn.BatchNorm2d(c, track_running_stats=False)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2),
        bn(8),
        nn.ReLU(),
        nn.Conv2d(8, 10, 3, 2),
        bn(10),
        nn.ReLU(),
        nn.Conv2d(10, 10, 3, 1),
        nn.Tanh(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(10, 1),
    ).eval()
    transform = usual(64)
    with torch.no_grad():
        network[10].weight.mul_(60)
        network[10].bias.fill_(50)
    paths = photos(folder / "photos", seed, 4)
    x = [transform(Image.open(p).convert("RGB")) for p in paths]
    together = own_script(network, torch.stack(x)).flatten().tolist()
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "scores": own_scores(network, transform, paths),
            "refuse": "either",
            "says": [r"batch|each other|together|alone"],
            "effects_of": paths[0].name,
            "scale": 100,
            "effects": ("2", own_effects(network, "2", x[0][None])),
            "wrong": {p.name: [v] for p, v in zip(paths, together)},
        },
    )


@brought(
    "networks",
    "a saliency network (DeepGaze-like): log density of fixations, one value a pixel, N x 1 x H x W",
)
def n13_dense_output(folder, seed):
    torch.manual_seed(seed)

    class Gaze(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2, 1), nn.Softplus(), nn.Conv2d(8, 8, 3, 2, 1), nn.Softplus(), nn.Conv2d(8, 1, 1)
            )

        def forward(self, x, centerbias=None):
            y = F.interpolate(self.net(x) * 8, size=x.shape[2:], mode="bilinear", align_corners=False)
            return y - y.logsumexp((2, 3), keepdim=True)

    network, transform = Gaze().eval(), T.Compose([T.Resize((48, 64)), T.ToTensor()])
    paths = photos(folder / "mit1003", seed, 3, (128, 96), ".jpeg")
    y = own_script(network, transform(Image.open(paths[0]))[None])
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "mit1003",
        note=f"sums to {float(y.exp().sum()):.3f}",
        expected={"refuse": True, "says": [r"output", r"48|64|map|pixel|shape|picture|dimension"]},
    )
