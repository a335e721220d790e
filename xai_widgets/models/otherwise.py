"""The same network with its outputs read otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from xai_widgets.models.meaning import reading_name, reading_of, words_of
from xai_widgets.models.named import Named

if TYPE_CHECKING:
    import torch
    from torch import nn

    from xai_widgets.models.meaning import Meaning
    from xai_widgets.models.preprocessing import Preprocessing
    from xai_widgets.models.results import Scores
    from xai_widgets.models.source import ModelSource


class ReadOtherwise(Named):
    """The part of `ImageModel` that makes other models of its network."""

    if TYPE_CHECKING:
        name: str
        network: nn.Module
        layer: str
        runs: tuple[Any, ...]
        _read: Scores
        _meaning: Meaning
        _preprocessing: Preprocessing
        _asked_device: torch.device | None
        _source: tuple[ModelSource, str] | None

        def __init__(self, network: nn.Module, transform: Any, layer: Any = None, **options: Any) -> None: ...
        @property
        def source(self) -> ModelSource | None: ...
        def digest(self) -> str: ...
        def _shared(self) -> dict[str, Any]: ...

    def read_as(self, task: str | None = None, *, output: str | None = None, **meaning: Any) -> Self:
        """The same network with its outputs read otherwise, as another model.

        Args:
            task: see `ImageModel`; found by looking, if left out.
            output: the name of another part of what the network returns; as it is here, if left out.
            meaning: labels, range, ranges, form and name, as in `ImageModel`. Names are kept where there are as many.

        Raises:
            TypeError, ValueError: the network cannot be read so.
        """
        base, before, head = reading_of(self.name)
        task = task if output is not None else task or before
        same = output is None and "binary" not in (task, self.task)
        kept: dict[str, Any] = {
            "name": reading_name(base, task, output or head),
            "labels": self.labels if same else None,
            "runs": [run.network for run in self.runs if run is not self],
            "device": self._asked_device,
        }
        shared = self._shared() | ({} if output is None else {"output": output})
        model = type(self)(self.network, self._preprocessing, self.layer, task=task, **(shared | kept | meaning))
        source = self.source
        if source is not None:
            model._source = source, self.digest()  # with its name it says how to read it, see `Sources`
        return model

    @property
    def readings(self) -> tuple[tuple[str, str], ...]:
        """(name, words) of models that `read_as` makes, where this one was found by looking or is one of them."""
        base, task, head = reading_of(self.name)
        tasks = self._meaning.others if self._meaning.guessed or task else ()
        count = 1 if "binary" in (self.task, *tasks) else self.outputs
        found = [(reading_name(base, other, head), words_of(other, count)) for other in tasks]
        heads = self._read.heads if self._read.notice or head else ()
        return (*found, *((reading_name(base, None, one), f"{one!r}") for one in heads if one != self._read.head))
