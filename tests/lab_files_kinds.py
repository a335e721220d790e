"""Files that a lab might bring: damage, links, archives, arrays, sizes, datasets, DICOM."""

# mypy: ignore-errors
# ruff: noqa: B905, PT018, RUF005
from __future__ import annotations

import io
import os
import re
import warnings
import zipfile

import numpy as np
import torch
from lab import MEAN, STD, brought, class_values, own_scores, own_script, photo, photos, rater, usual
from lab_checks import Read, hand_over, near
from PIL import Image
from torchvision import transforms as T


@brought(
    "files",
    "a scraped folder: a JPEG cut off in the middle, an empty file, an HTML error page called .jpg, a WebP "
    "called .jpg, a PNG with a wrong checksum, 3 good ones",
)
def f08_broken(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    good = photos(folder / "scraped", seed, 3, (90, 70), ".jpg", "good")
    root = folder / "scraped"
    whole = io.BytesIO()
    photo(seed + 50, (200, 150)).save(whole, "JPEG", quality=95)
    (root / "cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (root / "empty.jpg").write_bytes(b"")
    (root / "403.jpg").write_text("<!DOCTYPE html><html><body><h1>403 Forbidden</h1></body></html>")
    photo(seed + 51).save(root / "really_webp.jpg", "WEBP", lossless=True)
    png = io.BytesIO()
    photo(seed + 52).save(png, "PNG")
    data = bytearray(png.getvalue())
    data[len(data) // 2] ^= 0xFF
    (root / "checksum.png").write_bytes(bytes(data))
    paths = good + [root / "really_webp.jpg"]
    failures = {}
    for p in sorted(root.iterdir()):
        try:
            Image.open(p).convert("RGB")
        except Exception as error:
            failures[p.name] = type(error).__name__
    assert "cut.jpg" in failures and "403.jpg" in failures and "empty.jpg" in failures
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={
            "has": [p.name for p in paths],
            "scores": own_scores(network, transform, paths),
            "says": [re.escape(n) for n in failures],
        },
        note=f"{failures}",
    )


@brought(
    "files",
    "a cluster's folder of links: links to files elsewhere (git-annex style names), a dead link, a link to "
    "the folder itself, a link to a folder of photographs",
)
def f09_links(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    store = photos(folder / ".git" / "annex" / "objects", seed, 3, (64, 64), ".png", "SHA256E-s1234--ab")
    more = photos(folder / "shared_disk", seed + 1, 2, (64, 64), ".png", "extra")
    root = folder / "stimuli"
    root.mkdir()
    scores = {}
    for i, p in enumerate(store):
        link = root / f"stim_{i}.png"
        link.symlink_to(os.path.relpath(p, root))
        scores[link.name] = own_scores(network, transform, [link])[link.name]
    (root / "gone.png").symlink_to("../.git/annex/objects/SHA256E-not-here.png")
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "more").symlink_to(folder / "shared_disk", target_is_directory=True)
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={"has": list(scores), "scores": scores, "says": [r"gone\.png"]},
        note=f"may also have {[p.name for p in more]}",
    )


@brought(
    "files",
    "the stimuli as they came from OSF: stimuli.zip, handed over as it is, with a password-free folder inside",
)
def f10_zip(folder, seed):
    inside = photos(folder / "tmp", seed, 3, (64, 64), ".jpg")
    with zipfile.ZipFile(folder / "stimuli.zip", "w") as z:
        for p in inside:
            z.write(p, f"osf_stimuli/{p.name}")
            z.writestr(f"__MACOSX/osf_stimuli/._{p.name}", b"\0\5\x16\7")
    transform = usual(64)
    return hand_over(
        network=rater(seed, transform),
        transform=transform,
        images=folder / "stimuli.zip",
        expected={"refuse": "either", "says": [r"zip|archive|unpack|extract"]},
    )


@brought(
    "files",
    "np.load('stimuli.npy', mmap_mode='r'): N x H x W x 3 in uint8, read-only and memory-mapped, as MATLAB "
    "users export it (Fortran order)",
)
def f11_npy_memmap(folder, seed):
    stack = np.stack([np.asarray(photo(seed * 10 + i, (50, 40))) for i in range(5)])
    np.save(folder / "stimuli.npy", np.asfortranarray(stack))
    stimuli = np.load(folder / "stimuli.npy", mmap_mode="r")
    transform = usual(48)
    network = rater(seed, transform)
    own = [float(own_script(network, transform(Image.fromarray(np.ascontiguousarray(s)))[None])) for s in stimuli]

    def check(session):
        names = Read.names(session)
        assert len(names) == 5, f"{len(names)} images, expected 5"
        got = [Read.score(session, n) for n in names]
        assert all(near(g, o) for g, o in zip(got, own)), f"scores {got}, expected {own}"

    return hand_over(
        network=network,
        transform=transform,
        images=stimuli,
        model_options={"range": (0, 100)},
        expected={"in_order": own},
        check=check,
        note=f"Fortran order {np.isfortran(stimuli)}",
    )


@brought(
    "files",
    "images/001.jpg beside masks/001.png (fixation maps, grey, same stem, half the size), and the folder "
    "above both is handed over",
)
def f12_masks_beside(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    root = folder / "cat2000_subset"
    paths = photos(root / "images", seed, 3, (96, 72), ".jpg", "0")
    (root / "masks").mkdir()
    for i, p in enumerate(paths):
        y, x = np.mgrid[0:36, 0:48]
        bump = np.exp(-((x - 10 * (i + 1)) ** 2 + (y - 18) ** 2) / 40)
        Image.fromarray((bump * 255).astype(np.uint8)).save(root / "masks" / (p.stem + ".png"))
    (root / "fixations.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    scores = {f"images/{k}": v for k, v in own_scores(network, transform, paths).items()}
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={"has": list(scores), "scores": scores},
    )


@brought(
    "files",
    "sizes: 1 x 1, 3 x 1500, 1500 x 3, 13 megapixels, and a 1-bit plan of 14,000 x 14,000 at which Pillow "
    "refuses (decompression bomb)",
)
def f13_sizes(folder, seed):
    transform = T.Compose([T.Resize(64), T.CenterCrop(64), T.ToTensor(), T.Normalize(MEAN, STD)])
    network = rater(seed, usual(64))
    with torch.no_grad():  # a single pixel enlarged is far from what the head was fitted to
        network.head.weight.mul_(0.2)
        network.head.bias.mul_(0.2).add_(40)
    root = folder / "mixed"
    root.mkdir()
    photo(seed, (1, 1)).save(root / "dot.png")
    photo(seed + 1, (3, 1500)).save(root / "tall.png")
    photo(seed + 2, (1500, 3)).save(root / "wide.png")
    photo(seed + 3, (300, 200)).resize((4500, 3000), Image.Resampling.NEAREST).save(root / "dslr.jpg", quality=30)
    Image.new("1", (14000, 14000), 1).save(root / "plan.png", compress_level=1)
    paths = [root / n for n in ("dot.png", "tall.png", "wide.png", "dslr.jpg")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Image.open(root / "plan.png")
            bomb = "opens"
        except Image.DecompressionBombError:
            bomb = "DecompressionBombError"
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={
            "has": [p.name for p in paths],
            "scores": own_scores(network, transform, paths),
            "tolerance": 1e-3,
            "says": [r"plan\.png"],
        },
        note=bomb,
    )


@brought(
    "files",
    "a list of files: the same file twice (as str and as Path, once through ..), and stim01.png of two "
    "subjects with different pixels, and an exact copy under another name",
)
def f14_duplicates(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    one = photos(folder / "sub-01", seed, 2, (64, 64), ".png", "stim")
    two = photos(folder / "sub-02", seed + 1, 2, (64, 64), ".png", "stim")
    twin = folder / "sub-02" / "twin_of_stim02.png"
    twin.write_bytes(two[1].read_bytes())
    images = [str(one[0]), one[0], folder / "sub-02" / ".." / "sub-01" / one[0].name, one[1], *two, twin]
    scores = {f"{p.parent.name}/{p.name}": own_scores(network, transform, [p])[p.name] for p in [*one, *two, twin]}
    return hand_over(
        network=network,
        transform=transform,
        images=images,
        model_options={"range": (0, 100)},
        expected={
            "has": list(scores),
            "scores": scores,
            "refuse": "either",
            "says": [r"stim01|twice|same|repeat|duplicate"],
        },
    )


@brought(
    "files",
    "torch.utils.data.Subset of torchvision's ImageFolder (no transform): items are (PIL image, class "
    "number), indices not in order",
)
def f15_subset_of_imagefolder(folder, seed):
    from torchvision.datasets import ImageFolder

    for c, name in enumerate(("ape", "fox", "zebra")):
        photos(folder / "val" / name, seed * 3 + c, 2, (64, 64), ".png", name)
    data = ImageFolder(str(folder / "val"))
    subset = torch.utils.data.Subset(data, [5, 0, 2, 1])
    transform = usual(64)
    network = rater(seed, transform, out=3)
    own = [class_values(own_script(network, transform(image)[None])) for image, _ in subset]
    labels = [label for _, label in subset]

    def check(session):
        names = Read.names(session)
        assert len(names) == 4, f"{len(names)} images, expected 4"
        for name, accepted, label in zip(names, own, labels):
            value = Read.score(session, name)
            assert any(near(value, v) for v in accepted), f"score of {name} is {value}, expected one of {accepted}"
            assert session.images.label(name) == data.classes[label]

    return hand_over(
        network=network,
        transform=transform,
        images=subset,
        class_names=data.classes,
        expected={"in_order": own, "in_order_labels": labels, "classes": 3},
        check=check,
    )


@brought(
    "files",
    "a radiologist's folder of DICOM files without an ending in the name (IM000001), one of them MONOCHROME1 "
    "(white is low), with a DICOMDIR",
)
def f16_dicom(folder, seed):
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset

    root = folder / "PA000001" / "ST000001"
    root.mkdir(parents=True)
    for i, kind in enumerate(("MONOCHROME2", "MONOCHROME1")):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        meta.MediaStorageSOPInstanceUID = f"1.2.3.{i + 1}"
        d = FileDataset(str(root / f"IM{i + 1:06d}"), {}, file_meta=meta, preamble=b"\0" * 128)
        pixels = np.asarray(photo(seed + i, (64, 64)).convert("L"), np.uint16) * 16
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = 64, 64, 1, kind
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
        d.PatientName, d.PixelData = (
            "Test^Patient",
            (4095 - pixels if kind[-1] == "1" else pixels).astype("<u2").tobytes(),
        )
        d.save_as(root / f"IM{i + 1:06d}", enforce_file_format=True)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(64))
    transform = usual(64)
    network, scores = rater(seed, transform), {}
    for i in range(2):
        grey = photo(seed + i, (64, 64)).convert("L").convert("RGB")
        scores[f"IM{i + 1:06d}"] = [float(own_script(network, transform(grey)[None]))]
    return hand_over(
        network=network,
        transform=transform,
        images=folder,
        expected={"scores": scores, "tolerance": 1e-2},  # 12 bits do not end where 8 do
    )
