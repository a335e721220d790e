"""Of several queries the next images are prepared on another thread: same answers, same order, errors, stop, memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asked import fresh, shared
from PIL import Image
from torchvision.transforms import v2

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import Query, Sources, Stopped, ahead, answer

MODEL = "demo/quality"


@pytest.fixture
def prepared_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that prepared an image."""
    found: list[str] = []
    given = ImageModel.prepare

    def noted(self: ImageModel, photo: Any) -> Any:
        found.append(threading.current_thread().name)
        return given(self, photo)

    monkeypatch.setattr(ImageModel, "prepare", noted)
    return found


@pytest.mark.parametrize("part", ["explanation", "scores", "maps"])
def test_several_are_answered_as_one_by_one_and_prepared_elsewhere(part: str, prepared_by: list[str]) -> None:
    names = shared(MODEL).images.names[:6]
    queries = [Query(image=name) for name in names]
    together, alone = fresh(MODEL), fresh(MODEL)
    found = answer(together, queries, part)
    assert [one.query.image for one in found] == list(names)
    assert "xai_widgets images" in prepared_by
    assert len(prepared_by) == len(names), "each image once"
    for query, one in zip(queries, found, strict=True):
        expected = answer(alone, query, part)
        for name, value in vars(expected).items():
            if isinstance(value, np.ndarray):
                assert np.array_equal(value, getattr(one, name))
        if part == "explanation":
            assert np.array_equal(one.saliency.map, expected.saliency.map)
            assert np.array_equal(one.output.scores, expected.output.scores)
    assert not [thread for thread in threading.enumerate() if thread.name == "xai_widgets images"]


def test_what_is_remembered_is_not_prepared_again(prepared_by: list[str]) -> None:
    sources = fresh(MODEL)
    queries = [Query(image=name) for name in sources.images.names[:4]]
    answer(sources, queries, "explanation")
    del prepared_by[:]
    answer(sources, queries, "maps")
    assert not prepared_by


def files(folder: Path, count: int) -> list[Path]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), dtype=np.uint8)
    paths = [folder / f"{place}.png" for place in range(count)]
    for path, values in zip(paths, pixels, strict=True):
        Image.fromarray(values).save(path)
    return paths


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, 3)).eval()


def test_an_image_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    paths = files(tmp_path, 6)
    sources = Sources(ImageModel(network(), None), ImageSet(paths))
    names = sources.images.names
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    failed: list[tuple[str, str]] = []
    found = answer(
        sources,
        [Query(image=name) for name in names],
        "explanation",
        failed=lambda query, error: failed.append((query.image, type(error).__name__)),
    )
    assert [one is None for one in found] == [False, False, False, True, False, False]
    assert failed == [(names[3], "ValueError")]


def test_a_file_that_is_replaced_meanwhile_is_answered_as_it_is(tmp_path: Path) -> None:
    paths = files(tmp_path, 4)
    sources = Sources(ImageModel(network(), None), ImageSet(paths))
    names = sources.images.names
    new = np.full((40, 40, 3), 200, np.uint8)

    def replaced(one: Any, share: float) -> None:
        if one.query.image == names[1]:
            Image.fromarray(new).save(paths[3])

    found = answer(sources, [Query(image=name) for name in names], "scores", progress=replaced)
    alone = Sources(ImageModel(network(), None), ImageSet({"new": new}))
    expected = answer(alone, Query(image="new"), "scores")
    assert np.allclose(found[3].scores, expected.scores)


def own_step(image: Any) -> Any:
    return image


TRANSFORMS: dict[str, tuple[Callable[[], Any], bool]] = {
    "none": (lambda: None, True),
    "torchvision": (lambda: v2.Compose([v2.Resize(32), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]), True),
    "a function": (lambda: v2.Compose([own_step, v2.PILToTensor(), v2.ToDtype(torch.float32)]), False),
    "a lambda": (lambda: v2.Compose([v2.Lambda(own_step), v2.PILToTensor(), v2.ToDtype(torch.float32)]), False),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_code_of_the_user_runs_on_the_thread_that_answers(name: str, prepared_by: list[str], tmp_path: Path) -> None:
    make, known = TRANSFORMS[name]
    model = ImageModel(network(), make())
    del prepared_by[:]
    sources = Sources(model, ImageSet(files(tmp_path, 5)))
    answer(sources, [Query(image=one) for one in sources.images.names], "output")
    assert model.transform_is_known == known
    assert ("xai_widgets images" in prepared_by) == known


def test_a_stop_ends_both_threads_and_few_images_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = fresh(MODEL)
    names = sources.images.names[:20]
    made: list[str] = []
    given = ahead.Ahead._made

    def noted(self: Any, query: Query) -> Any:
        made.append(query.image)
        return given(self, query)

    monkeypatch.setattr(ahead.Ahead, "_made", noted)
    turns = iter(range(20))
    with pytest.raises(Stopped):
        answer(sources, [Query(image=name) for name in names], "scores", stop=lambda: next(turns) >= 3)
    assert len(made) <= 3 + ahead.MOST
    assert not [thread for thread in threading.enumerate() if thread.name == "xai_widgets images"]
