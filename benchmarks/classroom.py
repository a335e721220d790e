"""What a session takes of a host on which many work at the same time.

    python -m benchmarks.classroom [--kernels 4] [--threads 1] [--cache 256M] [--networks quality ResNet-18]

Each kernel is a process that imports, opens a session, answers (score, map, effects of all maps, measures) and waits.
RSS counts the pages of libraries in every process; PSS gives each process its part of them, so that the sum is what
the host needs. Networks have random weights or are bundled: nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.kernels.timing import machine, table

HEADER = ["network", "kernels", "RSS, MB", "PSS, MB", "imports, s", "first map, s", "all, s"]
ROLLUP = Path("/proc/self/smaps_rollup")


def memory() -> dict[str, float]:
    """RSS and PSS of this process, in MB (Linux)."""
    lines = (line.split() for line in ROLLUP.read_text().splitlines()[1:])
    found = {line[0].rstrip(":").lower(): int(line[1]) / 1000 for line in lines if line[0] in ("Rss:", "Pss:")}
    return {name: 1.024 * value for name, value in found.items()}


def kernel(name: str) -> None:
    """One process: says what it took when all is answered, and again its memory when it is asked."""
    began = perf_counter()
    from benchmarks.engine import model_of
    from xai_widgets import Session

    imported = perf_counter()
    import torch

    model, images = model_of(name, torch.device("cpu"))
    session = Session(model, images)
    while session.saliency is None:
        session.engine.worker.wait(0.01)
    first = perf_counter()
    if not session.wait(600):
        raise RuntimeError(f"{name} was not answered within 600 seconds.")
    times = {"imports": imported - began, "first": first - imported, "all": perf_counter() - imported}
    print(json.dumps(times), flush=True)
    sys.stdin.readline()  # all kernels are there now
    print(json.dumps(memory()), flush=True)
    sys.stdin.readline()
    session.close()


def started(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """A kernel in a process of its own."""
    limits = {"OMP_NUM_THREADS": f"{options.threads}", "XAI_WIDGETS_THREADS": f"{options.threads}"}
    limits |= {"XAI_WIDGETS_CACHE_BYTES": options.cache} if options.cache else {}
    command = [sys.executable, "-m", "benchmarks.classroom", "--kernel", name]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ | limits, **pipes)


def told(process: subprocess.Popen[str]) -> dict[str, float]:
    """The next line of a kernel."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a kernel ended with {process.wait()} before it had answered.")
    found: dict[str, float] = json.loads(line)
    return found


def asked(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def classroom(name: str, options: argparse.Namespace) -> list[str]:
    """A row: medians over the kernels, that all run at the same time."""
    processes = [started(name, options) for _ in range(options.kernels)]
    try:
        times = [told(process) for process in processes]
        for process in processes:
            asked(process)
        sizes = [told(process) for process in processes]
        for process in processes:
            asked(process)
    finally:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(60)
    numbers = [f"{median(one[part] for one in sizes):.0f}" for part in ("rss", "pss")]
    numbers += [f"{median(one[part] for one in times):.1f}" for part in ("imports", "first", "all")]
    return [name, f"{options.kernels}", *numbers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", default="", help="as XAI_WIDGETS_CACHE_BYTES takes it")
    parser.add_argument("--networks", nargs="+", default=["quality", "ResNet-18"])
    parser.add_argument("--kernel", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kernel:
        kernel(options.kernel)
        return
    if not ROLLUP.exists():
        parser.error("memory is read from /proc, which Linux has.")
    import torch

    print(*machine(torch.device("cpu"), "benchmarks.classroom"), sep="\n")
    print(table([HEADER, *(classroom(name, options) for name in options.networks)], markdown=False))


if __name__ == "__main__":
    main()
