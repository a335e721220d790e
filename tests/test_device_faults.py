"""What torch says of devices that fail, in one sentence; and what the engine does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from xai_widgets import Engine, Session, load_images, load_model
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.kernels import batches
from xai_widgets.kernels.ablation import delta_y
from xai_widgets.kernels.faults import DeviceFault, in_one_sentence
from xai_widgets.kernels.tail import Tail, first_use

LOST = getattr(torch, "AcceleratorError", RuntimeError)
MORE = "\nCUDA kernel errors might be asynchronously reported at some other API call.\nCompile with TORCH_USE_CUDA_DSA."
FAULTS: list[tuple[Exception, str]] = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), r"2\.00 GiB.*device='cpu'"),
    (RuntimeError(f"CUDA error: out of memory{MORE}"), "memory of the accelerator is full"),
    (LOST(f"CUDA error: an illegal memory access was encountered{MORE}"), "illegal memory.*restart the kernel"),
    (RuntimeError(f"CUDA error: device-side assert triggered{MORE}"), "restart the kernel"),
    (RuntimeError("CUDA error: operation failed due to a previous error during capture"), "recording.*ask again"),
    (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "no code for this card"),
    (RuntimeError("\"linalg_qr\" not implemented for 'Half'"), r"linalg_qr in float16; .*network\.float\(\)"),
    (TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it."), "no float64"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), FAULTS, ids=lambda given: given if isinstance(given, str) else "")
def test_a_fault_is_one_line_and_the_next_answer_is_right(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, query = Sources(load_model("demo/scenes"), load_images("demo/collages")), Query(image="")
    query = Query(image=sources.images.names[0], gains={0: 0.5})
    failing, whole = [error], Tail.replay

    def replay(self: Tail, maps: Tensor, **options: Any) -> Any:
        if failing:
            raise failing.pop()
        return whole(self, maps, **options)

    sources.cache.clear()
    answer(sources, Query(image=sources.images.names[0]), "explanation")
    monkeypatch.setattr(Tail, "replay", replay)
    with pytest.raises(DeviceFault, match=words) as found:
        answer(sources, query, "explanation")
    assert "\n" not in str(found.value)
    assert str(found.value).count(". ") <= 1
    assert answer(sources, query, "explanation").output.value


def test_other_errors_pass() -> None:
    for error in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), TypeError("unsupported operand")):
        with pytest.raises(type(error), match=str(error)), in_one_sentence():
            raise error


def test_a_session_says_so_in_its_line_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    session = Session("demo/scenes", "demo/collages", engine=engine)
    assert session.wait(60)
    before, whole = session.saliency, Tail.replay

    def lost(self: Tail, maps: Tensor, **options: Any) -> Any:
        raise LOST(f"CUDA error: unspecified launch failure{MORE}")

    monkeypatch.setattr(Tail, "replay", lost)
    session.ask(gains={0: 0.5})
    session.wait(60)
    assert "restart the kernel" in session.error
    assert "\n" not in session.error
    assert session.saliency is before or session.saliency is None
    monkeypatch.setattr(Tail, "replay", whole)
    session.ask(gains={0: 0.25})
    assert session.wait(60)
    assert session.error == ""
    session.close()
    engine.close()


def test_no_card_is_said_in_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    with pytest.raises(ValueError, match=r"^device must be one that torch finds here.*'cuda'.*$"):
        load_model("demo/scenes", device="cuda")


def test_a_process_with_a_part_of_the_card_takes_that_part(monkeypatch: pytest.MonkeyPatch) -> None:
    card = torch.device("cuda", 0)
    monkeypatch.setattr(
        torch.accelerator, "get_memory_info", lambda device=None: (60 * 2**30, 80 * 2**30), raising=False
    )
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 3 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device=None: 1.0, raising=False)
    assert batches.room(card) == 62 * 2**30, "with what torch holds and nothing uses"
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device=None: 0.1, raising=False)
    assert batches.room(card) == 7 * 2**30
    assert batches.working_set(card) == 7 * 2**30 // 8


@pytest.mark.parametrize("faster", [True, False])
def test_removals_go_the_way_that_was_faster_and_give_the_same(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is given: what it says decides the way, not the numbers."""
    sources = Sources(load_model("demo/quality"), load_images("demo/quality"))
    network = sources.model().network
    images = sources.model().inputs(sources.images.photo(sources.images.names[0]))
    expected = delta_y(Tail(network, "features", images), sources.model().scores, batch=7)
    times = iter((1.0, 2.0) if faster else (2.0, 1.0))
    monkeypatch.setattr(first_use, "TIMED", frozenset(("cpu",)))
    monkeypatch.setattr(first_use, "seconds_of", lambda run: (run(), next(times))[1])
    tail = Tail(network, "features", images)
    ways: list[str] = []
    for way in ("with_sparse_copies", "with_ordinary_copies"):
        monkeypatch.setattr(Tail, way, _noting(getattr(Tail, way), way, ways))
    assert tail.sparse.right
    assert tail.sparse.used == faster
    ways.clear()
    found = delta_y(tail, sources.model().scores, batch=7)
    assert set(ways[:-1]) == {"with_sparse_copies" if faster else "with_ordinary_copies"}
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not list(times), "both ways were timed, once"


def _noting(way: Any, name: str, ways: list[str]) -> Any:
    def noted(self: Tail, *given: Any) -> Any:
        ways.append(name)
        return way(self, *given)

    return noted
