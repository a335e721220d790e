"""The card of a feature map: the images of the set to which it answers most, and the parts of these it answers to."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from PIL import Image

from xai_widgets.engine import Job, Lane, Maps, Query, Sources, Stopped, answer
from xai_widgets.engine.query import checked_gain, one_of, plain
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.scenes import Card
from xai_widgets.session import describe, facts
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.panel import Panel
from xai_widgets.session.requests import Requests
from xai_widgets.session.set_queries import OF_THE_SET

BY = ("maximum", "mean")
SIDE = 144  # pixels of the longer side of a crop as it is sent


@dataclass(frozen=True, eq=False)
class MapCard:
    """Which map, and what has arrived.

    Attributes:
        index: of the map.
        by: what its images are chosen by.
        images: the chosen ones.
        seen: from how many images they were chosen.
        crops: by name of the image: JPEG, or nothing; and how it was found, or why there is none.
    """

    index: int
    by: str = "maximum"
    images: tuple[str, ...] = ()
    seen: int = -1
    crops: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)


class Cards(OneChange):
    """What a session says of one feature map; a part of `Session`."""

    query: Query
    maps: Maps | None
    sources: Sources
    images: ImageSet
    of_set: SetAnswers | None
    map_card: MapCard | None
    closed: bool
    know_set: Callable[..., None]
    knows_set: Callable[..., str]
    _requests: Requests

    @property
    def _small(self) -> bool:
        raise NotImplementedError

    @property
    def panel(self) -> Panel:
        raise NotImplementedError

    @property
    def model(self) -> ImageModel:
        raise NotImplementedError

    def card(self, index: int | None, *, by: str = "maximum") -> Card | None:
        """Open the card of a feature map in the map bank: the images of the set to which it answers most.

        The crops arrive one by one; after `wait` the same call returns them all.

        Args:
            index: of the map; None closes the card.
            by: "maximum" for the largest value of the map on an image, or "mean" for its mean over all places.

        Returns:
            What the card shows now; None where it was closed.

        Raises:
            ValueError: there is no such map, or another word.
        """
        with self.changing():
            self._open()
            if index is None:
                self.map_card = None
                return None
            count = None if self.maps is None else len(self.maps.thumbs)
            number, now = checked_gain(plain(index), 1, count)[0], self.map_card
            one_of("by", by, BY)
            if now is None or (now.index, now.by) != (number, by):
                self.map_card = MapCard(number, by)
            if self._small and not self.knows_set():
                self.know_set()
            self._fill_card()
            return describe.card(self)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ what a session does by itself

    def _card_moved(self, before: Query) -> None:
        """The maps of another layer are others."""
        if self.query.differs(before, OF_THE_SET):
            self.map_card = None

    def _card_again(self, names: Iterable[str] | None = None) -> None:
        """The crops of these images, or of all, are no longer true."""
        card = self.map_card
        if card is not None:
            gone = set(card.crops if names is None else names)
            left = {name: crop for name, crop in card.crops.items() if name not in gone}
            self.map_card = replace(card, crops=left, seen=-1)

    def _fill_card(self) -> None:
        """Choose the images, at once from those that are known and again when all are, and ask for their crops."""
        card, known = self.map_card, self.of_set
        if card is None or known is None or known.maximum is None or card.index >= known.maximum.shape[1]:
            return
        if card.images and (card.seen == len(known.images) or self.knows_set() == "coming"):
            return
        by = card.by if known.mean is not None else "maximum"
        images = known.top_images(card.index, by=by)
        crops = {name: card.crops[name] for name in images if name in card.crops}
        self.map_card = card = replace(card, by=by, images=images, seen=len(known.images), crops=crops)
        left = [name for name in images if name not in crops and name in self.images.names]
        if left:
            requests = self._requests
            lane, work = Lane(requests.owner, "detail", "card"), partial(self._make_crops, self.query, card.index, left)
            requests.submit((0, "card"), lane, work, failed=partial(requests.failed, self.panel, "card"))
            requests.call_it((0, "card"), f"crops of map {card.index}")

    # ------------------------------------------------------------------ on the engine's thread

    def _make_crops(self, query: Query, index: int, names: list[str], job: Job) -> None:
        base = Query(**{name: getattr(query, name) for name in OF_THE_SET})
        images, model = self.images.slice(query.shown), self.model
        try:
            for number, name in enumerate(names):
                job.let_others()
                self._requests.tell(f"crops of map {index}, {number} of {len(names)}", number / len(names))
                try:
                    found = answer(
                        self.sources, replace(base, image=name), "activations", stop=job.let_others, crops=(index,)
                    )
                    data, note = b"", found.notes[index]
                    if index in found.crops:
                        data = jpeg_of(facts.picture(model, images, name), found.crops[index])
                except Stopped:
                    raise
                except Exception as error:  # of one image: it is said in its place
                    data, note = b"", " ".join(str(error).split()) or type(error).__name__
                self._take_crop(query, index, name, (data, note))
        finally:
            self._requests.quiet(job)

    def _take_crop(self, query: Query, index: int, name: str, crop: tuple[bytes, str]) -> None:
        with self.changing():
            card = self.map_card
            if self.closed or card is None or card.index != index or query.differs(self.query, OF_THE_SET):
                return
            self.map_card = replace(card, crops={**card.crops, name: crop})


def jpeg_of(photo: np.ndarray, box: tuple[float, float, float, float], side: int = SIDE) -> bytes:
    """A part of a photo (h w 3), its longer side of so many pixels, as JPEG.

    Args:
        box: left, top, right, bottom, as shares of the photo.
    """
    height, width = photo.shape[:2]
    left, top = min(max(int(box[0] * width), 0), width - 1), min(max(int(box[1] * height), 0), height - 1)
    right, bottom = min(math.ceil(box[2] * width), width), min(math.ceil(box[3] * height), height)
    part = Image.fromarray(np.ascontiguousarray(photo[top : max(bottom, top + 1), left : max(right, left + 1)]))
    scale = side / max(part.size)
    size = [max(round(length * scale), 1) for length in part.size]
    file = io.BytesIO()
    part.resize((size[0], size[1]), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()
