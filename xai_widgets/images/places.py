"""Where the file is that a table names: names of another computer are found, and how is said."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PureWindowsPath

from xai_widgets.images import reading


def composed(text: str) -> str:
    """A name in the one Unicode form (NFC) in which names are compared: an é is one letter on every computer."""
    return unicodedata.normalize("NFC", text)


class Places:
    """Files below a folder, by the names that a table has for them.

    Attributes:
        notices: one sentence a kind of difference, for those that were met.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inside: dict[Path, dict[str, list[str]]] = {}
        self._met: dict[str, list[str]] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(_SAID[kind].format(n=_files(len(names)), name=names[0]) for kind, names in self._met.items())

    def find(self, text: str) -> Path:
        """The file of that name; where there is none, the path that the name says."""
        text = text.strip()
        path = self._folder / text
        if "\0" in text or _exists(path):
            return path
        slashed = text.replace("\\", "/")
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        absolute = PureWindowsPath(text).drive or slashed.startswith("/")
        if not absolute or not parts:
            return self._alike(self._folder, parts, text) or self._folder / slashed
        for first in range(1, len(parts)):  # a path of another computer: its longest end that is here
            if found := self._alike(self._folder, parts[first:], text):
                self._note("moved", text)
                return found
        return self._folder / slashed

    def count(self, names: list[str]) -> int:
        """How many of these names are those of files."""
        met, self._met = self._met, {}
        found = sum(_exists(self.find(name)) for name in names)
        self._met = met
        return found

    def _alike(self, place: Path, parts: list[str], text: str) -> Path | None:
        """A file whose name differs at most in its Unicode form, in upper and lower case, or in a missing ending."""
        differs = ""
        for number, part in enumerate(parts):
            inside = self._names(place)
            exact = place / part
            if part == ".." or _exists(exact):
                place = exact
                continue
            names = inside.get("=" + composed(part), [])
            if not names and (names := inside.get("~" + composed(part).casefold(), [])):
                differs = differs or "case"
            if not names and number == len(parts) - 1 and _has_no_ending(part):
                names, differs = inside.get("." + composed(part).casefold(), []), "ending"
            if len(names) != 1:
                return None
            place = place / names[0]
        if differs:
            self._note(differs, text)
        return place

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """What lies in a folder, by its name (=), its name in any case (~), and its name without the ending (.)."""
        if folder not in self._inside:
            found: dict[str, list[str]] = {}
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            for name in names:
                whole = composed(name)
                stem = os.path.splitext(whole)[0]
                keys = {"=" + whole, "~" + whole.casefold()}
                if not _has_no_ending(whole):
                    keys.add("." + stem.casefold())
                for key in keys:
                    found.setdefault(key, []).append(name)
            self._inside[folder] = found
        return self._inside[folder]

    def _note(self, kind: str, text: str) -> None:
        self._met.setdefault(kind, []).append(text)


_SAID = {
    "case": "{n} found by a name that differs in upper and lower case, such as {name!r}: not every computer does so.",
    "ending": "{n} found by a name without its ending, such as {name!r}.",
    "moved": "{n} found by the end of a path of another computer, such as {name!r}; folder= says where they lie.",
}


def _files(count: int) -> str:
    return "A file is" if count == 1 else f"{count:,} files are"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or no name at all
        return False


def _has_no_ending(name: str) -> bool:
    return os.path.splitext(name)[1].lower() not in reading.suffixes()
