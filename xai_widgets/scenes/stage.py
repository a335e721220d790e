"""The photo, and the saliency over it."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene

Box = tuple[float, float, float, float]


@scene
class Score:
    """What the network says, in words: "score", "0.90 → 0.87", ("change −0.03", "rating 0.95")."""

    label: str
    headline: str
    facts: tuple[str, ...] = ()


@scene
class Layer:
    """A map over the photo, and its legend.

    Attributes:
        values: (h w) float32 at its own size.
        limit: the value of the full colour; 0 for a map that is all zero.
        box: left, top, right, bottom of what it covers, as shares of the photo.
        title: model, layer, method and question.
        low: what negative values mean; empty for a one-sided map.
        high: what positive values mean.
        unit: of the values, in words, such as "change of the score".
        note: further sentences.
        degenerate: why the map shows nothing, as a sentence; empty for one that does.
        palette: its own; empty for the reader's choice.
        one_sided: whether negative values do not occur.
        strength: (h w) float32 in [0, 1], of a map with two dimensions: how saturated the colour is.
        strength_words: what a strong colour means, for the legend's second dimension.
        grid: "7 × 7 places, 32 pixels of the input each", for captions.
    """

    values: np.ndarray
    limit: float
    box: Box
    title: str
    low: str
    high: str
    unit: str = ""
    note: str = ""
    degenerate: str = ""
    palette: str = ""
    one_sided: bool = False
    strength: np.ndarray | None = None
    strength_words: str = ""
    grid: str = ""


@scene
class Choice:
    """One choice of a method, for a control: a select, a number, a switch.

    Attributes:
        name: in Python.
        words: for the reader.
        value: what is chosen.
        choices: the values of a choice among a few; empty for a number alone.
        low: the least number; not finite where there is none.
        high: the largest; not finite where there is none.
        unit: of a number.
        numbers: whether a number will do, beside the choices if there are any.
        whole: whether its numbers are whole.
        hint: the numbers that can be chosen, and when the choice has an effect.
    """

    name: str
    words: str
    value: float | int | str | bool
    choices: tuple[float | int | str | bool, ...] = ()
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    numbers: bool = False
    whole: bool = False
    hint: str = ""


@scene
class MethodItem:
    """One line of the menu of methods; `reason` says why it cannot be asked, and is empty where it can."""

    name: str
    words: str
    group: str
    description: str
    reason: str = ""


@scene
class Secondary:
    """Harmful maps over any display: grey, or an outline around its top 10 %.

    Attributes:
        values: (h w) float32, at least 0.
        limit: the value of the full grey.
        outline: (h w) bool, the top 10 %.
        words: what it shows, or why there is none.
    """

    values: np.ndarray
    limit: float
    outline: np.ndarray
    words: str


@scene
class Look:
    """How it looks: what the browser redraws by itself."""

    opacity: float = 0.75
    palette: str = "blue-red"
    sign: str = "signed"
    smooth: bool = True
    grey: bool = True
    secondary: str = "off"  # off, grey, outline
    scale: str = "each"  # of several panels: full colour at the largest value of each, or of all of the same unit
    reference: bool = False  # whether the undistorted photo stands beside the picture
    top: float = 0.0  # the share of the largest values of each map that is outlined
    over: str = "off"  # off, divider, difference, contours: how another panel is laid over the active one
    other: int = -1  # which; -1 for the photo alone
    divider: float = 0.5  # share of the picture's width


@scene
class Outline:
    """Places on a grid over the photo, with a line around them.

    Attributes:
        inside: (h w) bool; of no rows while it is not known.
        box: what the grid covers of the photo.
        words: what it shows.
        drawn: left, top, right and bottom as the reader drew it; empty where it was not drawn.
    """

    inside: np.ndarray
    box: Box
    words: str
    drawn: tuple[float, ...] = ()


@scene
class Stage:
    """All of it.

    Attributes:
        photo: (H W 3) uint8, as maps lie on it; None before the first answer.
        name: of the image.
        reference: (H W 3) uint8, the undistorted photo, where it is switched on and read.
        no_reference: why there is none to stand beside the photo; empty where there is.
        score: what the network says, or None.
        map: the saliency, or None while it is computed.
        secondary: the secondary layer, where it is switched on.
        method: the name of the method that is asked.
        methods: the menu, by groups.
        choices: of the method that is asked.
        sample: which image of a sample of several is shown, and which call of the layer, where there are several.
        degrading: what is done to the image before the network sees it, and how much; none where it cannot be.
        look: how it looks.
        receipt: what the check by removal said, in one line; empty where it was not asked.
        likeness: how much the map tells beside Grad-CAM, in one line; empty where it does not ask about Q.
        pending: what is being done, in words, while nothing is shown yet.
        alt: the picture in words, for those who do not see it.
        contrast: Q in words, such as "rather than moon"; empty where none is chosen.
        unheard: why the map does not ask about Q; empty where it does.
        no_secondary: why the secondary layer cannot be shown; empty where it can.
        checkable: whether the map can be checked by removal.
        error: what went wrong, in one line; empty when all is well.
        common: the largest limit of all panels whose maps have the same unit, colours and sides as this one; its full
            colour where `look.scale` is "all". 0 where there is no map.
        region: the region that is asked about, of the active panel; None where there is none.
        acts: where the chosen feature maps act, of the active panel; None where none is chosen.
        common_words: which panels share that scale; empty where no other panel does.
    """

    photo: np.ndarray | None
    name: str
    score: Score | None
    map: Layer | None
    method: str
    look: Look
    methods: tuple[MethodItem, ...] = ()
    choices: tuple[Choice, ...] = ()
    sample: tuple[Choice, ...] = ()
    degrading: tuple[Choice, ...] = ()
    secondary: Secondary | None = None
    receipt: str = ""
    likeness: str = ""
    pending: str = ""
    alt: str = ""
    contrast: str = ""
    unheard: str = ""
    no_secondary: str = ""
    checkable: bool = False
    error: str = ""
    reference: np.ndarray | None = None
    no_reference: str = ""
    common: float = 0.0
    common_words: str = ""
    region: Outline | None = None
    acts: Outline | None = None
