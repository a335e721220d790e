"""Linked views, in JupyterLab, of what an image network uses."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai_widgets.engine import Contrast as Contrast
    from xai_widgets.engine import Engine as Engine
    from xai_widgets.engine import Query as Query
    from xai_widgets.engine import Sources as Sources
    from xai_widgets.engine import answer as answer
    from xai_widgets.explorer import Explorer as Explorer
    from xai_widgets.explorer import explore as explore
    from xai_widgets.images import ImageSet as ImageSet
    from xai_widgets.images import load_images as load_images
    from xai_widgets.models import ImageModel as ImageModel
    from xai_widgets.models import ModelSource as ModelSource
    from xai_widgets.models import load_model as load_model
    from xai_widgets.session import Look as Look
    from xai_widgets.session import Session as Session
    from xai_widgets.study import Study as Study

__version__ = "0.1.0"
ROOMS = {
    "Contrast": "engine",
    "Engine": "engine",
    "Explorer": "explorer",
    "ImageModel": "models",
    "ImageSet": "images",
    "Look": "session",
    "ModelSource": "models",
    "Query": "engine",
    "Session": "session",
    "Sources": "engine",
    "Study": "study",
    "answer": "engine",
    "explore": "explorer",
    "load_images": "images",
    "load_model": "models",
}
__all__ = sorted(ROOMS)


def __getattr__(name: str) -> Any:
    # Names are imported when first used: `import xai_widgets` costs nothing.
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
