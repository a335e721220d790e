"""What outputs are taken for, what is said of that, and what is refused: a table of inputs and sentences."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tiny
import torch
from says import THREE, Says, heads, log_softmax, model
from torch import Tensor, nn

from xai_widgets import ImageModel, ModelSource
from xai_widgets.models.meaning import reading_name, reading_of

CLASSES, SCORES, LABELS = "3 classes, of which one holds", "3 scores", "3 labels, of which several may hold"
SIGMOID = "since each comes out of a sigmoid of its own"
# network; what the caller says; task, form, how many scores; words of the notice, "" where nothing was found by looking
TAKEN: tuple[tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...], str], ...] = (
    ((3,), {}, ("classification", "logits", 3), f"{CLASSES}, since no task was given: else give task="),
    ((3,), {"task": "classification"}, ("classification", "logits", 3), ""),
    ((3, nn.Softmax(1)), {}, ("classification", "logits", 3), "the logits are the input of 'last', its last softmax."),
    ((3, nn.Softmax(1)), {"task": "regression"}, ("regression", "scores", 3), ""),
    ((3, nn.LogSoftmax(1)), {}, ("classification", "logits", 3), "the input of 'last', its last log-softmax."),
    ((3, lambda y: y.softmax(1)), {}, ("classification", "probabilities", 3), "the sum 1: else give task='regression'"),
    ((3, log_softmax), {}, ("classification", "log-probabilities", 3), "the log-probability of a class is explained."),
    ((3, torch.sigmoid), {}, ("regression", "scores", 3), f"{SCORES}, {SIGMOID}: else give task='multilabel'"),
    ((3, nn.Sigmoid()), {"task": "multilabel"}, ("multilabel", "logits", 3), "the input of 'last', its last sigmoid."),
    ((3, torch.sigmoid), {"task": "multilabel"}, ("multilabel", "probabilities", 3), "those of a sigmoid"),
    ((3, lambda y: y.clamp(0, 1)), {"task": "multilabel"}, ("multilabel", "probabilities", 3), "give form='logits'."),
    ((3,), {"task": "multilabel"}, ("multilabel", "logits", 3), ""),
    ((3,), {"range": (0, 10)}, ("regression", "scores", 3), ""),
    ((1,), {}, ("regression", "scores", 1), ""),
    ((1,), {"labels": ["cat", "dog"]}, ("binary", "logits", 2), "and two names: else give task='regression'"),
    ((1, nn.Sigmoid()), {"labels": ["cat", "dog"]}, ("binary", "logits", 2), "the input of 'last', its last sigmoid."),
    ((1, torch.sigmoid), {"task": "binary"}, ("binary", "probabilities", 2), "those of a sigmoid"),
    ((1, torch.sigmoid), {}, ("regression", "scores", 1), "since it comes out of a sigmoid: else give task='binary'"),
    ((3, heads), {}, ("regression", "scores", 1), "'classes'; 'quality' is read, and output='classes'"),
    ((3, heads), {"output": "classes", "task": "regression"}, ("regression", "scores", 3), ""),
    ((3, lambda y: (y[:, :, None, None],)), {"task": "multilabel"}, ("multilabel", "logits", 3), ""),
)  # fmt: skip


@pytest.mark.parametrize(("network", "said", "taken", "words"), TAKEN)
def test_what_outputs_are_taken_for(network: Any, said: Any, taken: Any, words: str) -> None:
    found = model(*network, **said)
    assert (found.task, found.scores.form, found.outputs) == taken
    notice = " ".join(one for one in found.notices if "training mode" not in one)
    assert words in notice
    assert bool(words) == bool(notice)
    assert found.scores(found.shell.network(found.inputs(tiny.photos()[0]))).shape == (1, found.outputs)
    for task in re.findall(r"task='(\w+)'", notice):  # the way that the sentence names is there, and leads back
        other = found.read_as(task)
        assert other.task == task
        assert other.read_as(found.task).task == found.task


REFUSED: tuple[tuple[tuple[Any, ...], dict[str, Any], str], ...] = (
    ((3,), {"task": "classes"}, "task must be one of classification, binary, multilabel, regression, got 'classes'."),
    ((3,), {"form": "logits"}, "form needs the task that it is a form of, got form='logits' alone."),
    ((3,), {"task": "regression", "form": "logits"}, "form must be scores for regression, got 'logits'."),
    ((3,), {"task": "binary"}, "task='binary' needs one output, and net has 3; two are a classification."),
    ((1,), {"task": "multilabel"}, "needs several outputs, and net has one; two classes are task='binary'."),
    ((1,), {"task": "binary", "labels": ["cat"]}, "labels must name the two classes of a binary task, got 1 names."),
    ((3,), {"labels": ["a", "b"]}, "labels must name each of the 3 outputs of the network, got 2 names."),
    ((3,), {"task": "classification", "range": (0, 1)}, "range and ranges are of scores, task='regression', got"),
    ((3,), {"ranges": [(0, 1)]}, "ranges must be a pair, or None, for each of the 3 outputs, got 1."),
    ((3,), {"ranges": [(0, 1), None, (1, 0)]}, "each of ranges must be two finite numbers, the lower one first"),
    ((3,), {"range": (0, 1), "ranges": [None] * 3}, "give one of the two."),
    ((3, torch.sigmoid), {"task": "classification"}, "give task='multilabel', or task='regression' for scores."),
    ((3, heads), {"output": "score"}, "what the network returns, 'quality', 'classes'; got 'score'."),
)  # fmt: skip


@pytest.mark.parametrize(("network", "said", "sentence"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(network: Any, said: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(sentence)):
        model(*network, **said)


@pytest.mark.parametrize("returned", ["maps", "dict", "detections"])
def test_the_recipe_for_maps_of_scores_works(returned: str) -> None:
    def last(maps: Tensor) -> Any:
        found = [{"boxes": torch.zeros(2, 4), "scores": one.mean((1, 2)).sigmoid()} for one in maps]
        return {"maps": maps, "dict": {"out": maps}, "detections": found}[returned]

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = tiny.TinyNet().features

        def forward(self, images: Tensor) -> Any:
            return last(self.features(images))

    with pytest.raises(ValueError, match=r"such as the .*: output=lambda result: ") as caught:
        ImageModel(Dense(), None, "features")
    recipe = str(caught.value).partition("output=")[2]
    found = ImageModel(Dense(), None, "features", output=eval(recipe))  # it is our own sentence
    assert found.outputs == (1 if returned == "detections" else tiny.MAPS)


def test_readings_have_names_that_say_how() -> None:
    assert reading_of(reading_name("a [b]", "binary", "head")) == ("a [b]", "binary", "head")
    assert reading_of(reading_name("a", None, "head")) == ("a", None, "head")
    assert reading_of(reading_name("a", "regression", None)) == ("a", "regression", None)
    assert reading_of("a [") == ("a [", None, None)
    assert reading_of("a") == ("a", None, None)


def test_a_source_says_what_outputs_mean() -> None:
    source = ModelSource(
        "test_outputs_everywhere:built", transform=None, task="regression", labels=THREE, ranges=((0, 1), None, (1, 9)),
        output="classes",
    )  # fmt: skip
    made = ModelSource.from_json(source.to_json()).load()
    assert (made.task, made.labels, made.ranges, made.range_of(2)) == (
        "regression",
        THREE,
        ((0, 1), None, (1, 9)),
        (1, 9),
    )


def built() -> nn.Module:
    return Says(3, heads)
