"""Samples of several images: which image is shown, which call of a layer is meant, and how the network takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from xai_widgets import ImageModel, ImageSet, Session
from xai_widgets.engine import Degradation, Query, Sources, answer
from xai_widgets.kernels import degrade
from xai_widgets.kernels.tail import Tail
from xai_widgets.session import describe
from xai_widgets.views import Stage

Make = Callable[..., Session]
Photo = NDArray[np.uint8]
LAYER = "trunk.3"


class Pair(nn.Module):
    """A trunk that is shared, called for the second image first, and a head on both; `way` is how it is called."""

    def __init__(self, way: str = "separate", outputs: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3, 2), nn.ReLU())
            self.head = nn.Linear(16, outputs)
        self.way = way

    def forward(self, *given: Any) -> Tensor:
        a, b = self.taken(*given)
        second, first = self.trunk(b), self.trunk(a)  # call 0 is of the second image
        return self.headed(first, second)

    def taken(self, *given: Any) -> Any:
        if self.way in ("separate", "list"):
            return given if self.way == "separate" else tuple(given[0])
        return given[0].chunk(2, 1) if self.way == "channels" else given[0].unbind(1)

    def headed(self, first: Tensor, second: Tensor) -> Tensor:
        scores: Tensor = self.head(torch.cat([first.mean((2, 3)), second.square().mean((2, 3))], 1))
        return scores


class Named(Pair):
    """Which neither takes a list nor two arguments by place."""

    def forward(self, *, left: Tensor, right: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(left, right)


def by_name(network: Any, left: Tensor, right: Tensor) -> Tensor:
    scores: Tensor = network(left=left, right=right)
    return scores


@cache
def stereo() -> ImageSet:
    a, b, c = tiny.photos()
    return ImageSet([(a, b), (b, c)], images=["left", "right"], ratings=[0.2, 0.7])


@cache
def pair_model() -> ImageModel:
    return ImageModel(Pair(), None, LAYER, name="pair", images=2, call="separate")


def own_network() -> Pair:
    network = pair_model().network
    assert isinstance(network, Pair)
    return network


def tensors(place: int = 0) -> tuple[Tensor, Tensor]:
    name = stereo().names[place]
    photos = (stereo().slice(word).photo(name) for word in ("left", "right"))
    left, right = (torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255 for photo in photos)
    return left, right


def sources() -> Sources:
    return Sources(pair_model(), stereo())


def asked(**fields: Any) -> Query:
    return Query(image="image 0", model="pair", layer=LAYER, **fields)


# ---------------------------------------------------------------------- how a network takes its images


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("way", ["separate", "list", "stack", "channels", "by name"])
def test_a_network_is_called_as_its_user_calls_it(way: str, told: bool) -> None:
    network = Named() if way == "by name" else Pair(way)
    call = by_name if way == "by name" else way if told else None
    images = 2 if told or way in ("stack", "channels") else None
    model = ImageModel(network, None, images=images, call=call)  # type: ignore[arg-type]
    assert model.images == 2
    assert bool(model.notices and "found by trying" in model.notices[-1]) == (call is None or images is None)
    left, right = tensors()
    with torch.no_grad():
        own = network.headed(network.trunk(left), network.trunk(right))
        found = model.scores(model.shell.network(model.together([left, right])))
    torch.testing.assert_close(found, own)
    assert [model.call_of("trunk.2", place) for place in (0, 1)] == [1, 0]
    assert next(info for info in model.layers() if info.name == "trunk.2").note.endswith("called 2 times")


def refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()


class Flagged(Pair):
    """The second argument is no image."""

    def forward(self, image: Tensor, mask: Any = None) -> Tensor:
        features = self.trunk(image)
        return self.headed(features, features)


def test_a_network_that_does_not_hear_an_image_is_refused() -> None:
    refused(lambda: ImageModel(Flagged(), None, images=2, call="separate"), "image 2 of 2 changes no score")
    refused(lambda: ImageModel(Flagged(), None, images=2), r"tried: network\(a, b\), network\(\[a, b\]\)")
    refused(lambda: ImageModel(Pair(), None, images=0), "images must be how many a sample has")
    refused(lambda: ImageModel(Pair(), None, channels=0), "channels must be how many an image has")
    refused(lambda: ImageModel(Pair(), None, images=2, call="both"), "call must be one of 'separate'")
    assert ImageModel(Flagged(), None).images == 1


# ---------------------------------------------------------------------- what is answered


@pytest.mark.parametrize(("shown", "call", "of"), [("", None, 0), ("right", None, 1), ("left", 0, 1), ("right", 1, 0)])
def test_maps_and_gains_are_of_the_call(shown: str, call: int | None, of: int) -> None:
    network, found = own_network(), answer(sources(), asked(shown=shown, call=call), "explanation")
    features = [network.trunk(one).detach().requires_grad_() for one in tensors()]
    score = network.headed(*features)[0, 0]
    (gradient,) = torch.autograd.grad(score, features[of])
    expected = (gradient.mean((2, 3), keepdim=True) * features[of]).sum(1)[0].detach()
    np.testing.assert_allclose(found.saliency.map, expected, atol=1e-6)
    np.testing.assert_allclose(found.output.value, float(score.detach()), rtol=1e-5)
    assert f"trunk.3, call {1 - of}" in found.saliency.title
    foreign = call is not None
    assert ("its maps lie here over" in found.saliency.note) == foreign
    muted = answer(sources(), asked(shown=shown, call=call, gains={0: 0.0, 5: 2.0}), "output")
    gains = torch.ones(8)
    gains[0], gains[5] = 0, 2
    features[of] = features[of] * gains[:, None, None]
    with torch.no_grad():
        np.testing.assert_allclose(muted.value, float(network.headed(*features)), rtol=1e-5)


@pytest.mark.parametrize("place", [0, 1])
def test_what_changes_pixels_changes_the_shown_image_alone(place: int) -> None:
    network, images = own_network(), list(tensors())
    shown = ("left", "right")[place]
    blurred = answer(sources(), asked(shown=shown, degradation=Degradation("blur", 2.0)), "output")
    images[place] = degrade.blur(images[place], 2.0)
    with torch.no_grad():
        np.testing.assert_allclose(blurred.value, float(network(*images)), rtol=1e-5)
    leaves = [one.clone().requires_grad_() for one in tensors()]
    (gradient,) = torch.autograd.grad(network(*leaves)[0, 0], leaves[place])
    found = answer(sources(), asked(shown=shown, method="gradient"), "explanation")
    np.testing.assert_allclose(found.saliency.map, gradient[0].abs().amax(0), atol=1e-7)
    measures = answer(sources(), asked(shown=shown), "measures", side="absolute")
    assert np.isfinite([measures.values[name] for name in ("entropy", "noise", "resilience", "focus")]).all()


def test_a_network_of_one_image_sees_the_shown_one() -> None:
    model = ImageModel(tiny.TinyNet(), None, "features", name="one", range=(0, 1))
    for shown, image in zip(("left", "right"), tensors(), strict=True):
        found = answer(Sources(model, stereo()), Query("image 0", "one", "features", shown=shown), "output")
        with torch.no_grad():
            np.testing.assert_allclose(found.value, float(model.network(image)), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_samples_of_other_channels(channels: int) -> None:
    network = Pair()
    network.trunk[0] = nn.Conv2d(channels, 6, 3, 2)
    given = [photo[..., [0, 1, 2, 0][:channels]] for photo in tiny.photos()[:2]]
    options: dict[str, Any] = {"channels": channels, "images": 2, "call": "separate"}
    model = ImageModel(network, None, LAYER, name="pair", **options)
    found = answer(Sources(model, ImageSet([tuple(given)], channels=channels)), Query("image 0", "pair"), "output")
    with torch.no_grad():
        inputs = [torch.from_numpy(one.copy()).permute(2, 0, 1)[None] / 255 for one in given]
        np.testing.assert_allclose(found.value, float(network.eval()(*inputs)), rtol=1e-5)


def test_calls_keep_their_numbers_where_a_call_is_skipped() -> None:
    network = Pair("channels")
    inputs = torch.cat(tensors(), 1)
    for layer in ("trunk.0", "trunk.1", "trunk.2"):
        for call in (0, 1):
            tail = Tail(network, layer, inputs, call=call)
            features = {0: network.trunk(tensors()[1]), 1: network.trunk(tensors()[0])}
            features[call] = network.trunk[int(layer[-1]) + 1 :](tail.maps * 0.5)
            with torch.no_grad():
                torch.testing.assert_close(tail(tail.maps * 0.5), network.headed(features[1], features[0]).detach())


def test_samples_that_do_not_fit_are_refused_in_a_sentence() -> None:
    a, b, _ = tiny.photos()

    def ask(images: Any, **fields: Any) -> Any:
        return answer(Sources(pair_model(), images), Query("image 0", "pair", LAYER, **fields), "output")

    refused(lambda: ask([a, b]), r"pair takes 2 images a sample, got 1; a set holds several as tuples \(a, b\)")
    refused(lambda: ask([(a, b, a)]), "pair takes 2 images a sample, got 3")
    refused(lambda: ask([(a, b[:32])]), "must have one size after the transform of pair, got 64 x 64 and 32 x 64")
    refused(lambda: ask([(a, b)], shown="up"), "has the images 'first', 'second', got 'up'")
    refused(lambda: ask([(a, b)], call=2), "trunk.3' is called 2 times; call must be -2 to 1, got 2")


# ---------------------------------------------------------------------- sessions


def test_the_reader_chooses_image_and_call(make_session: Make, tmp_path: Path) -> None:
    session = make_session(pair_model(), stereo())
    stage = Stage(session)
    try:
        chosen = {choice["name"]: (choice["value"], choice["choices"]) for choice in stage.sample}
        assert chosen == {"shown": ("left", ["left", "right"]), "call": (1, [0, 1])}
        stage.gesture("sample", name="shown", value="right")
        assert session.wait(60)
        assert stage.settle()
        assert [choice["value"] for choice in stage.sample] == ["right", 0]
        assert session.saliency is not None
        assert session.saliency.title.startswith("pair · right image · trunk.3, call 0 · Grad-CAM")
        np.testing.assert_array_equal(stage.picture().photo, stereo().slice("right").photo("image 0"))  # type: ignore[union-attr]
        assert stage.alt.startswith("The photo image 0 · right image.")
        bank, shown = describe.bank(session), "right image · trunk.3, call 0"
        assert describe.plane(session).title == f"Impact of each map · {shown}"
        assert bank.about == f"image 0 · pair · {shown} · the score"
        assert bank.title == f"{shown} · 8 maps"
        assert describe.radar(session).note.startswith(f"image 0 · pair · {shown}")
        assert describe.radar(session).series[0].name == "image 0 · right image · pair"
        session.check()
        assert session.wait(60)
        assert session.panel.answers.receipt is not None
        assert "layer trunk.3, call 0 of pair for the right image" in session.panel.answers.receipt.text
        stage.gesture("sample", name="call", value=1)
        assert describe.bank(session).key != bank.key
        session.ask(gains={2: 0.0})
        assert session.wait(60)
        assert "shown='right', call=1" in session.code() or "call=1" in session.code()
        session.save(tmp_path / "s.json")
        kept = stereo()
        others = [(kept.photo(name), 255 - kept.slice("right").photo(name)) for name in kept.names]
        for images, differences in (
            (kept, ()),
            (ImageSet(others, images=["left", "right"], name=kept.name),
             ("The image 'image 0' has another content than before.",)),
        ):  # fmt: skip
            again = Session.open(tmp_path / "s.json", model=pair_model(), images=images, engine=session.engine)
            assert again.query == session.query
            assert again.differences == differences
            again.close()
        session.ask(shown=0)
        assert (session.query.shown, session.query.call, session.query.gains) == ("left", None, ((2, 0.0),))
        session.undo()
        assert (session.query.shown, session.query.call) == ("right", 1)
        session.grid(rows="shown", columns="call")
        grid = describe.grid(session, photo=False)
        assert (grid.down, grid.across) == (("left image", "right image"), ("call 0", "call 1"))
    finally:
        stage.close()


def test_what_cannot_be_shown_is_refused(make_session: Make) -> None:
    session = make_session(pair_model(), stereo())
    for words, fields in {
        "shown must be one of 'left', 'right'; got 'up'": {"shown": "up"},
        "numbered from 0 to 1; got 2": {"shown": 2},
        "called 2 times: call must be from 0 to 1 or None, got 2": {"call": 2},
    }.items():
        refused(lambda fields=fields: session.ask(**fields), words)  # type: ignore[misc]
    gallery = describe.gallery(session)
    assert gallery.slices == ("left", "right")
    assert gallery.notes[0] == "2 images: left, right"
    alone = make_session(tiny.regressor(), tiny.rated())
    refused(lambda: alone.ask(shown="left"), "a sample of 'tiny' is one image")
    refused(lambda: alone.ask(call=1), "is called once")
    refused(lambda: alone.grid(rows="shown"), "an axis takes 1 to 12 values, got 0")


def test_the_call_of_a_trunk_whose_images_the_transform_stacks(make_session: Make) -> None:
    def stacked(pixels: Tensor) -> Tensor:
        return torch.cat([pixels, pixels.flip(-1)], 1)

    def whole(photo: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255

    session = make_session(ImageModel(Pair("channels"), (whole, stacked), LAYER, name="twins"), list(tiny.photos()))
    maps = {}
    for call in (None, 0, 1):
        session.ask(call=call)
        assert session.wait(60)
        assert session.saliency is not None
        maps[call] = session.saliency.map
    np.testing.assert_array_equal(maps[None], maps[1])
    assert not np.allclose(maps[0], maps[1])
