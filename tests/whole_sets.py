"""What is known of a set, from real answers, as a study would bring it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import tiny
from PIL import Image
from tiny import SIDE

from xai_widgets import ImageSet
from xai_widgets.engine import Query, Sources, answer
from xai_widgets.engine.set_answers import MEASURES, Column, SetAnswers
from xai_widgets.kernels.measures import AXES

COUNT, KNOWN = 12, 9  # images of the set, and those of which something is known
CAMERAS = ("A", "b", "", "a10", "a9")


def crops(folder: Path) -> Sources:
    """The tiny regressor and 12 photographs with a table: all but the first are rated; "camera" is words, with gaps."""
    generator = np.random.default_rng(0)
    for place in range(COUNT):
        photo = np.roll(tiny.photos()[place % 3], 5 * place, axis=1) // (1 + place % 2)
        noisy = photo + generator.integers(0, 40, (SIDE, SIDE, 3))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / f"{place}.png")
    places = range(COUNT)
    table = pd.DataFrame(
        {
            "image": [f"{place}.png" for place in places],
            "rating": [None, *(place / COUNT for place in places[1:])],
            "camera": [CAMERAS[place % 5] for place in places],
            "iso": [100 * (place % 4) for place in places],
        }
    )
    return Sources(tiny.regressor(), ImageSet(table, folder=folder, name="crops"))


def known(sources: Sources) -> SetAnswers:
    """Impacts and measures of the first 9 images, the last of them first."""
    model = sources.model()
    names = tuple(reversed(sources.images.names[:KNOWN]))
    queries = [Query(image=name, model=sources.names[0], layer=model.layer) for name in names]
    impacts = [answer(sources, query, "impacts") for query in queries]
    measures = [answer(sources, query, "measures").values for query in queries]
    columns = {axis: np.array([values[axis] for values in measures]) for axis in AXES}
    nothing = np.full(len(impacts[0].delta_y), np.nan, np.float32)
    return SetAnswers(
        model=sources.names[0],
        run=0,
        layer=model.layer,
        images=names,
        source="the study crops",
        total=KNOWN,
        columns={axis: Column(axis, MEASURES[axis], values, "measures") for axis, values in columns.items()},
        delta_y=np.array([one.delta_y for one in impacts]),
        delta_error=np.array([nothing if one.delta_error is None else one.delta_error for one in impacts]),
        targets="the score",
    )
