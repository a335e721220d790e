"""A copy of a network's modules that shares its weights, also of networks that `copy.deepcopy` does not copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from types import CellType, FunctionType
from typing import Any

from torch import Tensor, nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def copy_of(network: nn.Module) -> nn.Module:
    """New modules of the same kind; parameters are shared and record no gradient, buffers are copied.

    Three ways are tried: a deep copy, a deep copy that shares what cannot be copied, and a copy of the modules alone.
    """
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(_plain(parameter), requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = (
            buffer.detach().clone()
        )  # a forward that counts its calls must not count in the user's network
    twin, made = _copied(network, memo)
    _rebind(network, made)
    for module in twin.modules():
        vars(module).pop("_compiled_call_impl", None)
    return twin


def _copied(network: nn.Module, memo: dict[int, Any]) -> tuple[nn.Module, dict[int, Any]]:
    """A copy by the first way that works, and by the id of each thing what stands for it in the copy."""
    for attempt in (_simply, _sharing_what_fails):
        made = dict(memo)
        try:
            return attempt(network, made), made
        except Exception:
            continue
    made = dict(memo)
    return _structurally(network, made), made


def _plain(parameter: Tensor) -> Tensor:
    """A parameter's values; a copy where they were made in inference mode and so cannot be part of a gradient."""
    return parameter.detach().clone() if parameter.is_inference() else parameter.detach()


def _simply(network: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A deep copy."""
    return copy.deepcopy(network, memo)


def _sharing_what_fails(network: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A deep copy that shares what cannot be copied: a file, a lock, a computed weight."""
    for module in network.modules():
        for value in _attributes(module):
            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                memo[id(value)] = value.detach() if isinstance(value, Tensor) else value
    return copy.deepcopy(network, memo)


def _attributes(module: nn.Module) -> Iterable[Any]:
    """What a module holds besides parts and weights; each hook by itself, or the table of hooks would be shared."""
    for name, value in vars(module).items():
        if name in ("_parameters", "_buffers", "_modules"):
            continue
        if name.startswith("_") and isinstance(value, dict):
            yield from value.values()
        elif not isinstance(value, bool | int | float | str | None):
            yield value


def _structurally(module: nn.Module, made: dict[int, Any]) -> nn.Module:
    """A copy of the modules alone: parts, parameters and buffers are replaced, all other attributes are shared."""
    if id(module) in made:
        known: nn.Module = made[id(module)]
        return known
    twin = made[id(module)] = module.__class__.__new__(module.__class__)
    twin.__dict__ = {
        name: value.copy() if isinstance(value, dict) and name.startswith("_") else value
        for name, value in vars(module).items()
    }
    for kept in (twin._parameters, twin._buffers):
        for name, tensor in kept.items():
            kept[name] = made.get(id(tensor), tensor)
    for name, child in module._modules.items():
        twin._modules[name] = None if child is None else _structurally(child, made)
    return twin


def _rebind(network: nn.Module, made: dict[int, Any]) -> None:
    """Make functions that were set on a module, such as `forward`, refer to the copy instead of the user's modules."""
    twins = {id(module): made[id(module)] for module in network.modules() if id(module) in made}
    for module in network.modules():
        twin = twins.get(id(module))
        for name, value in list(vars(module).items()) if twin is not None else []:
            owner = getattr(value, "__self__", None)
            if isinstance(value, FunctionType):
                vars(twin)[name] = _with_twins(value, twins)
            elif id(owner) in twins and hasattr(value, "__func__"):
                vars(twin)[name] = _with_twins(value.__func__, twins).__get__(twins[id(owner)])


def _with_twins(function: Callable[..., Any], twins: dict[int, nn.Module]) -> Any:
    """A function that uses the copies where its closure or a global names one of the user's modules."""
    if not isinstance(function, FunctionType):
        return function
    cells = [_seen(cell, twins) for cell in function.__closure__ or ()]
    used = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    changed = {name: twins[id(value)] for name, value in used.items() if id(value) in twins}
    if not changed and all(a is b for a, b in zip(cells, function.__closure__ or (), strict=True)):
        return function
    names = {**function.__globals__, **changed} if changed else function.__globals__
    other = FunctionType(function.__code__, names, function.__name__, function.__defaults__, tuple(cells))
    other.__kwdefaults__ = function.__kwdefaults__
    return other


def _seen(cell: CellType, twins: dict[int, nn.Module]) -> CellType:
    """A variable of a closure, with the copy where it names one of the user's modules or a method of one."""
    try:
        value = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    if id(value) in twins:
        return CellType(twins[id(value)])
    owner = getattr(value, "__self__", None)  # a forward that was replaced, bound to the user's module
    if id(owner) in twins and hasattr(value, "__func__"):
        return CellType(_with_twins(value.__func__, twins).__get__(twins[id(owner)]))
    return cell
