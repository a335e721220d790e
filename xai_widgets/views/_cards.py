"""What views of feature maps have in common: the card of one, and of what effects are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from traitlets import Bytes, Dict

from xai_widgets.session import describe
from xai_widgets.views import _message as message
from xai_widgets.views._base import View, plain

CROPS = tuple(f"crop_{place}" for place in range(9))  # of the images of a card


def _slots() -> dict[str, Any]:
    return {name: Bytes(help="JPEG.").tag(sync=True) for name in CROPS}


class WithCard(View):
    """A view that opens the card of a feature map. Its crops are `crop_0` to `crop_8`."""

    card = Dict(help="scenes.Card without the crops' data; empty where none is open.").tag(sync=True)
    locals().update(_slots())

    def told(self) -> tuple[Any, ...]:
        return (*super().told(), describe.p_and_q(self.session))  # another Q is nothing to them where it is no class

    def draw_card(self) -> None:
        """Write the card; crops that are there already are not sent again."""
        card = describe.card(self.session)
        crops = () if card is None else card.crops
        for place, name in enumerate(CROPS):
            setattr(self, name, crops[place].data if place < len(crops) else b"")
        words = tuple(replace(crop, data=b"") for crop in crops)
        self.card = {} if card is None else plain(replace(card, crops=words))

    def gesture(self, kind: str, **details: Any) -> None:
        """What the reader does with the card, and with the choice of what effects are of."""
        session = self.session
        if kind == "card":
            index = None if details.get("index") is None else message.whole(details)
            session.card(index, by=details.get("by", "maximum"))
        elif kind == "name":
            session.name_map(message.whole(details), message.words(details, "words"))
        elif kind == "image":
            session.ask(image=message.words(details, "name"))
        elif kind == "know":
            session.know_set(details.get("what", ""))
        elif kind == "effect_on":
            session.show(effect_on=message.word(details, ("score", "difference")))
