"""The mean of each feature map over images of a set, by which a removed map can be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from xai_widgets.engine.lanes import Stopped
from xai_widgets.kernels.baselines import mean_baseline
from xai_widgets.kernels.checks import check_finite
from xai_widgets.kernels.faults import DeviceFault, said

if TYPE_CHECKING:
    from xai_widgets.images import ImageSet

BASELINE_IMAGES = 16  # of a set, whose mean is the baseline of a map
NAMED = 3  # images that are named in a sentence


def baseline_images(images: ImageSet) -> tuple[str, ...]:
    """The images of a set whose mean is the baseline of a map: at most `BASELINE_IMAGES`, evenly spread."""
    return images.names[:: max(len(images) // BASELINE_IMAGES, 1)][:BASELINE_IMAGES]


def baseline_digests(images: ImageSet) -> list[tuple[str, ...]]:
    """What these images show, in their order; empty for one that cannot be read, which is left out of the mean."""
    found: list[tuple[str, ...]] = []
    for name in baseline_images(images):
        try:
            found.append(images.digests(name))
        except ValueError:
            found.append(())
    return found


@dataclass(frozen=True, eq=False)
class SetMean:
    """A mean over images of a set.

    Attributes:
        values: (c), one number a map.
        names: of the images that were meant.
        left_out: those of them that cannot be read or run.
    """

    values: Tensor
    names: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def words(self) -> str:
        """Which images are left out, as a sentence after others; empty where none is."""
        if not self.left_out:
            return ""
        shown = ", ".join(map(repr, self.left_out[:NAMED])) + (", ..." if len(self.left_out) > NAMED else "")
        return (
            f" Left out of the mean, since they cannot be read or run: {len(self.left_out)} of its {len(self.names)} "
            f"images ({shown})."
        )


def mean_over(names: tuple[str, ...], maps_of: Callable[[str], Tensor]) -> SetMean:
    """The mean over those images that can be read and run.

    Args:
        names: of the images.
        maps_of: gives the maps (1 c h w) of an image.

    Raises:
        ValueError: there is no such image.
        DeviceFault: the device failed.
    """
    left_out: dict[str, Exception] = {}

    def readable() -> Iterator[Tensor]:
        for name in names:
            try:
                maps = maps_of(name).detach()
                check_finite("maps", maps)
            except Exception as error:
                if isinstance(error, DeviceFault | Stopped | MemoryError) or said(error):
                    raise
                left_out[name] = error
            else:
                yield maps

    try:
        return SetMean(mean_baseline(readable()), names, tuple(left_out))
    except ValueError as error:
        if not names or len(left_out) < len(names):
            raise
        why = " ".join(str(left_out[names[0]]).split()) or type(left_out[names[0]]).__name__
        raise ValueError(
            f"none of the {len(names)} images of the mean baseline can be read and run; of {names[0]!r}: {why}"
        ) from error
