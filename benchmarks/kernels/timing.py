"""A row of the table: two ways to the same answer, timed in turn."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

PACKAGES = ("torch", "torchvision", "grad-cam", "captum", "scikit-image", "numpy")
# The processor's time says more than the clock on a machine that others use too, and nothing about another device.
HEADER = ["what", "against", "ours", "peer", "times faster", "by CPU time", "goal", "differ by"]


@dataclass(frozen=True)
class Row:
    """Two ways to the same answer, and how many times faster the first has to be.

    Attributes:
        part: the share of the peer's work that is done and timed; its time is divided by it.
        difference: of both answers; what it gives is printed.
    """

    name: str
    peer_name: str
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    goal: float | None = None
    difference: Callable[[Any, Any], float | str] | None = None
    repeats: int = 3
    ours_each: int = 3
    part: float = 1.0
    warm: bool = True  # call the peer once before it is timed


@dataclass(frozen=True)
class Timing:
    """What a row measured: medians in seconds, by the clock and of the processor."""

    row: Row
    ours: tuple[float, float]
    peer: tuple[float, float]
    difference: float | str | None

    @property
    def cells(self) -> list[str]:
        ratio, busy = (peer / ours for peer, ours in zip(self.peer, self.ours, strict=True))
        goal = self.row.goal
        met = "" if goal is None else f"{goal:.2g} ({'met' if ratio >= goal else 'missed'})"
        difference = self.difference if isinstance(self.difference, str) else ""
        difference = f"{self.difference:.0e}" if isinstance(self.difference, float) else difference
        times = [_time(self.ours[0]), _time(self.peer[0])]
        return [self.row.name, self.row.peer_name, *times, f"{ratio:.3g}", f"{busy:.3g}", met, difference]


def measure(row: Row, device: torch.device, *, quick: bool = False) -> Timing:
    """Both sides in turn, after a first call of each that is not timed."""
    ours = row.ours()
    theirs = row.peer() if row.warm and not quick else None
    times: tuple[list[tuple[float, float]], list[tuple[float, float]]] = [], []
    for _ in range(max(1, row.repeats // 3) if quick else row.repeats):
        for side, call, count in ((0, row.ours, row.ours_each), (1, row.peer, 1)):
            for _ in range(count):
                seconds, value = _seconds(call, device)
                times[side].append(seconds)
        theirs = value
    difference = None if row.difference is None else row.difference(ours, theirs)
    mine, peer = ((median(clock for clock, _ in side), median(busy for _, busy in side)) for side in times)
    return Timing(row, mine, (peer[0] / row.part, peer[1] / row.part), difference)


def _versions() -> Iterator[str]:
    """Of the packages that are here: not every row needs all."""
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def machine(device: torch.device, what: str) -> list[str]:
    """What the numbers were measured with."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    units = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {name}" in flags]
    processor = models[0] if models else platform.processor() or platform.machine()
    place = getattr(torch, device.type)
    chip = f", {place.get_device_name(device)}" if hasattr(place, "get_device_name") else ""
    packages = ", ".join(_versions())
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads ({', '.join(units) or 'no vector units named'})"
    return [
        f"Python {platform.python_version()}, {packages}",
        f"{platform.system()} {platform.machine()}, {processor}, {cores}; device {device}{chip}",
        what,
    ]


def table(rows: list[list[str]], *, markdown: bool) -> str:
    if markdown:
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [rows[0], ["---"] * len(rows[0]), *rows[1:]])
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
    return "\n".join(line.rstrip() for line in lines)


def _seconds(call: Callable[[], Any], device: torch.device) -> tuple[tuple[float, float], Any]:
    synchronize = getattr(torch, device.type).synchronize
    synchronize()
    began = perf_counter(), process_time()
    value = call()
    synchronize()
    return (perf_counter() - began[0], process_time() - began[1]), value


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
