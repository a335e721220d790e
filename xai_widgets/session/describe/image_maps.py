"""Maps on the thumbnails of a gallery: what they are, in words, and each of them small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xai_widgets.engine import Saliency
from xai_widgets.session.describe.heads import table_of
from xai_widgets.session.look import Look

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

MOST_CELLS = 48  # of the longer side of a map on a thumbnail
SAID = ("method", "target", "contrast", "layer")


def map_words(session: Session) -> str:
    """What the maps on thumbnails are, in a line that stands for all of them."""
    query = session.query
    (row,) = table_of([query], [session.model])
    said = [row[name] for name in SAID if row[name] and not (name == "contrast" and query.contrast is None)]
    changed = [row["gains"]] if query.gains else []
    return f"{' · '.join([*said, *changed])}; each on its own scale"


def map_look(look: Look) -> dict[str, Any]:
    """How they look, as the map on the stage does."""
    return {name: getattr(look, name) for name in ("palette", "sign", "opacity", "grey")}


def small_map(saliency: Saliency) -> tuple[dict[str, Any], list[bytes]]:
    """A map for a thumbnail: at most so many cells wide and high, each a byte from -127 to 127 at the full colour."""
    values = np.nan_to_num(np.asarray(saliency.weight, np.float32), posinf=0, neginf=0)
    height, width = values.shape
    most = max(height, width)
    if most > MOST_CELLS:
        size = (max(round(width * MOST_CELLS / most), 1), max(round(height * MOST_CELLS / most), 1))
        values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))
    share = np.clip(values / saliency.limit, -1, 1) if saliency.limit > 0 else np.zeros_like(values)
    content = {"shape": list(values.shape), "box": list(saliency.box), "palette": saliency.palette}
    return content, [np.rint(127 * share).astype(np.int8).tobytes()]
