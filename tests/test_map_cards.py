"""Cards of feature maps without a browser: which images, their crops, the words, and what is sent."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torch import nn

from xai_widgets import Engine, ImageModel, ImageSet, Session
from xai_widgets.engine import Query, answer
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.session import whole_set
from xai_widgets.session.cards import SIDE, jpeg_of
from xai_widgets.views import MapBank

Make = Callable[..., Session]
COUNT = 12


pytestmark = pytest.mark.usefixtures("set_at_once")


def many() -> ImageSet:
    """Twelve photographs of noise, each with a bright patch elsewhere."""
    rng = np.random.default_rng(1)
    photos = [rng.integers(0, 60, (80, 64, 3), np.uint8) for _ in range(COUNT)]
    for number, photo in enumerate(photos):
        photo[5 * number : 5 * number + 12, 20:32] = 255 - 10 * number
    return ImageSet(photos, ratings=[number / COUNT for number in range(COUNT)], name="many")


@pytest.fixture
def session(make_session: Make) -> Session:
    session = make_session(tiny.regressor(), many())
    assert session.wait(60, whole_set=True)
    return session


def shown(session: Session, index: int, **options: Any) -> Any:
    session.card(index, **options)
    assert session.wait(60)
    return session.card(index, **options)


def test_a_card_shows_the_top_nine_with_the_crops_of_the_engine(session: Session) -> None:
    card = shown(session, 3)
    asked = [Query(name, "tiny", "features") for name in session.images.names]
    found = answer(session.sources, asked, "activations", crops=(3,))
    best = sorted(range(COUNT), key=lambda place: (-found[place].maximum[3], place))[:9]
    assert [crop.image for crop in card.crops] == [session.images.names[place] for place in best]
    for crop, place in zip(card.crops, best, strict=True):
        photo = session.images.photo(crop.image)
        assert crop.data == jpeg_of(photo, found[place].crops[3])
        assert max(Image.open(io.BytesIO(crop.data)).size) == SIDE
        assert crop.note == found[place].notes[3]
        assert crop.words == f"largest value {found[place].maximum[3]:.3g}"
    assert card.title == "Map 3 of features"
    assert card.source == f"of the {COUNT} images of this set"
    active = sum(one.maximum[3] > 0 for one in found)
    assert card.facts[0] == f"active (largest value above 0) on {active} of {COUNT} images"
    assert card.facts[1].startswith(f"on {session.query.image}: Δy ")
    assert card.offers == (("impacts", f"Compute medians over the set ({COUNT} images)"),)
    by_mean = shown(session, 3, by="mean")
    order = sorted(range(COUNT), key=lambda place: (-found[place].mean[3], place))[:9]
    assert [crop.image for crop in by_mean.crops] == [session.images.names[place] for place in order]
    assert by_mean.crops[0].words == f"mean value {found[order[0]].mean[3]:.3g}".replace("-", "−")


def test_the_part_of_a_photo_is_cut_out() -> None:
    photo = np.zeros((40, 80, 3), np.uint8)
    photo[10:20, 20:40] = 250
    cut = np.asarray(Image.open(io.BytesIO(jpeg_of(photo, (0.25, 0.25, 0.5, 0.5)))))
    assert cut.shape == (SIDE // 2, SIDE, 3)
    assert cut.min() > 240
    tiny_box = np.asarray(Image.open(io.BytesIO(jpeg_of(photo, (0.999, 0.999, 1.2, 1.2)))))
    assert tiny_box.shape == (SIDE, SIDE, 3), "at least a pixel, and nothing outside"


def test_medians_come_on_demand_and_are_said_with_their_interval(session: Session) -> None:
    bank = MapBank(session)
    session.card(3)
    lacks = dict(bank.of_set["set_lacks"])
    assert lacks == {"set_delta_y": "not computed yet, see the card of a map",
                     "set_delta_error": "not computed yet, see the card of a map", "set_active": ""}  # fmt: skip
    bank.comm.click(kind="know", what="impacts")
    assert session.wait(60, whole_set=True)
    known = session.of_set
    assert known is not None
    assert known.median_delta_y is not None
    median, low, high = (f"{float(values[3]):+.3g}".replace("-", "−") for values in known.median_delta_y[:3])
    card = shown(session, 3)
    assert f"median Δy {median} [{low}, {high}] (95 %, n = {COUNT})" in card.facts
    assert card.facts[3].startswith("median Δ error ")
    assert card.offers == ()
    assert dict(bank.of_set["set_lacks"])["set_delta_y"] == ""
    sent = np.frombuffer(bank.of_set["set_delta_y"], np.float32)
    np.testing.assert_array_equal(sent, known.median_delta_y.median.numpy())
    bank.order = "set_delta_y"
    bank.close()


def test_each_crop_travels_once_and_a_click_picks_its_image(session: Session) -> None:
    bank = MapBank(session)
    bank.comm.take()
    bank.comm.click(kind="card", index=3)
    assert session.wait(60)
    names, _ = bank.comm.take()
    crops = [name for update in names for name in update if name.startswith("crop_")]
    assert sorted(crops) == [f"crop_{place}" for place in range(9)]
    assert bank.card["crops"][8]["image"] == shown(session, 3).crops[8].image
    assert bank.crop_8 == shown(session, 3).crops[8].data
    other = bank.card["crops"][8]["image"]
    bank.comm.click(kind="image", name=other)
    assert session.query.image == other
    assert session.wait(60)
    assert bank.card["index"] == 3
    assert bank.card["facts"][1].startswith(f"on {other}: Δy ")
    assert "session.card(3)" in session.code()
    bank.comm.click(kind="card", index=None)
    assert (bank.card, bank.crop_0, session.map_card) == ({}, b"", None)
    bank.comm.click(kind="card", index=99)
    assert "0 to 23" in session.error
    bank.close()


def test_what_has_no_crop_says_why(session: Session) -> None:
    dead = shown(session, tiny.DEAD)
    assert dead.crops == ()
    assert dead.note == "On none of these images it is above 0, so that there is nothing to show."
    assert dead.facts[1] == f"on {session.query.image}: zero everywhere"
    names = (*session.images.names[:2], "elsewhere.png")
    values = np.full((3, tiny.MAPS), 1e6, np.float32)
    session.bring(SetAnswers("tiny", 0, "features", names, "the study faces", 3, maximum=values))
    card = shown(session, 4)
    assert [(crop.image, crop.known) for crop in card.crops[:3]] == [
        (names[0], True),
        (names[1], True),
        (names[2], False),
    ]
    assert card.crops[2].note == "This image is not in the set that is open here."
    assert card.source == "of 13 images, 3 from the study faces and 10 made in this explorer"


class Scrambled(nn.Module):
    """Maps whose places are in no order of the image."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features, self.scramble = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU()), Scramble()
        self.head = nn.Linear(8, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.scramble(self.features(images)).mean((2, 3)))
        return scores


class Scramble(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        flat = maps.flatten(2)
        order = torch.randperm(flat.shape[2], generator=torch.Generator().manual_seed(1))
        return flat[:, :, order].reshape(maps.shape)


def test_a_layer_out_of_raster_order_says_it_once(make_session: Make) -> None:
    session = make_session(ImageModel(Scrambled(), None, "features", range=(0, 1), name="scrambled"), many())
    session.ask(layer="scramble")
    assert session.wait(60, whole_set=True)
    assert session.of_set is not None
    assert session.of_set.active is not None
    index = int(session.of_set.active.argmax())
    card = shown(session, index)
    assert len(card.crops) == 9
    assert not any(crop.data or crop.note for crop in card.crops)
    assert card.note.startswith("A crop needs a layer whose positions are those of the image")


def test_a_large_set_offers_to_be_looked_at(fake_comm: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_set, "MOST", 2)
    session = Session(tiny.regressor(), many(), engine=engine)
    assert session.wait(60)
    card = shown(session, 3)
    assert card.note == "To which images this map answers is not known yet."
    assert card.offers[0] == ("activations", f"Look at the whole set ({COUNT} images)")
    session.know_set()
    assert session.wait(60, whole_set=True)
    assert session.wait(60), "the open card has asked for its crops"
    assert [bool(crop.data) for crop in session.card(3).crops] == [True] * 9  # type: ignore[union-attr]
    session.close()


def test_crops_of_a_file_that_changed_are_made_again(session: Session) -> None:
    card = shown(session, 3)
    first = card.crops[0].image
    kept = session.map_card
    session.reread([first])
    assert session.map_card is not None
    assert kept is not None
    assert first not in session.map_card.crops
    assert session.wait(60, whole_set=True)
    assert session.wait(60)
    assert session.card(3) == card
