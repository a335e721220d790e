"""How fast is it on this card? One run prints one table, with what is wanted of each row.

    python -m benchmarks.card_speed [--device cuda] [--quick] [--only WORD] [--markdown FILE]

All maps of a layer with the tail made; the whole call against AblationCAM, both as torch starts (TF32 where it is
allowed), where pytorch-grad-cam is installed; screening; five measures of one image; and the effects of all maps over
many images, with the share of the time that the card works. Medians after first calls that are not timed. Networks have
random weights: nothing is downloaded. A row that fails says so, and the others go on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms._presets import ImageClassification

from benchmarks.kernels.timing import machine, table
from xai_widgets import Engine, ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.kernels import degrade, measures
from xai_widgets.kernels.ablation import delta_y
from xai_widgets.kernels.screening import screened_delta_y
from xai_widgets.kernels.tail import Shell, Tail

HEADER = ["what", "measured", "wanted", ""]
SIDE, TARGET = 224, 0
THIRD = "features.denseblock3"
MAPS = (  # milliseconds at most
    ("ResNet-18", "layer4", 2), ("ResNet-18", "layer3", 11), ("ResNet-50", "layer3", 65), ("VGG-16", "features.28", 4),
    ("DenseNet-121", THIRD, 30),
)  # fmt: skip
AGAINST = (  # times faster, at least
    ("ResNet-18", "layer4", 30), ("ResNet-18", "layer3", 5), ("ResNet-50", "layer4", 100), ("ResNet-50", "layer3", 4),
    ("VGG-16", "features.28", 40),
)  # fmt: skip
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "ResNet-18": models.resnet18, "ResNet-50": models.resnet50, "VGG-16": models.vgg16,
    "DenseNet-121": models.densenet121,
}  # fmt: skip
Found = tuple[str, bool | None]  # what was measured, in words, and whether it is what is wanted


class Card:
    """The device, and how often things are timed there."""

    def __init__(self, device: torch.device, quick: bool) -> None:
        self.device, self.quick = device, quick
        self.side = 32 if quick else SIDE
        generator = torch.Generator().manual_seed(0)
        self.image = degrade.blur(torch.rand(1, 3, self.side, self.side, generator=generator), 4.0).to(device)

    def network(self, name: str) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return NETWORKS[name](weights=None).eval().to(self.device)

    def wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    def milliseconds(self, run: Callable[[], Any], repeats: int = 7) -> float:
        """The median, after calls that are not timed: what is tried and chosen at the first use is done then."""
        spent = []
        untimed = 0 if self.quick else min(2, repeats)
        for turn in range(1 if self.quick else untimed + repeats):
            self.wait()
            began = perf_counter()
            run()
            self.wait()
            if turn >= untimed:
                spent.append(1000 * (perf_counter() - began))
        return median(spent)


def logits(result: Tensor) -> Tensor:
    return result


def all_maps(card: Card, name: str, layer: str, most: float) -> Found:
    tail = Tail(card.network(name), layer, card.image)
    spent = card.milliseconds(lambda: delta_y(tail, logits, TARGET).cpu())
    way = "one map" if tail.sparse.used else "copies"
    return f"{spent:.1f} ms ({tail.maps.shape[1]} maps; {way})", spent <= most


def against(card: Card, name: str, layer: str, least: float) -> Found:
    """Its weights are -delta y / y."""
    network = card.network(name)
    shell = Shell(network)
    theirs = _ablation_cam(card, network, layer)
    ours = card.milliseconds(lambda: delta_y(Tail(shell, layer, card.image), logits, TARGET).cpu(), 5)
    return f"{theirs / ours:.1f} times ({theirs:.0f} against {ours:.1f} ms)", theirs / ours >= least


def screening(card: Card, least: float) -> Found:
    """bfloat16, the strongest maps computed again, against AblationCAM."""
    network = card.network("ResNet-50")
    shell = Shell(network)
    found = screened_delta_y(Tail(shell, "layer3", card.image), logits, TARGET)
    ours = card.milliseconds(lambda: screened_delta_y(Tail(shell, "layer3", card.image), logits, TARGET), 5)
    words = f"{ours:.1f} ms, rank agreement {found.rank_agreement:.4f}"
    try:
        theirs = _ablation_cam(card, network, "layer3")
    except ImportError:
        return f"{words} (grad-cam is not installed)", None
    return f"{theirs / ours:.1f} times ({theirs:.0f} ms against {words})", theirs / ours >= least


def _ablation_cam(card: Card, network: nn.Module, layer: str) -> float:
    from pytorch_grad_cam import AblationCAM, ablation_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    ablation_cam.tqdm = SimpleNamespace(tqdm=iter)  # its progress bar would be timed too

    def peer() -> None:
        with AblationCAM(network, [network.get_submodule(layer)]) as cam:
            cam(card.image, [ClassifierOutputTarget(TARGET)])

    return card.milliseconds(peer, 2)


def five_measures(card: Card, most: float) -> Found:
    """One run and one other, as in a session."""
    networks = [card.network("ResNet-50"), models.resnet50(weights=None).eval().to(card.device)]
    shells = [Shell(network) for network in networks]

    def tail_of(images: Tensor, shell: Shell) -> Tail:
        return Tail(shell, "layer4", images)

    explainers = [measures.grad_cam_explainer(partial(tail_of, shell=shell), logits) for shell in shells]
    targets = torch.full((1,), TARGET, device=card.device)
    spent = card.milliseconds(
        lambda: measures.five_measures(explainers, card.image, seeds=range(1), targets=targets), 3
    )
    return f"{spent:.0f} ms", spent <= most


def importance(card: Card, record: bool | None) -> Found:
    """Files on disk, of a photograph's size, through the worker of an engine."""
    count = 3 if card.quick else 200
    transform = ImageClassification(crop_size=card.side, resize_size=card.side)
    name, layer = ("ResNet-18", "layer2") if card.quick else ("VGG-16", "features.28")
    model = ImageModel(card.network(name), transform, layer=layer, name=name, device=card.device)
    engine = Engine(record=record)
    with tempfile.TemporaryDirectory() as folder:
        sources = Sources(model, ImageSet(photographs(Path(folder), count + 4)), cache=engine.cache)
        queries = [Query(image=name, target=TARGET) for name in sources.images.names]
        engine.worker.call(lambda job: answer(sources, queries[:4], "impacts"))
        engine.wait(60)
        began = perf_counter()
        with working(card) as busy:
            found = engine.worker.call(lambda job: answer(sources, queries[4:], "impacts"))
            card.wait()
        spent = perf_counter() - began
        share = _share(busy, spent)
    engine.close()
    assert len(found) == count
    assert all(one.done and one.exact.all() for one in found)
    importances = np.mean([np.abs(one.delta_y) for one in found], 0)
    words = f"{count / spent:.1f} images a second ({len(importances)} maps, {count} images), "
    return words + (f"the card works {share:.0%}" if share else "the card's share is not known"), share >= 0.6


def _share(busy: Callable[[], float], spent: float) -> float:
    try:
        return busy() / spent
    except Exception:  # the profiler is no part of what is measured
        traceback.print_exc(limit=-3)
        return 0.0


def photographs(folder: Path, count: int) -> list[Path]:
    """Blurred noise of 500 x 375 pixels as JPEG."""
    generator = torch.Generator().manual_seed(1)
    paths = [folder / f"{place:03}.jpg" for place in range(count)]
    for path in paths:
        coarse = torch.rand(1, 3, 25, 33, generator=generator)
        fine = nn.functional.interpolate(coarse, (375, 500), mode="bicubic").clamp(0, 1)
        Image.fromarray((255 * fine[0]).to(torch.uint8).permute(1, 2, 0).numpy()).save(path, quality=92)
    return paths


class working:
    """Seconds that the card computed and copied within a block, as its own activity records say; 0 without them."""

    def __init__(self, card: Card) -> None:
        from torch.profiler import ProfilerActivity, profile

        self._profile = profile(activities=[ProfilerActivity.CUDA]) if card.device.type == "cuda" else None

    def __enter__(self) -> Callable[[], float]:
        if self._profile is not None:
            self._profile.__enter__()
        return self._seconds

    def __exit__(self, *error: Any) -> None:
        if self._profile is not None:
            self._profile.__exit__(*error)

    def _seconds(self) -> float:
        events = [] if self._profile is None else self._profile.profiler.kineto_results.events()  # type: ignore
        spans = sorted(
            (event.start_ns(), event.start_ns() + event.duration_ns())
            for event in events
            if event.device_type() == torch.autograd.DeviceType.CUDA
        )
        return union(spans) / 1e9


def union(spans: list[tuple[int, int]]) -> int:
    """How much time some spans cover together, sorted by their start."""
    covered, until = 0, -1
    for start, end in spans:
        covered += max(0, end - max(start, until))
        until = max(until, end)
    return covered


def rows(card: Card) -> Iterator[tuple[str, str, Callable[[], Found]]]:
    """What, what is wanted, and how it is measured."""
    for name, layer, most in MAPS:
        what = f"all maps, exact, tail made: {name} {layer}"
        yield what, f"{most} ms", partial(all_maps, card, name, layer, most)
    for name, layer, least in AGAINST:
        what = f"whole call against AblationCAM: {name} {layer}"
        yield what, f"{least} times", partial(against, card, name, layer, least)
    yield "screening against AblationCAM: ResNet-50 layer3", "12 times", partial(screening, card, 12)
    yield "five measures of one image, ResNet-50, 2 runs", "80 ms", partial(five_measures, card, 80)
    yield "effects of all maps over many images: VGG-16 features.28", "60 %", partial(importance, card, None)
    if card.device.type == "cuda":
        yield "the same, recorded", "60 %", partial(importance, card, True)


def measured(what: str, wanted: str, measure: Callable[[], Found]) -> list[str]:
    """One row. What fails is said, and costs no other row."""
    try:
        words, met = measure()
    except ImportError as error:
        return [what, f"not measured: {error.name} is not installed", wanted, ""]
    except Exception as error:
        traceback.print_exc(limit=-6)
        first = (str(error).splitlines() or [""])[0][:120]
        return [what, f"failed: {type(error).__name__}: {first}", wanted, "failed"]
    return [what, words, wanted, "" if met is None else "met" if met else "missed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", type=torch.device)
    parser.add_argument("--quick", action="store_true", help="small images and few repeats, to try the program")
    parser.add_argument("--only", default="", help="rows whose words hold this")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    began = perf_counter()
    card = Card(torch.empty(0, device=options.device).device, options.quick)
    cells = [HEADER]
    for what, wanted, measure in rows(card):
        if options.only not in what:
            continue
        cells.append(measured(what, wanted, measure))
        print(f"{perf_counter() - began:5.0f} s  {' | '.join(cells[-1])}", flush=True)
    lines = machine(card.device, f"random weights, {card.side} x {card.side} pixels, float32")
    text = "\n".join((*(f"{line}  " for line in lines), "", table(cells, markdown=True)))
    print(f"\n{text}\n\n{perf_counter() - began:.0f} s")
    if options.markdown:
        options.markdown.write_text(text + "\n")
    return int(any(row[-1] == "failed" for row in cells))


if __name__ == "__main__":
    sys.exit(main())
