"""Tables of other computers, a line each."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from brought_files import Line, picture

from xai_widgets.images import ImageSet


def table(text: str, *files: str, encoding: str = "utf-8", name: str = "t.csv") -> Callable[[Path], Path]:
    """A table, and small pictures beside it."""

    def make(folder: Path) -> Path:
        for file in files:
            picture(folder / file)
        (folder / name).write_bytes(text.encode(encoding))
        return folder / name

    return make


def ratings(images: ImageSet) -> list[float]:
    return [float(value) for value in images.table["rating"]]


CAFE = "image;rating\ncaffè.png;0,75\n"
COMMA = r"^Numbers in 'rating' have other marks: 0,75 is read as 0.75. decimal= says otherwise\.$"


def written(code: str) -> str:
    return rf"^The table 't.csv' was read as {code}, not UTF-8. encoding= says otherwise\.$"


def rated(cells: str, value: list[float], *said: str, **more: Any) -> Line:
    """A table of ratings, separated by a bar here."""
    names = [f"{place}.png" for place in range(len(cells.split("|")))]
    lines = [f"{name};{cell}" for name, cell in zip(names, cells.split("|"), strict=True)]
    make = table("\n".join(["image;rating", *lines]), *names)
    return Line(cells, make, more, of=ratings, value=[float(one) for one in value], said=said)


TABLES = [
    Line("a decimal comma", table(CAFE, "caffè.png"), of=ratings, value=[0.75], said=(COMMA,)),
    *(
        Line(
            code,
            table(CAFE, "caffè.png", encoding=code),
            names=("caffè.png",),
            of=ratings,
            value=[0.75],
            said=(written(taken), COMMA),
        )
        for code, taken in (
            ("cp1252", "cp1252"),
            ("mac_roman", "mac_roman"),
            ("utf-16", "utf-16"),
            ("utf-16-le", "utf-16-le"),
        )
    ),
    Line("a BOM", table(CAFE, "caffè.png", encoding="utf-8-sig"), of=ratings, value=[0.75], said=(COMMA,)),
    Line(
        "encoding=",
        table(CAFE, "caffè.png", encoding="cp850"),
        {"encoding": "cp850"},
        names=("caffè.png",),
        said=(COMMA,),
    ),
    Line(
        "another encoding than said",
        table(CAFE, "caffè.png", encoding="cp850"),
        {"encoding": "utf-8"},
        refused="must be text in utf-8, got other bytes",
    ),
    Line(
        "letters in two parts",
        table(unicodedata.normalize("NFD", CAFE), "caffè.png"),
        names=("caffè.png",),
        said=(COMMA,),
    ),
    Line(
        "a file in two parts",
        table(CAFE, unicodedata.normalize("NFD", "caffè.png")),
        names=("caffè.png",),
        said=(COMMA,),
    ),
    rated("1.234,5|12", [1234.5, 12], "1.234,5 is read as 1234.5"),
    rated("0,75|1 234,5", [0.75, 1234.5], "0,75 is read as 0.75"),
    rated("3.456|0.5", [3.456, 0.5]),
    rated("3.456|4.123", [3.456, 4.123]),
    rated("3,456|4,123", [3.456, 4.123], "3,456 is read as 3.456"),
    rated("3,456|4,123", [3456, 4123], decimal="."),
    rated(
        "0,75|0.75|1,234",
        [0.75, 0.75, np.nan],
        "0,75 is read",
        "The rating of '2.png' must be a finite number, got '1,234'",
    ),
    Line("a comma in quotes", table('image,rating\na.png,"0,75"\n', "a.png"), of=ratings, value=[0.75], said=(COMMA,)),
    Line(
        "a line for Excel", table("sep=;\nimage;rating\na.png;0,75\n", "a.png"), of=ratings, value=[0.75], said=(COMMA,)
    ),
    Line(
        "upper and lower case",
        table("image\nA.PNG\n", "a.png"),
        names=("a.png",),
        said=("^A file is found by a name that differs in upper and lower case, such as 'A.PNG'",),
    ),
    Line("Windows", table("image\ndeep\\a.png\n", "deep/a.png"), names=("deep/a.png",)),
    Line(
        "a path of Windows",
        table("image\nC:\\Users\\me\\deep\\a.png\n", "deep/a.png"),
        names=("deep/a.png",),
        said=("found by the end of a path of another computer, .* folder= says where they lie",),
    ),
    Line(
        "no ending",
        table("image\na\n", "a.png"),
        names=("a.png",),
        said=("found by a name without its ending, such as 'a'",),
    ),
    Line(
        "JSON",
        table("{}", name="t.json"),
        refused=r"kind that is not read, \.json: read it with pandas and give the DataFrame",
    ),
    Line(
        "Excel's bytes as text",
        lambda folder: _excel(folder, "t.csv"),
        names=("a.png",),
        of=ratings,
        value=[0.5],
        needs="openpyxl",
    ),
    Line("Excel", lambda folder: _excel(folder, "t.xlsx"), names=("a.png",), of=ratings, value=[0.5], needs="openpyxl"),
    Line("no text", lambda folder: _bytes(folder), refused="must be text, such as a CSV file, got bytes that are none"),
]


def _excel(folder: Path, name: str) -> Path:
    picture(folder / "a.png")
    pd.DataFrame({"image": ["a.png"], "rating": [0.5]}).to_excel(folder / "t.xlsx", index=False)
    return (folder / "t.xlsx").rename(folder / name)


def _bytes(folder: Path) -> Path:
    (folder / "t.csv").write_bytes(b"\x89\0\x01" * 99)
    return folder / "t.csv"
