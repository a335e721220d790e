"""Sixty inputs that a lab might bring, a line each: what is refused or said, and the numbers of the lab's own script.

Each is used as a reader would use it: a model, a set, a session. None ends in a traceback, in a wrong number without a
word, or in a refusal that does not say what to do. The inputs stand in `lab_*.py`.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab_files
import lab_files_kinds
import lab_networks
import lab_networks_inside
import lab_networks_outputs
import lab_tables
import lab_transforms
import lab_transforms_own
import pytest
from lab import REGISTRY

from xai_widgets import ImageModel, ImageSet, Session

ROOMS = (
    lab_networks, lab_networks_inside, lab_networks_outputs, lab_files, lab_files_kinds, lab_tables, lab_transforms,
    lab_transforms_own,
)  # fmt: skip
NEEDED = {
    "f04": "tifffile", "f05": "tifffile", "f16": "pydicom", "t07": "openpyxl", "x03": "timm", "x04": "transformers",
    "x05": "cv2", "x06": "cv2",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What comes of an input.

    Attributes:
        refused: a pattern of the one sentence with which it is refused; empty where it is used.
        said: patterns of what is said of it.
        model, images: arguments by which the reader corrects what was said, before the lab's numbers are compared.
    """

    refused: str = ""
    said: tuple[str, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=dict)


def refused(pattern: str) -> Outcome:
    return Outcome(pattern)


def used(*said: str, model: dict[str, Any] | None = None, images: dict[str, Any] | None = None) -> Outcome:
    return Outcome("", said, model or {}, images or {})


SPLIT = "split into geometry and normalisation by what it makes of test pictures; a pair"
OUTCOMES = {
    "n01": used("in training mode; an eval copy that shares its weights is used"),
    "n02": used(),
    "n03": used("wrapped in DataParallel; an eager copy"),
    "n04": used("read as 5 classes"),
    "n05": used(),
    "n06": used(),
    "n07": refused(r"wants sex beside the image: give a module that fixes it, .* network\(image, sex\)\.$"),
    "n08": used("numbers for each image under 'age', 'sex', 'view'; 'age' is read, and output='sex' reads another"),
    "n09": used("read as 7 classes"),
    "n10": used("read as 6 classes"),
    "n11": refused("Bayes is not deterministic in eval mode: two runs on one image .* make it deterministic first"),
    "n12": refused("lets the images of a batch depend on each other.* first seen at layer '1' .BatchNorm2d."),
    "n13": refused(r"say where the scores are with `output`, such as the mean of its map .*output=lambda result"),
    "n14": used("'0' is read, and output='1' reads another"),
    "n15": used(),
    "n16": used("read as 14 scores, .* task='multilabel' for 14 labels", model={"task": "multilabel"}),
    "n17": used("read as 2 classes"),
    "n18": used("no layer whose output has maps with rows and columns", "log-probability of a class is explained"),
    "n19": used('"Grad-CAM" needs a network that lets gradients through, and Probe does not: .* no_grad, detach'),
    "n20": refused(r"got dict of weights: .*load_state_dict\(checkpoint\['state_dict'\]\).*'module\.'"),
    "f01": used(),
    "f02": used(r"3 files are turned upright by the orientation in EXIF \(of 4\).* orientation='stored'"),
    "f03": used(r"3 files have transparency \(of 7\).* transparency='dropped'", images={"transparency": "dropped"}),
    "f04": used(r"4 images of 16 bits are handed on in 8 \(of 4\): a transform is given values from 0 to 255"),
    "f05": used(
        "'well_A01.tif' must have values from 0 to 1, being float32, .*: white= says which value is white",
        "'well_A02.tif' must have finite values, got 1,275 of 4,096 that are NaN",
        "'well_A03_5ch.tif' has 5 pages, of which the first is read; channels=5 takes pages as channels",
        images={"white": 3.7},
    ),
    "f06": used(*(f"'{name}' has 3 {what}, of which the first is read" for name, what in (
        ("blink.gif", "frames"), ("spin.png", "frames"), ("wave.webp", "frames"), ("zstack.tiff", "pages"),
    ))),
    "f07": used(),
    "f08": used("'403.jpg' cannot be read", "'empty.jpg' is empty", "'cut.jpg' is cut", "'checksum.png' is cut"),
    "f09": used("'gone.png' is a link to a file that does not exist", "'again' is left out: it is a link to a folder"),
    "f10": refused("'stimuli.zip' is an archive: unpack it, and give the folder"),
    "f11": used(),
    "f12": used("1 file of a kind that is not read: .mat"),
    "f13": used("'plan.png' is too large: .* got 14,000 x 14,000"),
    "f14": used("'sub-01/stim01.png' in item 1 is left out: names must be unique"),
    "f15": used("read as 3 classes"),
    "f16": used(),
    "t01": used("read as cp1252, not UTF-8. encoding=", "have other marks: .* decimal= says otherwise"),
    "t02": used("was read as utf-16, not UTF-8. encoding="),
    "t03": used(),
    "t04": used("has no column of ratings by its name: .* 'S01', 'S02', 'S03' and 9 more, columns="),
    "t05": used("20 rows are of 4 images, several of one: the rating of an image is the mean of its rows"),
    "t06": used("'Mittelwert' does not exist", "got '#NV'", "got 'k. A.'", "1 rating lies beyond .* -99 of 'photo06"),
    "t07": used("has 2 sheets: 'Ratings', the first with a column of images, is read", "are those in row 3"),
    "t08": used("4 labels of 4 name no class of Rater, such as '1' of 'photo01.png': .*yours may begin with 1"),
    "t09": used(r"differs in upper and lower case, such as .*F02.JPG"),
    "t10": refused("'https:/images.example.org/set/photo01.jpg' is an address on the web: .* download it first"),
    "t11": refused("The image '1' does not exist: .* Files there are named like '001.png'"),
    "t12": used(r"got '4 \(good\)'", "got '63 %'", "1 rating lies beyond the range of Rater, 1 to 5, such as 1234.5"),
    "x01": used(),
    "x02": used(),
    "x03": used("read as 1000 classes"),
    "x04": used(SPLIT, "named as in the network's config.id2label: labels= names them otherwise"),
    "x05": used(SPLIT),
    "x06": used(SPLIT),
    "x07": refused(r"got \(48, 60, 3\), channels last: end it with .transpose\(2, 0, 1\)"),
    "x08": refused("has a random step, RandomResizedCrop; give the transform that is used for evaluation"),
    "x09": refused("10 inputs: give a transform that makes one, such as CenterCrop for TenCrop"),
    "x10": used(SPLIT),
    "x11": used("could not be split: maps are shown on what the network saw"),
    "x12": refused("called with an image of Pillow's, .* one that opens a path, .* needs a function of the image"),
}  # fmt: skip


def make(function: Callable[..., dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What the lab has made; its warnings are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(folder, 3)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the transform of f04
@pytest.mark.parametrize("function", REGISTRY, ids=lambda function: function.__name__)
def test_what_a_lab_brings(
    function: Callable[..., dict[str, Any]], make_session: Callable[..., Session], tmp_path: Path
) -> None:
    key = function.__name__[:3]
    if key in NEEDED:
        pytest.importorskip(NEEDED[key])
    outcome, made = OUTCOMES[key], make(function, tmp_path)
    own: dict[str, Any] = {"labels": list(made["class_names"])} if "class_names" in made else {}

    def opened(model: dict[str, Any], images: dict[str, Any]) -> Session:
        network = ImageModel(made["network"], made["transform"], **made.get("model_options", {}), **own, **model)
        return make_session(network, ImageSet(made["images"], **made.get("image_options", {}), **images))

    if outcome.refused:
        with pytest.raises((ValueError, TypeError)) as error:
            opened({}, {})
        assert re.search(outcome.refused, str(error.value), re.DOTALL), str(error.value)
        return
    session = opened({}, {})
    said = session.notice
    corrected = opened(outcome.model, outcome.images) if outcome.model or outcome.images else session
    made["check"](corrected)
    said = " ".join((said, *session.images.problems.values()))
    for pattern in outcome.said:
        assert re.search(pattern, said, re.DOTALL), said
    made.get("after", lambda network: None)(made["network"])


def test_sixty_inputs_are_tried() -> None:
    assert len(ROOMS) == 8
    counts = Counter(one.category for one in REGISTRY)
    assert counts == {"networks": 20, "files": 16, "tables": 12, "transforms": 12}
    assert {one.__name__[:3] for one in REGISTRY} == OUTCOMES.keys()
