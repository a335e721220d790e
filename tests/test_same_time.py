"""Weights that are written while a view is open, and two sessions on one network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional

from xai_widgets import Engine, ImageModel, ImageSet, Session
from xai_widgets.engine import Query, Sources, WeightsChanging, answer

Make = Callable[..., Session]
CHANGING = "The weights of trained are being changed; what is asked is answered when they rest."


class Trained(tiny.TinyNet):
    """While `writes` are left, each pass writes the weights of the head before the head runs, as an optimiser may."""

    def __init__(self) -> None:
        super().__init__(2)
        writes, weight = list[int](), self.head.weight
        self.writes = writes

        def step() -> None:
            if writes:
                writes.pop()
                with torch.no_grad():
                    weight.mul_(1.05)

        self.step = step  # a function, which copies of the network share

    def forward(self, images: Tensor) -> Tensor:
        means = self.features(images).mean((2, 3))
        self.step()
        scores: Tensor = self.head(means)
        return scores


@pytest.fixture
def network() -> Iterator[Trained]:
    network = Trained()
    yield network
    network.writes.clear()


def model_of(network: nn.Module) -> ImageModel:
    return ImageModel(network, None, "features", labels=("cat", "dog"), name="trained")


def own_scores(model: ImageModel, photo: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model.network(model.inputs(photo))[0].numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("part", ["explanation", "output", "scores", "impacts", "measures"])
def test_an_answer_is_of_one_network_or_none(part: str, network: Trained) -> None:
    model = model_of(network)
    sources = Sources(model, list(tiny.photos()))
    query = Query(image="image 0", model="trained", layer="features")
    network.writes += [1]
    with pytest.raises(WeightsChanging, match="the weights of trained are being changed; ask again when they rest"):
        answer(sources, query, part)
    assert not len(sources.cache), "something is remembered of weights of which some were new"
    assert answer(sources, query, part) is not None
    found = answer(sources, query, "output")
    np.testing.assert_allclose(found.scores, own_scores(model, tiny.photos()[0]), atol=1e-6)


def test_a_model_is_made_while_its_network_is_trained(network: Trained) -> None:
    network.writes += [1] * 3
    model = model_of(network)
    assert model.layer == "features"
    assert not network.writes


def test_a_session_says_once_that_weights_are_changed_and_answers_when_they_rest(
    make_session: Make, network: Trained
) -> None:
    model = model_of(network)
    session = make_session(model, list(tiny.photos()))
    notices: list[str] = []
    errors: list[str] = []
    session.observe(lambda change: notices.append(change["new"]), "notice")
    session.observe(lambda change: errors.append(change["new"]), "error")
    network.writes += [1] * 3
    session.ask(gains={1: 0.5})
    session.ask(image="image 1")
    assert session.wait(60)
    assert not network.writes
    assert session.output is not None
    np.testing.assert_allclose(session.output.base, own_scores(model, tiny.photos()[1])[session.output.target], 1e-5)
    assert session.impacts is not None
    assert session.impacts.done
    assert (notices.count(CHANGING), errors, session.failures, session.error) == (1, [], {}, "")
    assert session.notice == "The weights of trained have changed; all is computed with the new ones."
    assert set(session.scores) == set(session.images.names)
    assert (session.idle, session.status.busy) == (True, "")


def test_a_notice_comes_back_where_the_weights_are_what_they_were(make_session: Make, network: Trained) -> None:
    session = make_session(model_of(network), list(tiny.photos()))
    session.notice, before = "as it was", network.head.weight.detach().clone()

    def undo(change: dict[str, str]) -> None:
        if change["new"] == CHANGING:
            with torch.no_grad():
                network.head.weight.copy_(before)

    session.observe(undo, "notice")
    network.writes += [1]
    session.ask(gains={1: 0.5})
    assert session.wait(60)
    assert (session.notice, session.error) == ("as it was", "")


def test_what_nobody_asks_any_more_is_neither_asked_again_nor_spoken_of(make_session: Make) -> None:
    models = [model_of(Trained()), ImageModel(tiny.TinyNet(2), None, "features", labels=("cat", "dog"), name="other")]
    session = make_session(models, list(tiny.photos()))
    for part in ("joint", "explanation"):  # no map is muted
        session._requests.failed(session.panel, part, WeightsChanging("written"))
        assert (session.notice == CHANGING) == (part == "explanation")
    session.ask(model="other")  # and the weights of the first are not looked at again
    before = session.notice
    session._requests.failed(session.panel, "explanation", WeightsChanging("written"))
    session._requests.failed(session.panel, "joint", ValueError("no map is muted"))
    assert session.wait(60)
    assert (session.notice, session.error, session.panel.error) == (before, "", "")
    assert "are being changed" not in session.notice


def test_a_cell_trains_during_a_drag(make_session: Make) -> None:
    network = tiny.TinyNet(2)
    model = model_of(network)
    session = make_session(model, list(tiny.photos()))
    seen: set[str] = set()
    session.observe(lambda change: seen.add(change["new"]), ["error", "notice"])
    session.observe(lambda change: seen.update(change["new"].values()), "failures")
    optimiser = torch.optim.SGD(network.parameters(), 0.05)
    images, labels = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1])

    def train() -> None:
        for _ in range(150):
            optimiser.zero_grad()
            functional.cross_entropy(network(images), labels).backward()
            optimiser.step()

    trainer = threading.Thread(target=train)
    trainer.start()
    step = 0
    while trainer.is_alive():
        session.ask(gains={step % 16: float(step % 2)})
        step += 1
        trainer.join(0.02)
    assert session.wait(60)
    assert not any("determin" in words or "inplace" in words or "made" in words for words in seen), seen
    session.refresh()  # what came last is right, also where the last write was seen by nobody yet
    assert session.wait(60)
    assert session.output is not None
    expected = own_scores(model, tiny.photos()[0])
    np.testing.assert_allclose(session.output.base, expected[session.output.target], rtol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_two_sessions_on_one_network(shared: bool, make_session: Make) -> None:
    network, engine = tiny.TinyNet(2), Engine()
    models = [model_of(network)] * 2 if shared else [model_of(network), model_of(network)]
    first, second = (make_session(model, ImageSet(list(tiny.photos())), engine=engine) for model in models)
    with torch.no_grad():
        network.head.weight.mul_(-2)
    expected = own_scores(models[0], tiny.photos()[0])

    def right(session: Session, **asked: Any) -> None:
        session.ask(**asked)
        assert session.wait(60)
        assert session.output is not None
        assert session.error == ""
        np.testing.assert_allclose(session.output.base, expected[session.output.target], rtol=1e-5)

    right(first, gains={1: 0.5})
    right(second, gains={2: 0.5})
    first.close()
    assert engine.wait(60)
    right(second, gains={3: 0.5}, method="behaviour")
    assert second.impacts is not None
    engine.close()
