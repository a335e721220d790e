"""What one of many kernels on a host takes: by argument, else by the environment; and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch

from xai_widgets import Engine
from xai_widgets.cli import examination
from xai_widgets.models import shared_gpu


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    made: list[Engine] = []
    yield made
    for engine in made:
        engine.close()


def test_an_engine_computes_on_as_many_threads_as_it_may(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    engines.append(Engine(threads=3, cache_bytes=1000))
    assert engines[0].worker.call(lambda job: torch.get_num_threads()) == 3
    assert torch.get_num_threads() == before, "cells keep their own number of threads"
    assert (engines[0].threads, engines[0].cache.most) == (3, 1000)
    monkeypatch.setenv("XAI_WIDGETS_THREADS", "2")
    monkeypatch.setenv("XAI_WIDGETS_CACHE_BYTES", "64 MiB")
    engines.append(Engine())
    assert engines[1].worker.call(lambda job: torch.get_num_threads()) == 2
    assert engines[1].cache.most == 64 * 2**20
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("text", "most"), [("1", 1), ("268435456", 2**28), ("256M", 2**28), ("2 gib", 2**31), ("", 2**30)]
)
def test_the_memory_of_answers(text: str, most: int, engines: list[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_WIDGETS_CACHE_BYTES", text)
    engines.append(Engine())
    assert engines[0].cache.most == most


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("XAI_WIDGETS_THREADS", "0", "must be a whole number of CPU threads from 1, got 0"),
        ("XAI_WIDGETS_THREADS", "two", "must be a whole number of CPU threads from 1, got 'two'"),
        ("XAI_WIDGETS_CACHE_BYTES", "much", "must be a number of bytes from 1, such as 268435456 or 256M, got 'much'"),
        ("XAI_WIDGETS_CACHE_BYTES", "0", "must be a number of bytes from 1"),
        ("XAI_WIDGETS_GPU_SHARE", "10 %", "must be a part of a GPU's memory, above 0 and at most 1, got '10 %'"),
        ("XAI_WIDGETS_GPU_SHARE", "1.5", "must be a part of a GPU's memory"),
    ],
)
def test_what_cannot_be_is_refused_and_named_by_the_doctor(
    variable: str, text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=re.escape(f"{variable} {words}")):
        shared_gpu.share() if "GPU" in variable else Engine()
    wrong = [finding.answer for finding in examination.limits() if finding.wrong and finding.essential]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"{variable} must be")


def test_a_process_keeps_to_its_share_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, int]] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: asked.append(given))
    monkeypatch.setattr(shared_gpu, "_capped", set())
    shared_gpu.cap(torch.device("cuda", 1))
    monkeypatch.setenv("XAI_WIDGETS_GPU_SHARE", "0.05")
    for device in ("cpu", "cuda:1", "cuda:1", "cuda:0"):
        shared_gpu.cap(torch.device(device))
    assert asked == [(0.05, 1), (0.05, 0)]
