"""Other training runs of a model's architecture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from xai_widgets.models.model import ImageModel


def other_runs(first: ImageModel, runs: Sequence[nn.Module | ImageModel]) -> list[ImageModel]:
    """The runs as models, without the first; a network becomes one with the first's transform, layer and meaning.

    Raises:
        TypeError: no list.
        ValueError: a run of another architecture.
    """
    kind = type(first)
    if isinstance(runs, nn.Module | kind):
        raise TypeError("runs must be a list of networks or models, got a single one.")
    others: list[ImageModel] = []
    for run in runs:
        if (run.network if isinstance(run, kind) else run) is first.network:
            continue
        other = run if isinstance(run, kind) else _like(first, run, f"{first.name}, run {len(others) + 2}")
        _check_same_shape(first, other)
        others.append(other)
    return others


def _like(first: ImageModel, network: Any, name: str) -> ImageModel:
    meaning: dict[str, Any] = {"task": first.task, "form": first._said.form, "labels": first.labels}
    more = {"ranges": first.ranges, "name": name, "device": first.device} | first._shared()
    return type(first)(network, first._preprocessing, first.layer, **(meaning | more))


def _check_same_shape(first: ImageModel, other: ImageModel) -> None:
    def shape(model: ImageModel) -> str:
        layer = model._layers.info(first.layer)
        maps = f"{layer.maps} maps of {layer.height} x {layer.width}" if layer else "no maps"
        return f"{maps} and {model.outputs} scores"

    if shape(other) != shape(first):
        raise ValueError(
            f"runs must be trainings of one architecture: at layer {first.layer!r} {first.name} has {shape(first)}, "
            f"{other.name} has {shape(other)}."
        )
