"""Several labels of an image, of a network whose labels do not exclude each other; how well a model does on a set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import tiny
import torch
from PIL import Image
from torch.nn import functional

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.engine import Query, Sources, answer, label_of, unfitting
from xai_widgets.engine.performance import performance_of
from xai_widgets.images.several import parts_of
from xai_widgets.session import describe
from xai_widgets.views import Gallery

NAMES = ("cat", "dog", "odd;one")
Make = Callable[..., Session]


def model_of(task: str = "multilabel", names: Any = NAMES) -> ImageModel:
    return ImageModel(
        tiny.TinyNet(len(names) if task != "binary" else 1), None, "features", task=task, labels=names, name="net"
    )


def photos(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8) for seed in range(count)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cat;dog", ("cat", "dog")),
        (" Cat | odd;one|cat", ("Cat", "odd;one", "cat")),
        ("odd;one", ("odd;one",)),
        ("dog;odd;one;", ("dog", "odd;one")),
        ("cat;unicorn", ("cat;unicorn",)),  # all parts must be known, unless others are asked for
        ("10/2;3|4", ("10/2;3|4",)),
    ],
)
def test_a_text_is_parted_where_its_parts_are_classes(text: str, parts: tuple[str, ...]) -> None:
    assert parts_of(text, NAMES, always=False) == parts
    assert parts_of("a;;b|a", (), always=True) == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([("cat", "dog"), ["dog"], ()], [(0, 1), (1,), ()]),
        (["cat;dog", "DOG", None], [(0, 1), (1,), None]),
        (["cat|odd;one", "odd;one", "dog"], [(0, 2), (2,), (1,)]),
        (["cat", "dog", "odd;one"], [0, 1, 2]),  # nobody has several: of each image one label is known to hold
        pytest.param([{"dog", "cat"}, np.array(["dog"]), "cat"], [(0, 1), (1,), (0,)], id="a set and an array"),
        (["cat;unicorn", "dog", "dog"], [None, (1,), (1,)]),
        ([[0, 1, 1], ["dog"], ["dog"]], [None, (1,), (1,)]),  # zeros and ones are no numbers of classes
    ],
    ids=str,
)
def test_labels_that_hold(labels: list[Any], found: list[Any]) -> None:
    images = ImageSet(photos(3), labels=labels)
    assert [label_of(model_of(), images, name) for name in images] == found


def test_what_is_no_label_is_said() -> None:
    images = ImageSet(photos(3), labels=[[0, 1, 1], ("cat", "unicorn"), "dog"])
    assert images.problems["image 0"] == (
        "The labels of 'image 0' must be names or whole numbers that differ, those of the labels that hold, "
        "got [0, 1, 1]."
    )
    assert unfitting(model_of(), images) == (
        "1 label names no class of net, such as 'cat; unicorn' of 'image 1': its classes are 'cat', 'dog', 'odd;one'.",
    )
    one = ImageSet(photos(2), labels=[("cat", "dog"), "dog"])
    (said,) = unfitting(model_of("classification"), one)
    assert said.endswith(
        "they exclude each other, so that one label an image is taken, and task='multilabel' takes several."
    )
    assert [label_of(model_of("classification"), one, name) for name in one] == [None, 1]
    assert (images.labels_of("image 1"), images.label("image 1")) == (("cat", "unicorn"), "cat; unicorn")


def test_lists_come_from_frames_and_pairs(tmp_path: Any) -> None:
    for place, photo in enumerate(photos(2)):
        Image.fromarray(photo).save(tmp_path / f"{place}.png")
    frame = pd.DataFrame({"image": ["0.png", "1.png"], "label": [["cat", "dog"], "dog"]})
    for images in (
        ImageSet(frame, folder=tmp_path),
        ImageSet(list(zip(photos(2), (("cat", "dog"), "dog"), strict=True))),
    ):
        assert [images.labels_of(name) for name in images] == [("cat", "dog"), ("dog",)]
        assert images.problems == {}


@pytest.mark.parametrize("holds", [(0, 2), (), (0, 1, 2)])
def test_the_error_is_the_mean_binary_cross_entropy_over_all_labels(holds: tuple[int, ...]) -> None:
    labels = [tuple(NAMES[index] for index in holds), ("dog",)]
    model, images = model_of(), ImageSet(photos(2), labels=labels)
    sources = Sources(model, images)
    found = answer(sources, Query(image="image 0", model="net", layer="features"), "impacts")
    wanted = torch.tensor([float(index in holds) for index in range(3)], dtype=torch.float64)
    with torch.no_grad():
        inputs = model.inputs(images.photo("image 0"))
        network: Any = model.network
        maps, logits = network.features(inputs)[0].double(), network(inputs)[0].double()
    change = -maps.mean((1, 2))[:, None] * network.head.weight.detach().double().T  # (c k)

    def error(scores: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(scores, wanted.expand_as(scores), reduction="none").mean(-1)

    growth = (error(logits + change) - error(logits)).numpy()
    np.testing.assert_allclose(found.delta_error, growth, atol=1e-6)
    assert found.error == "mean binary cross entropy"
    assert found.error_value == pytest.approx(float(error(logits)), abs=1e-6)
    assert found.label == {(0, 2): "cat, odd;one and no other label", (): "no label"}.get(holds, "cat, dog, odd;one")
    alive = np.abs(growth) * 3 > 1e-4
    helps = np.isin(found.roles, (1, 2))
    np.testing.assert_array_equal(helps[alive], growth[alive] > 0)


def test_all_views_say_it(make_session: Make) -> None:
    images = ImageSet(photos(4), labels=["cat;dog", "dog", "cat", "odd;one|cat"])
    session = make_session(model_of(), images)
    session.wait()
    assert "mean binary cross entropy with cat, dog and no other label " in describe.plane(session).facts
    session.ask(method="helpful")
    session.wait()
    assert session.saliency is not None
    assert "mean binary cross entropy with cat, dog and no other label" in session.saliency.title
    gallery = Gallery(session)
    scene = describe.gallery(session)
    z = np.stack(
        [session.model.network(session.model.inputs(images.photo(name)))[0].detach().numpy() for name in images]
    )
    known = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]], bool)
    assert scene.agreed.tolist() == ((z > 0) == known).sum(1).tolist()
    assert scene.of_labels == gallery.of_labels == 3
    found = session.performance
    assert found is not None
    assert found.n == 4
    assert found.accuracy == pytest.approx(((z > 0) == known).mean())
    assert found.auroc == pytest.approx(sklearn.metrics.roc_auc_score(known, z, average="macro"))
    assert scene.performance == gallery.performance
    assert scene.performance == f"accuracy {found.accuracy:.2f} · AUROC {found.auroc:.2f} (mean of 3) · n = 4"
    gallery.close()


@pytest.mark.parametrize("task", ["classification", "binary"])
def test_classes_have_accuracy_and_auroc(task: str, make_session: Make) -> None:
    names = ("cat", "dog", "fox") if task == "classification" else ("cat", "dog")
    known = [names[place % len(names)] for place in range(11)]
    session = make_session(model_of(task, names), ImageSet(photos(12), labels=[*known, None]))
    session.wait()
    found = session.performance
    assert found is not None
    truth = np.array([names.index(label) for label in known])
    z = np.stack([session._outputs[f"image {place}"].scores for place in range(11)])
    chance = session.model.scores.as_logits(torch.from_numpy(z)).softmax(1).numpy()
    peer = (
        sklearn.metrics.roc_auc_score(truth == 1, chance[:, 1])
        if task == "binary"
        else sklearn.metrics.roc_auc_score(truth, chance, multi_class="ovr")
    )
    assert (found.n, found.labels) == (11, 1 if task == "binary" else 3)
    assert found.auroc == pytest.approx(peer)
    assert found.accuracy == pytest.approx((chance.argmax(1) == truth).mean())


def test_scores_have_a_correlation_and_an_error(make_session: Make, tmp_path: Any) -> None:
    frame: dict[str, list[Any]] = {
        "image": [],
        "rating": [0.1, 0.9, 0.4, 0.3, None],
        "split": ["train", "test", "test", "test", "train"],
    }
    for place, photo in enumerate(photos(5)):
        Image.fromarray(photo).save(tmp_path / f"{place}.png")
        frame["image"].append(f"{place}.png")
    images = ImageSet(pd.DataFrame(frame), folder=tmp_path)
    session = make_session(tiny.regressor(), images)
    session.wait()
    found, scores = session.performance, np.array([session.scores[f"{place}.png"] for place in range(4)])
    rating = np.array(frame["rating"][:4])
    assert found is not None
    assert (found.n, found.accuracy, found.auroc, found.trained) == (4, None, None, 1)
    assert found.r == pytest.approx(np.corrcoef(scores, rating)[0, 1])
    assert found.rmse == pytest.approx(np.sqrt(np.mean((scores - rating) ** 2)))
    assert describe.gallery(session).performance.endswith(" · n = 4, 1 of them trained on")
    assert session.performance_within(1) is not None
    few = {name: session._outputs[name] for name in ("0.png", "1.png")}
    assert performance_of(session.model, images, few).r is None  # type: ignore[union-attr]
