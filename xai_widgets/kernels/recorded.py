"""What is recorded of a tail: the passes of Grad-CAM, its trunk, and a micro-batch of removals.

Each is recorded for one layer and size of input, keeps a tail of its own, and takes over the values of any other tail
of that layer. It is compared with what is computed without it when it is made. What it returns lies where the next
replay writes: it is brought home, or copied, before that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from xai_widgets.kernels.cam.base import Replayable, recording, wide_of, with_gradient
from xai_widgets.kernels.checks import scores_from
from xai_widgets.kernels.gains import level_of
from xai_widgets.kernels.home import home, sent
from xai_widgets.kernels.precision import tolerance_of
from xai_widgets.kernels.questions import Passes, Question, cam_unchecked, of_output, passes, weights_of
from xai_widgets.kernels.scores import Score, one_image
from xai_widgets.kernels.tail import Tail
from xai_widgets.kernels.tail.recording import Recorder, Unrecorded
from xai_widgets.kernels.tail.results import tensors_of

MAPS = 1e-5  # of the largest value: how far the map of a recording may be from one that is computed without it


class Kept(Protocol):
    """Something recorded of a tail."""

    tail: Tail

    @property
    def nbytes(self) -> int:
        """Of the device."""
        ...


class _Recording:
    """A tail of its own, and which other tail's values it holds now. The score, and so its model, may go before it."""

    def __init__(self, tail: Tail, score: Score) -> None:
        self.tail = tail.twin()
        self._score: Callable[[], Score | None] = (
            weakref.WeakMethod(score) if hasattr(score, "__func__") else weakref.ref(score)
        )
        self._of: Callable[[], Tail | None] = weakref.ref(tail)
        self.recorded: Any = None

    @property
    def nbytes(self) -> int:
        """Bytes of the device: of what was recorded, and of the values that it reads."""
        own = (value for name, value in vars(self).items() if not name.startswith("_"))
        buffers = sum(value.nbytes for value in own if isinstance(value, Tensor))
        return int(self.recorded.nbytes) + self.tail.nbytes + buffers

    @property
    def score(self) -> Score:
        """From what the network returns to scores."""
        score = self._score()
        if score is None:
            raise Unrecorded("the model that was recorded is no more")
        return score

    def takes(self, score: Score) -> bool:
        """Is it about this score?"""
        return bool(self._score() == score)

    def take(self, tail: Tail) -> None:
        """Hold the values of this tail.

        Raises:
            ValueError: it is a tail of another layer or size.
            RuntimeError: the weights of the network changed.
        """
        self.tail.check_weights()
        if self._of() is not tail:
            self._of = _nothing
            self.tail.adopt(tail)
            self._of = weakref.ref(tail)


class RecordedCam(_Recording):
    """The passes of `questions.passes`: forwards, and back once the question has weighed the scores.

    Args:
        recorder: records the passes.
        tail: of as many images as are asked about at once.
        score: from what the network returns to scores.
        of_logits: the questions are asked of the logits of classes, see `Question.of_logits`.

    Raises:
        Unrecorded: it gives other values than what is computed without it.
        Exception: whatever the recorder meets.
    """

    def __init__(self, recorder: Recorder, tail: Tail, score: Score, *, of_logits: bool = False) -> None:
        super().__init__(tail, score)
        self.of_logits = of_logits
        with torch.inference_mode(False), torch.no_grad():
            self.maps = tail.maps.detach().clone()
            asked = scores_from(self.reader, tail.result, len(tail.inputs))
            self.weights = torch.zeros(asked.shape, dtype=wide_of(asked), device=asked.device)
        self.recorded = recorder.record([self._forwards, self._back])
        self._check(tail)

    def __call__(self, tail: Replayable, score: Score, question: Question, maps: Tensor | None = None) -> Passes:
        """See `questions.passes`; of a `Tail` of this layer, for the score that this was made for."""
        assert isinstance(tail, Tail)
        self.take(tail)
        with torch.inference_mode(False), torch.no_grad():
            self.maps.copy_(tail.maps if maps is None else maps)
            self.recorded.replay(0)
            scores, asked = self.recorded.outputs[0]
            weights, size = weights_of(question, asked, score)
            self.weights.copy_(weights)
            self.recorded.replay(1)
            (cam,) = self.recorded.outputs[1]
            if cam.device.type == "cpu":  # from an accelerator the copy home is one
                scores, cam = scores.clone(), cam.clone()
            return Passes(scores, cam if size is None else cam * size[:, None, None])

    @property
    def reader(self) -> Score:
        """How what the questions are asked of is read."""
        score = self.score
        logits: Score = getattr(score, "logits", score)
        return logits if self.of_logits else score

    def _forwards(self) -> tuple[Tensor, ...]:
        with recording(self.tail):
            self._leaf = self.maps.detach().requires_grad_()
            result = self.tail(self._leaf)
            self._asked = with_gradient(scores_from(self.reader, result, len(self._leaf)))
            scores = scores_from(self.score, result, len(self._leaf)) if self.of_logits else self._asked
            return scores.detach(), self._asked.detach()

    def _back(self) -> tuple[Tensor, ...]:
        with recording(self.tail):
            return (cam_unchecked(self._leaf, self._asked, self.weights, None),)

    def _check(self, tail: Tail) -> None:
        """Compare maps as they are, and at half their size, with what is computed without the recording."""
        question = of_output(0)
        for maps in (None, 0.5 * tail.maps.detach()):
            found, cam = home(*self(tail, self.score, question, maps))
            expected, map_ = home(*passes(tail, self.reader, question, maps))
            if self.of_logits:
                expected = home(passes(tail, self.score, question, maps).scores)[0]
            check_scores(tail, found, expected)
            check_map(cam, map_)


def check_scores(tail: Tail, found: Tensor, expected: Tensor) -> None:
    """Refuse scores that differ by more than rounding.

    Raises:
        RuntimeError: they do, as an `Unrecorded`.
    """
    off, size = (found - expected).abs(), expected.abs().clamp_min(1)
    allowed = tolerance_of(tail.precision, found.dtype)
    if not bool((off <= allowed * size).all()):
        raise Unrecorded(f"the scores differ by {float(off.max()):.2g} from those that are not recorded")


def check_map(found: Tensor, expected: Tensor) -> None:
    """Refuse a map that differs by more than a share of its largest value.

    Raises:
        RuntimeError: it does, as an `Unrecorded`.
    """
    off, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not off <= MAPS * largest:
        raise Unrecorded(f"the map differs by {off / max(largest, 1e-30):.2g} of its largest value")


class RecordedTrunk(_Recording):
    """A pass over other inputs of the same size, up to the result: what `Tail` runs for them.

    Args:
        recorder: records the pass.
        tail: of some inputs.

    Raises:
        Unrecorded, Exception: see `RecordedCam`.
        ValueError: the network returns tensors within an object.
    """

    def __init__(self, recorder: Recorder, tail: Tail) -> None:
        super().__init__(tail, _flat)
        with torch.inference_mode(False):
            self.inputs = tail.inputs.clone()
        self.recorded = recorder.record([self._pass])
        again = self(tail.inputs)
        check_scores(tail, *home(_flat(again.result), _flat(tail.result)))
        check_scores(tail, *home(again.maps, tail.maps))

    def __call__(self, inputs: Tensor) -> Tail:
        """The tail of other inputs of that size, with values of its own."""
        self.tail.check_weights()
        with torch.inference_mode(False), torch.no_grad():
            self.inputs.copy_(inputs)
            self.recorded.replay()
            return self.tail.holding([value.clone() for value in self.recorded.outputs[0]], self.inputs.clone())

    def _pass(self) -> tuple[Tensor, ...]:
        self.tail.record(self.inputs)
        return tuple(self.tail.trunk.held())


def _flat(result: Any) -> Tensor:
    """The floating-point numbers in a result, in a row."""
    rows = [value.detach().reshape(-1) for value in tensors_of(result) if value.is_floating_point()]
    return torch.cat([row.to(rows[0].dtype) for row in rows])


class RecordedRemovals(_Recording):
    """The scores of ordinary copies of one image, each without one map; up to `size` at once.

    Args:
        recorder: records a micro-batch.
        tail: of one image.
        score: from what the network returns to scores.
        size: copies in a micro-batch.
        level: the baseline, see `gains.level_of`.

    Raises:
        Unrecorded, Exception: see `RecordedCam`.
    """

    def __init__(self, recorder: Recorder, tail: Tail, score: Score, size: int, level: Tensor | None = None) -> None:
        super().__init__(tail, score)
        self.size = size
        maps = one_image(tail)
        with torch.inference_mode(False), torch.no_grad():
            self.index = torch.zeros(size, dtype=torch.long, device=maps.device)
            self.level = (level_of(None, maps) if level is None else level).detach().to(maps).clone()
        self.recorded = recorder.record([self._removed])
        places = torch.arange(min(size, maps.shape[1]), device="cpu")
        with torch.inference_mode(), tail.arithmetic():
            expected = scores_from(score, tail.without(places, self.level), len(places))
        check_scores(tail, *home(self(tail, places, self.level), expected))

    def __call__(self, tail: Tail, places: Tensor, level: Tensor) -> Float[Tensor, "b k"]:
        """The scores without each of some maps, which are named on the CPU."""
        self.take(tail)
        with torch.inference_mode(False), torch.no_grad():
            self.index[: len(places)].copy_(sent(places, self.index.device))
            self.level.copy_(level)
            self.recorded.replay()
            return self.recorded.outputs[0][0][: len(places)].clone()

    def _removed(self) -> tuple[Tensor, ...]:
        maps = self.tail.maps
        with torch.inference_mode(), self.tail.arithmetic():
            level = self.level.expand(maps.shape[1], -1, -1).index_select(0, self.index)
            own = level[:, None].expand(self.size, 1, *maps.shape[2:])
            result = self.tail.with_ordinary_copies(self.index, own, maps)
            return (scores_from(self.score, result, self.size),)


def _nothing() -> None:
    """In the place of a weak reference to no tail."""
