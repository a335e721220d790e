"""What is asked of a session: names become what they mean, bad questions change nothing, steps go back."""

from __future__ import annotations

import numpy as np
import pytest

from xai_widgets import Contrast, Session
from xai_widgets.session import Look


def test_names_and_numbers_become_what_they_mean(scene_session: Session, demo_session: Session) -> None:
    labels = scene_session.model.labels
    assert labels is not None
    scene_session.ask(contrast="coffee")
    assert scene_session.query.contrast == Contrast("class", "coffee")
    assert scene_session.contrast() == Contrast("class", labels.index("coffee"))
    assert scene_session.query.method == "grad_cam", "a contrast is independent of the method"
    scene_session.ask(contrast=3)
    assert scene_session.query.contrast == Contrast("class", labels[3])
    scene_session.ask(contrast="confidence", target="moon")
    assert scene_session.query.contrast == Contrast("confidence")
    assert scene_session.query.target == "moon", "names stay names, so that they mean the same elsewhere"
    scene_session.ask(contrast=None, target=None)
    assert (scene_session.query.method, scene_session.query.target) == ("grad_cam", None)

    demo_session.ask(contrast=0.25)
    demo_session.ask(form="tiles")
    assert demo_session.query.contrast == Contrast("score", 0.25, "tiles")
    demo_session.ask(contrast=0.5)
    assert demo_session.query.contrast == Contrast("score", 0.5, "tiles"), "the form stays"
    demo_session.ask(contrast="rating", form="plain")
    assert demo_session.query.contrast == Contrast("score", "rating", "plain"), "the word stays until it is answered"
    rating = demo_session.images.rating(demo_session.query.image)
    assert demo_session.contrast() == Contrast("score", rating or 0.0)
    assert demo_session.wait()
    assert demo_session.error == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": "chelsae"}, "image must be one of 'chelsea"),
        ({"layer": "feature"}, "nearest"),
        ({"method": "gradcam"}, "method must be one of 'grad_cam'"),
        ({"method": "grad_cams"}, "method must be one of 'grad_cam'"),
        ({"contrast": "coffee"}, "Q must be a finite score"),
        ({"contrast": float("nan")}, "Q must be a finite score"),
        ({"contrast": 0.5, "form": "tile"}, "form must be one of 'tiles'"),
        ({"gains": {1000: 0.5}}, "a feature map is named by its number, 0 to 95; got 1000"),
        ({"gains": {1: 3}}, r"the gain of map 1 must be in \[0, 2\], got 3"),
        ({"gain": {1: 3}}, "what is asked must be one of 'gains'"),
        ({"target": "coffee"}, "the scores have no names here"),
        ({"model": "demo/qualty"}, "model must be one of 'demo/quality'"),
    ],
)
def test_bad_questions_change_nothing(demo_session: Session, change: dict[str, object], sentence: str) -> None:
    before = demo_session.query
    with pytest.raises(ValueError, match=sentence):
        demo_session.ask(**change)  # type: ignore[arg-type]
    assert demo_session.query == before


def test_classes_outside_the_range_are_named(scene_session: Session) -> None:
    with pytest.raises(ValueError, match="numbered from 0 to 14; got 99"):
        scene_session.ask(contrast=99)
    with pytest.raises(ValueError, match="class must be one of 'coffee'"):
        scene_session.ask(contrast="cofee")


def test_mute_solo_invert_reset(demo_session: Session) -> None:
    session = demo_session
    session.mute([1, 2])
    assert (session.gains() == 0).nonzero()[0].tolist() == [1, 2]
    session.invert()
    assert (session.gains() == 1).nonzero()[0].tolist() == [1, 2]
    session.solo(np.array([5]))
    assert (session.gains() == 1).nonzero()[0].tolist() == [5]
    session.reset_gains()
    assert session.query.gains == ()
    for _ in range(4):
        session.undo()
    assert session.query.gains == ()
    assert session.steps == (False, True)


def test_pins_selection_and_look(demo_session: Session) -> None:
    name = demo_session.images.names[1]
    demo_session.pin(name)
    demo_session.pin(name)  # set, not toggled: the same again changes nothing
    demo_session.pin(demo_session.images.names[0])
    assert demo_session.pins == (name, demo_session.images.names[0])
    demo_session.pin(name, kept=False)
    demo_session.pin(name, kept=False)
    assert demo_session.pins == (demo_session.images.names[0],)
    demo_session.select(np.array([3, 3, 5]).tolist())
    assert demo_session.selected == (3, 5)
    demo_session.show(opacity=0.2, palette="purple-green")
    assert demo_session.look == Look(0.2, "purple-green")
    for bad in ({"opacity": 2}, {"palette": "rainbow"}, {"colour": "red"}):
        with pytest.raises(ValueError, match=r"opacity|palette|what is seen"):
            demo_session.show(**bad)


def test_scores_worth_asking_about(demo_session: Session, scene_session: Session) -> None:
    assert demo_session.score_range() == (0, 1)
    names = [name for name, _ in demo_session.quick_scores()]
    assert names == ["0%", "25%", "50%", "75%", "100%", "rating"]
    ranked = scene_session.ranked_classes(3)
    assert [p for _, _, p in ranked] == sorted((p for _, _, p in ranked), reverse=True)
    assert demo_session.ranked_classes() == []
