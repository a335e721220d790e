"""What cannot be used, a sentence each, and many of one kind counted together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# What is said of several of one kind; of one alone, its own sentence is said.
KINDS = {
    "file": "{n} images cannot be read",
    "absent": "{n} image files do not exist",
    "outside": "{n} files lie outside the folder that is allowed",
    "twice": "{n} images are named more than once",
    "row": "{n} rows of the table are left out",
    "item": "{n} items are left out",
    "pages": "{n} files have several pages or frames, of which the first is read",
    "reduced": "{n} images are read at a part of their size",
    "unrated": "{n} images have no rating",
    "rating": "{n} ratings cannot be used",
    "label": "{n} labels cannot be used",
    "human map": "{n} human maps cannot be used",
    "stretched": "{n} human maps have other proportions than their photos",
    "drawn": "{n} human maps are taken as drawn on the photo as EXIF turns it",
    "reference": "{n} reference images cannot be used",
    "spread": "{n} standard deviations or numbers of raters cannot be used",
    "unknown": "{n} names with a rating or label have no image",
    "folder": "{n} folders are not read",
    "network": "the network failed on {n} images",
    "other": "{n} problems",
}


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be used, under the name of its image, row or kind of file."""

    name: str
    sentence: str
    kind: str = "other"


@dataclass(frozen=True)
class ProblemGroup:
    """Problems of one kind.

    Attributes:
        words: what is said of all of them, as a sentence.
        names: of the images, rows or kinds of files.
        sentences: one of each.
    """

    words: str
    names: tuple[str, ...]
    sentences: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sentences)

    def __str__(self) -> str:
        return self.words


def by_name(problems: Iterable[Problem]) -> dict[str, str]:
    """All that is said of each name."""
    found: dict[str, str] = {}
    for one in problems:
        found[one.name] = f"{found[one.name]} {one.sentence}" if one.name in found else one.sentence
    return found


def grouped(problems: Iterable[Problem]) -> tuple[ProblemGroup, ...]:
    """Problems by kind, in the order in which kinds were met; each kind of file that is not read stands by itself."""
    kinds: dict[str, list[Problem]] = {}
    for one in problems:
        kinds.setdefault(one.kind if one.kind in KINDS else one.name, []).append(one)
    return tuple(_group(kind, some) for kind, some in kinds.items())


def _group(kind: str, problems: list[Problem]) -> ProblemGroup:
    sentences = tuple(one.sentence for one in problems)
    words = sentences[0]
    if len(problems) > 1:
        said = KINDS.get(kind, KINDS["other"]).format(n=f"{len(problems):,}")
        words = f"{said[0].upper()}{said[1:]}, such as: {sentences[0]}"
    return ProblemGroup(words, tuple(one.name for one in problems), sentences)
