"""The stage without a browser: photo, map, score, look, and the picture of it that stays."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from stages import map_of, pixels_of, settled
from tiny import SIDE, classifier, photos, rated, regressor
from traitlets import TraitError

from xai_widgets import ImageSet, Session, scenes
from xai_widgets.session import describe
from xai_widgets.session.look import Look
from xai_widgets.views import Stage
from xai_widgets.views._photos import encoded

Make = Callable[..., Session]
LOOK = {"opacity": 0.3, "palette": "purple-orange", "sign": "positive", "smooth": False, "grey": False}


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


def test_the_photo_and_the_map_are_the_sessions_own(session: Session, stage: Stage) -> None:
    np.testing.assert_array_equal(pixels_of(stage.photo), photos()[0])  # small: nothing is lost
    assert stage.size == (SIDE, SIDE)
    assert session.saliency is not None
    np.testing.assert_array_equal(map_of(stage), session.saliency.map)
    assert stage.map["box"] == [0, 0, 1, 1]
    assert stage.map["limit"] == pytest.approx(np.abs(map_of(stage)).max())
    assert (stage.map["low"], stage.map["high"]) == ("lowers the score", "raises the score")
    assert (stage.name, stage.pending) == (session.query.image, "")


def test_a_large_photo_is_sent_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1500, 3000, 3), np.uint8)
    sent = encoded(noise)
    assert pixels_of(sent).shape == (512, 1024, 3)
    assert sent.startswith(b"\xff\xd8")


def test_a_step_of_a_drag_sends_the_map_and_the_score_only(session: Session, stage: Stage) -> None:
    assert session.impacts is not None
    strongest = int(np.abs(session.impacts.delta_y).argmax())
    before = map_of(stage)
    session.set_gain(strongest, 0.5, gesture=1)
    assert session.wait(30)
    names, size = stage.comm.take()
    assert {name for update in names for name in update} == {"map_0", "cell_0"}
    assert size < 16 * 16 * 4 + 2000
    assert not np.array_equal(map_of(stage), before)
    assert "→" in stage.score["headline"]
    assert session.output is not None
    assert float(stage.score["headline"].split("→ ")[1].replace("−", "-")) == pytest.approx(
        session.output.value, abs=6e-4
    )


def test_score_rating_and_residual_stand_in_words(session: Session, stage: Stage) -> None:
    assert session.output is not None
    value, rating = session.output.value, 0.25
    assert stage.score["headline"] == f"{value:.3f}"
    assert stage.score["facts"] == ["rating 0.250", f"residual {value - rating:+.3f}".replace("-", "−")]
    session.solo([])
    settled(stage)
    assert stage.score["facts"][0] == f"change {session.output.value - session.output.base:+.3f}".replace("-", "−")
    session.ask(image=session.images.names[2])
    settled(stage)
    assert len(stage.score["facts"]) == 1  # no rating, and the gain is kept


def test_a_class_stands_with_its_probability(make_session: Make) -> None:
    session = make_session(classifier(), ImageSet(list(photos()), labels=["cat", "cup", "crew"]))
    stage = settled(Stage(session))
    output = session.output
    assert output is not None
    assert output.probabilities is not None
    assert stage.score["label"] == ("cat", "<b>cup</b>", "crew")[output.target]
    assert stage.score["headline"] == f"{100 * output.probabilities[output.target]:.1f} %"
    assert "labelled cat" in stage.score["facts"]
    assert not {"grad_cam", "helpful"} & set(stage.reasons), "the label names a class"
    stage.close()


def test_names_and_labels_stay_as_they_are(make_session: Make) -> None:
    evil = '<img src=x onerror="window.hacked = 1">'
    session = make_session(classifier(), ImageSet(list(photos()), labels=[evil] * 3))
    stage = settled(Stage(session))
    assert f"labelled {evil}" in stage.score["facts"]
    session.ask(target="<b>cup</b>")
    settled(stage)
    assert "why <b>cup</b>?" in stage.map["title"]
    assert "<b>cup</b>" in stage.alt
    stage.close()


def test_tiles_have_two_colours_and_both_are_named(session: Session, stage: Stage) -> None:
    assert session.output is not None
    session.ask(contrast=session.output.value, form="tiles")  # some tiles score above, some below
    settled(stage)
    shown, values = stage.map, map_of(stage)
    assert (shown["low"], shown["high"]) == ("prevents Q", "merits a score above Q")
    assert not shown["one_sided"]
    assert values.min() < 0 < values.max()
    assert shown["limit"] == pytest.approx(np.abs(values).max())
    assert "tile by tile" in shown["title"]
    assert "the larger is shown" in shown["note"]
    session.ask(form="plain")
    settled(stage)
    assert stage.map["one_sided"]


# ---------------------------------------------------------------------- how it looks


def test_a_look_reaches_the_session_computes_nothing_and_does_not_echo(session: Session, stage: Stage) -> None:
    query, answer = session.query, session.saliency
    stage.comm.click(kind="look", secondary="off", **LOOK)
    assert session.look == Look(secondary="off", **LOOK)  # type: ignore[arg-type]
    assert session.query is query
    assert session.saliency is answer
    names, _ = stage.comm.take()
    assert {name for update in names for name in update} <= {"cell_0"}  # its words name the colours
    session.show(opacity=0.75)
    assert stage.look["opacity"] == 0.75
    stage.comm.take()
    stage.comm.click(kind="look", **LOOK)
    session.show(opacity=0.75)  # back to what was sent last: the version makes it a change
    assert stage.comm.take()[0] == [["look"]]


def test_a_second_stage_has_the_look_of_the_session(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="look", **LOOK)
    second = settled(Stage(session))
    assert {name: second.look[name] for name in LOOK} == LOOK
    second.comm.click(kind="look", **LOOK | {"opacity": 0.9})
    assert stage.look["opacity"] == 0.9
    second.close()


def test_a_look_that_does_not_exist_becomes_the_error_line_and_is_taken_back(session: Session, stage: Stage) -> None:
    version = stage.look["version"]
    stage.comm.click(kind="look", palette="rainbow")
    assert "'rainbow'" in session.error
    assert session.look.palette == stage.look["palette"] == "blue-red"
    assert stage.look["version"] == version + 1


# ---------------------------------------------------------------------- special maps


def test_a_constant_map_says_so(session: Session, stage: Stage) -> None:
    session.solo([])
    settled(stage)
    assert stage.map["degenerate"] == "This map is zero everywhere."
    assert not stage.checkable
    picture, words = stage.still() or (b"", "")
    assert "zero everywhere" in words
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("", ""), ("zero", "This map is zero everywhere."), ("constant", "This map is constant: it points nowhere."),
        ("not finite", "This map holds values that are not finite: it shows nothing."),
    ],
)  # fmt: skip
def test_every_kind_of_map_that_shows_nothing_has_words(session: Session, stage: Stage, kind: str, words: str) -> None:
    assert session.saliency is not None
    session.panel.take(saliency=replace(session.saliency, degenerate=kind))
    assert stage.map["degenerate"] == words
    assert words in stage.alt


def test_a_cropped_model_places_its_map_through_the_box(make_session: Make) -> None:
    wide = np.repeat(photos()[0], 2, axis=1)

    def left_half(photo: Image.Image) -> tuple[torch.Tensor, tuple[int, int, int, int]]:
        pixels = torch.from_numpy(np.asarray(photo).copy()[:, :SIDE]).permute(2, 0, 1) / 255
        return pixels, (0, 0, SIDE, SIDE)

    model = type(regressor())(regressor().network, (left_half, lambda pixels: pixels), "features", name="cropped")
    stage = settled(Stage(make_session(model, ImageSet([wide]))))
    assert stage.map["box"] == [0, 0, 0.5, 1]
    stage.close()


def test_traits_refuse_nonsense(stage: Stage) -> None:
    with pytest.raises(TraitError, match="height"):
        stage.height = 3


# ---------------------------------------------------------------------- scenes and pictures that stay


def test_the_scene_is_what_is_shown_with_every_word(session: Session, stage: Stage) -> None:
    scene = describe.stage(session)
    assert isinstance(scene, scenes.Stage)
    assert scene.photo is not None
    assert scene.map is not None
    np.testing.assert_array_equal(scene.photo, photos()[0])
    np.testing.assert_array_equal(scene.map.values, map_of(stage))
    assert not scene.map.values.flags.writeable
    assert (scene.map.title, scene.alt, scene.name) == (stage.map["title"], stage.alt, stage.name)
    assert scene == describe.stage(session)
    assert stage.scene() == scene
    assert scene.alt == (
        f"The photo image 0. Score {stage.score['headline']}, {', '.join(stage.score['facts'])}. Over it a map: tiny · "
        "features · Grad-CAM · why the score? Blue: lowers the score; red: raises the score. Full colour at "
        f"±{stage.map['limit']:.3g}."
    )


def test_a_display_carries_a_picture_and_words(session: Session, stage: Stage) -> None:
    data, _ = stage._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= set(data)
    assert pixels_of(base64.b64decode(data["image/png"])).shape[1] == 512
    assert session.query.image in data["text/plain"]
    assert stage.score["headline"] in data["text/plain"]
    assert len(data["image/png"]) < 400_000


def test_a_stage_that_is_shown_at_once_waits_for_its_picture(make_session: Make) -> None:
    session = make_session(regressor(), rated())
    answer = session.saliency
    session.panel.take(saliency=None)
    stage = Stage(session)
    assert stage.map == {}
    threading.Timer(0.2, lambda: session.panel.take(saliency=answer)).start()
    assert "why the score" in (stage.still() or (b"", ""))[1]
    stage.close()


def test_a_stage_waits_one_second_at_most(make_session: Make) -> None:
    session = make_session(regressor(), rated())
    session.panel.take(saliency=None)
    stage = Stage(session)
    begin = time.monotonic()
    scene = stage.scene()
    assert 0.9 < time.monotonic() - begin < 3
    assert isinstance(scene, scenes.Stage)
    assert scene.map is None
    stage.close()
