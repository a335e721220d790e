"""What a feature map is: the images of a set to which it answers most, and what is known of it over the set."""

from __future__ import annotations

from xai_widgets.scenes._record import scene


@scene
class Crop:
    """One image of a card.

    Attributes:
        image: its name.
        words: how strongly the map answers to it.
        data: the part of the photo that it answers to, as JPEG; empty before it is there, or where there is none.
        note: how the part was found, or why there is none.
        known: whether the session has this image, so that it can be picked.
    """

    image: str
    words: str = ""
    data: bytes = b""
    note: str = ""
    known: bool = True


@scene
class Card:
    """One feature map.

    Attributes:
        index: its number.
        name: given by the reader; empty where there is none.
        title: its number and name, and its layer.
        by: what the images are chosen by: "maximum", the largest value, or "mean" over all places.
        crops: at most nine images, the one that it answers to most first.
        facts: on how many images it is active; what its removal changes, on this image and over the set.
        source: of which images, in words.
        note: what is still to come, or why there are no crops.
        offers: what can be computed of the whole set: "activations" or "impacts", and the words of a button.
    """

    index: int
    title: str
    name: str = ""
    by: str = "maximum"
    crops: tuple[Crop, ...] = ()
    facts: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    offers: tuple[tuple[str, str], ...] = ()
