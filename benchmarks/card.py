"""Is everything right on this accelerator? One run prints one table.

    python -m benchmarks.card [--device cuda] [--quick] [--jobs 8] [--only WORD] [--markdown FILE]

Runs the tests that are marked gpu; walks through every layer of many families of networks (what the CPU accepts must be
accepted, a removal must be that of a hooked network); and compares effects and Grad-CAM of large networks with float64
on the CPU, to 5e-5 of the largest (Grad-CAM to 3 times what float32 on the CPU is off, where that is more), while the
process allows TF32 wherever torch can. Each part is a process of its own; one that fails does not stop the others.
Networks have random weights: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from xai_widgets.kernels.tail import Tail

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
TOLERANCE = 5e-5  # of the largest effect
LONG = {"inception": 4, "googlenet": 3, "mnasnet": 2, "shufflenet": 2, "densenet": 2, "maxvit": 2}  # processes
SECONDS = 330  # after which a part is given up
MARK = "RESULT "


@dataclass
class Result:
    """One line of the table."""

    part: str
    what: str
    found: str
    right: bool
    seconds: float = 0.0


def tests(quick: bool) -> Iterator[list[str]]:
    """Files with tests that are marked gpu, those of the table of kernels alone."""
    marked = sorted(str(file) for file in TESTS.glob("*.py") if "mark.gpu" in file.read_text())
    yield [str(TESTS / "test_gpu.py"), "-k", "a_kernel and weighted" if quick else "a_kernel"]
    yield [str(TESTS / "test_gpu.py"), "-k", "an_answer and output" if quick else "not a_kernel"]
    others = [file for file in marked if not file.endswith("test_gpu.py")]
    yield others[:1] if quick else others


def run_tests(arguments: list[str]) -> Iterator[Result]:
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", *arguments]
    try:
        import beartype  # noqa: F401
    except ImportError:
        command += ["-o", "addopts="]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing was printed"]
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-2000:])
    chosen = arguments[arguments.index("-k") + 1] if "-k" in arguments else f"{len(arguments)} files"
    yield Result("tests", f"marked gpu, {chosen}", lines[-1].strip("= "), done.returncode == 0)


def walk(name: str, device: str, part: int, parts: int, quick: bool) -> Iterator[Result]:
    """Every layer, or a few: accepted as on the CPU, and one removal as by a hook."""
    from families import FAMILIES, distance, hooked, scores_of

    from xai_widgets.kernels.precision import ieee
    from xai_widgets.kernels.tail import Shell, Tail

    family = FAMILIES[name]
    here, there = family.network(), family.network().to(device)
    images = family.images()
    shells = Shell(here), Shell(there)
    layers = [layer for layer, _ in here.named_modules() if layer][part::parts]
    layers = layers[:: max(1, len(layers) // 3)] if quick else layers
    accepted, worst, wrong = 0, 0.0, []
    for layer in layers:
        try:
            Tail(shells[0], layer, images)
        except ValueError:
            continue
        accepted += 1
        try:
            tail = Tail(shells[1], layer, images.to(device))
            index = int(tail.maps.float().relu().sum((0, 2, 3)).argmax())
            removed = tail.maps.clone()
            removed[:, index] = 0
            with torch.no_grad(), ieee():
                expected = scores_of(hooked(there, tail, images.to(device), partial(_instead, removed)))
            found = scores_of(tail(removed))
            worst = max(worst, distance(found, expected, 1.0))
            if not distance(found, expected, 1.0) <= TOLERANCE:
                wrong.append(layer)
        except Exception as error:
            wrong.append(layer)
            print(f"{name}, {layer}: {type(error).__name__}: {error}")
    words = f"{accepted - len(wrong)} of {accepted} layers, {worst:.1e}"
    if wrong:
        words += f"; wrong: {', '.join(wrong[:6])}{', ...' * (len(wrong) > 6)}"
    yield Result("families", name if parts == 1 else f"{name}, {part + 1} of {parts}", words, not wrong)


LAYERS = {
    "ResNet-18": ("layer4", "layer3"),
    "ResNet-50": ("layer4", "layer3"),
    "VGG-16": ("features.28", "features.21"),
    "DenseNet-121": ("features.denseblock3",),
    "ViT-B/16": ("encoder.layers.encoder_layer_11.ln_1",),
    "ConvNeXt-T": ("features.5",),
    "CNN + LSTM": ("features",),
}


def large(name: str) -> nn.Module:
    """A network with weights by which every layer is heard, in eval mode."""
    from families import enliven
    from recurrent import Reader
    from torchvision import models

    if name == "CNN + LSTM":
        return Reader("LSTM", 64).eval()
    makers: dict[str, Callable[..., nn.Module]] = {
        "ResNet-18": models.resnet18, "ResNet-50": models.resnet50, "VGG-16": models.vgg16,
        "DenseNet-121": models.densenet121, "ViT-B/16": models.vit_b_16, "ConvNeXt-T": models.convnext_tiny,
    }  # fmt: skip
    torch.manual_seed(0)
    network = makers[name](weights=None).eval()
    enliven(network, torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2)))
    return network


def agree(name: str, layer: str, device: str, quick: bool) -> Iterator[Result]:
    """Effects of the strongest maps and of some others, and Grad-CAM, against float64 on the CPU."""
    from xai_widgets.kernels import ablation, cam
    from xai_widgets.kernels.tail import Tail

    network = large(name)
    images = [torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(seed)) for seed in range(1, 4)]
    exactly, single = copy.deepcopy(network).double(), copy.deepcopy(network)
    here = network.to(device)
    with torch.no_grad():
        expected = exactly(images[0].double())
        plain = here(images[0].to(device)).cpu().double()
    target = int(expected.argmax())
    count = 8 if quick else 32
    pictures: list[float] = []
    on_cpu: list[float] = []
    for image in images[:1] if quick else images:
        reference, tail = Tail(exactly, layer, image.double()), Tail(here, layer, image.to(device))
        tails = (reference, tail, Tail(single, layer, image) if device != "cpu" else tail)
        maps = [cam.grad_cam(one, _as_is, target).cpu().double() for one in tails]
        for errors, picture in ((pictures, maps[1]), (on_cpu, maps[2])):
            errors.append(float((picture - maps[0]).abs().max() / maps[0].abs().max()))
        if len(pictures) > 1:
            continue
        order = ablation.first_order(reference, _as_is, target).abs().argsort(descending=True, stable=True)
        chosen = torch.cat((order[:count], order[count :: max(1, len(order) // count)][:count]))
        wanted, *found = (_effects(one, chosen, target) for one in tails)
        size = float(wanted.abs().max())
        effects, likewise = (float((some - wanted).abs().max()) / size for some in found)
    # ReLUs at the edge of 0 flip in any float32; on every image and far more than on the CPU, it is another arithmetic.
    cams, usual = median(pictures), median(on_cpu)
    own = float((plain - expected).abs().max()) / size
    words = f"effects {effects:.1e} (float32 on the CPU {likewise:.1e}; {len(chosen)} of {len(order)} maps), "
    words += f"Grad-CAM {cams:.1e} (float32 on the CPU {usual:.1e}); the user's own forward {own:.1e}"
    right = effects <= TOLERANCE and cams <= max(TOLERANCE, 3 * usual)
    yield Result("float64", f"{name} {layer}", words, right)


def _effects(tail: Tail, chosen: Tensor, target: int) -> Tensor:
    from xai_widgets.kernels import ablation

    scores = [found for _, found in ablation.removal_scores(tail, _as_is, chosen.to(tail.maps.device))]
    return (torch.cat(scores)[:, target] - ablation.own_scores(tail, _as_is)[0, target]).cpu().double()


def _as_is(result: Tensor) -> Tensor:
    return result


def _instead(changed: Tensor, maps: Tensor) -> Tensor:
    return changed.clone()


def parts(only: str, quick: bool) -> list[list[str]]:
    """The arguments of each process, the long ones first."""
    sys.path.insert(0, str(TESTS))
    from families import FAMILIES, needed

    found = [["tests", *arguments] for arguments in tests(quick)]
    found += [["float64", name, layer] for name, layers in LAYERS.items() for layer in layers]
    families = sorted(FAMILIES, key=lambda name: -LONG.get(name, 1))
    for name in families[:4] if quick else families:
        try:
            __import__(needed(name))
        except ImportError:
            continue
        share = 1 if quick else LONG.get(name, 1)
        found += [["families", name, str(place), str(share)] for place in range(share)]
    return [part for part in found if only in " ".join(part)]


def run_part(arguments: list[str], device: str, quick: bool) -> None:
    """In a process of its own: prints what it finds, line by line."""
    sys.path.insert(0, str(TESTS))
    kind, *rest = arguments
    if kind == "tests":
        results = run_tests(rest)
    else:
        torch.backends.cudnn.allow_tf32 = True  # the user's own, which must not be heard
        torch.set_float32_matmul_precision("high")
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        if kind == "float64":
            results = agree(rest[0], rest[1], device, quick)
        else:
            results = walk(rest[0], device, int(rest[1]), int(rest[2]), quick)
    for result in results:
        print(MARK + json.dumps(asdict(result)), flush=True)


def started(part: list[str], device: str, quick: bool, threads: int) -> list[Result]:
    """The results of one process; a failure is one."""
    began = time.perf_counter()
    command = [sys.executable, "-u", "-m", "benchmarks.card", "--device", device, "--part", json.dumps(part)]
    command += ["--quick"] if quick else []
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        lines, code, said = done.stdout.splitlines(), done.returncode, done.stderr[-1500:]
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
        lines = (output.decode() if isinstance(output, bytes) else output).splitlines()
        code, said = 1, f"given up after {SECONDS} s"
    results = [Result(**json.loads(line.removeprefix(MARK))) for line in lines if line.startswith(MARK)]
    for line in lines:
        if not line.startswith(MARK):
            print(f"    {line}", flush=True)
    if code:
        print(said, flush=True)
        what = " ".join(Path(word).name for word in part[1:])
        results.append(Result(part[0], what, (said.strip().splitlines() or ["failed"])[-1][:160], False))
    spent = time.perf_counter() - began
    for result in results:
        result.seconds = spent
    return results


def versions(device: str) -> str:
    card = torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor() or platform.machine()
    cuda = f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if device.startswith("cuda") else ""
    return f"{card}, torch {torch.__version__}{cuda}, Python {platform.python_version()}, {os.cpu_count()} cores"


def table(results: list[Result], title: str) -> str:
    lines = [title, "", "| part | what | found | | s |", "|---|---|---|---|---|"]
    order = {"float64": 0, "families": 1, "tests": 2}
    for result in sorted(results, key=lambda result: (order[result.part], result.right, result.what)):
        mark = "ok" if result.right else "**wrong**"
        lines.append(f"| {result.part} | {result.what} | {result.found} | {mark} | {result.seconds:.0f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a little of each part")
    parser.add_argument("--jobs", type=int, default=max(1, min(12, (os.cpu_count() or 1) - 2)), help="processes")
    parser.add_argument("--only", default="", help="parts whose words hold this")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        run_part(json.loads(chosen.part), chosen.device, chosen.quick)
        return 0
    began = time.perf_counter()
    title = versions(chosen.device)
    asked = parts(chosen.only, chosen.quick)
    print(f"{title}\n{len(asked)} parts, {chosen.jobs} at a time", flush=True)
    threads = max(1, (os.cpu_count() or 1) // chosen.jobs)
    results: list[Result] = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        waiting = [pool.submit(started, part, chosen.device, chosen.quick, threads) for part in asked]
        for done in as_completed(waiting):
            for result in done.result():
                mark = "ok   " if result.right else "WRONG"
                at = time.perf_counter() - began
                print(f"{at:5.0f} s  {mark} {result.part}: {result.what}: {result.found}", flush=True)
                results.append(result)
    text = table(results, title)
    print(f"\n{text}\n\n{time.perf_counter() - began:.0f} s", flush=True)
    if chosen.markdown:
        chosen.markdown.write_text(text + "\n")
    return 0 if results and all(result.right for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
