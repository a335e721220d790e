"""Transforms that a lab might bring: of libraries."""

# mypy: ignore-errors
# ruff: noqa: E731
from __future__ import annotations

import numpy as np
import torch
import torch.nn as nn
from lab import MEAN, STD, Rater, batch, brought, class_values, own_classes, own_scores, photos, rater, spread
from lab_checks import hand_over
from PIL import Image
from torchvision import transforms as T


@brought(
    "transforms",
    "torchvision v1 in an unusual order: ToTensor, Normalize first, then Resize and CenterCrop on the tensor,"
    " in a Compose in a Compose; a small ResNet of torchvision's with 10 classes",
)
def x01_normalise_first(folder, seed):
    import torchvision

    torch.manual_seed(seed)
    network = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)
    transform = T.Compose(
        [T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)]), T.Compose([T.Resize(72, antialias=True), T.CenterCrop(64)])]
    )
    network.eval()
    paths = photos(folder / "photos", seed, 3, (160, 80))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        expected={"scores": own_classes(network, transform, paths), "classes": 10},
    )


@brought(
    "transforms",
    "torchvision v2: ToImage, RGB, Resize with bicubic, ToDtype(scale=True), Normalize, and the result is a "
    "tv_tensors.Image, not a plain tensor",
)
def x02_v2_tv_tensor(folder, seed):
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.RGB(),
            v2.Resize((64, 80), interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean=list(MEAN), std=list(STD)),
        ]
    )
    torch.manual_seed(seed)
    network = Rater().eval()
    spread(network, network.head, batch(seed, lambda i: transform(i).as_subclass(torch.Tensor)))
    paths = photos(folder / "photos", seed, 3, (120, 90), ".jpg")
    out = transform(Image.open(paths[0]))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={"scores": own_scores(network, transform, paths)},
        note=f"{type(out).__module__}.{type(out).__name__}",
    )


@brought(
    "transforms",
    "timm: create_model('test_resnet') and create_transform(**resolve_data_config({}, model=network)): Resize"
    " 168, CenterCrop 160, MaybeToTensor",
)
def x03_timm(folder, seed):
    import timm
    from timm.data import create_transform, resolve_data_config

    torch.manual_seed(seed)
    network = timm.create_model("test_resnet", pretrained=False).eval()
    transform = create_transform(**resolve_data_config({}, model=network))
    paths = photos(folder / "photos", seed, 2, (240, 180), ".jpg")
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        expected={"scores": own_classes(network, transform, paths), "classes": 1000},
        note=str(transform).replace("\n", " ")[:90],
    )


@brought(
    "transforms",
    "transformers: a ViTImageProcessor itself is handed over as transform; it gives a BatchFeature with "
    "pixel_values of 1 x 3 x 32 x 32; the network returns .logits and has id2label",
)
def x04_transformers_processor(folder, seed):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(seed)
    names = {0: "bird", 1: "boat", 2: "bread", 3: "bridge"}
    network = ViTForImageClassification(
        ViTConfig(
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=48,
            image_size=32,
            patch_size=8,
            id2label=names,
            label2id={v: k for k, v in names.items()},
        )
    ).eval()
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    with torch.no_grad():
        network.classifier.weight.mul_(30)
    paths = photos(folder / "photos", seed, 3, (64, 48))
    scores = {}
    for p in paths:
        with torch.no_grad():
            out = network(**processor(images=Image.open(p).convert("RGB"), return_tensors="pt")).logits
        scores[p.name] = class_values(out)
    return hand_over(
        network=network,
        transform=processor,
        images=folder / "photos",
        expected={
            "scores": scores,
            "classes": 4,
            "refuse": "either",
            "says": [r"pixel_values|processor|transform|BatchFeature|dict"],
        },
    )


@brought(
    "transforms",
    "albumentations' habit: transform(image=array) with keyword only, returns {'image': tensor}, wants a "
    "numpy array; the positional call raises KeyError",
)
def x05_albumentations_like(folder, seed):
    class Compose:
        def __init__(self, size):
            self.size = size

        def __call__(self, *args, force_apply=False, **data):
            if args:
                raise KeyError(
                    "You have to pass data to augmentations as named arguments, for example: aug(image=image)"
                )
            image = data["image"]
            if not isinstance(image, np.ndarray):
                raise TypeError("image must be numpy array type")
            import cv2

            image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
            image = (image.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
            return {"image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))}

    transform = Compose(64)
    wrapped = lambda image: transform(image=np.array(image))["image"]
    network = rater(seed, wrapped)
    paths = photos(folder / "photos", seed, 3)
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={
            "scores": own_scores(network, wrapped, paths),
            "refuse": "either",
            "says": [r"image=|named|keyword|transform"],
        },
    )


@brought(
    "transforms",
    "Caffe's VGG: a lambda to BGR in 0 to 255 with the mean of each channel subtracted, through cv2",
)
def x06_caffe_bgr(folder, seed):
    import cv2

    transform = lambda im: torch.from_numpy(
        cv2.resize(cv2.cvtColor(np.asarray(im), cv2.COLOR_RGB2BGR), (64, 64)).astype(np.float32)
        - np.float32([103.939, 116.779, 123.68])
    ).permute(2, 0, 1)
    network = rater(seed, transform)
    paths = photos(folder / "photos", seed, 3, (100, 70), ".jpg")
    rgb = lambda im: transform(im)[[2, 1, 0]]
    wrong = own_scores(network, rgb, paths)
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "photos",
        model_options={"range": (0, 100)},
        expected={"scores": own_scores(network, transform, paths), "wrong": wrong},
    )


@brought(
    "transforms",
    "ported from Keras: a numpy function that returns float64 H x W x 3 in -1 to 1 (no tensor), and the "
    "network is in double precision and permutes NHWC itself",
)
def x07_numpy_nhwc_double(folder, seed):
    def preprocess_input(image):
        x = np.asarray(image.resize((60, 48), Image.BILINEAR), dtype=np.float64)
        return x / 127.5 - 1.0

    torch.manual_seed(seed)

    class Ported(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.dense = (
                nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 10, 3, 2), nn.ReLU()),
                nn.Linear(10, 1),
            )

        def forward(self, x):
            x = x.permute(0, 3, 1, 2)
            return 1.0 + 9.0 * torch.sigmoid(self.dense(self.body(x).mean((2, 3))))

    network = Ported().double().eval()
    tensor = lambda im: torch.from_numpy(preprocess_input(im))
    spread(network, network.dense, batch(seed, tensor), 0, 1, lambda y: torch.logit((y - 1) / 9))
    paths = photos(folder / "photos", seed, 3)
    return hand_over(
        network=network,
        transform=preprocess_input,
        images=folder / "photos",
        model_options={"range": (1, 10)},
        expected={
            "scores": own_scores(network, tensor, paths),
            "refuse": "either",
            "tolerance": 1e-6,
            "says": [r"numpy|array|tensor|channel|axes|shape|order"],
        },
    )
