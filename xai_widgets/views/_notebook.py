"""The notebook around the views: which cell is running, and pictures that are left in its output."""

from __future__ import annotations

import base64
from contextlib import suppress
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
