"""Front ends that the page reads once, however many widgets there are: see `static/shared/once.js`."""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache

from xai_widgets.static import FOLDER

IMPORT = 'import { letGo, once, unpacked } from "./once.js";\n'


@cache
def shared(*names: str) -> str:
    """Modules of `static/shared/`, the later with what they take from the first, as one text."""
    return "".join((FOLDER / "shared" / name).read_text(encoding="utf-8").replace(IMPORT, "") for name in names)


@cache
def once(text: str) -> str:
    """The ES module of a view as one that gives `text` to the page if the page does not have it yet."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()  # a third of the bytes
    return f'{shared("once.js")}\nexport default await viewOnce("{digest}", "{packed}");\n'


def figure_once() -> str:
    """The ES module of a plotly figure, which takes plotly from the page."""
    return shared("once.js", "plotly_once.js")
