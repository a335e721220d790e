"""The house is built as designed: which room imports what, one configuration, and what is public."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "xai_widgets"
SOURCES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

WIDGETS = {"traitlets", "ipywidgets", "anywidget", "plotly", "IPython"}
DEMO = {"demo.networks", "demo.pictures"}
EVERY = {
    "kernels", "models", "images", "demo", "engine", "scenes", "session", "views", "static", "figures", "study",
    "explorer", "server", "cli",
}  # fmt: skip
NOT_NUMPY = {"torch", "torchvision", "pandas", "PIL", "skimage", "scipy", "matplotlib"}

# room: (ours that it may import, ours that it may import when first used, what it must not import)
ROOMS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "kernels": (set(), set(), WIDGETS | {"pandas", "dask", "matplotlib"}),
    "demo": (set(), set(), WIDGETS),
    "demo.networks": (set(), set(), WIDGETS),
    "demo.pictures": (set(), set(), WIDGETS),
    "demo.build": (EVERY - {"views", "session", "explorer"}, set(), WIDGETS),
    "models": (DEMO | {"kernels"}, set(), WIDGETS),
    "images": (DEMO | {"kernels"}, set(), WIDGETS),
    "engine": ({"kernels", "models", "images"}, set(), WIDGETS),
    "scenes": (set(), set(), WIDGETS | NOT_NUMPY),
    "session": (
        {"engine", "models", "images", "scenes"}, {"figures"}, {"ipywidgets", "anywidget", "plotly", "matplotlib"}
    ),
    "figures": ({"scenes", "static"}, set(), WIDGETS | {"torch"}),
    "static": (set(), set(), WIDGETS),
    "views": ({"session", "scenes", "static", "engine", "views._base"}, set(), set()),
    "views._base": ({"session", "scenes", "static", "engine"}, {"figures"}, set()),
    "study": ({"engine", "kernels", "models", "images", "scenes"}, {"figures"}, WIDGETS),
    "explorer": ({"session", "views", "models", "images", "engine"}, {"study", "figures"}, set()),
    "server": (set(), set(), WIDGETS | {"torch", "numpy"}),
    "cli": (set(), EVERY, set()),
    "__init__": (set(), EVERY, set()),
    "__main__": ({"cli"}, set(), set()),
}  # fmt: skip
# Views take types and the names of methods from the engine, and nothing that computes.
OF_THE_ENGINE = {
    "METHODS", "Activations", "Agreement", "Contrast", "Explanation", "Impacts", "Joint", "Maps", "Measures", "Method",
    "Output", "Query", "Receipt", "Region", "Saliency", "Secondary",
}  # fmt: skip
MOST_LINES = 400


def room_of(parts: tuple[str, ...]) -> str:
    """The room that a module stands in, from its dotted path below the package: ("demo", "build") -> demo.build."""
    if not parts:
        return "__init__"
    if parts[0] == "views" and len(parts) > 1 and parts[1].startswith("_"):  # what one view or several are made of
        return "views._base"
    if parts[0] == "demo" and len(parts) > 1:  # what is neither networks nor pictures is how they were made
        return f"demo.{parts[1]}" if f"demo.{parts[1]}" in DEMO else "demo.build"
    return parts[0]


def parts_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Each imported module, and whether it is imported only when first used (in a function, or for types)."""

    def visit(node: ast.AST, late: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, from xai_widgets."
            ours = (node.module or "").split(".")[0] == "xai_widgets"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if ours else [str(node.module)]
            yield from ((name, late) for name in names)
        types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        inside = late or types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(tree, False)


def faults(path: Path, source: str) -> Iterator[str]:
    """What a file of this source imports against the table."""
    here = room_of(parts_of(path))
    if here not in ROOMS:
        yield f"{here} is no room of the table"
        return
    allowed, later, forbidden = ROOMS[here]
    for name, late in imports(ast.parse(source)):
        top, *rest = name.split(".")
        if top in forbidden:
            yield f"{here} imports {top}"
        if top != "xai_widgets" or not rest:
            continue
        there = room_of(tuple(rest))
        if here == there == "views":
            if parts_of(path) != ("views",):
                yield f"a view imports another: {name}"
        elif there not in {here, here.split(".")[0]} and not _in(there, allowed | later if late else allowed):
            yield f"{here} imports {name}{'' if late or not _in(there, later) else ' at once'}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "views").glob("*.py")), ids=lambda path: path.name)
def test_views_take_types_and_names_from_the_engine(path: Path) -> None:
    names = [name for name, _ in imports(ast.parse(path.read_text())) if name.startswith("xai_widgets.engine")]
    assert {name.rpartition(".")[2] for name in names} <= OF_THE_ENGINE


def test_no_file_is_longer_than_a_person_reads() -> None:
    suffixes = {".py", ".js", ".css", ".mjs"}
    tops = ("xai_widgets", "tests", "benchmarks")
    files = [path for top in tops for path in (ROOT / top).rglob("*") if "node_modules" not in path.parts]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if path.suffix in suffixes and (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_the_engine_alone_makes_the_keys_of_what_is_remembered() -> None:
    """Nobody else looks into the memory: `cache.get` and `cache.put` stand in the engine only."""
    outside = [path for path in SOURCES if "engine" not in path.relative_to(PACKAGE).parts]
    assert not [str(path) for path in outside if re.search(r"cache\.(get|put|remember|drop)\b", path.read_text())]


def _in(room: str, rooms: set[str]) -> bool:
    """`views` names all views, `demo.networks` only that one."""
    return room in rooms or (room.split(".")[0] in rooms and room != "demo.build")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_what_it_may(path: Path) -> None:
    assert list(faults(path, path.read_text())) == []


@pytest.mark.parametrize(
    ("room", "source", "fault"),
    [
        ("kernels/tail.py", "import pandas", "kernels imports pandas"),
        ("kernels/tail.py", "def f():\n    from plotly import graph_objects", "kernels imports plotly"),
        ("kernels/tail.py", "from xai_widgets.models import ImageModel", "kernels imports xai_widgets.models."),
        ("models/loading.py", "from xai_widgets.demo.build import f", "models imports xai_widgets.demo.build.f"),
        ("session.py", "from xai_widgets import figures", "session imports xai_widgets.figures at once"),
        ("session.py", "import matplotlib.figure", "session imports matplotlib"),
        ("engine/answering.py", "from xai_widgets.session import Session", "engine imports xai_widgets.session."),
        ("scenes/stage.py", "import torch", "scenes imports torch"),
        ("scenes/stage.py", "from xai_widgets.engine import Query", "scenes imports xai_widgets.engine."),
        ("figures/stage.py", "from xai_widgets.kernels import saliency", "figures imports xai_widgets.kernels."),
        ("session.py", "from xai_widgets.kernels import cam", "session imports xai_widgets.kernels.cam"),
        ("views/stage.py", "from xai_widgets.views.gallery import Gallery", "a view imports another"),
        ("views/stage.py", "from xai_widgets.kernels import cam", "views imports xai_widgets.kernels.cam"),
        ("server.py", "import torch.nn", "server imports torch"),
        ("helpers.py", "", "helpers is no room of the table"),
    ],
)
def test_the_table_finds_faults(room: str, source: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(PACKAGE / room, source))


def test_the_table_lets_pass_what_it_may() -> None:
    source = """import traitlets
from xai_widgets.engine.lanes import Lane
def f():
    from xai_widgets import figures"""
    assert list(faults(PACKAGE / "session.py", source)) == []


def fresh(source: str) -> str:
    """What Python prints that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["xai_widgets", "xai_widgets.cli"])
def test_importing_the_package_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "numpy", "pandas", "traitlets", "ipywidgets", "plotly", "skimage", "matplotlib")
    assert fresh(f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_at_most_fifteen_names_are_public_and_each_is_there() -> None:
    import xai_widgets

    assert 0 < len(xai_widgets.__all__) <= 15
    for name in xai_widgets.__all__:
        assert getattr(xai_widgets, name) is not None
        assert name in dir(xai_widgets)


def project() -> dict:
    table: dict = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_the_conda_environment_is_that_of_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    # What is needed stands once, in pyproject.toml: conda brings Python and pip, and pip reads the rest there.
    assert conda == [f"python{project()['requires-python']}", "pip"]
    assert pip == {"pip": ["--editable ."]}


def test_dependencies_have_lower_bounds_and_nothing_is_pinned() -> None:
    for line in chain(project()["dependencies"], *project()["optional-dependencies"].values()):
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+", line), f"{line}: a lower bound and nothing else"


def test_every_import_of_the_package_is_a_dependency() -> None:
    named = {line.split(">")[0].replace("-", "_") for line in project()["dependencies"]}
    module = {"pillow": "PIL", "scikit_image": "skimage"}
    known = {module.get(name, name) for name in named} | set(sys.stdlib_module_names) | {"xai_widgets"}
    known |= {"traitlets", "IPython", "comm", "jupyter_core"}  # part of what ipywidgets and jupyter_server offer
    known |= {"pydicom", "pillow_heif"}  # extras, asked for only where `find_spec` finds them
    for path in SOURCES:
        unknown = {name.split(".")[0] for name, _ in imports(ast.parse(path.read_text()))} - known
        assert not unknown, f"{path.relative_to(ROOT)} imports {unknown}, which pyproject.toml does not name"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_lesson_uses_only_what_is_public(path: Path) -> None:
    notebook = json.loads(path.read_text())
    cells = notebook["cells"]
    assert re.match(r"# .+\?\n", "".join(cells[0]["source"]) + "\n"), "the title is a question"
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), "a lesson is stored without outputs"
            for name, _ in imports(ast.parse("".join(cell["source"]))):
                assert not any(part.startswith("_") for part in name.split(".")), f"{name} is private"
                top, *rest = name.split(".")
                ours = len(rest) == 1 or (rest and rest[0] in ("kernels", "views"))
                assert top != "xai_widgets" or ours, f"{name}: names come from xai_widgets, its views or kernels"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_says_which_python_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1"\nexit 1\n')
    old.chmod(0o755)
    command = ["make", "--silent", "lab", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == "Python 3.11 or newer is needed, got Python 3.9.1."
    assert not (tmp_path / "venv").exists()


def test_the_readme_has_the_table_of_methods() -> None:
    from xai_widgets.engine.methods import table
    from xai_widgets.engine.methods.documentation import markdown

    assert markdown(table()) in (ROOT / "README.md").read_text()
