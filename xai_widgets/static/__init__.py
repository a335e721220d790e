"""Front-end modules and styles, read as text. No bundler, no network."""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'from\s+"\./([\w.-]+\.js)"')


@cache
def front_end(name: str) -> str:
    """The ES module `name`; modules that it imports from `./` stand in line as data URLs, so that it loads anywhere.

    The same text gives the same URL, so a page loads a shared module once.
    """

    def in_line(match: re.Match[str]) -> str:
        text = base64.b64encode(front_end(match[1]).encode()).decode()
        return f'from "data:text/javascript;base64,{text}"'

    return IMPORT.sub(in_line, (FOLDER / name).read_text(encoding="utf-8"))


@cache
def style(name: str) -> str:
    """The stylesheet `name` after the shared theme."""
    return (FOLDER / "theme.css").read_text(encoding="utf-8") + (FOLDER / name).read_text(encoding="utf-8")
