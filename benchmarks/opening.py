"""What opening a network on a folder of photographs costs, beside another checkout of this package.

    python -m benchmarks.opening [--before ../before] [--images 256] [--runs 5] [--network resnet50]

A model is made of the network, a set of the folder, and a session with a gallery of both, until the first image is
explained. Each run is a process of its own, in which a small network was opened first, so that nothing is imported any
more. With `--before` both checkouts take turns, and medians are compared. Networks have random weights: nothing is
downloaded. The processor's time says more than the clock on a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
STEPS = ("model", "set", "session and gallery", "first answer", "in all")
SMALL = "squeezenet1_1"


def opened(network: str, folder: str) -> dict[str, tuple[float, float]]:
    """Milliseconds of each step, by the clock and of the processor."""
    import torch
    from torchvision import models, transforms

    from xai_widgets import ImageModel, ImageSet, Session
    from xai_widgets.views import Gallery

    torch.manual_seed(0)
    built = getattr(models, network)(weights=None).eval()
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()])
    times = [(perf_counter(), process_time())]

    def note() -> None:
        times.append((perf_counter(), process_time()))

    model = ImageModel(built, transform)
    note()
    images = ImageSet(folder)
    note()
    session = Session(model, images)
    gallery = Gallery(session)
    note()
    while session.saliency is None and not session.error:
        sleep(0.002)
    note()
    gallery.close()
    session.close()
    both = [tuple(1000 * (b - a) for a, b in zip(*pair, strict=True)) for pair in pairwise(times)]
    every = [*both, tuple(map(sum, zip(*both, strict=True)))]
    return {step: (clock, spent) for step, (clock, spent) in zip(STEPS, every, strict=True)}


def in_a_process(checkout: Path, network: str, folder: Path) -> dict[str, tuple[float, float]]:
    """The same in a process that imports the package of a checkout."""
    program = [sys.executable, __file__, "--child", "--network", network, "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(program, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"opening failed with {checkout}:\n{done.stderr}")
    found: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def photographs(folder: Path, count: int) -> None:
    """Files as a camera of some years ago wrote them: 640 x 480, smooth and noisy."""
    draw = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        small.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{number:04}.jpg", quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--network", default="resnet50", help="of torchvision")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        opened(SMALL, given.folder)
        print(json.dumps(opened(given.network, given.folder)))
        return
    checkouts = [ROOT] if given.before is None else [given.before.resolve(), ROOT]
    found: dict[Path, list[dict[str, tuple[float, float]]]] = {checkout: [] for checkout in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        photographs(Path(folder), given.images)
        for _ in range(given.runs):
            for checkout in checkouts:
                found[checkout].append(in_a_process(checkout, given.network, Path(folder)))
    print(f"{given.network}, {given.images} images, medians of {given.runs} runs in ms, by the clock (CPU time)")
    for step in STEPS:
        medians = [[median(run[step][which] for run in runs) for which in (0, 1)] for runs in found.values()]
        cells = [f"{clock:8.0f} ({spent:6.0f})" for clock, spent in medians]
        if len(medians) == 2:
            cells.append(
                "   after / before {:.2f} ({:.2f})".format(*(b / max(a, 1e-9) for a, b in zip(*medians, strict=True)))
            )
        print(f"{step:22}", *cells)


if __name__ == "__main__":
    main()
