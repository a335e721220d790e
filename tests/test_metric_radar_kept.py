"""Which map and which part of it the radar measures, and what is kept of it: in menus, words, names and figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from xai_widgets import figures
from xai_widgets.engine import answer
from xai_widgets.engine.parts.sides import SIDES
from xai_widgets.figures.words import caption
from xai_widgets.session.describe import kept
from xai_widgets.views import MetricRadar

Make = Callable[..., Any]
SAME = "no values below 0, so that cut at 0 and absolute value are the same"


@pytest.fixture
def scored(make_session: Make) -> Any:
    return make_session(tiny.regressor(), tiny.rated())


@pytest.fixture
def radar(scored: Any) -> Iterator[MetricRadar]:
    view = MetricRadar(scored)
    yield view
    view.close()


def measure(radar: MetricRadar, **choices: str) -> None:
    radar.comm.click(kind="measure", **choices)
    assert radar.session.wait()


@pytest.mark.parametrize(
    ("side", "words"), [("absolute", "absolute value"), ("negative", "negative part"), ("positive", "cut at 0")]
)
def test_the_menu_chooses_the_part_of_the_map(
    scored: Any, radar: MetricRadar, side: str, words: str, tmp_path: Path
) -> None:
    assert radar.sides == {"positive": "cut at 0", "absolute": "absolute value", "negative": "negative part"}
    measure(radar, of="shown", side=side)
    assert scored.measuring == {"of": "shown", "rule": "fixed", "side": side}
    assert radar.side == side
    found = answer(scored.sources, scored.query, "measures", of="shown", side=side)
    assert scored.measures.values is found.values
    assert f"tiny · features: the map on the stage (Grad-CAM), {words}; target of the clean photo." in radar.note
    assert not radar.one_sided
    scene = radar.picture()
    assert scene.side == side
    assert f"(Grad-CAM), {words}" in caption(scene), "a figure says it too"
    written = figures.save(scene, tmp_path / "radar.svg").read_text(encoding="utf-8")
    assert f"(Grad-CAM), {words}" in written


def test_the_choice_holds_for_the_next_photo_and_may_be_made_in_python(scored: Any, radar: MetricRadar) -> None:
    scored.measure(side="negative")
    scored.ask(image=scored.images.names[1])
    assert scored.wait()
    assert radar.note.endswith("Grad-CAM, negative part; target of the clean photo. Not available: stability.")
    found = answer(scored.sources, scored.query, "measures", side="negative")
    assert scored.measures.values is found.values
    with pytest.raises(ValueError, match="side must be one of 'positive', 'absolute', 'negative'; got 'below'"):
        scored.measure(side="below")
    assert (scored.measuring["side"], radar.side) == ("negative", "negative")


def test_a_map_without_negative_values_says_so(scored: Any, radar: MetricRadar) -> None:
    scored.ask(method="feature_activation")
    measure(radar, of="shown")
    values = scored.measures.values
    assert f"(Feature activation), {SAME}; target" in radar.note
    assert radar.one_sided
    measure(radar, side="absolute")
    assert scored.measures.values == pytest.approx(values, nan_ok=True)
    assert f"(Feature activation), {SAME}; target" in radar.note
    measure(radar, side="negative")
    assert all(math.isnan(value) for value in scored.measures.values.values())
    assert radar.note.endswith(
        "the map on the stage (Feature activation); "
        "n/a: the map has no values below 0, and so no negative part; choose another part of it."
    )
    assert scored.error == ""
    assert not radar.can_keep, "there is nothing to keep"
    scored.ask(method="grad_cam")
    measure(radar)
    assert not radar.one_sided
    assert math.isfinite(scored.measures.values["entropy"])


def test_what_is_kept_says_what_was_measured(scored: Any, radar: MetricRadar) -> None:
    image = scored.images.names[0]
    radar.comm.click(kind="keep")
    scored.ask(gains={3: 0.0, 5: 1.75})
    scored.ask(method="feature_activation", options={"map": 7})
    measure(radar, of="shown", rule="repredicted")
    radar.comm.click(kind="keep")
    scored.ask(method="grad_cam", contrast=0.5, gains=dict.fromkeys(range(5), 0.5))
    measure(radar, side="absolute", rule="fixed")
    radar.comm.click(kind="keep")
    assert radar.others == [
        f"{image} · tiny · features · Grad-CAM, cut at 0",
        f"{image} · tiny · features · Feature activation, map 7, no values below 0 · map 3 ×0, map 5 ×1.75",
        f"{image} · tiny · features · Grad-CAM rather than 0.5, no values below 0 · 6 changed gains",
    ]


def test_what_is_kept_of_classes_names_them(make_session: Make) -> None:
    session = make_session(tiny.classifier(), tiny.photos())
    session.ask(target="crew", contrast="cat")
    session.measure(of="shown", side="negative")
    assert session.wait()
    assert kept(session, session.measures).endswith("features · Grad-CAM for crew rather than cat, negative part")
    session.ask(contrast="confidence")
    session.measure()
    assert session.wait()
    assert kept(session, session.measures).endswith("Grad-CAM for crew rather than 100 % confidence, negative part")
    session.measure(of="standard", side="positive")
    assert session.wait()
    assert kept(session, session.measures).endswith("features · Grad-CAM for crew, cut at 0")


def test_what_is_kept_twice_stands_twice(scored: Any, radar: MetricRadar) -> None:
    drawn = []
    for side in (*SIDES, "positive"):
        measure(radar, side=side)
        radar.comm.click(kind="keep")
        drawn.append(scored.measures.values["entropy"])
    radar.comm.click(kind="keep")
    name = f"{scored.images.names[0]} · tiny · features · Grad-CAM"
    assert radar.others == [
        f"{name}, cut at 0",
        f"{name}, absolute value",
        f"{name}, negative part",
        f"{name}, cut at 0 (2)",
        f"{name}, cut at 0 (3)",
    ]
    place = 0  # entropy
    assert [radar.figure.data[2 * number].r[place] for number in range(1, 5)] == pytest.approx(drawn)
    assert len(set(drawn)) == 3
    radar.comm.click(kind="remove", name=f"{name}, cut at 0 (2)")
    radar.comm.click(kind="keep")
    assert radar.others[-1] == f"{name}, cut at 0 (2)", "a number that is free again"
