"""What a method refuses, in one sentence: what is missing and where to bring it, unknown names, bad options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import SIDE, TinyNet, classifier, photos, rated, regressor
from torch import Tensor, nn
from torchvision.transforms import Compose, Grayscale, ToTensor

from xai_widgets import ImageModel, ImageSet
from xai_widgets.engine import METHODS, Contrast, Query, Sources, Subject, answer
from xai_widgets.engine import methods as room
from xai_widgets.engine.options import Option

AT_INPUT = ("gradient", "input_x_gradient", "guided_backpropagation", "positive_saliency", "smooth_grad")
P, OTHER = "<b>cup</b>", "crew"  # P is predicted
SCORE_Q = Contrast("score", 0.8)
CLASS_Q = {"contrast": Contrast("class", OTHER)}
CONFIDENCE = {"contrast": Contrast("confidence")}


def saliency(sources: Sources, method: str, **fields: Any) -> Any:
    return answer(sources, Query(image=sources.images.names[0], method=method, **fields), "explanation").saliency


@pytest.fixture(scope="module")
def scores() -> Sources:
    return Sources(regressor(), rated())


@pytest.fixture(scope="module")
def classes() -> Sources:
    return Sources(classifier(), rated())


IMAGE = "its name"
BESIDE_P = "choose it beside P, or ask with contrast="
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "scores", "counterfactual", {},
        '"Counterfactual" needs a model that tells classes apart, and tiny gives a score.',
    ),
    ("scores", "contrast_uncertainty", {}, '"Contrast uncertainty" needs a model that tells classes apart, and tiny'),
    (
        "scores", "implicit_saliency", {},
        f'"Implicit saliency (reconstruction)" needs Q, a score to compare with, since tiny gives a score: {BESIDE_P}.',
    ),
    (
        "classes", "smallest_change", CONFIDENCE,
        f'"Smallest change" needs Q that removals can reach, a score or another class than P: {BESIDE_P}.',
    ),
    ("scores", "smallest_change", {}, f"a score or another class than P: {BESIDE_P}."),
    ("classes", "smallest_change", {"contrast": Contrast("class", P)}, "the smallest change needs Q that removals can"),
    (
        "scores", "human_map", {},
        f'"Human map" needs a human map of {IMAGE!r}: bring its file in a column human_map of the table of images.',
    ),
    ("unrated", "helpful", {}, '"Helpful and harmful maps" needs to know how wrong the model is: a rating of'),
    ("scores", "gradient", {"contrast": Contrast("class", OTHER)}, "tiny gives one score, so that Q must be a score"),
    ("classes", "gradient", {"contrast": SCORE_Q}, "tiny classes tells classes apart, so that Q must be a class"),
    (
        "scores", "gradient", {"options": {"channel": 3}},
        "channel must be 'largest' or a number below 3, since tiny takes 3",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def unrated() -> Sources:
    return Sources(regressor(), ImageSet(list(photos()), name="unrated"))


@pytest.mark.parametrize(("of", "name", "fields", "sentence"), REFUSED)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    request: pytest.FixtureRequest, of: str, name: str, fields: dict[str, Any], sentence: str
) -> None:
    sources = request.getfixturevalue(of)
    first = sources.images.names[0]
    with pytest.raises(ValueError) as error:
        saliency(sources, name, **fields)
    assert sentence.replace(IMAGE, first) in str(error.value)
    assert "\n" not in str(error.value)
    if '"' in sentence:  # what a menu says of it
        query = Query(image=first, **fields)
        assert room.missing(METHODS[name], Subject(sources, query)) == str(error.value)


class Cut(TinyNet):
    """Its head lets no gradient through."""

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        with torch.no_grad():
            scores: Tensor = self.head(features.mean((2, 3)))
        return scores


class WrittenOver(TinyNet):
    """Its last step writes over what the gradient of the one before it needs."""

    def forward(self, images: Tensor) -> Tensor:
        scores = torch.sigmoid(super().forward(images))
        scores *= 2
        return scores


@pytest.mark.parametrize("network", [Cut, WrittenOver])
def test_a_network_without_gradients_is_told_in_one_sentence_and_the_rest_works(network: type[TinyNet]) -> None:
    sources = Sources(ImageModel(network(3), None, "features", name="cut"), rated())
    asks = {"smallest_change": {"contrast": Contrast("class", 0)}}
    by_gradient = [name for name, method in METHODS.items() if "gradient" in method.needs]
    assert set(AT_INPUT) < set(by_gradient)
    for name in by_gradient:
        with pytest.raises(ValueError) as error:
            saliency(sources, name, **asks.get(name, {}))
        assert str(error.value) == (
            f'"{METHODS[name].words}" needs a network that lets gradients through, and cut does not: '
            "look in its forward for no_grad, detach, round, quantised layers or a step that writes in place."
        )
    for name in ("smallest_change", "feature_activation"):
        assert saliency(sources, name, **asks.get(name, {})).map.max() > 0


class Smooth(nn.Module):
    """No ReLU, and one channel."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(1, 6, 5, 4, 2), nn.Tanh())
            self.head = nn.Linear(6, 1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(images[:, :1]).mean((2, 3)))
        return scores


def test_guided_backpropagation_needs_relus_and_signed_layers_have_two_sides() -> None:
    transform = Compose([Grayscale(), ToTensor()])
    sources = Sources(ImageModel(Smooth(), transform, "features", range=(0, 1), name="tanh"), rated())
    with pytest.raises(ValueError, match="needs a network with ReLU"):
        saliency(sources, "guided_backpropagation")
    with pytest.raises(ValueError, match="a number below 1, since tanh takes 1 channel; got 2"):
        saliency(sources, "gradient", options={"channel": 2})
    assert saliency(sources, "gradient", options={"channel": 0}).map.shape == (SIDE, SIDE)
    found = saliency(sources, "feature_activation")
    assert (found.low, found.one_sided) == ("active below 0", False)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("gradcam", "'grad_cam'"),
        ("smoothgrad", "'smooth_grad'"),
        ("guided_backprop", "'guided_backpropagation'"),
        ("implicit", "'implicit_saliency'"),
        ("human", "'human_map'"),
        (3, "'grad_cam'"),
    ],
)
def test_an_unknown_method_lists_the_nearest(scores: Sources, given: Any, near: str) -> None:
    with pytest.raises(ValueError, match="method must be one of") as error:
        saliency(scores, given)
    assert near in str(error.value)


def refused(method: str, option: str, sentence: str, values: tuple[Any, ...]) -> list[tuple[str, str, Any, str]]:
    return [(method, option, value, sentence) for value in values]


BAD: list[tuple[str, str, Any, str]] = [
    ("gradient", "channels", 0, "an option of the method 'gradient' must be one of 'channel'; got 'channels'"),
    ("counterfactual", "channel", 0, "the method 'counterfactual' has no options, got 'channel'"),
    *(
        ("gradient", "channel", bad, f"channel must be 'largest' or a whole number of at least 0, got {bad!r}")
        for bad in ("red", -1, 1.0, True, None, float("nan"))
    ),
    *refused("smooth_grad", "n_samples", "n_samples must be a whole number from 1 to 1000", (0, 2.5, "9", 1001)),
    *refused("smooth_grad", "noise_level", "noise_level must be a number from 0 to 1", (-0.1, 1.5, "0.1", True)),
    *refused("smooth_grad", "seed", "seed must be a whole number from 0 to 2147483647", (-1, 2**31, 0.5)),
    *refused("implicit_saliency", "labels", "labels must be 'all', 'others' or a whole number of", ("some", 0, 1.5)),
    ("implicit_saliency", "kind", "norm", "kind must be one of 'norms'"),
    ("implicit_saliency", "combine", "max", "combine must be one of"),
    *refused("implicit_saliency", "smoothing", "smoothing must be a number from 0 to 20", (-1, 21, float("nan"))),
    *refused("grad_cam", "window", "window must be 'quarter' or a whole number of at least 1", (0, "half", 2.0)),
    *refused("grad_cam", "stride", "stride must be 'half' or a whole number of at least 1", (0, None)),
    *refused("feature_activation", "map", "map must be 'mean' or a whole number of at least 0", ("max", -1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "value", "sentence"), BAD)
def test_a_bad_option_is_refused_with_what_can_be_chosen(
    classes: Sources, name: str, option: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ValueError) as error:
        saliency(classes, name, options={option: value})
    assert sentence in str(error.value)


def test_labels_beyond_the_classes_are_refused(classes: Sources) -> None:
    with pytest.raises(ValueError, match="a number from 1 to 3, got 4"):
        saliency(classes, "implicit_saliency", options={"labels": 4})


def test_an_option_without_bounds_takes_finite_numbers_only() -> None:
    option = Option("level", "any level", 0.5)
    assert option.checked(3) == 3.0
    assert option.allowed == "a number"
    with pytest.raises(ValueError, match="level must be a finite number, got inf"):
        option.checked(float("inf"))
    switch = Option("again", "once more", False, (False, True))
    assert switch.checked(True) is True
    with pytest.raises(ValueError, match="again must be False or True; got 1"):
        switch.checked(1)
