"""A Jupyter server extension: messages of a kernel leave at once, so that a drag is smooth.

jupyter_server leaves Nagle's algorithm on, so of the three messages that answer a drag (busy, the new state, idle) the
last waits for the browser's delayed TCP acknowledgement, about 40 ms; and ipywidgets waits for it before it sends the
next value. The wheel switches this on for the Jupyter servers of its environment. To switch it off, set
XAI_WIDGETS_PROMPT=0 where the server starts, or `jupyter server extension disable xai_widgets.server`.

The server imports this module, so it stays light: nothing of ours, no torch.
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

OFF = {"0", "false", "no", "off"}
SETTING = "kernel_websocket_connection_class"


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection to a kernel, with TCP_NODELAY."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def switched_off() -> bool:
    """Whether the environment says that messages should leave as Jupyter sends them."""
    return os.environ.get("XAI_WIDGETS_PROMPT", "1").strip().lower() in OFF


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    if switched_off():
        server.log.info("xai_widgets: messages leave as Jupyter sends them (XAI_WIDGETS_PROMPT is off).")
        return
    settings = server.web_app.settings
    if settings.get(SETTING, server.kernel_websocket_connection_class) is not ZMQChannelsWebsocketConnection:
        server.log.info("xai_widgets: another %s is configured and stays.", SETTING)
        return
    settings[SETTING] = PromptConnection
