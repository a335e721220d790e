"""What is tried when a layer is used for the first time, and what is done where a trial fails.

A replay takes three short cuts. Each is tried against the way that it replaces, and each has a fall-back:

1. It skips the calls that do not depend on the layer. Tried: unchanged maps give back the output, and a removed map
   gives what a pass gives that skips nothing, alone and beside unchanged maps. Fall-back: no call is skipped. Where
   that fails too the network is not deterministic, or mixes the images of a batch, and the layer is refused.
2. It forgets the outputs of skipped calls that nothing reads. Tried: unchanged maps still give back the output.
   Fall-back: all outputs are remembered.
3. It carries copies that differ in one map each as a `OneMap`. Tried: two maps that are replaced by large noise.
   Fall-back: ordinary copies.

All is tried with one image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.tail.onemap import Largest
from xai_widgets.kernels.tail.passes import INPUT, Full, Output, Replay, Use
from xai_widgets.kernels.tail.results import ROUNDING, rows_are, same, stand_in, unit_of
from xai_widgets.kernels.tail.structure import Sparse, ending_before, such_as

if TYPE_CHECKING:
    from xai_widgets.kernels.tail.tail import Tail

TRIALS = 2  # a first call may fail that does not fail again, as where a library is loaded


class Unread(ValueError):
    """Nothing reads the maps of a layer."""


def try_skipping(tail: Tail) -> None:
    """Try the first two short cuts with a tail of one image, and note in its structure what was found right.

    Raises:
        ValueError: nothing reads the maps, or changing them in a batch gives other outputs than one by one.
    """
    if not _skipping_works(tail):
        _skip_nothing(tail)
    _forget_what_nothing_reads(tail)
    tail.structure.checked = True


def try_one_map(tail: Tail) -> Sparse:
    """Try the third short cut: two maps set to large noise, as a `OneMap` and as ordinary copies."""
    maps, structure = tail.maps, tail.structure
    refused = Sparse(False, 4 * maps.nbytes)
    if structure.layout.kind != "maps" or not isinstance(tail.trunk.layer, Tensor) or len(tail.inputs) != 1:
        return refused
    strength = torch.nan_to_num(maps.abs().sum((0, 2, 3)))
    index = strength.argsort(descending=True, stable=True)[:2]
    changed = draws.normal((len(index), 1, *maps.shape[2:]), draws.seeded(0), maps) * unit_of(maps)
    expected = tail.with_ordinary_copies(index, changed, maps)
    tolerance = max(structure.tolerance, ROUNDING[tail.precision])
    for _ in range(TRIALS):
        try:
            with Largest() as largest:
                result = tail.with_sparse_copies(index, changed, maps)
            return Sparse(same(result, expected, tolerance), 4 * max(1, largest.nbytes // len(index)))
        except torch.OutOfMemoryError:
            raise
        except Exception:  # of the OneMap: ordinary copies ran above
            continue
    return refused


def _skipping_works(tail: Tail) -> bool:
    for _ in range(TRIALS):
        try:
            _watch_use(tail)
            return _agrees(tail)
        except (torch.OutOfMemoryError, Unread):
            raise
        except Exception:  # of what was remembered; an error of the network's own comes again when nothing is skipped
            continue
    return False


def _skip_nothing(tail: Tail) -> None:
    structure = tail.structure
    structure.left_out = {}
    structure.consumed, structure.written = {INPUT: True}, {INPUT: True}
    tail.record()
    if not _agrees(tail):
        raise ValueError(
            f"changing maps of layer {tail.layer!r} in a batch gives other outputs than one by one: the "
            "network is not deterministic in eval mode, or its images depend on each other."
        )


def _forget_what_nothing_reads(tail: Tail) -> None:
    structure, outputs = tail.structure, tail.trunk.outputs
    for key, output in outputs.items():
        if not structure.consumed.get(key, True):
            outputs[key] = Output([stand_in(leaf) for leaf in output.leaves], output.spec)
    if not _gives_back_the_output(tail):  # something was read without an operation of torch, as an array of NumPy
        structure.consumed = dict.fromkeys(structure.consumed, True)
        tail.record()


def _watch_use(tail: Tail) -> None:
    """Note which remembered outputs the calls that still run read, and which they write in place."""
    structure = tail.structure
    keys = [INPUT, *structure.left_out]
    structure.consumed, structure.written = dict.fromkeys(keys, True), dict.fromkeys(keys, True)
    use = Use()
    replay = Replay(structure, tail.trunk, torch.cat((tail.maps, tail.maps)), use=use)
    with torch.no_grad(), tail.shell.running(replay) as network, use:
        result = network(replay.input())
    use.read(result)
    if structure.target not in use.consumed:
        raise Unread(
            f"nothing reads the maps that layer {tail.layer!r} returns, so that changing them changes nothing; "
            f"choose a layer with maps that are used{such_as(ending_before(tail.shell, tail.inputs, structure))}."
        )
    structure.consumed = {key: key in use.consumed for key in keys}
    structure.written = {key: key in use.written for key in [*keys, structure.target]}


def _agrees(tail: Tail) -> bool:
    """Does a removed map give what a pass gives that skips nothing, alone and beside unchanged maps?"""
    if not _gives_back_the_output(tail):
        return False
    maps, tolerance = tail.maps, tail.structure.tolerance
    removed = maps.clone()
    with torch.no_grad():
        strongest = int(torch.nan_to_num(maps.abs().sum((0, 2, 3))).argmax())
        removed[:, strongest] = 0
        alone = tail.replay(removed.clone())
        with tail.shell.running(Full(tail.structure, removed)) as network:
            full = network(tail.inputs.clone())
        beside = tail.replay(torch.cat((removed, maps)))
    return same(alone, full, tolerance) and rows_are(beside, (full, tail.result), tolerance)


def _gives_back_the_output(tail: Tail) -> bool:
    """Do unchanged maps give the network's output: bit by bit on the CPU, up to rounding elsewhere?"""
    on_cpu = tail.maps.device.type == "cpu"
    tolerance = 0.0 if on_cpu else max(tail.structure.tolerance, 1e-5)
    with torch.no_grad():
        return same(tail.replay(tail.maps.clone()), tail.result, tolerance)
