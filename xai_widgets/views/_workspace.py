"""One screen for several views: columns, a dock with tabs, borders that the reader moves."""

from __future__ import annotations

import anywidget
from traitlets import Dict, Unicode

from xai_widgets.static import front_end, style
from xai_widgets.views._once import once

TABS = ("bank", "plane", "radar")


class Workspace(anywidget.AnyWidget):
    """Places for views, which it neither makes nor knows.

    The page keeps the widths that the reader gives to columns, for all workspaces on it.
    """

    _esm = once(front_end("workspace"))
    _css = style("workspace")

    parts = Dict(
        help="What is shown, by its place (status, gallery, contrast, stage, bank, plane, radar): anywidget:id."
    ).tag(sync=True)
    tab = Unicode(TABS[0], help="Which of bank, plane and radar is in front.").tag(sync=True)
