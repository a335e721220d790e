"""Make the demonstration's images and networks again: `python -m xai_widgets.demo.build`."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, cross_entropy, interpolate, mse_loss
from tqdm import tqdm

from xai_widgets.demo import cards, pictures
from xai_widgets.demo.networks import CHECKPOINTS, QUALITY_RUNS, SCENE_LABELS, Network, QualityNet, SceneNet

CROP = 96  # a multiple of 8, so that flips keep the grid of JPEG blocks
PATCH = 8  # one patch score of QualityNet covers 8 x 8 pixels
CLEAN_SHARE = 0.08
SHRINK = 0.85
SCENE_SIZES = (80, 96, 112, 128)


@dataclass(frozen=True)
class Plan:
    """How much is trained. The defaults take some 10 minutes on two free cores."""

    quality_crops: int = 12000
    quality_epochs: int = 4
    scene_crops_each: int = 300
    scene_epochs: int = 10
    batch: int = 32
    rate: float = 3e-3


QUICK = Plan(quality_crops=400, quality_epochs=2, scene_crops_each=20, scene_epochs=2)


@dataclass(frozen=True)
class QualityData:
    """Crops with their rating and the mean SSIM of each patch."""

    crops: Tensor  # (n 3 h w) uint8
    ratings: Tensor  # (n)
    patches: Tensor  # (n h/8 w/8)


def _recoloured(crop: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Another contrast, brightness and colour, since twelve photographs hold few."""
    picture = crop.astype(np.float64)
    if generator.random() < 0.3:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    picture = picture[..., generator.permutation(3)]
    middle = picture.mean()
    picture = (picture - middle) * generator.uniform(0.5, 1.25) + middle + generator.uniform(-30, 30)
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def _clean_crop(photographs: Sequence[str], generator: np.random.Generator) -> np.ndarray:
    # Smaller than the original, as the test crops are: enlarged or at full size, many are not sharp and "clean" means
    # nothing. Steps of 16 pixels keep the resized photographs few enough to stay in memory.
    name = str(generator.choice(photographs))
    largest = min(448, int(SHRINK * min(pictures.photograph(name).shape[:2])))
    side = int(generator.choice(range(112, largest + 1, 16)))
    photo = pictures.photograph(name, short_side=side)
    top, left = generator.integers(0, np.array(photo.shape[:2]) - CROP + 1)
    crop = photo[top : top + CROP, left : left + CROP]
    if generator.random() < 0.5:
        crop = crop.transpose(1, 0, 2)
    return _recoloured(crop, generator)


def quality_data(photographs: Sequence[str], count: int, *, seed: int = 0, quiet: bool = False) -> QualityData:
    """Random distorted crops of the photographs, of many sizes and colours."""
    generator = np.random.default_rng(seed)
    crops, ratings, maps = [], [], []
    for _ in tqdm(range(count), desc="quality crops", disable=quiet):
        clean = distorted = _clean_crop(photographs, generator)
        if generator.random() >= CLEAN_SHARE:
            kind = pictures.DISTORTIONS[generator.integers(3)]
            distorted = pictures.distort(clean, kind, int(generator.integers(1, 6)), generator=generator)
            if generator.random() < 0.5:
                distorted = pictures.patched(clean, distorted, generator=generator)
        rating, full = pictures.similarity(clean, distorted)
        crops.append(torch.from_numpy(distorted.transpose(2, 0, 1).copy()))
        ratings.append(rating)
        maps.append(torch.from_numpy(full).float())
    patches = avg_pool2d(torch.stack(maps)[:, None], PATCH)[:, 0].clamp(0, 1)
    return QualityData(torch.stack(crops), torch.tensor(ratings, dtype=torch.float32), patches)


def _batches(count: int, size: int, generator: torch.Generator) -> list[Tensor]:
    order = torch.randperm(count, generator=generator)
    return [part for part in order.split(size) if len(part) > 1]  # batch norm trains on two or more


def quality_loss(network: nn.Module, images: Tensor, ratings: Tensor, patches: Tensor) -> Tensor:
    """Squared error of the image score and of the patch scores."""
    answer = network(images)
    return mse_loss(answer["score"].float(), ratings) + mse_loss(answer["patches"].float(), patches)


def _fit(
    network: nn.Module,
    loss_of: Callable[[Tensor, torch.Generator], Tensor],
    count: int,
    *,
    epochs: int,
    plan: Plan,
    seed: int,
    name: str,
    quiet: bool,
) -> list[float]:
    """One-cycle AdamW; `loss_of` takes the numbers of a batch. Returns the mean loss of each epoch."""
    generator = torch.Generator().manual_seed(seed)
    steps = len(_batches(count, plan.batch, torch.Generator()))
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=epochs * steps, pct_start=0.2)
    history = []
    network.train().to(memory_format=torch.channels_last)  # with bfloat16 nearly three times as fast on a CPU
    with tqdm(total=epochs * steps, desc=name, disable=quiet) as bar:
        for _ in range(epochs):
            total = 0.0
            for part in _batches(count, plan.batch, generator):
                optimiser.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
                    loss = loss_of(part, generator)
                loss.backward()
                optimiser.step()
                schedule.step()
                total += loss.item()
                bar.update()
            history.append(total / steps)
            bar.set_postfix(loss=f"{history[-1]:.4f}")
    network.eval().to(memory_format=torch.contiguous_format)
    return history


def _has_bfloat16() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _seeded(make: Callable[[], Network], seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def train_quality(data: QualityData, plan: Plan, *, seed: int, quiet: bool = False) -> tuple[QualityNet, list[float]]:
    """A quality network from a seed, and its mean loss of each epoch."""
    network = _seeded(QualityNet, seed)

    def loss_of(part: Tensor, generator: torch.Generator) -> Tensor:
        images, patches = data.crops[part] / 255, data.patches[part]
        for axis in (-1, -2):
            if torch.rand((), generator=generator) < 0.5:
                images, patches = images.flip(axis), patches.flip(axis)
        return quality_loss(network, images, data.ratings[part], patches)

    count, name = len(data.crops), f"quality {seed}"
    return network, _fit(
        network, loss_of, count, epochs=plan.quality_epochs, plan=plan, seed=seed, name=name, quiet=quiet
    )


def scene_data(count_each: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Training crops (n 3 h w) uint8 of every scene and their classes (n)."""
    generator = np.random.default_rng(seed)
    crops = [pictures.scene_crops(label, "train", count_each, generator=generator) for label in SCENE_LABELS]
    stacked = np.stack([crop for group in crops for crop in group]).transpose(0, 3, 1, 2)
    return torch.from_numpy(stacked.copy()), torch.arange(len(SCENE_LABELS)).repeat_interleave(count_each)


def _varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """Another contrast, brightness, orientation and size."""
    n = len(images)
    contrast, brightness = torch.rand(2, n, 1, 1, 1, generator=generator)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = ((images - middle) * (0.7 + 0.6 * contrast) + middle + 0.2 * (brightness - 0.5)).clamp(0, 1)
    if torch.rand((), generator=generator) < 0.5:
        images = images.flip(-1)
    size = SCENE_SIZES[int(torch.randint(len(SCENE_SIZES), (), generator=generator))]
    return interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def train_scenes(
    crops: Tensor, classes: Tensor, plan: Plan, *, seed: int = 0, quiet: bool = False
) -> tuple[SceneNet, list[float]]:
    """The scene network from a seed, and its mean loss of each epoch."""
    network = _seeded(SceneNet, seed)

    def loss_of(part: Tensor, generator: torch.Generator) -> Tensor:
        return cross_entropy(network(_varied(crops[part] / 255, generator)), classes[part], label_smoothing=0.05)

    return network, _fit(
        network, loss_of, len(crops), epochs=plan.scene_epochs, plan=plan, seed=seed, name="scenes", quiet=quiet
    )


def read_set(folder: Path) -> tuple[Tensor, list[dict[str, str]]]:
    """All images of a set, (n 3 h w) in [0, 1], and the rows of its table."""
    with (folder / "table.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return _stacked([np.asarray(Image.open(folder / row["image"])) for row in rows]), rows


def _stacked(images: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def predict(network: nn.Module, images: Tensor) -> Tensor:
    """Scores (n) of a quality network, or logits (n k) of a scene network."""
    network.eval()
    with torch.inference_mode():
        answers = [network(part) for part in images.split(32)]
    return torch.cat([answer["score"] if isinstance(answer, dict) else answer for answer in answers])


def agreement(scores: Tensor, ratings: Tensor) -> tuple[float, float]:
    """Pearson's r and the mean absolute error."""
    r = torch.corrcoef(torch.stack([scores, ratings]))[0, 1]
    return r.item(), (scores - ratings).abs().mean().item()


def quality_figures(network: nn.Module, images: Tensor, rows: Sequence[dict[str, str]]) -> cards.Figures:
    """(r, mean absolute error) over all images, for each photograph and for each distortion."""
    scores = predict(network, images)
    ratings = torch.tensor([float(row["rating"]) for row in rows])
    figures = {"all": agreement(scores, ratings)}
    for column in ("photograph", "distortion"):
        for value in dict.fromkeys(row[column] for row in rows):
            if value != "clean":  # of one rating: r has no meaning
                chosen = torch.tensor([row[column] == value for row in rows])
                figures[value] = agreement(scores[chosen], ratings[chosen])
    return figures


def scene_figures(network: nn.Module, images: Tensor, rows: Sequence[dict[str, str]]) -> dict[str, float]:
    """The share of crops named rightly, over all images and for each scene."""
    named = [SCENE_LABELS[index] for index in predict(network, images).argmax(1)]
    groups = {"all": rows, **{label: [row for row in rows if row["label"] == label] for label in SCENE_LABELS}}
    right = {row["image"]: row["label"] == name for row, name in zip(rows, named, strict=True)}
    return {group: float(np.mean([right[row["image"]] for row in members])) for group, members in groups.items()}


def collage_figures(network: SceneNet, images: Tensor, rows: Sequence[dict[str, str]]) -> tuple[float, float]:
    """The share of collages named as one of their four, and of scenes whose class activation is largest in place."""
    within, largest = [], []
    with torch.inference_mode():
        for image, row in zip(images, rows, strict=True):
            labels = [row[quadrant] for quadrant in pictures.QUADRANTS]
            within.append(SCENE_LABELS[int(network(image[None]).argmax())] in labels)
            maps = adaptive_avg_pool2d(network.features(image[None] - 0.5), 2).flatten(2)[0]
            evidence = network.classifier.weight @ maps  # k classes in four quadrants
            largest += [int(evidence[SCENE_LABELS.index(label)].argmax()) == i for i, label in enumerate(labels)]
    return float(np.mean(within)), float(np.mean(largest))


def validate(plan: Plan) -> cards.Figures:
    """Train without the validation photographs and test on them: what choices are made on."""
    rest = [name for name in pictures.TRAINING if name not in pictures.VALIDATION]
    network, _ = train_quality(quality_data(rest, plan.quality_crops), plan, seed=0)
    images, rows = zip(*pictures.quality_images(pictures.VALIDATION), strict=True)
    return quality_figures(network, _stacked(images), [{key: str(row[key]) for key in row} for row in rows])


def build_quality(folder: Path, plan: Plan) -> None:
    """Train the runs of the quality network; write checkpoints and the card."""
    data = quality_data(pictures.TRAINING, plan.quality_crops)
    images, rows = read_set(pictures.quality_folder())
    runs = []
    for seed in range(QUALITY_RUNS):
        network, _ = train_quality(data, plan, seed=seed)
        _save(network, folder / f"quality-{seed}.safetensors")
        runs.append(quality_figures(network, images, rows))
    text = cards.quality_card(runs, network, crops=plan.quality_crops, epochs=plan.quality_epochs)
    (folder / "quality.md").write_text(text, encoding="utf-8")


def build_scenes(folder: Path, plan: Plan) -> None:
    """Train the scene network; write the checkpoint and the card."""
    crops, classes = scene_data(plan.scene_crops_each)
    network, _ = train_scenes(crops, classes, plan)
    _save(network, folder / "scenes.safetensors")
    figures = scene_figures(network, *read_set(pictures.scenes_folder()))
    collages = collage_figures(network, *read_set(pictures.collages_folder()))
    text = cards.scenes_card(figures, collages, network, crops=plan.scene_crops_each, epochs=plan.scene_epochs)
    (folder / "scenes.md").write_text(text, encoding="utf-8")


def _save(network: nn.Module, checkpoint: Path) -> None:
    checkpoint.write_bytes(save(network.state_dict()))  # save_file makes files that only their owner may read


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m xai_widgets.demo.build", description=__doc__)
    parser.add_argument("--only", choices=["quality", "scenes"], help="one network; default: both")
    parser.add_argument("--quick", action="store_true", help="seconds of training, to see that it runs")
    parser.add_argument("--to", type=Path, help="folder of checkpoints and cards; default: the package's own")
    parser.add_argument("--validate", action="store_true", help="test choices on the validation photographs only")
    options = parser.parse_args(arguments)
    if options.quick and not options.to:
        parser.error("--quick needs --to FOLDER, so that the trained networks of the package stay.")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    plan = QUICK if options.quick else Plan()
    if options.validate:
        for name, (r, error) in validate(plan).items():
            print(f"{name:12s} r {r:.3f}  mean absolute error {error:.3f}")
        return
    folder = options.to or CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    if options.only != "scenes":
        build_quality(folder, plan)
    if options.only != "quality":
        build_scenes(folder, plan)


if __name__ == "__main__":
    main()
