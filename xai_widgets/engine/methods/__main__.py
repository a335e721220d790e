"""Prints the table of methods: python -m xai_widgets.engine.methods"""

from __future__ import annotations

from xai_widgets.engine.methods import table
from xai_widgets.engine.methods.documentation import markdown

print(markdown(table()))
