"""Classes Q side by side: a small map of each, the most different one first."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene


@scene
class Candidates:
    """The maps of "why P, rather than Q?", by how far each is from that of "why P?".

    Attributes:
        most: how many of the likeliest classes were asked for.
        words: what is compared, and how.
        classes: Q by number, the one whose map differs most first.
        distances: 1 - r of each; NaN where a map is the same everywhere.
        spoken: of each, what its distance means.
        maps: (m h w) one byte a place; 128 is 0, and 1 and 255 are the largest value of that map without its sign.
        note: what is still on its way, or why there is nothing.
        done: whether all are there.
    """

    most: int
    words: str
    classes: tuple[int, ...]
    distances: tuple[float, ...]
    spoken: tuple[str, ...]
    maps: np.ndarray
    note: str
    done: bool
