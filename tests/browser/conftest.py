"""One server, one browser and one run of the first lesson for all browser tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorerpage import ExplorerPage
from labharness import Notebook, browser, lab_server, open_notebook
from playwright.sync_api import Browser
from viewpage import ViewPage

ROOT = Path(__file__).parents[2]
LESSON = "01_explore.ipynb"
SCREENSHOTS = Path(__file__).parent / "screenshots"
SIZE = (1440, 1500)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the lessons: Jupyter leaves checkpoints where it works."""
    folder = tmp_path_factory.mktemp("lab") / "served"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*"))
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def lesson(served: Path, chromium: Browser) -> Iterator[Notebook]:
    """The first lesson, open in JupyterLab, every cell run."""
    with lab_server(served) as server:
        notebook = open_notebook(chromium, server, LESSON, SIZE)
        notebook.run_all(300)
        yield notebook


@pytest.fixture(scope="session")
def explorers(lesson: Notebook) -> dict[str, ExplorerPage]:
    """The explorers of the lesson by the name of their first model."""
    kind = "__import__('xai_widgets').Explorer"
    found = f"{{n: v.session.model.name for n, v in globals().items() if isinstance(v, {kind}) and n[0] != '_'}}"
    names = lesson.probe(found)
    assert len(names) == lesson.page.locator(".xw-explorer").count(), "each explorer is shown once and has a name"
    return {model: ExplorerPage(lesson, name, place) for place, (name, model) in enumerate(names.items())}


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., ViewPage]]:
    """Views in pages, which are left after the test."""
    made: list[tuple[Any, ViewPage]] = []

    def show(view: Any, **options: Any) -> ViewPage:
        made.append((view, ViewPage(chromium, view, **options)))
        return made[-1][1]

    yield show
    for view, page in made:
        page.leave()
        view.close()


@pytest.fixture(autouse=True)
def quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    """No error in the console, and no request that leaves the machine."""
    yield
    if "lesson" in request.fixturenames:
        lesson = request.getfixturevalue("lesson")
        assert lesson.console_errors() == []
        assert lesson.requests_outside_loopback() == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS
