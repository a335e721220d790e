"""Files that a lab might bring: folders, orientation, modes, bits, frames, names."""

# mypy: ignore-errors
from __future__ import annotations

import unicodedata

import numpy as np
import torch
import torch.nn.functional as F
from lab import (
    MEAN,
    STD,
    Rater,
    batch,
    brought,
    class_values,
    own_scores,
    own_script,
    photo,
    photos,
    rater,
    spread,
    usual,
)
from lab_checks import Read, find, hand_over, near
from PIL import Image, ImageOps
from torchvision import transforms as T


@brought(
    "files",
    "an ImageFolder tree cats/ dogs/ with what a Mac and a Windows share leave: .DS_Store, ._001.jpg, "
    "Thumbs.db, desktop.ini, __MACOSX, .ipynb_checkpoints with a copy",
)
def f01_tree_with_litter(folder, seed):
    transform = usual(48)
    network = rater(seed, transform, out=2)
    root, want = folder / "train", []
    for c, name in enumerate(("cats", "dogs")):
        for p in photos(root / name, seed + c, 3, (60, 50), ".jpg", "0"):
            want.append(f"{name}/{p.name}")
        (root / name / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(60))
        (root / name / "._001.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(80))
    (root / "dogs" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(500))
    (root / "dogs" / "desktop.ini").write_text("[.ShellClassInfo]\n")
    photos(root / "cats" / ".ipynb_checkpoints", seed, 1, (60, 50), "-checkpoint.jpg", "001")
    (root / "__MACOSX" / "cats").mkdir(parents=True)
    (root / "__MACOSX" / "cats" / "._002.jpg").write_bytes(b"\0\5\x16\7" + bytes(80))
    (root / "readme.txt").write_text("photos from 2019\n")
    scores = {
        f"{c}/{p.name}": class_values(own_script(network, transform(Image.open(p).convert("RGB"))[None]))
        for c in ("cats", "dogs")
        for p in sorted((root / c).glob("0*.jpg"))
    }
    return hand_over(
        network=network, transform=transform, images=root, expected={"names": want, "scores": scores, "classes": 2}
    )


@brought(
    "files",
    "phone photographs with EXIF orientation 1, 3, 6 and 8, taken upright, stored lying",
)
def f02_exif_orientation(folder, seed):
    transform = T.Compose([T.Resize((64, 48)), T.ToTensor(), T.Normalize(MEAN, STD)])
    torch.manual_seed(seed)

    class TopHeavy(Rater):  # cares where things are
        def forward(self, x):
            f = self.features(x)
            return self.head((f * torch.linspace(2, 0, f.shape[2]).view(1, 1, -1, 1)).mean((2, 3)))

    network = TopHeavy().eval()
    spread(network, network.head, batch(seed, transform))
    root = folder / "DCIM"
    root.mkdir()
    turn = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    scores = {}
    for i, (code, back) in enumerate(turn.items()):
        upright = photo(seed * 10 + i, (72, 96))
        exif = Image.Exif()
        exif[0x0112] = code
        path = root / f"IMG_{i + 2041}.JPG"
        (upright if back is None else upright.transpose(back)).save(path, "JPEG", quality=95, exif=exif)
        stored = Image.open(path)
        scores[path.name] = [
            float(own_script(network, transform(s.convert("RGB"))[None]))
            for s in (stored, ImageOps.exif_transpose(stored))
        ]
    result = hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={"scores": scores},
    )
    inner = result["check"]

    def check(session):
        inner(session)
        kinds = set()
        for name, (stored, upright) in scores.items():
            if abs(stored - upright) > 0.1:
                value = Read.score(session, find(session, name))
                kinds.add("stored" if near(value, stored) else "upright")
        assert len(kinds) == 1, f"some are taken as stored and some upright: {scores}"

    return result | {"check": check}


@brought(
    "files",
    "a designer's folder: CMYK JPEG, palette PNG with a transparent colour, LA, RGBA with rubbish under alpha"
    " 0, bilevel, YCbCr TIFF, palette GIF",
)
def f03_modes(folder, seed):
    transform = usual(64)
    network = rater(seed, transform)
    root = folder / "figures"
    root.mkdir()
    a, b = photo(seed), photo(seed + 1)
    a.convert("CMYK").save(root / "cmyk.jpg", quality=95)
    p = a.quantize(64)
    p.info["transparency"] = 3
    p.save(root / "palette.png", transparency=3)
    soft = Image.linear_gradient("L").resize(a.size)
    grey = b.convert("LA")
    grey.putalpha(soft)
    grey.save(root / "grey_alpha.png")
    rgba = b.convert("RGBA")
    rgba.putalpha(soft.point(lambda v: 255 if v > 128 else 0))
    rgba.save(root / "cutout.png")
    a.convert("1").save(root / "bilevel.png")
    b.convert("YCbCr").save(root / "scan.tif")
    b.quantize(16).save(root / "old.gif")
    paths = sorted(root.iterdir())
    own = own_scores(network, transform, paths)
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={
            "names": [p.name for p in paths],
            "scores": own,
            "wrong": {"cutout.png": [float(own_script(network, transform(white.convert("RGB"))[None]))]},
        },
    )


@brought(
    "files",
    "12-bit X-rays in 16-bit PNG and TIFF (values up to 4095); the lab's transform divides np.array(image) by"
    " 4095 itself",
)
def f04_sixteen_bits(folder, seed):
    def transform(image):
        a = torch.from_numpy(np.array(image).astype(np.float32) / 4095)
        return F.interpolate(a[None, None], (64, 64), mode="bilinear", antialias=True)[0]

    torch.manual_seed(seed)
    network = Rater(1).eval()

    def twelve(i):
        g = np.asarray(photo(seed * 10 + i, (90, 110)).convert("L"), dtype=np.float64)
        return (g / 255 * 4095).astype(np.uint16)

    spread(network, network.head, torch.stack([transform(twelve(i)) for i in range(6)]))
    root = folder / "cxr16"
    root.mkdir()
    import tifffile

    for i in range(2):
        Image.fromarray(twelve(i)).save(root / f"pa_{i}.png")
        tifffile.imwrite(root / f"lat_{i}.tif", twelve(i + 2))
    wrong = {}
    for p in sorted(root.iterdir()):
        clipped = np.asarray(Image.fromarray(np.clip(np.array(Image.open(p)), 0, 255).astype(np.uint8)))
        wrong[p.name] = [float(own_script(network, transform(clipped)[None]))]
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={"wrong": wrong},  # the scores of the script need 16 bits, which no transform is given: it is said
    )


@brought(
    "files",
    "a microscope's float32 TIFFs: fluorescence in 0 to 3.7, one with NaN outside the dish, one 5-channel "
    "stack (C, Y, X)",
)
def f05_float_tiff(folder, seed):
    import tifffile

    root = folder / "confocal"
    root.mkdir()
    rng = np.random.default_rng(seed)
    cells = [np.asarray(photo(seed + i, (64, 64)).convert("L"), np.float32) / 255 * 3.7 for i in range(3)]
    tifffile.imwrite(root / "well_A01.tif", cells[0])
    holed = cells[1].copy()
    y, x = np.mgrid[0:64, 0:64]
    holed[(x - 32) ** 2 + (y - 32) ** 2 > 30**2] = np.nan
    tifffile.imwrite(root / "well_A02.tif", holed)
    tifffile.imwrite(root / "well_A03_5ch.tif", rng.random((5, 64, 64), dtype=np.float32), photometric="minisblack")
    transform = usual(64)
    network = rater(seed, transform)
    grey = photo(seed, (64, 64)).convert("L").convert("RGB")
    return hand_over(
        network=network,
        transform=transform,
        images=root,
        model_options={"range": (0, 100)},
        expected={"scores": {"well_A01.tif": [float(own_script(network, transform(grey)[None]))]}},
    )


@brought(
    "files",
    "a generator, Path('stimuli').glob('*'), over things that move: animated GIF, animated WebP, APNG, a "
    "three-page TIFF, and one still",
)
def f06_animated_from_generator(folder, seed):
    root = folder / "stimuli"
    root.mkdir()
    frames = [photo(seed * 10 + i, (64, 64)) for i in range(3)]
    for name, options in (
        ("blink.gif", {"duration": 100, "loop": 0}),
        ("wave.webp", {"duration": 80, "lossless": True}),
        ("spin.png", {"duration": 80, "default_image": False}),
        ("zstack.tiff", {}),
    ):
        frames[0].save(root / name, save_all=True, append_images=frames[1:], **options)
    frames[1].save(root / "still.bmp")
    transform = usual(64)
    network = rater(seed, transform)
    paths = sorted(root.iterdir())
    last = float(own_script(network, transform(frames[2])[None]))
    return hand_over(
        network=network,
        transform=transform,
        images=root.glob("*"),
        model_options={"range": (0, 100)},
        expected={
            "names": [p.name for p in paths],
            "scores": own_scores(network, transform, paths),
            "wrong": {"zstack.tiff": [last], "spin.png": [last]},
        },
        note=f"frames {[getattr(Image.open(p), 'n_frames', 1) for p in paths]}",
    )


@brought(
    "files",
    "names from all over: umlauts decomposed (NFD, from a Mac), composed, Chinese, emoji, #, %20, [1], a "
    "leading dash, two dots, .JPEG and .Png, a.png beside A.png, a quote, 180 letters",
)
def f07_names(folder, seed):
    root = folder / "Bilder für Studie 2"
    root.mkdir()
    names = [
        unicodedata.normalize("NFD", "Mädchen.png"),
        "Junge_grün.png",
        "猫.png",
        "😀 face.png",
        "stim#3.png",
        "a%20b.png",
        "scan[1].png",
        "-v.png",
        "final.v2.final.JPEG",
        "Haus.Png",
        "a.png",
        "A.png",
        'it\'s "one".png',
        "x" * 176 + ".png",
        "img10.png",
        "img9.png",
    ]
    transform = usual(32)
    network = rater(seed, transform)
    scores = {}
    for i, name in enumerate(names):
        photo(seed * 100 + i, (40, 40)).save(root / name, "JPEG" if name.lower().endswith("jpeg") else "PNG")
        scores[name] = [float(own_script(network, transform(Image.open(root / name).convert("RGB"))[None]))]
    return hand_over(
        network=network,
        transform=transform,
        images=str(root) + "/",
        model_options={"range": (0, 100)},
        expected={"names": names, "scores": scores},
    )
