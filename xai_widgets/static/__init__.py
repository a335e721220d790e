"""Front-end modules and styles, a folder for each view and `shared/` for what several use; sent as text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xai_widgets.static.flatten import flatten

FOLDER = Path(__file__).parent
COMMENT_OR_INDENT = re.compile(r"\s*/\*[^*]*\*/|(?<=\n) +")


@cache
def front_end(view: str) -> str:
    """The ES module of a view, such as "stage": its `view.js` after all that it imports."""
    return flatten(f"{view}/view.js", FOLDER)


@cache
def style(view: str, *shared: str) -> str:
    """The stylesheet of a view after the shared theme, without comments and indents.

    Args:
        shared: further sheets of `shared/`, by name.
    """
    paths = ("shared/theme.css", *(f"shared/{name}.css" for name in shared), f"{view}/view.css")
    return COMMENT_OR_INDENT.sub("", "".join((FOLDER / path).read_text(encoding="utf-8") for path in paths))
