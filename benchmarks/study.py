"""Studies at scale: whole calls, files read and tables written included, against loops over peers.

    python -m benchmarks.study [--quick] [--only WORD] [--processor]

Peers are timed on a part of the images, one after the other, and their time is scaled. Networks have random weights.
`--processor` counts processor time, of both sides alike, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import AblationCAM, GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

from benchmarks.kernels.five_measures import loop
from benchmarks.kernels.removals import Subject, against_hooks
from benchmarks.kernels.timing import machine
from xai_widgets import ImageModel, ImageSet, ModelSource, Study, load_images

SIDE = 224
TRANSFORM = v2.Compose([v2.Resize((SIDE, SIDE)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
NETWORKS: dict[str, Callable[..., nn.Module]] = {"resnet18": models.resnet18, "vgg16": models.vgg16}
TARGET = 281
now: Callable[[], float] = perf_counter


def network(name: str) -> nn.Module:
    """The same weights in each process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NETWORKS[name](weights=None).eval()


def resnet18() -> ImageModel:
    return ImageModel(network("resnet18"), TRANSFORM, layer="layer4", name="resnet18")


def vgg16() -> ImageModel:
    return ImageModel(network("vgg16"), TRANSFORM, layer="features.28", name="vgg16")


def source(name: str) -> ModelSource:
    return ModelSource(f"benchmarks.study:{name}", name=name)


def photographs(folder: Path, count: int) -> ImageSet:
    """So many JPEG files of 320 x 240 pixels: cuts of the bundled photographs, no two alike."""
    folder.mkdir()
    bundled = load_images("demo/quality")
    clean = [name for name in bundled if "clean" in name] or list(bundled)
    draw = np.random.default_rng(0)
    for number in range(count):
        photo = bundled.photo(clean[number % len(clean)])
        height, width = (int(side * draw.uniform(0.6, 1)) for side in photo.shape[:2])
        top, left = draw.integers(0, photo.shape[0] - height + 1), draw.integers(0, photo.shape[1] - width + 1)
        cut = Image.fromarray(photo[top : top + height, left : left + width]).resize((320, 240))
        cut.save(folder / f"{number:06d}.jpg", quality=90)
    return ImageSet(folder)


def inputs_of(images: ImageSet, count: int) -> Tensor:
    return torch.stack([TRANSFORM(Image.fromarray(images.photo(name))) for name in images.names[:count]])


def seconds_of(call: Callable[[], object]) -> float:
    began = now()
    call()
    return now() - began


def studied(model: str, images: ImageSet, table: str, **options: object) -> float:
    """Seconds of a whole study in this process: the model made, files read, tables written."""
    with tempfile.TemporaryDirectory() as folder:
        study = Study(folder, source(model), images, {table: options})
        study.plan()
        seconds = seconds_of(lambda: study.run(progress=False))
        status = study.status()
        assert status.done == status.total, status
        return seconds


# ---------------------------------------------------------------------- rows

Row = tuple[str, str]


def impacts(place: Path, count: int, peers: int) -> Iterator[Row]:
    """Effects of 512 maps against AblationCAM image by image, and against a loop of hooks."""
    images = photographs(place / "impacts", count)
    ours = studied("vgg16", images, "impacts") / count
    made, some = network("vgg16"), inputs_of(images, peers)
    with AblationCAM(made, [made.get_submodule("features.28")]) as cam:
        each = [seconds_of(partial(cam, image[None], [ClassifierOutputTarget(TARGET)])) for image in some]
    peer = median(each)
    yield (
        f"impacts of 512 maps over {count} images, VGG-16 features.28",
        f"{ours:.2f} s an image; AblationCAM {peer:.1f} s ({peers} images): {peer / ours:.0f} times (20 wanted)",
    )
    row = against_hooks(Subject("VGG-16", made, "features.28", some[:1]))
    hooks = seconds_of(row.peer) / row.part
    yield "the same", f"against a loop of hooks {hooks:.1f} s (32 maps, scaled): {hooks / ours:.0f} times (20 wanted)"


def measures(place: Path, count: int, peers: int) -> Iterator[Row]:
    """Five measures against a loop over pytorch-grad-cam and scikit-image: two kinds of noise less than ours."""
    images = photographs(place / "measures", count)
    ours = studied("resnet18", images, "measures") / count
    made, some = network("resnet18"), inputs_of(images, peers)
    with ExitStack() as stack:
        cams = [stack.enter_context(GradCAM(one, [one.layer4])) for one in (made, network("resnet18"))]
        generator = torch.Generator().manual_seed(0)
        peer = median(seconds_of(partial(loop, cams, image, generator)) for image in some)
    yield (
        f"five measures of {count} images, ResNet-18 layer4",
        f"{ours:.2f} s an image, three kinds of noise; a loop over pytorch-grad-cam and scikit-image, one kind, "
        f"{peer:.2f} s ({peers} images): {peer / ours:.1f} times (4 wanted)",
    )


def activations(place: Path, count: int, peers: int) -> Iterator[Row]:
    """Activations against plain forwards of the same files, one after the other and 32 together."""
    images = photographs(place / "activations", count)
    made = network("resnet18")

    def plain(batch: int) -> None:
        with torch.inference_mode():
            for start in range(0, count, batch):
                names = images.names[start : start + batch]
                files = [Image.open(place / "activations" / name).convert("RGB") for name in names]
                made(torch.stack([TRANSFORM(file) for file in files]))

    plain(32)
    ours, single, together = [], [], []
    for _ in range(2):
        ours.append(studied("resnet18", images, "activations"))
        single.append(seconds_of(partial(plain, 1)))
        together.append(seconds_of(partial(plain, 32)))
    ratio = median(ours) / median(single)
    yield (
        f"activations of 512 maps, {count} images, ResNet-18 layer4",
        f"{median(ours):.1f} s; plain forwards {median(single):.1f} s one by one, {median(together):.1f} s in batches "
        f"of 32: {ratio:.2f} and {median(ours) / median(together):.2f} times as long (1.3 wanted)",
    )


def processes(place: Path, count: int, peers: int) -> Iterator[Row]:
    """Throughput with one process and with two, one thread of torch each."""
    images = photographs(place / "processes", count)
    rates = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            study = Study(folder, source("resnet18"), images, ("scores", "impacts"), part_size=16)
            study.plan()
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                began = perf_counter()  # of the clock in any case: the work is done elsewhere
                study.run(executor=pool, progress=False)
                rates.append(count / (perf_counter() - began))
    yield (
        f"scores and impacts of {count} images, ResNet-18 layer4, 1 and 2 processes",
        f"{rates[0]:.1f} and {rates[1]:.1f} images a second, start included: {rates[1] / rates[0]:.2f} times",
    )


def growth(place: Path, count: int, peers: int) -> Iterator[Row]:
    """Cost an image and peak memory at several sizes, each in a process of its own."""
    found = []
    for size in (count // 100, count // 10, count):
        code = f"from benchmarks.study import alone; alone({str(place)!r}, {size}, {now.__name__!r})"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        found.append(json.loads(out.splitlines()[-1]))
    sizes = ", ".join(f"{one['images']:,}" for one in found)
    each = ", ".join(f"{1000 * one['each']:.1f}" for one in found)
    peak = ", ".join(f"{one['peak']:,.0f}" for one in found)
    spread = max(one["each"] for one in found) / min(one["each"] for one in found)
    yield (
        f"scores and activations of {sizes} images, ResNet-18 layer4",
        f"{each} ms an image after the first 5 (within 20 % wanted: {100 * (spread - 1):.0f} %); peak {peak} MB",
    )


def alone(place: str, count: int, clock: str) -> None:
    """One size in this process: the time an image after the first ones, and the peak of its memory."""
    measured = {"perf_counter": perf_counter, "process_time": process_time}[clock]
    images = photographs(Path(place) / f"alone{count}", count)
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        study = Study(folder, source("resnet18"), images, ("scores", "activations"), part_size=32)
        study.plan()
        study.run(progress=lambda tally: moments.append(measured()))
    first = min(5, len(moments) // 2)
    each = 2 * (moments[-1] - moments[first]) / (len(moments) - 1 - first)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images": count, "each": each, "peak": peak}))


ROWS = {  # images, images of the peer; and both for a quick look
    impacts: (200, 2, 8, 1),
    measures: (256, 8, 4, 1),
    activations: (1000, 0, 64, 0),
    processes: (128, 0, 16, 0),
    growth: (1000, 0, 100, 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few images")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--processor", action="store_true", help="processor time instead of the clock, one thread")
    options = parser.parse_args()
    if options.processor:
        globals()["now"] = process_time
        torch.set_num_threads(1)
    print(*machine(torch.device("cpu"), f"random weights, {SIDE} x {SIDE} pixels, float32"), sep="\n")
    for row, (count, peers, few, fewer) in ROWS.items():
        if options.only in row.__name__:
            with tempfile.TemporaryDirectory() as place:
                for name, words in row(Path(place), *((few, fewer) if options.quick else (count, peers))):
                    print(f"{name}\n    {words}", flush=True)


if __name__ == "__main__":
    main()
