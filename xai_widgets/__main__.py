"""`python -m xai_widgets` is `xai-widgets`."""

from xai_widgets.cli import main

main()
