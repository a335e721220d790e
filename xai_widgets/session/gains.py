"""What a session does with the gains of feature maps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from threading import RLock
from typing import Any

import numpy as np

from xai_widgets.engine import Maps, Query
from xai_widgets.engine.query import checked_gain, plain


class Gains:
    """Ways to change gains; a part of `Session`."""

    lock: RLock  # type: ignore[valid-type]
    query: Query
    maps: Maps | None
    ask: Callable[..., None]
    layers: Callable[[], list[Any]]

    def set_gain(self, indices: int | Iterable[int], gain: float, *, gesture: Hashable = None) -> None:
        """Set the gain, 0 to 2, of one map or of several."""
        indices = plain(indices)
        some = [indices] if isinstance(indices, int) else [plain(index) for index in indices]
        self.ask(gains=dict.fromkeys(some, gain), gesture=gesture)

    def mute(self, indices: Iterable[int]) -> None:
        self.ask(gains=dict.fromkeys(indices, 0.0))

    def solo(self, indices: Iterable[int]) -> None:
        """Mute all maps but these."""
        kept, count = {plain(index) for index in indices}, self._count()
        for index in kept:
            checked_gain(index, 1, count)
        self.ask(gains={index: float(index in kept) for index in range(count)})

    def invert(self) -> None:
        """Mute the maps that are not muted, and restore those that are."""
        with self.lock:
            self.ask(gains={index: float(self.query.gain(index) == 0) for index in range(self._count())})

    def reset_gains(self) -> None:
        with self.lock:
            self.ask(gains=dict.fromkeys(dict(self.query.gains), 1.0))

    def gains(self) -> np.ndarray:
        """All gains (c,) float32, as many as the layer has maps (none while that is not known)."""
        with self.lock:
            count = len(self.maps.thumbs) if self.maps is not None else 0
            values = np.ones(count, np.float32)
            for index, gain in self.query.gains:
                if index < count:
                    values[index] = gain
            return values

    def _count(self) -> int:
        if self.maps is not None:
            return len(self.maps.thumbs)
        known = [info.maps for info in self.layers() if info.name == self.query.layer]
        if not known:
            raise RuntimeError(f"the number of maps of {self.query.layer!r} is not known yet; try again in a moment.")
        return known[0]
