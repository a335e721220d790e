"""What is tried when a layer is used for the first time, and what is done where a trial fails.

A replay takes three short cuts. Each is tried against the way that it replaces, and each has a fall-back:

1. It skips the calls that do not depend on the layer. Tried: unchanged maps give back the output, and a removed map
   gives what a pass gives that skips nothing, alone and beside unchanged maps. Fall-back: no call is skipped. Where
   that fails too the network is not deterministic, or mixes the images of a batch, and the layer is refused; unless
   its weights were written meanwhile.
2. It forgets the outputs of skipped calls that nothing reads. Tried: unchanged maps still give back the output.
   Fall-back: all outputs are remembered.
3. It carries copies that differ in one map each as a `OneMap`. Tried: two maps that are replaced by large noise.
   Fall-back: ordinary copies. On a GPU launches cost more than computing, so that there both ways are timed too, and
   the faster one is remembered. On a CPU carrying one map is less work wherever it is right, and nothing is timed:
   what a CPU computes stays the same from run to run.

All is tried with one image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xai_widgets.kernels import draws
from xai_widgets.kernels.tail.onemap import Largest
from xai_widgets.kernels.tail.passes import INPUT, Full, Output, Replay, Use
from xai_widgets.kernels.tail.results import ROUNDING, rows_are, same, stand_in, unit_of
from xai_widgets.kernels.tail.structure import Sparse, ending_before, such_as
from xai_widgets.kernels.tail.weights import WeightsChanged

if TYPE_CHECKING:
    from xai_widgets.kernels.tail.tail import Tail

TIMED = frozenset(("cuda", "xpu"))  # kinds of device on which both ways are timed
COPIES = 64  # of removals in a batch that is timed
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
            sparse = Sparse(same(result, expected, tolerance), 4 * max(1, largest.nbytes // len(index)))
            return timed(tail, sparse) if sparse.right and maps.device.type in TIMED else sparse
        except (torch.OutOfMemoryError, WeightsChanged):
            raise
        except Exception:  # of the OneMap: ordinary copies ran above
            continue
    return refused


def timed(tail: Tail, sparse: Sparse) -> Sparse:
    """The trial with what the clock says: a batch of removals as a `OneMap` and as ordinary copies."""
    maps = tail.maps
    index = torch.arange(min(COPIES, maps.shape[1]), device="cpu")
    own = torch.zeros((), dtype=maps.dtype, device=maps.device).expand(len(index), 1, *maps.shape[2:])

    def ordinary() -> Any:
        with torch.inference_mode():
            return tail.with_ordinary_copies(index, own, maps)

    try:
        one, whole = seconds_of(lambda: tail.with_sparse_copies(index, own, maps)), seconds_of(ordinary)
    except RuntimeError as error:  # so many copies do not fit: the way that takes less memory
        if not isinstance(error, torch.OutOfMemoryError):
            raise
        return sparse
    return sparse if one <= whole else replace(sparse, faster=False, bytes_of_copy=4 * maps.nbytes)


def seconds_of(run: Callable[[], Any], turns: int = 3) -> float:
    """How long it takes on the accelerator: the shortest of some turns, after a first one that is not counted."""
    spent = []
    for _ in range(1 + turns):
        torch.accelerator.synchronize()
        began = perf_counter()
        run()
        torch.accelerator.synchronize()
        spent.append(perf_counter() - began)
    return min(spent[1:])


def _skipping_works(tail: Tail) -> bool:
    for _ in range(TRIALS):
        try:
            _watch_use(tail)
            return _agrees(tail)
        except (torch.OutOfMemoryError, Unread, WeightsChanged):
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
        tail.check_weights()  # written while it was tried: that is no fault of the network
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
