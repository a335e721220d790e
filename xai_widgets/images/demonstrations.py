"""The images that come with the package, by name."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet

_DEMOS = {"demo/quality": (0.0, 1.0), "demo/scenes": None, "demo/collages": None}


def load_images(name: str | os.PathLike[str], /, **options: Any) -> ImageSet:
    """The demonstration images "demo/quality", "demo/scenes" or "demo/collages", or a path, as in `ImageSet`.

    Raises:
        ValueError: There is no such set, or as in `ImageSet`.
        OSError: The demonstration images cannot be written anywhere.
    """
    from xai_widgets.images import ImageSet  # which offers this function

    if not isinstance(name, str) or not name.startswith("demo/"):
        return ImageSet(name, **options)
    if name not in _DEMOS:
        near = difflib.get_close_matches(name, _DEMOS, 1) or list(_DEMOS)
        raise ValueError(f"Demonstration images are {', '.join(map(repr, _DEMOS))}, got {name!r}: try {near[0]!r}.")
    from xai_widgets.demo import pictures

    folder = getattr(pictures, f"{name.removeprefix('demo/')}_folder")()
    found = ImageSet(folder / "table.csv", **{"name": name, "range": _DEMOS[name], **options})
    found.made_by(name, options)
    return found
