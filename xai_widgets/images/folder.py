"""The image files of a folder and below, links followed; what is not read is counted by its ending."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from xai_widgets.images import dicom, heic, reading
from xai_widgets.images.problems import Problem

_RAW = ".nef .cr2 .cr3 .arw .dng .orf .rw2 .raf .pef .srw"
_VIDEO = ".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .wmv"
_VOLUMES = ".nii .nii.gz .mha .mhd .nrrd .czi .lif .nd2 .svs .ndpi .vsi"
_ARRAYS = ".npy .npz .mat .h5 .hdf5 .pkl"
_TABLES = ".csv .tsv .xlsx .xls .ods .parquet .feather"
# What would read them, by endings.
_ADVICE = {
    " ".join(heic.ENDINGS): 'install pillow-heif (pip install "xai-widgets[heic]")',
    " ".join(dicom.ENDINGS): 'install pydicom (pip install "xai-widgets[dicom]")',
    _RAW: "export them as TIFF or JPEG, or give the arrays that rawpy makes of them",
    ".svg .pdf .eps .ps .ai .wmf .emf": "export them as PNG",
    ".jxl .exr .hdr .bpg .flif": "convert them to PNG or TIFF",
    _VIDEO: "give single frames as images or arrays",
    _VOLUMES: "give slices of them as arrays or TIFF files",
    _ARRAYS: "give the arrays in them, such as numpy.load(file)",
    _TABLES: "a table is given by itself, such as ImageSet('table.csv')",
    ".zip .tar .gz .tgz .bz2 .xz .7z .rar": "unpack them",
}
# Text, code, weights and the like lie beside images and are not counted.
_BESIDE = frozenset(
    (
        ".txt .md .rst .json .jsonl .xml .yaml .yml .toml .ini .cfg .db .log .py .ipynb .html .htm .css .js .doc .docx "
        ".odt .pptx .lnk .url .bib .tex .xmp .aae .pth .pt .ckpt .safetensors .onnx .sh .bat .m .r .sha256 .md5 .lock"
    ).split()
)
NO_ADVICE = "no reader is known for them: convert them to PNG or TIFF"


@dataclass
class Found:
    """What lies in a folder.

    Attributes:
        paths: of image files.
        problems: folders that are not read, and a sentence for each kind of file that is not.
    """

    paths: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def found_in(folder: Path) -> Found:
    """All image files; hidden files and folders, such as notebook checkpoints, are left out.

    A folder is read once, however many links lead to it, and where it lies itself if that is inside.
    """
    found, unread = Found(), Counter[str]()
    endings, root = reading.suffixes(), os.path.realpath(folder)
    waiting, links, seen = [folder], list[Path](), set[str]()
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(place)
        if real in seen or (place != folder and root.startswith(os.path.join(real, ""))):
            found.problems.append(_not_read(place, folder, "it is a link to a folder that is read already"))
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            found.problems.append(_not_read(place, folder, f"it cannot be opened ({error.strerror or error})"))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not entry.name.startswith("__"):
                    (links if entry.is_symlink() else waiting).append(Path(entry.path))
            elif (ending := _ending(entry.name)) in endings or (not ending and reading.recognised(Path(entry.path))):
                found.paths.append(Path(entry.path))
            elif ending and ending not in _BESIDE:
                unread[ending] += 1
    found.problems += [_kind_not_read(ending, count) for ending, count in sorted(unread.items())]
    return found


def _ending(name: str) -> str:
    lower = name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else os.path.splitext(lower)[1]


def _not_read(place: Path, folder: Path, why: str) -> Problem:
    name = place.relative_to(folder).as_posix()
    return Problem(f"{name}/", f"The folder {name!r} is left out: {why}.", "folder")


def _kind_not_read(ending: str, count: int) -> Problem:
    advice = next((words for endings, words in _ADVICE.items() if ending in endings.split()), NO_ADVICE)
    files = "1 file" if count == 1 else f"{count:,} files"
    return Problem(f"*{ending}", f"{files} of a kind that is not read: {ending}; {advice}.", "unread")
