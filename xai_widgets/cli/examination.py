"""What works in this environment, and what is missing: one line each."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.request import urlopen

from packaging.requirements import Requirement
from packaging.version import Version

if TYPE_CHECKING:
    import torch

PACKAGE = "xai-widgets"
SHOWN = "torch torchvision jupyterlab jupyter-server ipykernel ipywidgets anywidget plotly numpy".split()
EXTENSIONS = {"anywidget": "anywidget", "@jupyter-widgets/jupyterlab-manager": "jupyterlab-widgets"}
FIRST, REPEATS = 4, 24  # answers that are not timed, and all
SERVER_EXTENSION = "xai_widgets.server"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `wrong` things that are `essential` keep the widgets from working."""

    what: str
    answer: str
    wrong: bool = False
    essential: bool = False


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [
        finding
        for check in (versions, missing, device, limits, precision, recording, shown, clicks, prompt, cache)
        for finding in _run(check)
    ]


def _run(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except ImportError as error:  # what is missing is named by another line
        return [Finding(check.__name__, f"not known: {_line(error)}", wrong=True)]


def report(findings: list[Finding]) -> str:
    """The findings as lines of text: "ok", "--" for what could be better, "!!" for what must be mended."""
    width = max(len(finding.what) for finding in findings)
    return "\n".join(f"{_mark(finding)}  {finding.what:<{width}}  {finding.answer}" for finding in findings)


def _mark(finding: Finding) -> str:
    if not finding.wrong:
        return "ok"
    return "!!" if finding.essential else "--"


def versions() -> Iterator[Finding]:
    """Versions of Python, of this package and of those that matter most to it."""
    yield Finding("python", f"{platform.python_version()} in {sys.prefix}")
    with suppress(metadata.PackageNotFoundError):
        yield Finding(PACKAGE, metadata.version(PACKAGE))
    for name in SHOWN:
        with suppress(metadata.PackageNotFoundError):
            yield Finding(name, metadata.version(name))


def missing() -> Iterator[Finding]:
    """Packages that are needed and not installed, or too old; and extras that are not installed."""
    try:
        needed = [Requirement(line) for line in metadata.requires(PACKAGE) or ()]
    except metadata.PackageNotFoundError:
        yield Finding(PACKAGE, "is not installed: pip install xai-widgets", wrong=True, essential=True)
        return
    lacking = [lack for need in needed if need.marker is None or need.marker.evaluate() for lack in _lack(need)]
    for need, found in lacking:
        answer = f'{need.specifier} is needed, found {found}: pip install "{need}"'
        yield Finding(need.name, answer, wrong=True, essential=True)
    if not lacking:
        yield Finding("dependencies", f"all {sum(need.marker is None for need in needed)} are here")
    for extra in metadata.metadata(PACKAGE).get_all("Provides-Extra") or ():
        wanted = [need for need in needed if need.marker and need.marker.evaluate({"extra": extra})]
        absent = [need.name for need in wanted if _lack(need)]
        if absent:
            yield Finding(f"extra {extra}", f"not installed ({', '.join(absent)}): pip install 'xai-widgets[{extra}]'")


def _lack(need: Requirement) -> list[tuple[Requirement, str]]:
    """The requirement with what was found instead, or nothing where it is met."""
    try:
        found = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return [(need, "none")]
    return [] if need.specifier.contains(found, prereleases=True) else [(need, found)]


def device() -> Iterator[Finding]:
    """The device on which networks run."""
    try:
        import torch
    except Exception as error:  # a broken installation raises what it likes
        yield Finding("device", f"torch cannot be imported: {_line(error)}", wrong=True, essential=True)
        return
    if torch.cuda.is_available():
        yield Finding("device", f"cuda, {torch.cuda.get_device_name()}")
    elif torch.backends.mps.is_available():
        yield Finding("device", "mps")
    else:
        yield Finding("device", f"cpu, {torch.get_num_threads()} threads")


def limits() -> Iterator[Finding]:
    """What a process takes at most of a host that many share, and which variables say it otherwise."""
    from xai_widgets.engine.limits import CACHE, THREADS, cache_bytes_of, threads_of
    from xai_widgets.models.shared_gpu import VARIABLE, share

    def threads() -> str:
        count = threads_of(None)
        return "as many CPU threads as torch takes" if count is None else f"{count} CPU thread{'s' * (count > 1)}"

    def memory() -> str:
        return f"answers are remembered up to {cache_bytes_of(None) / 2**20:,.0f} MiB"

    def gpu() -> str:
        part = share()
        return "all free memory of a GPU" if part is None else f"{part:.0%} of the memory of a GPU"

    for variable, said in ((THREADS, threads), (CACHE, memory), (VARIABLE, gpu)):
        how = "set" if os.environ.get(variable, "").strip() else "not set"
        try:
            yield Finding("limits", f"{said()} ({variable} is {how})")
        except ValueError as error:
            yield Finding("limits", str(error), wrong=True, essential=True)


def precision() -> Iterator[Finding]:
    """In which arithmetic float32 is computed on each device, and what is called exact."""
    try:
        import torch
    except Exception:  # said by `device`
        return
    from xai_widgets.kernels.precision import ieee, in_force

    kinds = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    for kind in kinds:
        outside = in_force(kind)
        with ieee():
            within = in_force(kind)
        answer = f"{outside} as torch starts; exact work runs in {within}"
        yield Finding(f"precision, {kind}", answer, wrong=within != "IEEE")


OFF = "; off unless Engine(record=True), since a capture would disturb what else runs there"


def recording() -> Iterator[Finding]:
    """Of each accelerator: its memory, and whether answers can be recorded there."""
    try:
        import torch
    except Exception:  # said by `device`
        return
    from xai_widgets.kernels.batches import room
    from xai_widgets.kernels.tail.captures import undisturbed
    from xai_widgets.kernels.tail.recording import report as recorded

    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.device("cuda", index)
        try:
            whole = torch.cuda.get_device_properties(device).total_memory
            words = f"{torch.cuda.get_device_name(device)}, {room(device) / 2**30:.1f} of {whole / 2**30:.1f} GiB free"
            yield Finding(f"memory, {device}", words)
            yield Finding(f"recording, {device}", f"{recorded(device)}{'' if undisturbed(device) else OFF}")
            yield Finding(f"speed, {device}", time_of_a_gain(device))
        except Exception as error:  # a driver that fails raises what it likes
            yield Finding(f"recording, {device}", _line(error), wrong=True)


def time_of_a_gain(device: torch.device, seconds: float = 1.0) -> str:
    """How long a score and a Grad-CAM take there after a gain was changed, on demo/quality: as they are, and recorded.

    Args:
        seconds: how long each of both is tried at most, once it is known; some repeats suffice.

    Raises:
        RuntimeError: the device fails.
    """
    from xai_widgets.engine import Engine, Query, Sources, answer
    from xai_widgets.images import load_images
    from xai_widgets.kernels.tail.recording import tally
    from xai_widgets.models import load_model

    model, images = load_model("demo/quality", device=device), load_images("demo/quality")

    def ask(job: object, sources: Sources, asked: Query) -> None:
        answer(sources, asked, "explanation")

    def milliseconds(record: bool) -> float:
        engine = Engine(record=record)
        sources = Sources(model, images, cache=engine.cache)
        query, spent, ends = Query(image=images.names[0]), [], time.perf_counter() + seconds
        for step in range(REPEATS):
            asked = replace(query, gains=((3, 1 + step / 1000),))
            began = time.perf_counter()
            engine.worker.call(partial(ask, sources=sources, asked=asked))
            spent.append(1000 * (time.perf_counter() - began))
            if step < FIRST:
                engine.wait(10)  # what is asked twice is recorded when the worker is idle
            elif time.perf_counter() > ends:
                break
        engine.close()
        return median(spent[FIRST:])

    words = f"a gain on demo/quality: {milliseconds(False):.1f} ms"
    before = tally.counts["replayed"]
    recorded = milliseconds(True)
    return f"{words}, recorded {recorded:.1f} ms" if tally.counts["replayed"] > before else words


def shown() -> Iterator[Finding]:
    """Whether JupyterLab finds the front ends of the widgets, here and in servers that run already."""
    from jupyter_core.paths import jupyter_path
    from jupyter_server.serverapp import list_running_servers

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    absent = [name for name in EXTENSIONS if not any((folder / name / "package.json").is_file() for folder in folders)]
    yield _shown_by("widgets are shown by", f"the JupyterLab of {sys.prefix}", absent)
    yield from examine_servers(list_running_servers())
    command = shutil.which("jupyter")
    if command and Path(command).parent.resolve() != Path(sys.executable).parent.resolve():
        answer = f"{command} is of another environment; start it with: {sys.executable} -m jupyterlab"
        yield Finding("jupyter on the PATH", answer, wrong=True)


def examine_servers(servers: Iterable[dict[str, str]]) -> Iterator[Finding]:
    """Whether Jupyter servers that run already show widgets: they may be of another environment than this kernel."""
    for server in servers:
        with suppress(OSError, ValueError):
            found = _federated(f"{server['url']}lab?token={server['token']}")
            absent = [name for name in EXTENSIONS if name not in found]
            yield _shown_by("and by", f"the running {server['url']}", absent, essential=False)


def _shown_by(what: str, who: str, absent: list[str], *, essential: bool = True) -> Finding:
    if not absent:
        return Finding(what, who)
    packages = " ".join(EXTENSIONS[name] for name in absent)
    answer = f"not by {who}, it lacks {', '.join(absent)}; in its environment: pip install {packages}"
    return Finding(what, answer, wrong=True, essential=essential)


def _federated(address: str) -> set[str]:
    """The front ends that a running JupyterLab offers to its page."""
    with urlopen(address, timeout=3) as answer:
        page = answer.read().decode()
    found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    if found is None:
        raise ValueError(f"{address} is no JupyterLab.")
    return {extension["name"] for extension in json.loads(found[1])["federated_extensions"]}


def clicks() -> Iterator[Finding]:
    """Whether a gesture is answered while a cell runs: a matter of ipykernel (see `View.open`)."""
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version("ipykernel")
        if Version(version) < Version("7.1"):
            answer, wrong = f"wait for the cell with ipykernel {version}; at once from 7.1 on", True
        elif Version(version) < Version("7.4") or reply_mark():
            answer, wrong = f"are answered at once (ipykernel {version})", False
        else:
            answer, wrong = f"may wait for the cell: ipykernel {version} is not known to this version", True
        yield Finding("clicks during a cell", answer, wrong)


def reply_mark() -> bool:
    """Whether the private name that decides the thread of an answer is still what `View.open` takes it for."""
    with suppress(ImportError):
        from ipykernel.comm.comm import BaseComm

        return hasattr(BaseComm, "_reply_subshell_for")
    return False


def prompt() -> Iterator[Finding]:
    """Whether a Jupyter server started here sends messages at once (see `xai_widgets.server`)."""
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    from xai_widgets.server import switched_off

    enabled = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
    if switched_off():
        answer, wrong = "no, XAI_WIDGETS_PROMPT is off", True
    elif not enabled.get(SERVER_EXTENSION):
        answer, wrong = f"no, a drag is half as smooth: jupyter server extension enable {SERVER_EXTENSION}", True
    else:
        answer, wrong = "yes, in every Jupyter server of this environment", False
    yield Finding("messages leave at once", answer, wrong)


def cache() -> Iterator[Finding]:
    """Whether the demonstration images can be kept from one process to the next."""
    from xai_widgets.demo.pictures import CACHE_VARIABLE, cache_folder

    folder = cache_folder()
    above = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        yield Finding("cache folder", str(folder))
    else:
        answer = f"{folder} cannot be written to: set {CACHE_VARIABLE} to a folder that can"
        yield Finding("cache folder", answer, wrong=True)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
