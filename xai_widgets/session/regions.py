"""A region of the photo: what each feature map does there, and how much of the map that is shown lies there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xai_widgets.engine import METHODS, Maps, Query, Region, Saliency
from xai_widgets.engine.parts.region import checked_box, checked_mask, within
from xai_widgets.session.look import Look
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.panel import Panel
from xai_widgets.session.requests import Requests

OF_A_REGION = ("image", "shown")  # where one of these is another, a region means something else
OF_A_GRID = ("model", "run", "layer", "call")


def means_the_same(region: Mapping[str, Any], before: Query, now: Query) -> bool:
    """Whether a region is of the same places after a change of what is asked."""
    return not now.differs(before, OF_A_REGION + (OF_A_GRID if "mask" in region else ()))


class Regions(OneChange):
    """What a session says of a region; a part of `Session`."""

    panels: tuple[Panel, ...]
    query: Query
    maps: Maps | None
    saliency: Saliency | None
    look: Look
    region: Region | None
    looked_into: dict[str, Any]
    lacking: Callable[[str], str]
    _requests: Requests

    @property
    def panel(self) -> Panel:
        raise NotImplementedError

    def look_into(self, region: Any = None) -> None:
        """Ask what each feature map does inside a region of the active panel's photo; None lets go of it.

        The answer arrives bit by bit in the trait `region`: `delta_y` (c,) holds the change of the score when each map
        is removed inside the region only, NaN for maps that are still to come (`done` says whether any are); `share`
        says how much of the map that is shown lies there, `area` what a constant map would have; `mask` (h w) is the
        region on the layer's grid, and `joint` the change without all maps there. The trait is None without a region.

        The region stays while other questions are asked about the same image. It is let go of with another image,
        and a mask with another layer or model.

        Args:
            region: left, top, right and bottom as shares of the photo, such as (0.2, 0.1, 0.6, 0.5); or a mask, rows
                of 0 and 1 on the layer's grid.

        Raises:
            ValueError: neither of them, or nothing of it lies in what the network saw; the region is then as before.
        """
        with self.changing():
            self._open()
            into = {} if region is None else self._checked(region)
            if into == self.looked_into and (not into or self.region is not None):
                return
            self._look_elsewhere(into)
            if into:
                self._requests.ask("region")
            else:
                self._requests.send(self.panel, self.query)  # takes back what went wrong with it

    def strongest_inside(self, count: int = 1) -> tuple[int, ...]:
        """The maps whose removal inside the region moves the score most, by their size; of those that are known.

        Raises:
            ValueError: no region is asked about.
        """
        found = self.region
        if found is None:
            raise ValueError("no region is asked about, or nothing of it is known yet; use session.look_into(box).")
        size = np.abs(np.nan_to_num(found.delta_y, nan=0.0))
        order = size.argsort(kind="stable")[::-1][:count]
        return tuple(int(index) for index in order if size[index] > 0)

    def _checked(self, region: Any) -> dict[str, Any]:
        """As the options of the engine's part."""
        if not _is_mask(region):
            box = checked_box(list(region) if isinstance(region, tuple) else region)
            if box and self.saliency is not None and self.maps is not None:
                within(box, self.saliency.box, self.maps.thumbs.shape[1:])
            return {"box": box}
        mask = checked_mask(region)
        if not mask:
            raise ValueError("mask must hold at least one place that is 1, got none.")
        grid = None if self.maps is None else self.maps.thumbs.shape[1:]
        if grid is not None and grid != (len(mask), len(mask[0])):
            raise ValueError(
                f"mask must be of the grid of {self.query.layer!r}, {grid[0]} × {grid[1]} places, got "
                f"{len(mask)} × {len(mask[0])}."
            )
        return {"mask": mask}

    def _region_moved(self, before: Query) -> None:
        """The active panel asks something else."""
        if self.looked_into and not means_the_same(self.looked_into, before, self.query):
            self._look_elsewhere({})

    def _look_elsewhere(self, into: dict[str, Any]) -> None:
        """What is known is of another region."""
        self.looked_into = into
        for panel in self.panels:
            panel.take(region=None)

    def _with_beside(self, parts: list[str], panel: Panel, active: bool) -> list[str]:
        """Parts of an answer, with what is to be known beside them: a region, how much a contrast tells, and P - Q."""
        query = panel.query
        contrast = active and query.contrast is not None and METHODS[query.method].takes_contrast
        of_class = query.contrast is not None and query.contrast.kind == "class"
        beside = {
            "region": active and bool(self.looked_into),
            "likeness": contrast and not self.lacking("grad_cam"),
            "margins": active and of_class,
        }
        panel.take(**{name: None for name, wanted in beside.items() if not wanted})
        found = [name for name, wanted in beside.items() if wanted]
        if "margins" not in found or self.look.effect_on != "difference":
            return parts + found
        found.remove("margins")
        place = parts.index("impacts")  # the effects that bank and plane show come first
        return [*parts[:place], "margins", *parts[place:], *found]


def _is_mask(region: Any) -> bool:
    """Rows, rather than four numbers."""
    if isinstance(region, str | Mapping):
        return False
    try:
        return any(np.ndim(row.tolist() if hasattr(row, "tolist") else row) for row in region)
    except TypeError:
        return False
    except ValueError:  # rows within a row, of several lengths
        return True
