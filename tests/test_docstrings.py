"""What a public function of the kernels raises stands in its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import xai_widgets.kernels

ROOM = Path(xai_widgets.kernels.__path__[0])
FILES = sorted(ROOM.rglob("*.py"))
ERROR = r"\b[A-Z]\w*Error\b"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def raises_itself(function: Function) -> bool:
    """Is there a `raise` in its body, not counting functions and classes that are defined within?"""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False


def public_functions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, str, Function]]:
    """Name, docstring and definition of what anybody may call; the docstring of `__init__` is that of its class."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for name, text, function in public_functions(node.body, f"{owner}{node.name}."):
                yield name, ast.get_docstring(node) or "" if name.endswith(".__init__") else text, function
        elif isinstance(node, Function) and (not node.name.startswith("_") or node.name in ("__init__", "__call__")):
            yield f"{owner}{node.name}", ast.get_docstring(node) or "", node


def silent(source: str) -> list[str]:
    """Public functions that raise an error and name none."""
    functions = public_functions(ast.parse(source).body)
    return [name for name, text, function in functions if raises_itself(function) and not re.search(ERROR, text)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOM)))
def test_what_is_raised_is_said(path: Path) -> None:
    assert silent(path.read_text()) == []


def test_a_function_that_is_silent_is_found() -> None:
    source = '''
def quiet():
    """Nothing is said."""
    raise ValueError("no")
def loud():
    """Something.

    Raises:
        ValueError: always.
    """
    raise ValueError("no")
def outer():
    """What it makes raises."""
    def inner():
        raise ValueError("no")
    return inner
class Open:
    """A class."""
    def __init__(self):
        if self:
            raise TypeError("no")
    def _own(self):
        raise TypeError("no")
'''
    assert silent(source) == ["quiet", "Open.__init__"]
