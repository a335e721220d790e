"""The colours of pictures that stay: those of the browser, over the photo, as torch interpolates."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from xai_widgets import figures
from xai_widgets.session.look import PALETTES
from xai_widgets.static import FOLDER

NODE = shutil.which("node")


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
    module = base64.b64encode((FOLDER / "shared" / "palettes.js").read_bytes()).decode()
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
