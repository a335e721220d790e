"""The model cards of the demonstration networks, written from measured figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from xai_widgets.demo import pictures
from xai_widgets.demo.networks import weights

Figures = dict[str, tuple[float, float]]  # name -> (Pearson's r, mean absolute error)

QUALITY = """# quality: how good a photograph looks

A fully convolutional network that scores a photograph without its original: patch scores in [0, 1], averaged over
the image, in the manner of DIQaM (Bosse et al., 2018, arXiv 1612.01697). {weights:,} weights. It sees the colours, the
local contrast, and the colours with the local contrast taken out; layer `features` gives {maps} feature maps at an
eighth of the side; the head scores each patch alone and is not linear.
Three training runs, which differ in their seed only: `quality-0`, `quality-1`, `quality-2`.

## Training
{crops:,} crops of 96 x 96 from {photographs} photographs: {training}.
They are resized to a shorter side of 112 to 448 pixels, never enlarged, recoloured and flipped; clean, or distorted by
blur, noise or JPEG at one of five strengths, as a whole or in random rectangles. The aim is scikit-image's SSIM to the
clean crop: of the whole crop, and its mean over each 8 x 8 patch (squared errors). AdamW, one cycle, {epochs} epochs.
Architecture and schedule were chosen on {validation}, with the rest for training. An earlier network, without
local contrast and trained on enlarged photographs too, had r = 0.72 on the held-out photographs; what was changed
after that was seen was chosen on {validation} alone.

## Test
{count} crops of 160 x 160 of photographs that were never trained on: {held_out}.
Pearson's r and mean absolute error (MAE) against SSIM, for each run; SSIM has a standard deviation of {spread:.2f}.

| held out | {heads} |
|---|{rule}|
{rows}

## Limits
- SSIM stands for no person's opinion. It punishes noise in smooth places hard, and forgives blur there.
- Without the original, blur and a subject that is smooth by itself look alike: see the row for blur.
- Trained on {photographs} photographs, for three distortions. Other kinds (haze, exposure, colour casts) were not seen.
- JPEG blocks were aligned with the corner of the crop.
"""

SCENES = """# scenes: which photograph a crop is from

A small classifier of {classes} scenes: feature maps (layer `features`, {maps} maps at an eighth of the side), their
mean, a linear layer. {weights:,} weights.

## Training
Each photograph of scikit-image's wheel that is used, resized to a width of 520 pixels, is cut into five upright strips.
{crops} crops of 96 x 96 a scene from strips 1, 3 and 5; contrast, brightness, flip and size varied. AdamW, one cycle,
{epochs} epochs, cross entropy with label smoothing 0.05.

## Test
{each} crops a scene from strips 2 and 4: no pixel is in both. Share named rightly:

| scene | accuracy |
|---|---|
{rows}

Collages of 2 x 2 crops of different scenes from those strips: one of the four is named in {named:.3f} of them, and
{placed:.3f} of the scenes have their largest class activation in the quadrant where they are.

## Limits
- Weakest: {weakest}, {least:.2f}.
- Train and test crops are from the same photograph: this is recognition of a photograph, not of a kind of thing.
- Some photographs are grey and some coloured, which alone tells them apart in part.
"""


def quality_card(runs: Sequence[Figures], network: nn.Module, *, crops: int, epochs: int) -> str:
    """The card of the quality network from the figures of every run."""
    ratings = [float(str(row["rating"])) for _, row in pictures.quality_images()]
    rows = [
        f"| {name} | " + " | ".join(f"{run[name][0]:.3f} | {run[name][1]:.3f}" for run in runs) + " |"
        for name in runs[0]
    ]
    return QUALITY.format(
        weights=weights(network),
        maps=_maps(network),
        crops=crops,
        epochs=epochs,
        training=", ".join(pictures.TRAINING),
        validation=" and ".join(pictures.VALIDATION),
        held_out=", ".join(pictures.HELD_OUT),
        count=len(ratings),
        spread=np.std(ratings),
        heads=" | ".join(f"r, run {run} | MAE, run {run}" for run in range(len(runs))),
        rule="|".join(["---"] * 2 * len(runs)),
        rows="\n".join(rows),
        photographs=len(pictures.TRAINING),
    )


def scenes_card(
    figures: dict[str, float], collages: tuple[float, float], network: nn.Module, *, crops: int, epochs: int
) -> str:
    """The card of the scene network from its figures on crops and on collages."""
    weakest = min(figures, key=lambda name: figures[name])
    return SCENES.format(
        classes=len(pictures.SCENES),
        weights=weights(network),
        maps=_maps(network),
        crops=crops,
        epochs=epochs,
        each=pictures.SCENE_CROPS_EACH,
        named=collages[0],
        placed=collages[1],
        weakest=weakest,
        least=figures[weakest],
        rows="\n".join(f"| {name} | {share:.3f} |" for name, share in figures.items()),
    )


def _maps(network: nn.Module) -> int:
    features = network.get_submodule("features").modules()
    return [module for module in features if isinstance(module, nn.Conv2d)][-1].out_channels
