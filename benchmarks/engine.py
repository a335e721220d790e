"""What an answer of the engine costs beside the kernels that it calls.

    python -m benchmarks.engine [--device cuda] [--threads 1] [--repeats 40]

An answer is a score and a Grad-CAM of an image whose trunk is remembered, with all gains 1 and with two changed. Kernel
and answer are called in turn; medians in milliseconds. Networks have random weights: nothing is downloaded. Operations
and waits an answer are counted on the pretend device, in a process of its own, where the tests bring one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
import torch
from torchvision import models

from benchmarks.kernels.timing import machine, table
from xai_widgets import ImageModel, ImageSet, Session, load_images, load_model
from xai_widgets.engine import Query, Sources, Subject, answer
from xai_widgets.kernels.ablation import with_gains
from xai_widgets.kernels.cam import cam_of

ROOT = Path(__file__).parents[1]
CASES = (
    ("quality", "features"), ("ResNet-18", "layer4"), ("ResNet-18", "layer3"), ("ResNet-50", "layer4"),
    ("ResNet-50", "layer3"),
)  # fmt: skip
GAINS: dict[str, dict[int, float]] = {"none": {}, "two": {3: 0.0, 5: 1.75}}
# The processor's time says more than the clock on a machine that others use too, and nothing about another device.
HEADER = ["network", "layer", "gains", "kernel", "answer", "more", "times", "more, by CPU time"]
MOST = 1.0  # milliseconds that an answer may cost above its kernels


def model_of(name: str, device: torch.device) -> tuple[ImageModel, ImageSet]:
    if name == "quality":
        return load_model("demo/quality", device=device), load_images("demo/quality")
    build = {"ResNet-18": models.resnet18, "ResNet-50": models.resnet50}[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(weights=None).eval()
    photos = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    return ImageModel(network, None, name=name, device=device), ImageSet(list(photos))


def sides(
    model: ImageModel, images: ImageSet, layer: str, gains: dict[int, float]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The kernels alone, on a tail that is there, and the answer of the engine to a question that is new each time."""
    sources = Sources(model, images)
    query = Query(image=images.names[0], layer=layer)
    subject = Subject(sources, query)
    tail, target, turn = subject.tail, subject.target, count(1)
    answer(sources, query, "explanation")

    def kernel() -> tuple[np.ndarray, np.ndarray]:
        changed = None
        if gains:
            values = torch.ones(1, tail.maps.shape[1])
            for index, gain in gains.items():
                values[0, index] = gain
            changed = with_gains(tail.maps, values.to(tail.maps))
        with torch.no_grad():
            cotangent = torch.zeros_like(model.scores(tail.result))
            cotangent[:, target] = 1
        scores, cam = cam_of(tail, model.scores, cotangent, maps=changed)
        return scores.cpu().numpy(), cam.cpu().numpy()

    def answered() -> Any:
        step = {index: gain + next(turn) * 1e-6 for index, gain in gains.items()}
        if not gains:
            sources.cache.clear()
            sources.cache.put(("tail", *subject.key), tail)
            sources.cache.put(("own scores", *subject.key), subject.scores)
            sources.cache.put(("box", *subject.key), subject.box)
        return answer(sources, replace(query, gains=tuple(step.items())), "explanation")

    return kernel, answered


def in_turn(sides: tuple[Callable[[], Any], ...], repeats: int, device: torch.device) -> list[tuple[float, float]]:
    """Medians in milliseconds, by the clock and of the processor, after first calls of each that are not timed."""
    wait = getattr(torch, device.type).synchronize
    times: list[list[tuple[float, float]]] = [[] for _ in sides]
    for turn in range(repeats + 3):
        for side, call in zip(times, sides, strict=True):
            wait()
            began = perf_counter(), process_time()
            call()
            wait()
            if turn >= 3:
                side.append((1000 * (perf_counter() - began[0]), 1000 * (process_time() - began[1])))
    return [(median(clock for clock, _ in side), median(busy for _, busy in side)) for side in times]


def rows(device: torch.device, repeats: int, only: str) -> Iterator[list[str]]:
    for name, layer in CASES:
        if only not in f"{name} {layer}":
            continue
        model, images = model_of(name, device)
        for words, gains in GAINS.items():
            (kernel, busy), (answer, busier) = in_turn(sides(model, images, layer, gains), repeats, device)
            more = answer - kernel
            met = "" if more <= MOST else f" (above {MOST:g})"
            numbers = [f"{kernel:.2f}", f"{answer:.2f}", f"{more:+.2f}{met}", f"{answer / kernel:.2f}"]
            yield [name, layer, words, *numbers, f"{busier - busy:+.2f}"]


def callbacks(steps: int = 200) -> str:
    """How long a callback of a drag takes, while the engine answers; at most 5 ms are wanted."""
    session, times = Session("demo/quality", "demo/quality"), []
    session.wait()
    for step in range(steps):
        began = perf_counter()
        session.set_gain(2, step / steps, gesture="drag")
        times.append(1000 * (perf_counter() - began))
        sleep(0.01)
    session.wait()
    session.close()
    middle, late, worst = np.percentile(times, (50, 95, 100))
    return f"A callback of a drag, {steps} steps, ms: p50 {middle:.2f}, p95 {late:.2f}, worst {worst:.2f} (limit 5)."


def counted() -> str:
    """Operations and waits an answer, from a process in which the pretend device is the accelerator."""
    counter = ROOT / "tests" / "pretend_answers.py"
    if not (ROOT / "tests" / "pretend_device.py").exists() or not counter.exists():
        return f"Operations an answer are not counted: {counter.relative_to(ROOT)} and its pretend device are not here."
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, str(counter)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
    return done.stdout.strip() if done.returncode == 0 else f"Operations an answer are not counted: {last}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device, help="where all runs")
    parser.add_argument("--threads", type=int, help="of the processor; 1 is steadier on a machine that others use too")
    parser.add_argument("--repeats", type=int, default=40, help="of each side, in turn")
    parser.add_argument("--only", default="", help="a part of the name of network and layer")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    cells = [HEADER]
    for row in rows(options.device, options.repeats, options.only):
        cells.append(row)
        print(" | ".join(row), flush=True)
    print("", *machine(options.device, "milliseconds, medians in turn"), "", sep="\n")
    print(table(cells, markdown=False), "", callbacks(), counted(), sep="\n")


if __name__ == "__main__":
    main()
