"""The stage without a browser, and the picture of it that stays."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tiny import SIDE, classifier, photos, rated, regressor
from traitlets import TraitError

from xai_widgets import ImageSet, Session, figures
from xai_widgets.session.query import PALETTES
from xai_widgets.static import FOLDER
from xai_widgets.views import Stage
from xai_widgets.views.stage import encoded

Make = Callable[..., Session]
NODE = shutil.which("node")


@pytest.fixture
def session(make_session: Make) -> Session:
    return make_session(regressor(), rated())


@pytest.fixture
def stage(session: Session) -> Iterator[Stage]:
    stage = Stage(session)
    stage.comm.take()
    yield stage
    stage.close()


def map_of(stage: Stage) -> NDArray[np.float32]:
    return np.frombuffer(stage.saliency["values"], np.float32).reshape(stage.saliency["h"], stage.saliency["w"])


def opened(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_the_photo_and_the_map_are_the_sessions_own(session: Session, stage: Stage) -> None:
    np.testing.assert_array_equal(opened(stage.photo), photos()[0])  # small: nothing is lost
    assert stage.size == (SIDE, SIDE)
    assert session.saliency is not None
    np.testing.assert_array_equal(map_of(stage), session.saliency.map)
    assert stage.saliency["box"] == [0, 0, 1, 1]
    assert stage.saliency["limit"] == pytest.approx(np.abs(map_of(stage)).max())
    assert (stage.saliency["low"], stage.saliency["high"]) == ("lowers the score", "raises the score")


def test_a_large_photo_is_sent_small(make_session: Make) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1500, 3000, 3), np.uint8)
    sent = encoded(noise)
    assert opened(sent).shape == (512, 1024, 3)
    assert sent.startswith(b"\xff\xd8")


def test_a_step_of_a_drag_sends_the_map_and_the_score_only(session: Session, stage: Stage) -> None:
    assert session.impacts is not None
    strongest = int(np.abs(session.impacts.delta_y).argmax())
    before = map_of(stage)
    session.set_gain(strongest, 0.5, gesture=1)
    assert session.wait(30)
    names, size = stage.comm.take()
    assert {name for update in names for name in update} == {"saliency", "score"}
    assert size < 16 * 16 * 4 + 1200
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
    session.ask(image=session.images.names[2])
    assert session.wait(30)
    assert stage.score["facts"] == []


def test_a_class_stands_with_its_probability(make_session: Make) -> None:
    session = make_session(classifier(), ImageSet(list(photos()), labels=["cat", "cup", "crew"]))
    stage = Stage(session)
    output = session.output
    assert output is not None
    assert output.probabilities is not None
    assert stage.score["label"] == ("cat", "<b>cup</b>", "crew")[output.target]
    assert stage.score["headline"] == f"{100 * output.probabilities[output.target]:.1f} %"
    assert "labelled cat" in stage.score["facts"]
    able = {name: ready for name, _, _, ready in stage.methods}
    assert able["grad_cam"]
    assert able["helpful"], "the label names a class"
    stage.close()


def test_methods_that_need_a_rating_are_offered_where_it_is_known(session: Session, stage: Stage) -> None:
    assert all(ready for *_, ready in stage.methods)
    session.ask(image=session.images.names[2])
    assert session.wait(30)
    assert {name for name, _, _, ready in stage.methods if not ready} == {"helpful", "primary"}


def test_choosing_a_method_asks_the_session(session: Session, stage: Stage) -> None:
    for name in ("behaviour", "helpful", "primary", "grad_cam"):
        stage.comm.click(kind="method", name=name)
        assert session.wait(30)
        assert session.query.method == name == stage.method
        assert session.error == ""
        assert stage.saliency["palette"] == ("purple-green" if name == "helpful" else "")


def test_tiles_have_two_colours_and_both_are_named(session: Session, stage: Stage) -> None:
    assert session.output is not None
    session.ask(contrast=session.output.value, form="tiles")  # some tiles score above, some below
    assert session.wait(30)
    shown, values = stage.saliency, map_of(stage)
    assert (shown["low"], shown["high"]) == ("prevents Q", "merits a score above Q")
    assert not shown["one_sided"]
    assert values.min() < 0 < values.max()
    assert shown["limit"] == pytest.approx(np.abs(values).max())
    assert "tile by tile" in shown["title"]
    assert "the larger is shown" in shown["note"]
    session.ask(form="plain")
    assert session.wait(30)
    assert stage.saliency["one_sided"]


def test_contrast_without_a_choice_takes_the_likely_one(session: Session, make_session: Make) -> None:
    stage = Stage(session)
    stage.comm.click(kind="method", name="contrast")
    assert session.query.contrast is not None
    assert session.query.contrast.value == 1  # the best score
    assert session.wait(30)
    assert stage.saliency["one_sided"]
    stage.close()
    classes = make_session(classifier(), ImageSet(list(photos())))
    stage = Stage(classes)
    second = classes.ranked_classes()[1][0]
    stage.comm.click(kind="method", name="contrast")
    assert classes.query.contrast is not None
    assert classes.query.contrast.value == second
    stage.close()


def test_a_look_reaches_the_session_computes_nothing_and_does_not_echo(session: Session, stage: Stage) -> None:
    query, answer = session.query, session.saliency
    stage.comm.click(kind="look", opacity=0.3, palette="purple-orange", sign="positive", smooth=False, grey=True)
    assert (session.look.opacity, session.look.palette) == (0.3, "purple-orange")
    assert (session.look.sign, session.look.smooth) == ("positive", False)
    assert session.query is query
    assert session.saliency is answer
    assert stage.comm.take() == ([], 0)
    session.show(opacity=0.75)
    assert stage.look["opacity"] == 0.75
    stage.comm.take()
    stage.comm.click(kind="look", opacity=0.3, palette="purple-orange", sign="positive", smooth=False, grey=True)
    session.show(opacity=0.75)  # back to what was sent last: the version makes it a change
    assert stage.comm.take()[0] == [["look"]]


def test_a_look_that_does_not_exist_becomes_the_error_line(session: Session, stage: Stage) -> None:
    stage.comm.click(kind="look", palette="rainbow")
    assert "'rainbow'" in session.error
    assert session.look.palette == "blue-red"


def test_a_map_never_stands_over_another_photo(session: Session, stage: Stage) -> None:
    pairs = []
    names = session.images.names
    stage.observe(lambda change: pairs.append((stage.name, bool(stage.saliency))), ["photo", "saliency"])
    session.ask(image=names[1])
    assert session.wait(30)
    assert stage.name == names[1]
    np.testing.assert_array_equal(opened(stage.photo), photos()[1])
    assert pairs[-1] == (names[1], True)
    assert (names[0], True) not in pairs


def test_a_constant_map_says_so(session: Session, stage: Stage) -> None:
    session.solo([])
    assert session.wait(30)
    assert "zero everywhere" in stage.saliency["degenerate"]
    picture, words = stage.still() or (b"", "")
    assert "zero everywhere" in words
    assert picture.startswith(b"\x89PNG")


def test_a_cropped_model_places_its_map_through_the_box(make_session: Make) -> None:
    wide = np.repeat(photos()[0], 2, axis=1)

    def left_half(photo: Image.Image) -> tuple[torch.Tensor, tuple[int, int, int, int]]:
        pixels = torch.from_numpy(np.asarray(photo).copy()[:, :SIDE]).permute(2, 0, 1) / 255
        return pixels, (0, 0, SIDE, SIDE)

    model = type(regressor())(regressor().network, (left_half, lambda pixels: pixels), "features", name="cropped")
    session = make_session(model, ImageSet([wide]))
    stage = Stage(session)
    assert stage.saliency["box"] == [0, 0, 0.5, 1]
    stage.close()


def test_a_display_carries_a_picture_and_words(session: Session, stage: Stage) -> None:
    data, _ = stage._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= set(data)
    assert opened(base64.b64decode(data["image/png"])).shape[1] > 2 * figures.SIDE
    assert session.query.image in data["text/plain"]
    assert stage.score["headline"] in data["text/plain"]
    assert len(data["image/png"]) < 400_000


def test_a_stage_that_is_shown_at_once_waits_for_its_picture(make_session: Make) -> None:
    session = make_session(regressor(), rated())
    answer, session.saliency = session.saliency, None
    stage = Stage(session)
    assert stage.saliency == {}
    threading.Timer(0.2, lambda: setattr(session, "saliency", answer)).start()
    assert "why the score" in (stage.still() or (b"", ""))[1]
    stage.close()


def test_traits_refuse_nonsense(session: Session, stage: Stage) -> None:
    with pytest.raises(TraitError, match="height"):
        stage.height = 3


# ---------------------------------------------------------------- pictures that stay


def test_an_overlay_is_the_photo_where_the_map_is_zero_and_the_colour_where_it_is_full() -> None:
    photo = np.full((20, 40, 3), 100, np.uint8)
    saliency = np.array([[-1.0, 0.0, 0.0, 1.0]], np.float32)
    look = {"limit": 1.0, "smooth": False}
    picture = figures.overlay(photo, saliency, opacity=1, **look)  # type: ignore[arg-type]
    ends = figures.ramps()["blue-red"][[0, -1]]
    np.testing.assert_array_equal(picture[5, [2, 38]], ends)
    np.testing.assert_array_equal(picture[5, 15], [100, 100, 100])
    half = figures.overlay(photo, saliency, opacity=0.5, **look)  # type: ignore[arg-type]
    np.testing.assert_allclose(half[5, 38], (ends[1] + 100) / 2, atol=1)
    positive = figures.overlay(photo, saliency, opacity=1, sign="positive", **look)  # type: ignore[arg-type]
    np.testing.assert_array_equal(positive[5, 2], [100, 100, 100])


def test_an_overlay_dims_what_the_network_did_not_see() -> None:
    photo = np.full((20, 40, 3), 100, np.uint8)
    picture = figures.overlay(photo, np.zeros((2, 2), np.float32), limit=0.0, box=(0.25, 0, 0.75, 1))
    assert (picture[:, 10:30] == 100).all()
    assert (picture[:, :10] == 50).all()
    assert (picture[:, 30:] == 50).all()


def test_an_overlay_is_smooth_as_torch_interpolates() -> None:
    saliency = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    photo = np.zeros((30, 40, 3), np.uint8)
    fine = torch.nn.functional.interpolate(torch.from_numpy(saliency)[None, None], (30, 40), mode="bilinear")[0, 0]
    colours, cover = figures.coloured(fine.numpy(), 2.0)
    expected = colours * cover[..., None]
    picture = figures.overlay(photo, saliency, limit=2.0, opacity=1)
    np.testing.assert_allclose(picture, expected, atol=1)


def test_unknown_colours_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"palette must be one of blue-red, .*'jet'"):
        figures.coloured(np.zeros(1), 1.0, palette="jet")
    with pytest.raises(ValueError, match="sign must be signed or positive, got 'both'"):
        figures.coloured(np.zeros(1), 1.0, sign="both")


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_pictures_and_the_browser_have_the_same_colours() -> None:
    values = np.linspace(-1, 1, 41)
    module = base64.b64encode((FOLDER / "palettes.js").read_bytes()).decode()
    script = f"""import {{ colourOf, cover, RAMPS }} from "data:text/javascript;base64,{module}";
        const colour = (name) => (value) => [...colourOf(name, value), cover(value)];
        const values = {json.dumps(values.tolist())};
        console.log(JSON.stringify(Object.keys(RAMPS).map((name) => values.map(colour(name)))));"""
    done = subprocess.run([str(NODE), "--input-type=module"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, expected in zip(figures.ramps(), json.loads(done.stdout), strict=True):
        colours, cover = figures.coloured(values, 1.0, palette=name)
        np.testing.assert_allclose(np.column_stack([colours, cover]), expected, atol=0.51)
        np.testing.assert_allclose(cover, np.array(expected)[:, 3], atol=1e-6)


def test_the_front_end_has_the_palettes_of_the_session() -> None:
    assert set(figures.ramps()) == set(PALETTES)
