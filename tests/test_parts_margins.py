"""What each map does for P against Q, asked of the engine, against removals written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from asked import close, effects, fresh, query, shared, tail_of
from tiny import DEAD, MAPS, TinyNet, classifier, photos, rated, regressor

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.engine import Contrast, Margins, Query, Region, Sources, answer
from xai_widgets.session import describe
from xai_widgets.session.describe.words import short

SCENES = "demo/scenes"


def another(contrast: int, place: int = 4, **fields: object) -> Query:
    return query(SCENES, place, contrast=Contrast("class", contrast), **fields)


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_each_map_alone_is_removed(baseline: str) -> None:
    known = effects(SCENES, baseline)
    maps, scores = known.tail.maps, shared(SCENES).model().scores
    level = torch.zeros(maps.shape[1]) if known.baseline is None else known.baseline
    q = (known.target + 3) % 15
    own = scores(known.tail.result)[0]
    expected = []
    for index in range(maps.shape[1]):
        copy = maps.clone()
        copy[0, index] = level[index]
        without = scores(known.tail(copy))[0] - own
        expected.append(without[known.target] - without[q])
    found: Margins = answer(shared(SCENES), another(q, baseline=baseline), "margins")
    close(found.delta, torch.stack(expected), 1e-4)
    assert found.value == pytest.approx(float(own[known.target] - own[q]), abs=1e-5)
    assert (found.against, found.done, bool(found.exact.all())) == (q, True, True)
    assert found.note.startswith(f"Single removals, {baseline} baseline, all gains 1.")


def test_a_region_is_of_the_same_difference() -> None:
    known = effects(SCENES)
    scores, q = shared(SCENES).model().scores, (known.target + 3) % 15
    half = known.tail.maps.clone()
    half[..., : half.shape[3] // 2] = 0
    change = scores(known.tail(half))[0] - scores(known.tail.result)[0]
    box = (0.0, 0.0, 0.5, 1.0)
    found: Region = answer(shared(SCENES), another(q), "region", box=box)
    assert found.joint == pytest.approx(float(change[known.target] - change[q]), abs=1e-4)
    whole: Region = answer(shared(SCENES), another(q), "region", box=(0.0, 0.0, 1.0, 1.0))
    close(whole.delta_y, torch.tensor(answer(shared(SCENES), another(q), "margins").delta), 1e-4)
    plain: Region = answer(shared(SCENES), query(SCENES), "region", box=box)
    assert (found.against, plain.against) == (q, None)
    assert plain.joint == pytest.approx(float(change[known.target]), abs=1e-4)


def test_estimates_come_first_and_exact_values_stay() -> None:
    seen: list[tuple[Margins, float]] = []
    asked = another((effects(SCENES).target + 3) % 15, layer="features.7")  # its tail is not affine
    found = answer(fresh(SCENES), asked, "margins", progress=lambda *one: seen.append(one))
    assert not seen[0][0].exact.all()
    for known, share in seen:
        assert known.exact.mean() == pytest.approx(share)
        np.testing.assert_array_equal(known.delta[known.exact], found.delta[known.exact])


def test_a_linear_head_has_a_known_answer() -> None:
    """Minus the difference of the weights times the mean; 0 for a dead map."""
    model, images = classifier(), ImageSet(list(photos()), name="tiny")
    sources = Sources(model, images)
    asked = Query(image=images.names[0], target=1, contrast=Contrast("class", "crew"))
    found: Margins = answer(sources, asked, "margins")
    weight = model.network.get_parameter("head.weight").detach()
    close(found.delta, -(weight[1] - weight[2]) * tail_of(sources, asked).maps.mean((0, 2, 3)), 1e-5)
    assert found.delta[DEAD] == 0
    back: Margins = answer(sources, Query(image=images.names[0], target=2, contrast=Contrast("class", 1)), "margins")
    np.testing.assert_allclose(back.delta, -found.delta, atol=1e-6)
    assert back.value == pytest.approx(-found.value)


def test_of_a_binary_output_p_minus_q_is_its_logit(make_session: Callable[..., Session]) -> None:
    """As in every contrast of classes; the logits of both classes as scores are z and -z."""
    model = ImageModel(TinyNet(1), None, "features", task="binary", labels=("no", "yes"))
    sources = Sources(model, ImageSet(list(photos()), name="tiny"))
    asked = Query(image=sources.images.names[0], target=1, contrast=Contrast("class", 0))
    found: Margins = answer(sources, asked, "margins")
    weight = model.network.get_parameter("head.weight").detach()[0]
    tail = tail_of(sources, asked)
    close(found.delta, -weight * tail.maps.mean((0, 2, 3)), 1e-5)
    assert found.value == pytest.approx(float(tail.result), abs=1e-6)
    whole: Region = answer(sources, asked, "region", box=(0, 0, 1, 1))
    close(whole.delta_y, torch.tensor(found.delta), 1e-5)
    assert whole.joint == pytest.approx(-float(weight @ tail.maps.mean((0, 2, 3))), abs=1e-5)
    session = make_session(model, sources.images)
    session.ask(target=1, contrast=0)
    session.look_into((0, 0, 1, 1))
    assert session.wait(30)
    said = describe.stage(session).region
    assert said is not None
    assert f"the log-odds of yes changes by {short(whole.joint, sign=True)}" in said.words


def test_q_that_is_p_and_q_that_is_no_class() -> None:
    sources = Sources(classifier(), ImageSet(list(photos()), name="tiny"))
    name = sources.images.names[0]
    same: Margins = answer(sources, Query(image=name, target=1, contrast=Contrast("class", "<b>cup</b>")), "margins")
    assert (same.value, same.delta.any(), same.done, same.carriers()) == (0, False, True, ())
    scores = Sources(regressor(), rated())
    for asked, some in (
        (Query(image=name, contrast=Contrast("confidence")), sources),
        (Query(image=name), sources),
        (Query(image=scores.images.names[0], contrast=Contrast("score", 0.3)), scores),
    ):
        with pytest.raises(ValueError, match="needs a class as Q"):
            answer(some, asked, "margins")


def test_the_fewest_maps_that_carry_a_share() -> None:
    found = Margins(np.array([-1, 5, -4, -3, np.nan, 0, -2], np.float32), np.ones(7, bool), 1.0, 2)
    assert found.carriers(0.4) == (2,)
    assert found.carriers() == (2, 3)
    assert found.carriers(0.7) == (2, 3)
    assert found.carriers(1) == (2, 3, 6, 0)
    for share in (0, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="share must be above 0"):
            found.carriers(share)


def test_a_session_knows_them_while_a_class_is_q() -> None:
    session = Session(classifier(), ImageSet(list(photos()), name="tiny"))
    assert session.wait(30)
    p = session.target()
    q, other = [index for index in range(3) if index != p]
    bank = describe.bank(session)
    assert (session.margins, bank.ways, bank.margin_words) == (None, (), "")
    session.ask(contrast=q)
    assert session.wait(30)
    assert session.margins is not None
    bank = describe.bank(session)
    np.testing.assert_array_equal(bank.delta_y, session.margins.delta)
    favour, names = int((session.margins.delta < 0).sum()), session.model.labels or ()
    assert bank.margin_words.startswith(f"{names[p]} − {names[q]} = ")
    assert (
        f": {favour} maps for {names[p]}, {int((session.margins.delta > 0).sum())} for {names[q]};" in bank.margin_words
    )
    half = len(session.margins.carriers())
    assert bank.margin_words.endswith(f"; {half} make half of what is for {names[p]}, each removed alone.")
    session.look_into((0.0, 0.0, 0.5, 1.0))
    session.ask(contrast=other)
    assert session.wait(30)
    assert session.margins.against == other
    assert session.region is not None
    region = describe.stage(session).region
    assert region is not None
    assert f"the score of {names[p]} minus the score of {names[other]} changes by" in region.words
    assert session.region.joint
    assert f": the region is for {names[p if session.region.joint < 0 else other]}." in region.words
    assert f"half of what is for {names[p]} there, each removed alone." in region.words
    session.set_gain(3, 0.5)
    session.ask(target=q)
    assert session.wait(30)
    assert (session.margins.against, len(session.margins.delta)) == (other, MAPS)
    for plain in ("confidence", None):
        session.ask(contrast=plain)
        assert session.wait(30)
        assert (session.margins, describe.bank(session).margin_words) == (None, "")
    assert not session.error
    session.close()
