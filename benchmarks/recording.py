"""Recorded answers on a card: are they right beside a cell that trains there, and how fast are they?

    python -m benchmarks.recording [--device cuda] [--rounds 200] [--only WORD] [--stand-in]

First part: one thread trains a network with dropout on the card, another records Grad-CAM 40 times and replays it
for gains that are new each round; each map is compared with the one that is not recorded. Second part: from a gain, and
from another image, to the answer of an engine, with and without recording. Networks have random weights: nothing is
downloaded. `--stand-in` tries the program where there is no card. Ends with 1 where something was not equal or failed.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import models

from benchmarks.kernels.timing import machine, table
from xai_widgets import Engine, ImageModel, ImageSet, load_images, load_model
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.kernels.gains import with_gains
from xai_widgets.kernels.questions import of_output, read_cam
from xai_widgets.kernels.recorded import MAPS, RecordedCam
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.recording import recorder_for, report, tally

LAYERS = {
    "quality": "features", "ResNet-18": "layer3", "ResNet-50": "layer3", "VGG-16": "features.28",
    "ViT-B/16": "encoder.layers.encoder_layer_11.ln_1",
}  # fmt: skip
BESIDE = ("ResNet-18", "VGG-16", "ViT-B/16")
RECORDINGS = 40  # of the rounds beside a training
WANTED = {"quality": 3, "ResNet-18": 4, "ResNet-50": 5, "VGG-16": 4, "ViT-B/16": 4}  # ms, p95 of a gain
HEADER = ["network, layer", "what", "p50", "p95", "recorded p50", "p95", "wanted p95"]


def network(name: str) -> nn.Module:
    makers: dict[str, Callable[..., nn.Module]] = {
        "ResNet-18": models.resnet18, "ResNet-50": models.resnet50, "VGG-16": models.vgg16, "ViT-B/16": models.vit_b_16,
    }  # fmt: skip
    torch.manual_seed(0)
    return makers[name](weights=None).eval()


class Training(threading.Thread):
    """A cell that trains on the device until it is told to stop."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(daemon=True)
        self.device, self.ended = device, threading.Event()
        self.steps, self.errors = 0, 0
        self.first = ""

    def run(self) -> None:
        layers = (nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Dropout2d(0.2), nn.Conv2d(64, 64, 3, stride=2), nn.ReLU())
        trained = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, 10))
        trained = trained.to(self.device)
        steps = torch.optim.Adam(trained.parameters())
        while not self.ended.is_set():
            try:
                images = torch.randn(32, 3, 96, 96, device=self.device)
                labels = torch.randint(0, 10, (32,), device=self.device)
                loss = nn.functional.cross_entropy(trained(images), labels)
                steps.zero_grad()
                loss.backward()
                steps.step()
                self.steps += bool(loss.item() == loss.item())
            except Exception as error:
                self.errors += 1
                self.first = self.first or f"{type(error).__name__}: {str(error).splitlines()[0]}"
                time.sleep(0.01)


def scores_of(result: Tensor) -> Tensor:
    return result


def beside(name: str, device: torch.device, rounds: int, recorder: Any) -> bool:
    """Rounds beside a training; says how many maps were not equal, and what became of each of these a second time."""
    made = network(name).to(device)
    images = [torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    training = Training(device)
    training.start()
    found: dict[str, Any] = {"unequal": 0, "other scores": 0, "worst": 0.0, "ms": [], "recordings": 0}
    failed = ""
    try:
        tails = [Tail(made, LAYERS[name], image.to(device)) for image in images]
        tails[1] = Tail(tails[0].shell, LAYERS[name], images[1].to(device))
        recorded: Any = None
        for turn in range(rounds):
            if turn % max(1, rounds // RECORDINGS) == 0:
                recorded = RecordedCam(recorder, tails[0], scores_of)
                found["recordings"] += 1
            _round(tails[turn % 2], recorded, turn, found)
    except Exception as error:
        failed = f"; FAILED: {type(error).__name__}: {str(error).splitlines()[0]}"
        traceback.print_exc(limit=-6)
    training.ended.set()
    training.join(20)
    times = np.percentile(found["ms"] or [np.nan], (50, 95))
    print(
        f"{name} {LAYERS[name]}: {len(found['ms'])} rounds, {found['recordings']} recordings, "
        f"{found['unequal']} maps unequal (worst {found['worst']:.1e} of the maximum), {found['other scores']} scores "
        f"not bit by bit; replay to the CPU {times[0]:.2f} ms, p95 {times[1]:.2f}; training {training.steps} steps, "
        f"{training.errors} errors"
        f" {training.first}{failed}",
        flush=True,
    )
    return not (failed or found["unequal"] or training.errors or not training.steps)


def _round(tail: Tail, recorded: RecordedCam, turn: int, found: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(turn)
    gains = 2 * torch.rand(1, tail.maps.shape[1], generator=generator)
    maps, question = with_gains(tail.maps, gains), of_output(turn % 10)

    def eager() -> tuple[Tensor, Tensor]:
        return read_cam(tail, scores_of, question, maps=maps)

    def replayed() -> tuple[Tensor, Tensor]:
        return read_cam(tail, scores_of, question, maps=maps, by=recorded)

    expected = eager()
    began = perf_counter()
    got = replayed()
    found["ms"].append(1000 * (perf_counter() - began))
    off = _off(got[1], expected[1])
    found["worst"] = max(found["worst"], off)
    found["other scores"] += not torch.equal(got[0], expected[0])
    if off > MAPS:
        found["unequal"] += 1
        second, third = eager(), replayed()
        print(
            f"    round {turn}: {off:.1e}; scores {_off(got[0], expected[0]):.1e}; a second time: not recorded "
            f"{_off(second[1], expected[1]):.1e} from the first, replayed {_off(third[1], got[1]):.1e} from the first, "
            f"both now {_off(third[1], second[1]):.1e}",
            flush=True,
        )


def _off(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-30))


def sources_of(name: str, device: torch.device, engine: Engine, count: int) -> Sources:
    if name == "quality":
        return Sources(load_model("demo/quality", device=device), load_images("demo/quality"), cache=engine.cache)
    photos = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    model = ImageModel(network(name), None, layer=LAYERS[name], name=name, device=device)
    return Sources(model, ImageSet(list(photos)), cache=engine.cache)


def times_of(name: str, device: torch.device, record: Any, count: int) -> dict[str, list[float]]:
    """Milliseconds from asking the worker to its answer: of gains, and of images that are new each time."""
    engine = Engine(record=record)
    sources = sources_of(name, device, engine, count + 4)
    names, layer = sources.images.names, LAYERS[name]

    def asked(query: Query) -> float:
        began = perf_counter()
        engine.worker.call(lambda job: answer(sources, query, "explanation"))
        return 1000 * (perf_counter() - began)

    def gain(step: int) -> Query:
        return Query(image=names[0], layer=layer, gains={3: 0.5, 5: 1 + step / 1000})

    for step in range(4):  # what is made once, and the recordings
        asked(gain(-step - 1))
        asked(Query(image=names[step], layer=layer))
        engine.wait(120)
    found = {"a gain": [asked(gain(step)) for step in range(3 * count)]}
    found["another image"] = [asked(Query(image=one, layer=layer)) for one in names[4 : 4 + count]]
    engine.close()
    return found


def speed(only: str, device: torch.device, record: Any, count: int) -> Iterator[list[str]]:
    for name, layer in LAYERS.items():
        if only not in name:
            continue
        try:
            eager, recorded = times_of(name, device, False, count), times_of(name, device, record, count)
        except Exception as error:
            traceback.print_exc(limit=-6)
            yield [f"{name} {layer}", f"failed: {type(error).__name__}", *[""] * 5]
            continue
        for what in eager:
            numbers = [f"{value:.2f}" for side in (eager, recorded) for value in np.percentile(side[what], (50, 95))]
            wanted = str(WANTED[name]) if what == "a gain" else "12" if name == "ResNet-50" else ""
            yield [f"{name} {layer}", what, *numbers, wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", type=torch.device)
    parser.add_argument("--rounds", default=200, type=int, help="of each network beside a training")
    parser.add_argument("--count", default=40, type=int, help="images that are new, and a third of the gains")
    parser.add_argument("--only", default="", help="a part of a network's name")
    parser.add_argument("--stand-in", action="store_true", help="record with what stands for a card in the tests")
    options = parser.parse_args()
    device = torch.empty(0, device=options.device).device
    if options.stand_in:
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        from stand_in_recorder import StandIn

        recorder: Any = StandIn()
    else:
        recorder = recorder_for(device)
    print(*machine(device, "milliseconds"), sep="\n")
    print(f"Recording: {report(device)}\n", flush=True)
    right = [beside(name, device, options.rounds, recorder) for name in BESIDE if options.only in name]
    cells = [HEADER]
    for row in speed(options.only, device, recorder, options.count):
        cells.append(row)
        print(" | ".join(row), flush=True)
    print("", table(cells, markdown=False), "", sep="\n")
    print(
        f"Recordings of this process: {dict(tally.counts)}",
        *(f"    {why}: {n}" for why, n in tally.why.items()),
        sep="\n",
    )
    return 0 if all(right) and not tally.why else 1


if __name__ == "__main__":
    sys.exit(main())
