"""Where a pixel of a photo is for a network: boxes, the two parts of a transform, opaque ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms._presets import ImageClassification

from xai_widgets.images import ImageSet
from xai_widgets.kernels import agreement
from xai_widgets.models import ImageModel
from xai_widgets.models.preprocessing import photographs
from xai_widgets.session import facts

NORMALIZE = v1.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def model_of(transform: Any) -> ImageModel:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    return ImageModel(network.eval(), transform, task="classification")


@cache
def model_with(chain: str) -> ImageModel:
    return model_of(CHAINS[chain])


def photo(height: int = 90, width: int = 120) -> np.ndarray:
    return np.array(photographs(1, (height, width))[0])


CHAINS: dict[str, Any] = {
    "preset": ImageClassification(crop_size=56, resize_size=64),
    "shorter side": v1.Compose([v1.Resize(70), v1.ToTensor(), NORMALIZE]),
    "both sides": v1.Compose([v1.Resize((60, 90)), v1.ToTensor(), NORMALIZE]),
    "max size": v1.Compose([v1.Resize(60, max_size=75), v1.ToTensor()]),
    "crop": v1.Compose([v1.CenterCrop((50, 41)), v1.ToTensor(), NORMALIZE]),
    "crop that pads": v1.Compose([v1.CenterCrop((131, 160)), v1.ToTensor(), NORMALIZE]),
    "crop, resize, crop": v1.Compose([v1.CenterCrop(73), v1.Resize(100), v1.CenterCrop((64, 81)), v1.ToTensor()]),
    "pad": v1.Compose([v1.Pad((3, 5, 8, 2)), v1.Resize(80), v1.ToTensor(), NORMALIZE]),
    "resize of a tensor": v1.Compose([v1.ToTensor(), v1.Resize(64, antialias=True), NORMALIZE]),
    "normalised first": v1.Compose([v1.ToTensor(), NORMALIZE, v1.Resize(64, antialias=True), v1.CenterCrop(60)]),
    "v2": v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(64),
            v2.CenterCrop(50),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.2] * 3),
        ]
    ),
    "v2, unscaled": v2.Compose(
        [v2.ToImage(), v2.Resize((64, 48)), v2.ToDtype(torch.float32), v2.Normalize([120.0] * 3, [60.0] * 3)]
    ),
    "sequential": nn.Sequential(v2.PILToTensor(), v2.Pad(4), v2.ConvertImageDtype(torch.float32)),
    "to RGB, to BGR, twofold": v1.Compose(
        [
            v1.Lambda(lambda image: image.convert("RGB")),
            v1.Compose([v1.Resize(64), v1.ToTensor()]),
            v1.Lambda(lambda values: values[[2, 1, 0]] * 255),
            v1.Normalize([104.0, 117.0, 123.0], [1.0] * 3),
        ]
    ),
    "from a tensor": v1.Compose([v1.ConvertImageDtype(torch.float32), v1.Resize(64, antialias=True), NORMALIZE]),
    "from an array": v1.Compose([v1.ToPILImage(), v1.Resize(64), v1.ToTensor()]),
    "grey": v1.Compose([v1.Grayscale(3), v1.Resize(64), v1.ToTensor(), NORMALIZE]),
    "nothing": None,
    "pair": (v1.Compose([v1.Resize(64), v1.CenterCrop(50), v1.ToTensor()]), NORMALIZE),
}


def spot(at: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A black photo with a white square of 9 x 9 around a pixel (row, column)."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[at[0] - 4 : at[0] + 5, at[1] - 4 : at[1] + 5] = 255
    return picture


@pytest.mark.parametrize("size", [(101, 134), (160, 90)], ids=str)
@pytest.mark.parametrize("chain", CHAINS)
def test_a_pixel_lies_where_the_box_says(chain: str, size: tuple[int, int]) -> None:
    model = model_with(chain)
    assert model.can_degrade
    assert model.notices == ()
    for row, column in ((size[0] // 2, size[1] // 2), (size[0] // 2 - 9, size[1] // 2 + 11)):
        prepared = model.prepare(spot((row, column), size))
        assert prepared.placed
        bright = prepared.pixels.mean(0).double()
        _, height, width = prepared.pixels.shape
        left, top, right, bottom = prepared.box
        rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
        y = top + float((bright.sum(1) * rows).sum() / bright.sum()) * (bottom - top) / height
        x = left + float((bright.sum(0) * columns).sum() / bright.sum()) * (right - left) / width
        assert (y, x) == (pytest.approx(row + 0.5, abs=0.1), pytest.approx(column + 0.5, abs=0.1))


@pytest.mark.parametrize("chain", [name for name in CHAINS if name not in ("nothing", "pair")])
def test_the_two_parts_are_the_transform(chain: str) -> None:
    model = model_with(chain)
    picture = photo(97, 140)
    given: Any = Image.fromarray(picture)
    if chain == "from a tensor":
        given = torch.from_numpy(picture).permute(2, 0, 1)
    if chain == "from an array":
        given = picture
    wanted = CHAINS[chain](given)
    prepared = model.prepare(picture)
    assert prepared.pixels.dtype == torch.float32
    assert 0 <= float(prepared.pixels.min()) < float(prepared.pixels.max()) <= 1
    torch.testing.assert_close(
        model.normalise(prepared.pixels[None])[0], wanted.as_subclass(Tensor), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(model.inputs(picture)[0], wanted.as_subclass(Tensor), rtol=1e-4, atol=1e-4)
    two = model.normalise(torch.stack((prepared.pixels, prepared.pixels.flip(2))))
    torch.testing.assert_close(two[0], model.inputs(picture)[0])


def test_boxes_in_numbers() -> None:
    def box(transform: Any, height: int, width: int) -> tuple[float, ...]:
        return model_of(transform).prepare(photo(height, width)).box

    preset = ImageClassification(crop_size=224, resize_size=256)
    assert box(preset, 256, 512) == (144, 16, 368, 240)
    assert box(preset, 512, 1024) == (288, 32, 736, 480)
    padded = v1.Compose([v1.CenterCrop(40), v1.ToTensor()])  # five black rows above and below
    assert box(padded, 30, 50) == (5, -5, 45, 35)
    assert box(None, 40, 30) == (0, 0, 30, 40)
    assert box(preset, 64, 64) == (4, 4, 60, 60)


def test_photos_of_one_pixel_and_of_any_mode() -> None:
    model = model_of(ImageClassification(crop_size=56, resize_size=64))
    assert model.prepare(np.full((1, 1, 3), 200, np.uint8)).box == pytest.approx((1 / 16, 1 / 16, 15 / 16, 15 / 16))
    for mode in ("L", "RGBA", "P", "CMYK", "LA"):
        assert model.prepare(Image.fromarray(photo()).convert(mode)).pixels.shape == (3, 56, 56)
    assert model.prepare(photo()[..., 0]).pixels.shape == (3, 56, 56)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (np.zeros((9, 9, 3)), ValueError, "float64"),
        (np.zeros((9, 9, 5), np.uint8), ValueError, "(9, 9, 5)"),
        (np.zeros((0, 9, 3), np.uint8), ValueError, "(0, 9, 3)"),
        ("cat.png", TypeError, "got str"),
        (np.zeros((1, 20_000, 3), np.uint8), ValueError, "20000 x 1 pixels is too narrow"),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused(given: Any, kind: type[Exception], words: str) -> None:
    model = model_of(ImageClassification(crop_size=64, resize_size=256))
    with pytest.raises(kind) as error:
        model.prepare(given)
    assert words in str(error.value)


def test_normalise_leaves_its_argument_alone() -> None:
    chain = v1.Compose([v1.Resize((64, 64)), v1.ToTensor(), v1.Normalize([0.5] * 3, [0.1] * 3, inplace=True)])
    model = model_of(chain)
    pixels = model.prepare(photo()).pixels[None]
    before = pixels.clone()
    model.normalise(pixels)
    assert torch.equal(pixels, before)


def test_a_network_of_one_channel_eats_grey() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    model = ImageModel(
        network, v1.Compose([v1.Grayscale(), v1.Resize((32, 32)), v1.ToTensor(), v1.Normalize(0.5, 0.5)])
    )
    assert model.can_degrade
    assert model.prepare(photo()).pixels.shape == (3, 32, 32)
    assert model.inputs(photo()).shape == (1, 1, 32, 32)


# ---------------------------------------------------------------- pairs and opaque transforms


def halved(picture: Image.Image) -> Tensor:
    """The left half, brought to 48 x 48."""
    part = picture.crop((0, 0, picture.width // 2, picture.height)).resize((48, 48), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(part)).permute(2, 0, 1) / 255


def test_the_box_of_a_given_geometry_is_measured() -> None:
    model = model_of((halved, lambda pixels: pixels * 2 - 1))
    prepared = model.prepare(photo(90, 120))
    assert prepared.placed
    assert prepared.box == pytest.approx((0, 0, 60, 90), abs=0.7)
    torch.testing.assert_close(model.inputs(photo(90, 120))[0], prepared.pixels * 2 - 1)


def test_the_box_of_a_given_geometry_is_taken() -> None:
    model = model_of((lambda image: (halved(image), (0, 0, image.width // 2, image.height)), NORMALIZE))
    assert model.prepare(photo(90, 121)).box == (0, 0, 60, 90)


def test_a_mirrored_geometry_is_not_placed() -> None:
    model = model_of((lambda image: halved(image).flip(2), NORMALIZE))
    prepared = model.prepare(photo(90, 120))
    assert not prepared.placed
    assert prepared.box == (0, 0, 48, 48)
    assert not model.placed
    assert "a geometry may return (pixels, box) instead" in model.notices[0]
    images = ImageSet([photo(90, 120)])
    seen = (prepared.pixels * 255).round().byte().permute(1, 2, 0)
    np.testing.assert_array_equal(facts.picture(model, images, images.names[0]), seen)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_the_box_of_pictures_that_are_no_photographs_is_measured(channels: int) -> None:
    def corner(picture: Any) -> Tensor:
        values = torch.from_numpy(np.array(picture)).float() / 255
        return values.reshape(*values.shape[:2], channels)[:32, :48].permute(2, 0, 1)

    def taken(pixels: Tensor) -> Tensor:
        return pixels[:, :channels]

    network = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageModel(network.eval(), (corner, taken), "1", task="classification", channels=channels)
    images = ImageSet([np.full((64, 96, channels), 90, np.uint8)], channels=channels)
    prepared = model.prepare(images.bands(images.names[0]))
    assert (prepared.placed, model.placed) == (True, True)
    assert prepared.box == pytest.approx((0, 0, 48, 32), abs=0.7)
    assert facts.picture(model, images, images.names[0]).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("pair", "kind", "words"),
    [
        ((halved,), TypeError, "two callables"),
        ((halved, 3), TypeError, "two callables"),
        ((lambda image: halved(image) * 255, NORMALIZE), ValueError, "floats in [0, 1]"),
        ((lambda image: halved(image)[0], NORMALIZE), ValueError, "(48, 48)"),
        ((lambda image: (halved(image), (9, 0, 3, 4)), NORMALIZE), ValueError, "left < right"),
        ((lambda image: (halved(image), "left"), NORMALIZE), ValueError, "four numbers"),
        (42, TypeError, "got int"),
    ],
)
def test_a_transform_that_is_none_is_refused(pair: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as error:
        model_of(pair)
    assert words in str(error.value)


def test_an_opaque_transform_shows_what_the_network_saw() -> None:
    def mirrored(picture: Image.Image) -> Tensor:
        return halved(picture).flip(2) * 4 - 2

    model = model_of(mirrored)
    assert not model.can_degrade
    assert len(model.notices) == 1
    assert "give a pair (geometry, normalise)" in model.notices[0]
    prepared = model.prepare(photo())
    assert not prepared.placed
    assert prepared.box == (0, 0, 48, 48)
    seen = mirrored(Image.fromarray(photo()))
    torch.testing.assert_close(model.inputs(photo())[0], seen)
    torch.testing.assert_close(prepared.pixels, (seen - seen.min()) / (seen.max() - seen.min()))
    with pytest.raises(ValueError, match="cannot be degraded"):
        model.normalise(prepared.pixels[None])


def test_a_chain_with_a_step_that_is_neither_part_is_opaque() -> None:
    mirror = v1.Lambda(lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert not model_of(v1.Compose([mirror, v1.Resize(64), v1.ToTensor()])).can_degrade


def test_a_step_that_resizes_only_large_photos_is_noticed() -> None:
    shrink = v1.Lambda(lambda image: image if max(image.size) < 800 else image.resize((500, 500)))
    model = model_of(v1.Compose([shrink, v1.ToTensor()]))
    assert model.prepare(photo(300, 400)).box == (0, 0, 400, 300)
    with pytest.raises(ValueError, match="Lambda of the transform changed the size of a photo from 900 x 600"):
        model.prepare(photo(600, 900))


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (v1.Compose([v1.RandomResizedCrop(64), v1.ToTensor()]), "random step, RandomResizedCrop"),
        (v2.Compose([v2.ToImage(), v2.ColorJitter(0.5)]), "random step, ColorJitter"),
        (lambda image: torch.rand(3, 32, 32), "the transform is random"),
        (v1.Compose([v1.Resize(64)]), "return a tensor (c h w)"),
        (lambda image: torch.zeros(7), "got (7,)"),
        (v1.Compose([v1.ToTensor(), v1.Normalize([0.5] * 4, [0.5] * 4)]), "the transform fails on a photograph"),
    ],
)
def test_a_random_or_failing_transform_is_refused(transform: Any, words: str) -> None:
    with pytest.raises(ValueError) as error:
        model_of(transform)
    assert words in str(error.value)


# Human maps


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("scale", [1, 3])
def test_a_human_map_lies_where_the_network_sees_the_photo(chain: str, scale: int) -> None:
    """The photo itself, grey and at a third of its size, as a human map: what is left is what the network sees."""
    model, picture = model_with(chain), photo()[..., 1:2].repeat(3, 2)
    grey = torch.from_numpy(picture[..., 0]).float()[None]
    whole = agreement.at_size(grey, (90 // scale, 120 // scale))[0]
    seen = model.prepare(picture).pixels.mean(0)
    part = model.human_map(whole, picture).float()
    small = [agreement.at_size(values[None], (20, 20)) for values in (seen, part)]
    found = float(agreement.cc(*small))
    assert found > (0.99 if scale == 1 else 0.97)
    assert float(agreement.cc(small[0], small[1].roll(1, 2))) < found - 0.02


def test_fixations_stay_fixations_and_those_outside_are_left_out() -> None:
    model = model_with("crop")  # 50 x 41 in the middle of 90 x 120
    fixations = np.zeros((90, 120), bool)
    fixations[20, 40] = fixations[45, 60] = fixations[69, 79] = fixations[0, 0] = True
    found = model.human_map(fixations, photo())
    assert found.dtype == torch.bool
    assert found.shape == (50, 41)
    assert found.nonzero().tolist() == [[0, 0], [25, 20], [49, 39]]


def test_a_box_beyond_the_photo_is_filled_with_nothing() -> None:
    found = model_with("crop that pads").human_map(np.ones((9, 12), np.float32), photo())
    assert found.shape == (13, 16)
    assert int(found.sum()) == 9 * 12


def test_a_human_map_that_cannot_be_placed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(rows, columns\), got shape \(9, 12, 3\)"):
        model_with("crop").human_map(np.ones((9, 12, 3)), photo())
    opaque = model_of(lambda picture: torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(ValueError, match="not known which part of a photo"):
        opaque.human_map(np.ones((9, 12)), photo())
