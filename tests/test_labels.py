"""A classifier whose images have labels has an error too: the cross entropy with the label, in every view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from xai_widgets import ImageSet, Session
from xai_widgets.engine import Impacts, Query, answer, label_of
from xai_widgets.views import ImpactPlane, MapBank, Stage

LABELS = ["CREW", "cat", "a dog"]  # the first in another case, the last no class of the network


@pytest.fixture
def session(make_session: Callable[..., Any]) -> Session:
    made: Session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=LABELS))
    return made


def literal(session: Session) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps (c h w), logits (k), and the change of every logit without each map (c k): a linear head on means."""
    network, model = session.model.network, session.model
    assert isinstance(network, tiny.TinyNet)
    with torch.no_grad():
        inputs = model.inputs(session.images.photo(session.query.image))
        maps = network.features(inputs)[0].double().numpy()
        logits = network(inputs)[0].double().numpy()
    weights = network.head.weight.detach().double().numpy()
    return maps, logits, -maps.mean((1, 2))[:, None] * weights.T


def cross_entropy(logits: np.ndarray, label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


@pytest.mark.parametrize("target", [None, "cat"])
@pytest.mark.parametrize(("image", "label"), [(0, 2), (1, 0)])
def test_effects_are_those_of_the_cross_entropy(session: Session, image: int, label: int, target: str | None) -> None:
    session.ask(image=session.images.names[image], target=target)
    assert session.wait(60)
    impacts, output = session.impacts, session.output
    assert impacts is not None
    assert output is not None
    assert impacts.delta_error is not None
    assert impacts.roles is not None
    _, logits, change = literal(session)
    clean = cross_entropy(logits, label)
    for index, moved in enumerate(change):
        growth = cross_entropy(logits + moved, label) - clean
        assert impacts.delta_y[index] == pytest.approx(moved[output.target], abs=1e-6)
        assert impacts.delta_error[index] == pytest.approx(growth, abs=1e-6)
        role = 0 if abs(growth) <= 2e-5 else (1 if growth > 0 else 3) + int(moved[output.target] > 0)
        assert abs(abs(growth) - 2e-5) < 2e-6 or impacts.roles[index] == role
    assert len(set(impacts.roles.tolist())) >= 3
    assert (impacts.error, impacts.label) == ("cross entropy", ("cat", "<b>cup</b>", "crew")[label])
    assert impacts.error_value == pytest.approx(clean, abs=1e-5)
    assert impacts.residual is None


@pytest.mark.parametrize("method", ["helpful", "primary"])
def test_helpful_maps_of_a_labelled_image(session: Session, method: str) -> None:
    session.ask(method=method)
    assert session.wait(60)
    maps, logits, change = literal(session)
    output, saliency = session.output, session.saliency
    assert output is not None
    assert saliency is not None
    expected = np.zeros(maps.shape[1:])
    for one, moved in zip(maps, change, strict=True):
        growth = cross_entropy(logits + moved, 2) - cross_entropy(logits, 2)
        if abs(growth) <= 2e-5 * max(1, abs(logits[output.target])):  # rounding: neutral
            continue
        primary = -moved[output.target] if growth > 0 else 0.0
        expected += one * (growth if method == "helpful" else primary)
    np.testing.assert_allclose(saliency.map, expected, atol=1e-5 * np.abs(expected).max())
    assert "what lowers the cross entropy with crew" in saliency.title
    assert saliency.palette == ("purple-green" if method == "helpful" else "")


def test_estimates_come_first_and_are_near(session: Session) -> None:
    query = Query(image=session.images.names[0], layer="features.0")
    seen: list[Impacts] = []
    first = answer(session.sources, query, "impacts", partial=True)
    impacts = answer(session.sources, query, "impacts", progress=lambda known, share: seen.append(known))
    assert impacts.done
    assert impacts.exact.all()
    assert not first.done
    assert first.delta_error is not None
    assert impacts.delta_error is not None
    np.testing.assert_allclose(first.delta_error, impacts.delta_error, atol=0.2 * np.abs(impacts.delta_error).max())
    assert seen[0].delta_error is not None
    assert not seen[0].done


def test_every_view_names_the_cross_entropy(session: Session) -> None:
    plane, bank, stage = ImpactPlane(session), MapBank(session), Stage(session)
    impacts = session.impacts
    assert impacts is not None
    assert plane.error == bank.impacts["error"] == "cross entropy"
    assert f"cross entropy with the label crew {impacts.error_value:.3g}" in plane.facts
    assert len(plane.delta_error) == len(bank.impacts["delta_error"]) == 4 * tiny.MAPS
    assert not {"helpful", "primary"} & set(stage.reasons)
    session.ask(image=session.images.names[2])
    assert session.wait(60)
    assert (plane.error, plane.delta_error, bank.impacts["roles"]) == ("", b"", b"")
    assert "No label of this image names a class" in plane.note
    assert {"helpful", "primary"} <= set(stage.reasons)
    for view in (plane, bank, stage):
        view.close()


def test_a_label_that_names_no_class_is_no_error_but_a_notice(session: Session) -> None:
    session.ask(method="primary")
    session.ask(image=session.images.names[2])
    assert session.query.method == "grad_cam"
    assert "for classes its label" in session.notice
    assert "image 2" in session.notice
    assert "Grad-CAM is shown instead" in session.notice
    with pytest.raises(ValueError, match=r"Helpful and harmful maps.* needs to know how wrong the model is"):
        session.ask(method="helpful")


def test_which_class_a_label_names() -> None:
    photo = tiny.photos()[0]
    named = tiny.classifier()
    unnamed = type(named)(named.network, None, "features", name="unnamed")
    for label, model, place in (
        ("cat", named, 0), ("Crew", named, 2), ("2", named, None), ("dog", named, None), ("2", unnamed, 2),
        ("3", unnamed, None), ("cat", unnamed, None), ("cat", tiny.regressor(), None),
    ):  # fmt: skip
        images = ImageSet([photo], labels=[label])
        assert label_of(model, images, images.names[0]) == place, label
