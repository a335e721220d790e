"""Transforms as people bring them: split where what they make of test pictures shows the parts, else told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision.transforms import Compose, Normalize, Pad, Resize, ToTensor
from torchvision.transforms.functional import to_tensor

from xai_widgets.images import ImageSet
from xai_widgets.models import ImageModel
from xai_widgets.models.preprocessing import BY_LOOKING, preprocessing_of
from xai_widgets.session import Session

PHOTO = np.array(Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)).resize((400, 300)))
SIDE = 64


def squeezed(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def caffe(picture: Image.Image) -> Tensor:
    """Blue first, from 0 to 255, means subtracted."""
    values = np.asarray(squeezed(picture))[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    return torch.from_numpy(values).permute(2, 0, 1)


def letterbox(picture: Image.Image) -> Tensor:
    """All of it, with grey borders."""
    scale = SIDE / max(picture.size)
    small = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (SIDE, SIDE), (114, 114, 114))
    canvas.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return to_tensor(canvas)


def brightest_half(picture: Image.Image) -> Tensor:
    """A crop that depends on what is in the photo."""
    half = picture.width // 2
    left = int(np.asarray(picture.convert("L")).sum(0).argmax()) - half // 2
    left = min(max(left, 0), picture.width - half)
    return to_tensor(squeezed(picture.crop((left, 0, left + half, picture.height))))


def standardised(picture: Image.Image) -> Tensor:
    values = to_tensor(squeezed(picture))
    return (values - values.mean()) / values.std()


def grey(picture: Image.Image) -> Tensor:
    return to_tensor(squeezed(picture).convert("L").convert("RGB")) * 2 - 1


def timm_border() -> Any:
    timm = pytest.importorskip("timm.data")
    return timm.create_transform(SIDE, crop_mode="border")


def processor(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        transformers = pytest.importorskip("transformers")
        return getattr(transformers, name)(**options)

    return make


VIT = processor("ViTImageProcessor", size={"height": SIDE, "width": SIDE})
SPLIT: dict[str, tuple[Callable[[], Any], tuple[float, ...]]] = {
    "blue first": (lambda: caffe, (0, 0, 400, 300)),
    "grey borders": (lambda: letterbox, (0, -50, 400, 350)),
    "padded after normalising": (
        lambda: Compose([Resize((60, 80)), ToTensor(), Normalize([0.4] * 3, [0.2] * 3), Pad(6)]),
        (-30, -30, 430, 330),
    ),
    "grey, thrice": (lambda: grey, (0, 0, 400, 300)),
    "timm, with borders": (timm_border, (21.9, -21.8, 372.6, 327.3)),
    "ViT": (VIT, (0, 0, 400, 300)),
    "ViT, as a function": (lambda: _called(VIT()), (0, 0, 400, 300)),
    "CLIP": (
        processor("CLIPImageProcessor", size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        (47.1, 0, 348.2, 300),
    ),
    "MobileViT": (
        processor("MobileViTImageProcessor", size={"shortest_edge": 72}, crop_size={"height": SIDE, "width": SIDE}),
        (66.7, 16.7, 333.3, 283.3),
    ),
}  # fmt: skip
OPAQUE: dict[str, Callable[[Image.Image], Tensor]] = {
    "mirrored": lambda picture: to_tensor(squeezed(picture)).flip(2),
    "gamma": lambda picture: to_tensor(squeezed(picture)) ** 2.2,
    "autocontrast": lambda picture: to_tensor(ImageOps.autocontrast(squeezed(picture))),
    "its own mean": standardised,
    "a crop by content": brightest_half,
}


def _called(made: Any) -> Callable[[Image.Image], Any]:
    return lambda picture: made(picture, return_tensors="pt")


@pytest.mark.parametrize("given", SPLIT)
def test_a_transform_is_split_where_its_results_show_the_parts(given: str) -> None:
    make, box = SPLIT[given]
    transform = make()
    found = preprocessing_of(transform)
    assert found.can_degrade
    assert found.notices == (BY_LOOKING,)
    prepared = found.prepare(Image.fromarray(PHOTO))
    assert prepared.placed
    assert prepared.box == pytest.approx(box, abs=0.7)
    assert prepared.pixels.shape[0] == 3
    called = make() if given not in ("ViT", "CLIP", "MobileViT") else _called(transform)
    result = called(Image.fromarray(PHOTO))
    wanted = result if isinstance(result, Tensor) else result["pixel_values"][0]
    torch.testing.assert_close(found.normalise(prepared.pixels[None])[0], wanted, rtol=1e-4, atol=1e-4)
    part = Image.fromarray(PHOTO).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    if box == (0, 0, 400, 300) and "grey" not in given:  # what is seen is the photo, in its colours
        assert float((prepared.pixels - to_tensor(part)).abs().mean()) < 0.02


@pytest.mark.parametrize("given", OPAQUE)
def test_any_other_is_shown_as_the_network_saw_it(given: str) -> None:
    found = preprocessing_of(OPAQUE[given])
    assert not found.can_degrade
    (notice,) = found.notices
    assert notice.endswith("give a pair (geometry, normalise) instead.")


def small(channels: int) -> nn.Sequential:
    torch.manual_seed(0)
    last = nn.Linear(4, 2)
    return nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()


def bands(picture: Any) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


V1 = Compose([ToTensor(), Resize((32, 32))])


@pytest.mark.parametrize(("channels", "transform"), [(1, V1), (2, V1), (4, bands), (11, None)])
def test_a_network_of_any_number_of_channels_gets_all_of_them(
    channels: int, transform: Any, make_session: Callable[..., Session]
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (40, 48, channels), np.uint8)
    network = small(channels)
    model = ImageModel(network, transform)
    assert model.channels == channels
    assert model.can_degrade
    wanted = (transform or bands)(array)[None]
    session = make_session(model, ImageSet([array], channels=channels))
    session.wait()
    assert session.output is not None
    plain = session.output.scores.copy()
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(plain), network(wanted)[0], rtol=1e-4, atol=1e-4)
    session.ask(degradation=("blur", 3.0))
    session.wait()
    assert not session.error
    assert not np.allclose(session.output.scores, plain)


def test_channels_that_do_not_fit_are_told(make_session: Callable[..., Session]) -> None:
    model = ImageModel(small(4), bands)
    assert "takes images of 4 channels; channels= says otherwise" in " ".join(model.notices)
    session = make_session(model, ImageSet([PHOTO]))
    session.wait()
    assert "ImageSet(..., channels=4) keeps all channels" in session.error
    photographs = ImageModel(small(3), None)  # beside bands it is fed what is shown
    shown = make_session(photographs, ImageSet([np.dstack([PHOTO, PHOTO[..., :1]])], channels=4))
    shown.wait()
    assert shown.output is not None


def test_a_network_that_rearranges_photographs_takes_photographs() -> None:
    network = nn.Sequential(nn.PixelUnshuffle(2), *small(12)).eval()
    assert ImageModel(network, V1).channels == 3  # which makes 12 channels of 12 just as well
