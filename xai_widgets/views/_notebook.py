"""The notebook around the views: which cell is running, and pictures that are left in its output."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from IPython import get_ipython
from IPython.display import display


def running_cell() -> dict[str, Any]:
    """The message that runs the present cell; empty where none is running, as in a gesture, or there is no kernel."""
    with suppress(AttributeError):
        request = get_ipython().get_parent()
        if request["header"]["msg_type"] == "execute_request":
            return dict(request)
    return {}


def leave(picture: bytes, words: str, *, cell: dict[str, Any]) -> None:
    """Leave a picture (PNG) and words in the output of a cell, also after it has run; it is saved with the notebook."""
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": words}
    shell = get_ipython()
    session = getattr(getattr(shell, "display_pub", None), "session", None)
    if session is None or not cell:
        display(data, raw=True)
        return
    content = {"data": data, "metadata": {}, "transient": {}}
    message = session.msg("display_data", content, parent=cell)
    session.send(shell.display_pub.pub_socket, message, ident=shell.display_pub.topic)


@contextmanager
def opening() -> Iterator[Callable[[str], None]]:
    """While something is made in a running cell: a frame there that says what is done; gone at the end.

    Yields:
        A function of the words. Nothing is shown outside a notebook.
    """
    if not running_cell():
        yield lambda _: None
        return
    frame = display(_frame("opening"), raw=True, display_id=True)

    def tell(words: str) -> None:
        frame.update(_frame(words), raw=True)

    try:
        yield tell
    finally:
        frame.update({"text/html": "", "text/plain": ""}, raw=True)


def _frame(words: str) -> dict[str, str]:
    style = (
        "box-sizing: border-box; min-height: 96px; padding: 36px 16px; text-align: center; border-radius: 3px;"
        "border: 1px solid var(--jp-border-color2, #bbb); color: var(--jp-ui-font-color1, inherit);"
        "font-family: var(--jp-ui-font-family, sans-serif)"
    )
    return {"text/html": f'<div role="status" style="{style}">{html.escape(words)} …</div>', "text/plain": f"{words} …"}
