"""Weights from a local file, without running what may be in it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")


def is_file_name(weights: object) -> bool:
    """Whether weights are meant as a file rather than as the name of torchvision's."""
    if isinstance(weights, Path):
        return True
    return isinstance(weights, str) and (weights.endswith(ENDINGS) or Path(weights).is_file())


def load_into(network: nn.Module, file: Path, name: str) -> None:
    """Fill a network from a file.

    Raises:
        ValueError: in one sentence, where the file is missing, unreadable, holds code, or does not fit.
    """
    weights = _fitting_names(read(file), network)
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    for key, tensor in weights.items():
        if key in wanted and tuple(tensor.shape) != wanted[key]:
            raise ValueError(_mismatch(network, file, name, key, tuple(tensor.shape), wanted[key]))
    # Counters that older files do not have, and that are not used in eval mode.
    missing = [key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in wanted]
    if missing or unknown:
        raise ValueError(
            f"{file} holds the weights of another architecture than {name}: {_some(missing)} of {len(wanted)} missing, "
            f"{_some(unknown)} unknown."
        )
    network.load_state_dict(weights, strict=False)


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises:
        ValueError: in one sentence, where the file is missing, unreadable, holds code, or no state dict.
    """
    if not file.is_file():
        where = "" if file.is_absolute() else f" in {Path.cwd()}"
        raise ValueError(f"there is no file {file}{where}; weights are a file, a name of torchvision's, or None.")
    if file.stat().st_size == 0:
        raise ValueError(f"{file} is empty; a state dict or a safetensors file is needed.")
    try:
        if file.suffix == ".safetensors":
            found: Any = load_file(file)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an old format: what counts is whether it can be read
                found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{file} is a pickle with code (such as a whole network), which is not run; save network.state_dict() with "
            "torch.save or safetensors instead."
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"{file} cannot be read as a state dict or safetensors file: {why}") from None
    for _ in range(3):
        if isinstance(found, Mapping) and not _all_tensors(found):
            found = next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not found or not _all_tensors(found):
        raise ValueError(f"{file} must hold a state dict (names and tensors), it holds {_described(found)}.")
    return {str(key): tensor for key, tensor in found.items()}


def _all_tensors(found: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in found.values())


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"a dict with {_some([str(key) for key in found])}"
    return f"a {type(found).__name__}"


def _fitting_names(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Names without the prefix of a wrapper, where all have one that the network does not."""
    wanted = network.state_dict()
    for _ in range(3):
        for prefix in PREFIXES:
            foreign = not any(key.startswith(prefix) for key in wanted)
            if foreign and all(key.startswith(prefix) for key in weights):
                weights = {key.removeprefix(prefix): tensor for key, tensor in weights.items()}
    return weights


def _mismatch(
    network: nn.Module, file: Path, name: str, key: str, got: tuple[int, ...], wanted: tuple[int, ...]
) -> str:
    last = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    owner = network.get_submodule(key.rpartition(".")[0])
    shapes = f"{key} is {' x '.join(map(str, got))} in the file and {' x '.join(map(str, wanted))} in the network"
    if owner is last and got[1:] == wanted[1:]:
        return f"{file} was trained for {got[0]} classes, not {wanted[0]} ({shapes}); give num_classes={got[0]}."
    return f"{file} does not fit {name}: {shapes}."


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3]) or "none"
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
