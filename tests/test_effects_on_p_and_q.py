"""What bank and plane say of each map for P against Q: the same, by one choice of the session, as kernels have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from example_scenes import bank as bank_scene
from example_scenes import plane as plane_scene

from xai_widgets import ImageSet, Session, figures
from xai_widgets.engine import Query, answer
from xai_widgets.kernels import ablation
from xai_widgets.kernels.tail import Tail
from xai_widgets.session import describe
from xai_widgets.views import ImpactPlane, MapBank

P, Q = "<b>cup</b>", "crew"  # P is what the network predicts
Make = Callable[..., Session]


@pytest.fixture
def session(make_session: Make) -> Session:
    """The first image is labelled as another class, the second as Q, the third as none."""
    session = make_session(tiny.classifier(), ImageSet(list(tiny.photos()), labels=["cat", "crew", "dog"], name="tiny"))
    session.ask(contrast=Q)
    assert session.wait(60)
    assert session.model.name_of(session.target()) == P
    return session


def floats(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.float32)


def removed(session: Session) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Change of P - Q and growth of the cross entropy without each map, and the logits, by kernels."""
    model, name = session.model, session.query.image
    tail = Tail(model.network, "features", model.inputs(session.images.photo(name)))
    logits = torch.cat([torch.as_tensor(tail.result), *(tail(_without(tail, i)) for i in range(tiny.MAPS))]).detach()
    p, q = (model.names.index(one) for one in (P, Q))
    label = session.images.label(name)
    entropy = -logits.log_softmax(1)[:, model.names.index(label)] if label in model.names else torch.zeros(len(logits))
    difference = logits[:, p] - logits[:, q]
    return difference[1:] - difference[0], entropy[1:] - entropy[0], logits[0]


def _without(tail: Tail, index: int) -> torch.Tensor:
    maps = tail.maps.detach().clone()
    maps[:, index] = 0
    return maps


@pytest.mark.parametrize("place", [0, 1])
def test_both_views_show_removals_as_kernels_have_them(session: Session, place: int) -> None:
    session.ask(image=session.images.names[place])
    assert session.wait(60)
    plane, bank = ImpactPlane(session), MapBank(session)
    change, growth, logits = removed(session)
    np.testing.assert_allclose(floats(plane.delta_y), change, atol=1e-6)
    np.testing.assert_allclose(floats(plane.delta_error), growth, atol=1e-6)
    roles = ablation.roles(change[None], growth[None], logits[session.target()][None])[0].numpy()
    for data in (plane.roles, bank.impacts["roles"]):
        np.testing.assert_array_equal(np.frombuffer(data, np.int8), roles)
    assert plane.counts == np.bincount(roles, minlength=5).tolist()
    assert bank.impacts["delta_y"] == plane.delta_y
    assert bank.impacts["value"] == pytest.approx(float(logits[1] - logits[2]), abs=1e-6)
    assert len(set(roles)) > 3, "a test of something"
    for view in (plane, bank):
        view.close()


def test_all_words_name_p_and_q(session: Session) -> None:
    scene, bank, difference = describe.plane(session), describe.bank(session), f"{P} − {Q}"
    assert (scene.across, scene.up) == (f"Δ({difference}) when removed", "Δ cross entropy when removed")
    assert (scene.ways, scene.effects) == ((f"for {P}", f"for {Q}"), (P, difference))
    assert (bank.ways, bank.effects, bank.subject, bank.change) == (
        *(scene.ways, scene.effects),
        difference,
        scene.change,
    )
    assert scene.role_words == bank.role_words
    assert scene.role_words[1:] == tuple(f"{error}, for {one}" for error in ("helpful", "harmful") for one in (P, Q))
    assert scene.title == f"Impact of each map on {difference} · features"
    assert scene.about.endswith(difference)
    assert scene.facts.startswith(f"{difference} = +")
    assert scene.facts.endswith("Cross entropy with the label cat 1.22.")
    assert bank.margin_words in scene.facts
    for place, which in enumerate(("is neither P nor Q", "is Q")):
        session.ask(image=session.images.names[place])
        assert session.wait(60)
        said = f"The label {('cat', 'crew')[place]} {which}. The cross entropy does not ask about Q."
        assert describe.plane(session).note.startswith(said)
    session.ask(image=session.images.names[2])
    assert session.wait(60)
    scene = describe.plane(session)
    assert (len(scene.delta_error), len(scene.roles), scene.counts) == (0, 0, ())
    assert scene.across == f"rank, from what is for {P} to what is for {Q}"
    assert scene.up == f"Δ({difference}) when removed"
    assert f"so the error cannot be told: Δ({difference}) by rank instead." in scene.note


def test_one_choice_of_the_session_turns_both_views(session: Session) -> None:
    plane, bank = ImpactPlane(session), MapBank(session)
    assert session.impacts is not None
    assert session.margins is not None
    for view, name, ways in ((plane, "score", []), (bank, "difference", [f"for {P}", f"for {Q}"])):
        view.comm.click(kind="effect_on", name=name)
        assert session.look.effect_on == name
        assert plane.against["ways"] == bank.impacts["ways"] == ways
        shown = session.margins.delta if ways else session.impacts.delta_y
        other = session.impacts.delta_y if ways else session.margins.delta
        np.testing.assert_array_equal(floats(plane.delta_y), shown)
        np.testing.assert_array_equal(floats(bank.impacts["delta_y"]), shown)
        np.testing.assert_array_equal(floats(bank.against["beside"]), other)
        assert plane.against["effects"] == bank.against["effects"] == [P, f"{P} − {Q}"]
        assert bank.subject == (f"{P} − {Q}" if ways else P)
    session.show(effect_on="score")
    scene = describe.plane(session)
    assert (scene.across, scene.title) == (f"Δ {P} when removed", f"Impact of each map on {P} · features")
    assert scene.facts.startswith(f"The score of {P} ")
    np.testing.assert_array_equal(np.frombuffer(bank.impacts["roles"], np.int8), session.impacts.roles)
    for view in (plane, bank):
        view.comm.click(kind="effect_on", name="Q")
        assert "name must be one of 'score', 'difference'" in session.error
        session.error = ""
    with pytest.raises(ValueError, match="effect_on"):
        session.show(effect_on="Q")
    for view in (plane, bank):
        view.close()


def test_the_choice_is_there_where_q_is_another_class(session: Session, make_session: Make) -> None:
    for contrast in ("confidence", None, P):
        session.ask(contrast=contrast)
        assert session.wait(60)
        assert session.error == ""
        for scene in (describe.plane(session), describe.bank(session)):
            assert (scene.effects, scene.ways) == ((), ()), contrast
            assert session.impacts is not None
            np.testing.assert_array_equal(scene.delta_y, session.impacts.delta_y)
        assert describe.plane(session).across == "Δ score when removed"
    scored = make_session(tiny.regressor(), tiny.rated())
    scored.ask(contrast=0.3)
    assert scored.wait(60)
    assert describe.plane(scored).effects == describe.bank(scored).effects == ()


def test_what_has_arrived_is_drawn(session: Session) -> None:
    plane, bank = ImpactPlane(session), MapBank(session)
    margins, impacts = session.margins, session.impacts
    assert margins is not None
    assert impacts is not None
    some, others = np.arange(tiny.MAPS) % 2 == 0, np.arange(tiny.MAPS) % 3 == 0
    with session.lock:
        session.panel.take(margins=replace(margins, exact=some, done=False), impacts=replace(impacts, exact=others))
    assert np.frombuffer(plane.exact, bool).tolist() == (some & others).tolist(), "both numbers of a point"
    assert np.frombuffer(bank.impacts["exact"], bool).tolist() == some.tolist()
    assert np.frombuffer(bank.against["beside_exact"], bool).tolist() == others.tolist()
    assert ": about " in plane.facts
    with session.lock:
        session.panel.take(margins=margins, impacts=None)
    assert (floats(plane.delta_y).tolist(), plane.delta_error) == (margins.delta.tolist(), b"")
    assert plane.across.startswith("rank")
    assert "cannot be told" not in plane.note, "it is on its way"
    with session.lock:
        session.panel.take(margins=None, impacts=impacts)
    assert (plane.delta_y, plane.delta_error, plane.exact, plane.facts, plane.note) == (b"", b"", b"", "", "")
    assert plane.across == f"rank, from what is for {P} to what is for {Q}"
    assert (bank.impacts["delta_y"], bank.subject) == (b"", f"{P} − {Q}")
    for view in (plane, bank):
        view.close()


def test_a_map_that_moves_q_alone_has_a_role_against_it(session: Session) -> None:
    """Of P it is neutral: the score does not move."""
    impacts, margins = session.impacts, session.margins
    assert impacts is not None
    assert margins is not None
    still = replace(impacts, delta_y=np.zeros_like(impacts.delta_y), roles=np.zeros(tiny.MAPS, np.int8))
    before = describe.plane(session).roles
    with session.lock:
        session.panel.take(impacts=still)
    np.testing.assert_array_equal(describe.plane(session).roles, before)


def test_effects_on_p_minus_q_are_asked_first_where_they_are_shown(session: Session) -> None:
    asked = session._requests._parts(session.panel, active=True)
    assert asked.index("margins") < asked.index("impacts")
    session.show(effect_on="score")
    asked = session._requests._parts(session.panel, active=True)
    assert asked.index("margins") > asked.index("impacts")


def test_the_choice_is_kept(session: Session, make_session: Make, tmp_path: Any) -> None:
    assert "effect_on" not in session.code()
    session.show(effect_on="score")
    assert "session.show(effect_on='score')" in session.code().replace('"', "'")
    session.save(tmp_path / "one.json")
    opened = Session.open(tmp_path / "one.json", model=session.model, images=session.images, engine=session.engine)
    assert opened.look.effect_on == "score"
    opened.close()


def test_muted_maps_are_of_p_and_say_so(session: Session) -> None:
    session.mute([2, 7])
    assert session.wait(60)
    assert session.joint is not None
    assert describe.bank(session).joint.startswith(f"2 maps muted: Δ {P} ")
    session.show(effect_on="score")
    assert f"Δ {P}" not in describe.bank(session).joint


def test_the_card_of_a_map_says_both(session: Session) -> None:
    assert session.margins is not None
    index = int(session.margins.delta.argmin())
    here, against = describe.facts_of_map(session, index)
    assert here.startswith(f"on {session.query.image}: Δy ")
    assert against == f"Δ({P} − {Q}) {session.margins.delta[index]:+.3g}, it is for {P}".replace("-", "−")


def test_of_a_set_the_plane_is_of_p_and_says_why(session: Session) -> None:
    session.know_set("impacts")
    assert session.wait(60, whole_set=True)
    plane = ImpactPlane(session, of="set")
    assert plane.against == {
        "effects": [P, f"{P} − {Q}"],
        "ways": [],
        "change": "Δ score",
        "no_difference": "is known of single images only",
    }
    assert plane.across.startswith("median Δ score")
    plane.of = "image"
    assert (plane.against["no_difference"], len(plane.against["ways"])) == ("", 2)
    plane.close()


def test_a_figure_names_p_and_q_and_colours_by_them() -> None:
    changes: dict[str, Any] = {"ways": ("for cup", "for oak, tree"), "change": "Δ(cup − oak, tree)"}
    roles = ("neutral", "helpful, for cup", "helpful, for oak, tree", "harmful, for cup", "harmful, for oak, tree")
    scene = plane_scene(**changes, role_words=roles, counts=(1, 1, 1, 1, 1), across="Δ(cup − oak, tree) when removed")
    drawn = figures.draw(scene)
    said = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert {"1: helpful,\nfor cup", "1: harmful,\nfor oak, tree"} <= set(said)
    assert drawn.axes[0].get_xlabel() == "Δ(cup − oak, tree) when removed"
    legend = drawn.axes[1].get_legend()
    assert legend is not None
    keys = [text.get_text() for text in legend.get_texts()]
    assert keys[:3] == ["for cup", "for oak, tree", "changes nothing"]
    none = np.zeros(0, np.float32)
    assert "by Δ(cup − oak, tree) when each is removed" in figures.alt(
        replace(scene, delta_error=none, roles=none.astype(np.int8))
    )
    texts = [
        axes.get_title(loc="left") for axes in figures.draw(bank_scene(**changes, margin_words="cup − oak = 1.")).axes
    ]
    assert any("▲ for cup · ▼ for oak, tree · figures: Δ(cup − oak, tree)" in " ".join(text.split()) for text in texts)


def test_the_error_moves_as_the_roles_say(session: Session) -> None:
    found = answer(
        session.sources, Query(image=session.images.names[0], model=session.query.model, layer="features"), "impacts"
    )
    assert found.moves.dtype == bool
    np.testing.assert_array_equal(found.roles > 0, found.moves & (found.delta_y != 0))
