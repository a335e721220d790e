"""ModelSource: how a model is made, in plain data, so that another process can make the same one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

from xai_widgets.kernels.tail.feeds import FORMS

if TYPE_CHECKING:
    from xai_widgets.models.model import ImageModel

USUAL = "usual"
TEXTS = ("make", "weights", "layer", "output", "task", "form", "name", "patch_scores", "device", "layout", "call")
NUMBERS = ("images", "channels")
Transform = str | Sequence[str] | Mapping[str, Any] | None


@dataclass(frozen=True)
class ModelSource:
    """How a network is made, and how an ImageModel is made of it. Nothing is imported or read before `load`.

    Loading imports and calls what is named here: load only sources that you would run as code.

    Args:
        make: a name that `load_model` knows ("demo/quality", "resnet18"), or "package.module:callable" of a function
            that returns a network or an ImageModel.
        weights: what `load_model` takes by name or file; for a function a local file (safetensors or a state dict),
            relative to the folder in which the process runs.
        transform: "package.module:name" of a transform, two such names (geometry, normalise), the arguments of
            torchvision's preset for classification ({"crop_size": 224, "mean": [...], "std": [...]}), or None for
            pixels in [0, 1]. By default that of the network by this name, or of the ImageModel that is returned.
        layer, task, form, labels, range, ranges, layout: as in ImageModel.
        images, channels: as in ImageModel.
        output, patch_scores, call: "package.module:name" of these functions; output also the name of a part of the
            result, and call also "separate", "list", "stack" or "channels".
        runs: weights of other training runs of the same architecture, each as in `weights`.
        device: where to work, such as "cpu"; by default the accelerator where there is one.
        name: what the model is called; by default made of `make` and `weights`.
        arguments: for the function, or for `load_model` ("num_classes").

    Raises:
        TypeError: an argument is not plain data.
        ValueError: `make` is empty, or a function is not named as "package.module:name".
    """

    make: str
    weights: str | None = None
    transform: Transform = field(default=USUAL, hash=False)
    _: KW_ONLY
    layer: str | None = None
    output: str | None = None
    task: str | None = None
    form: str | None = None
    labels: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    ranges: tuple[tuple[float, float] | None, ...] | None = None
    name: str = ""
    runs: tuple[str, ...] = ()
    patch_scores: str | None = None
    device: str | None = None
    layout: str | None = None
    images: int | None = None
    call: str | None = None
    channels: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.make, str):
            raise TypeError(
                f"make must be a name such as 'demo/quality' or 'package.module:callable', got {self.make!r}."
            )
        if not self.make.strip():
            raise ValueError("make must be a name such as 'demo/quality' or 'package.module:callable', got ''.")
        for part in fields(self):
            object.__setattr__(self, part.name, _plain(part.name, getattr(self, part.name)))
        _check_function("patch_scores", self.patch_scores)
        if ":" in (self.output or ""):
            _check_function("output", self.output)
        if self.call not in FORMS:
            _check_function("call", self.call, *FORMS)
        if isinstance(self.transform, str) and self.transform != USUAL:
            _check_function("transform", self.transform)
        if not self.name:
            object.__setattr__(self, "name", _shown(self.make, self.weights))

    @property
    def is_function(self) -> bool:
        """Whether `make` names a function rather than a network that `load_model` knows."""
        return ":" in self.make

    def load(self) -> ImageModel:
        """Make the model.

        Raises:
            ValueError: in one sentence, where a module, name or file is missing, or does not fit.
            TypeError: the function returns neither a network nor an ImageModel.
            RuntimeError: the function fails.
        """
        from xai_widgets.models.building import build  # which needs all of torchvision

        return build(self)

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelSource:
        """What `to_json` wrote.

        Raises:
            ValueError: the text is not JSON, or holds other fields.
        """
        try:
            given = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a model source must be JSON, got an error ({error}).") from None
        known = [part.name for part in fields(cls)]
        if not isinstance(given, dict) or "make" not in given or not set(given) <= set(known):
            got = ", ".join(map(repr, given)) if isinstance(given, dict) else type(given).__name__
            raise ValueError(f"a model source must have `make`, and may have {', '.join(known[1:])}; got {got}.")
        return cls(**given)


def _plain(name: str, value: Any) -> Any:
    """A copy of plain data of the type of its field; TypeError for what another process could not read."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if name in TEXTS:
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} of a model source must be text, got {type(value).__name__}{_hint(name)}.")
        return value
    if name in NUMBERS:
        return _whole(name, value)
    if name in ("labels", "runs") and (isinstance(value, str) or not isinstance(value, Sequence | None)):
        raise TypeError(f"{name} of a model source must be a list of names, got {value!r}.")
    if name == "runs":
        value = [os.fspath(run) if isinstance(run, os.PathLike) else run for run in value]
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} of a model source must be plain data (text, numbers, lists, dicts), got {type(value).__name__}"
            f"{_hint(name)}."
        ) from None
    if name == "arguments" and not isinstance(copy, dict):
        raise TypeError(f"arguments of a model source must be a dict, got {type(value).__name__}.")
    return tuple(copy) if isinstance(copy, list) else copy


def _whole(name: str, value: Any) -> int | None:
    """A number of things, or None where it is not said."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} of a model source must be a whole number from 1, got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} of a model source must be a whole number from 1, got {value}.")
    return int(value)


def _hint(name: str) -> str:
    functions = ("make", "transform", "output", "patch_scores", "call")
    return "; name it as 'package.module:name'" if name in functions else ""


def _check_function(name: str, value: str | None, *words: str) -> None:
    module, colon, attribute = (value or "").partition(":")
    if value is not None and not (module.strip() and colon and attribute.strip()):
        others = f"be {', '.join(map(repr, words))} or named" if words else "be named"
        raise ValueError(f"{name} of a model source must {others} as 'package.module:name', got {value!r}.")


def _shown(make: str, weights: str | None) -> str:
    """What a model is called that was given no name: as `load_model` calls it."""
    if weights is not None:
        return f"{make} ({os.path.basename(weights)})"
    return make if ":" in make or make.startswith("demo/") else f"{make} (no weights)"
