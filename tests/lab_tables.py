"""Tables that a lab might bring."""

# mypy: ignore-errors
# ruff: noqa: B905
from __future__ import annotations

import numpy as np
import pandas as pd
from lab import brought, own_classes, own_scores, photo, photos, rater, usual
from lab_checks import hand_over


def table_base(folder, seed, count=4, **options):
    transform = usual(64)
    network = rater(seed, transform)
    paths = photos(folder / "photos", seed, count, (64, 64), **options)
    rng = np.random.default_rng(seed)
    return transform, network, paths, [round(float(v), 1) for v in rng.uniform(5, 95, count)]


@brought(
    "tables",
    "German Excel, 'CSV (Trennzeichen-getrennt)': semicolons, decimal commas, cp1252, umlauts in file names, CRLF",
)
def t01_german_excel(folder, seed):
    transform, network, paths, ratings = table_base(folder, seed)
    names = ["Bäume.png", "Straße.png", "Küste.png", "Wald.png"]
    for p, n in zip(paths, names):
        p.rename(p.with_name(n))
    lines = ["image;rating;Bemerkung"] + [f"{n};{str(r).replace('.', ',')};schön" for n, r in zip(names, ratings)]
    (folder / "Bewertungen.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "Bewertungen.csv",
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={
            "names": names,
            "ratings": dict(zip(names, ratings)),
            "scores": own_scores(network, transform, [folder / "photos" / n for n in names]),
        },
    )


@brought(
    "tables",
    "Excel's 'Unicode Text (*.txt)': UTF-16 with a byte-order mark, tabs, ending .txt",
)
def t02_utf16_tabs(folder, seed):
    transform, network, paths, ratings = table_base(folder, seed)
    text = "image\trating\r\n" + "".join(f"{p.name}\t{r}\r\n" for p, r in zip(paths, ratings))
    (folder / "ratings.txt").write_bytes(text.encode("utf-16"))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "ratings.txt",
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={
            "refuse": "either",
            "says": [r"utf|encod|\.txt|csv"],
            "scores": own_scores(network, transform, paths),
            "names": [p.name for p in paths],
            "ratings": {p.name: r for p, r in zip(paths, ratings)},
        },
    )


@brought(
    "tables",
    "pandas to_csv and then Excel 'CSV UTF-8': byte-order mark, an unnamed index column, headings ' Image' "
    "and 'Rating ' with capitals and blanks, quoted commas",
)
def t03_bom_index_headings(folder, seed):
    transform, network, paths, ratings = table_base(folder, seed)
    frame = pd.DataFrame(
        {" Image": [p.name for p in paths], "Rating ": ratings, "comment": ['nice, "really"', "", "a\nb", "ok"]}
    )
    frame.index = [7, 3, 12, 0]
    frame.to_csv(folder / "mean_ratings.csv", encoding="utf-8-sig")
    return hand_over(
        network=network,
        transform=transform,
        images=str(folder / "mean_ratings.csv"),
        model_options={"range": (0, 100)},
        image_options={"folder": str(folder / "photos")},
        expected={
            "refuse": "either",
            "says": [r"image", r"rating"],
            "scores": own_scores(network, transform, paths),
            "names": [p.name for p in paths],
            "ratings": {p.name: r for p, r in zip(paths, ratings)},
        },
        note=(folder / "mean_ratings.csv").read_text().splitlines()[0],
    )


@brought(
    "tables",
    "wide format: image and one column a rater (S01 to S12, 1 to 7), no column called rating",
)
def t04_wide_raters(folder, seed):
    transform, network, paths, _ = table_base(folder, seed)
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"image": [p.name for p in paths]} | {f"S{i:02d}": rng.integers(1, 8, len(paths)) for i in range(1, 13)}
    )
    frame.to_csv(folder / "raters.csv", index=False)
    means = frame.set_index("image").mean(axis=1)
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "raters.csv",
        model_options={"range": (1, 7)},
        image_options={"folder": folder / "photos"},
        expected={
            "refuse": "either",
            "says": [r"rating", r"S0?1|column"],
            "scores": own_scores(network, transform, paths),
            "names": [p.name for p in paths],
        },
        note=f"means {means.round(2).tolist()}",
    )


@brought(
    "tables",
    "long format in a DataFrame: one row a rater and image (jsPsych), filtered and shuffled so that the index"
    " is 0 to 19 with holes",
)
def t05_long_dataframe(folder, seed):
    transform, network, paths, _ = table_base(folder, seed)
    rng = np.random.default_rng(seed)
    rows = [
        {"subject": f"P{s}", "image": p.name, "rating": int(rng.integers(0, 101)), "rt": float(rng.gamma(3, 300))}
        for s in range(5)
        for p in paths
    ]
    frame = pd.DataFrame(rows).sample(frac=1, random_state=seed % 2**32)
    frame = frame[(frame.subject != "P9") & (frame.rt > 150)]
    means = frame.groupby("image").rating.mean()
    result = hand_over(
        network=network,
        transform=transform,
        images=frame,
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={
            "refuse": "either",
            "says": [r"photo0\d|twice|rows|several|more than one|repeat|duplicate"],
            "scores": own_scores(network, transform, paths),
            "names": [p.name for p in paths],
            "ratings": {k: float(v) for k, v in means.items()},
        },
    )
    return result


@brought(
    "tables",
    "a VBA export: 'sep=;' as first line, #NV and #DIV/0! of Excel, empty cells, 'k. A.', -99 for missing, "
    "blank rows and a last row 'Mittelwert'",
)
def t06_missing_values(folder, seed):
    transform, network, paths, ratings = table_base(folder, seed, 7)
    cells = [str(ratings[0]).replace(".", ","), "#NV", "#DIV/0!", "", "k. A.", "-99", str(ratings[6]).replace(".", ",")]
    lines = (
        ["sep=;", "image;rating;n"]
        + [f"{p.name};{c};12" for p, c in zip(paths, cells)]
        + [";;", ";;", "Mittelwert;48,2;"]
    )
    (folder / "export.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "export.csv",
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={
            "refuse": "either",
            "says": [r"sep=|Mittelwert|k\. A\.|#NV|#DIV|-99"],
            "scores": own_scores(network, transform, paths),
            "has": [p.name for p in paths],
            "ratings": {
                paths[0].name: ratings[0],
                paths[1].name: None,
                paths[2].name: None,
                paths[3].name: None,
                paths[4].name: None,
                paths[6].name: ratings[6],
            },
        },
    )


@brought(
    "tables",
    "an .xlsx with a sheet 'Info' in front, a title in A1:C1 (merged), headings in row 3, percentages as "
    "0.635 formatted '64 %'",
)
def t07_xlsx(folder, seed):
    import openpyxl

    transform, network, paths, ratings = table_base(folder, seed)
    book = openpyxl.Workbook()
    book.active.title = "Info"
    book["Info"]["A1"] = "Study 2, spring 2021, contact: lab@example.org"
    sheet = book.create_sheet("Ratings")
    sheet["A1"] = "Mean ratings"
    sheet.merge_cells("A1:C1")
    for c, heading in zip("ABC", ("image", "rating", "sd")):
        sheet[f"{c}3"] = heading
    for i, (p, r) in enumerate(zip(paths, ratings)):
        sheet[f"A{i + 4}"], sheet[f"B{i + 4}"], sheet[f"C{i + 4}"] = p.name, r / 100, 0.1
        sheet[f"B{i + 4}"].number_format = "0 %"
    book.save(folder / "ratings_final_FINAL.xlsx")
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "ratings_final_FINAL.xlsx",
        model_options={"range": (0, 1)},
        image_options={"folder": folder / "photos"},
        expected={
            "ratings": {p.name: r / 100 for p, r in zip(paths, ratings)},
            "scores": own_scores(network, transform, paths),
        },
    )


@brought(
    "tables",
    "labels as numbers from MATLAB: 1, 2, 3 for a network with 3 classes that counts from 0; stored as 1.0, "
    "2.0, 3.0, with one label missing",
)
def t08_labels_from_one(folder, seed):
    transform = usual(64)
    network = rater(seed, transform, out=3)
    paths = photos(folder / "photos", seed, 5, (64, 64))
    (folder / "labels.csv").write_text(
        "image,label\n" + "".join(f"{p.name},{v}\n" for p, v in zip(paths, ("1.0", "3.0", "2.0", "", "3.0")))
    )
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "labels.csv",
        image_options={"folder": folder / "photos"},
        class_names=["face", "house", "tool"],
        expected={
            "refuse": "either",
            "says": [r"\b3\b|3\.0", r"label|class"],
            "scores": own_classes(network, transform, paths),
            "classes": 3,
            "has": [p.name for p in paths],
        },
    )


@brought(
    "tables",
    "paths from a Windows computer relative to the table: stimuli\\faces\\f01.jpg, one as .\\stimuli\\..., one "
    "with another case (F02.JPG), no folder=",
)
def t09_backslashes(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    faces = photos(folder / "stimuli" / "faces", seed, 2, (64, 64), ".jpg", "f")
    houses = photos(folder / "stimuli" / "houses", seed + 1, 1, (64, 64), ".jpg", "h")
    rows = [("stimuli\\faces\\f01.jpg", 71.5), (".\\stimuli\\houses\\h01.jpg", 12), ("stimuli\\faces\\F02.JPG", 55)]
    (folder / "ratings.csv").write_text("image,rating\n" + "".join(f"{n},{r}\n" for n, r in rows))
    paths = faces + houses
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "ratings.csv",
        model_options={"range": (0, 100)},
        expected={
            "refuse": "either",
            "says": [r"f01\.jpg|h01\.jpg|F02\.JPG"],
            "ratings": {"f01.jpg": 71.5, "h01.jpg": 12.0},
            "scores": {k: v for k, v in own_scores(network, transform, paths).items() if k != "f02.jpg"},
        },
    )


@brought(
    "tables",
    "a crowd-sourcing export whose image column holds https addresses (two with ?size=large), beside local "
    "copies of the same names",
)
def t10_urls(folder, seed):
    transform, network, paths, ratings = table_base(folder, seed, 3, ending=".jpg")
    rows = [
        f"https://images.example.org/set/{p.name}{'?size=large' if i else ''},{r}"
        for i, (p, r) in enumerate(zip(paths, ratings))
    ]
    (folder / "mturk_batch_4711.csv").write_text("image,rating\n" + "\n".join(rows) + "\n")
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "mturk_batch_4711.csv",
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={"refuse": "either", "says": [r"https?:|address|URL|web"]},
    )


@brought(
    "tables",
    "numbers without endings that Excel shortened: files 001.png to 010.png, table says 1, 2, ... 10; and "
    "'MAR1' (a marmoset) has become 01. Mrz",
)
def t11_lost_zeros(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    (folder / "photos").mkdir()
    for i in (1, 2, 10):
        photo(seed + i, (64, 64)).save(folder / "photos" / f"{i:03d}.png")
    photo(seed + 77, (64, 64)).save(folder / "photos" / "MAR1.png")
    (folder / "ratings.csv").write_text("image,rating\n1,20\n2,40\n10,60\n01. Mrz,80\n")
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "ratings.csv",
        model_options={"range": (0, 100)},
        image_options={"folder": folder / "photos"},
        expected={"refuse": "either", "says": [r"\b1\b|001|Mrz", r"file|found|there|folder|image"]},
    )


@brought(
    "tables",
    "ratings as text: '4 (good)', '5 (excellent)', 'strongly agree', '63 %', and '1.234,5', in a "
    "tab-separated .tsv with headings image and rating",
)
def t12_text_ratings(folder, seed):
    transform, network, paths, _ = table_base(folder, seed, 5)
    cells = ["4 (good)", "5 (excellent)", "strongly agree", "63 %", "1.234,5"]
    (folder / "likert.tsv").write_text("image\trating\n" + "".join(f"{p.name}\t{c}\n" for p, c in zip(paths, cells)))
    return hand_over(
        network=network,
        transform=transform,
        images=folder / "likert.tsv",
        model_options={"range": (1, 5)},
        image_options={"folder": folder / "photos"},
        expected={"refuse": "either", "says": [r"rating", r"4 \(good\)|photo01|number"]},
    )
