"""Every feature map, with a gain and its effect."""

from __future__ import annotations

import numpy as np

from xai_widgets.scenes._record import scene


@scene
class Bank:
    """All maps of a layer on one image.

    Attributes:
        thumbs: (c h w) uint8; (0 0 0) before they are there.
        dead: (c) bool, maps that are zero everywhere.
        gains: (c) float32.
        selected: numbers of the maps that the reader points at.
        title: layer and number of maps.
        about: image, model and layer, for a figure that stands alone.
        subject: what delta y is a change of: "the score", a class, or "cup − crew", the difference P - Q.
        effects: what it can be of, in words: P, and P - Q; empty where Q is no other class.
        ways: of P - Q: what a map does without which it falls, and without which it rises, as ("for cup", "for crew");
            empty where maps raise or lower the subject.
        change: the name of delta y.
        delta_y: (c) float32, change of the subject without each map; empty before it is known.
        delta_error: (c) float32, growth of the error without each map; empty where the error is not known.
        error: its name: "error", or "cross entropy".
        roles: (c) int8: 0 neutral, 1 and 2 helpful, 3 and 4 harmful; odd ones raise the score.
        role_words: the five roles in words, by number.
        exact: (c) bool.
        value: the subject with all maps.
        done: whether all effects are exact.
        note: what was removed.
        pending: whether the maps of another query are still shown.
        key: which image, model and layer, so that new maps are sorted again.
        joint: the effect of all that is muted together, beside the sum of the single ones, in one line.
        can_undo: whether there is a step back.
        set_delta_y: (c) float32, the median over the set; None before it is known, as the next two.
        set_delta_error: (c) float32, likewise.
        set_active: (c) float32, the share of images on which a map is active.
        set_source: of which images these are, in words.
        set_lacks: why each of them is not known, by the name of the field; no words where it is.
        names: (number, name) of each map that the reader has named.
        groups: (name, numbers of its maps) of each group that the reader has made.
        activation: (c) float32, the largest value of each map on this image; None before it is known.
        likeness: (c) float32, correlation of each map with the chosen one; None where it is not asked for.
        like: the number of the chosen map; -1 where none is.
        region_delta_y: (c) float32, change of the score, or of P - Q where Q is another class, where a map is removed
            inside the region only; None where no region is asked about.
        region_change: its name.
        beside: (c) float32, the change of P beside that of P - Q, or the other way round; None where Q is no class, as
            the next.
        beside_exact: (c) bool.
        beside_name: its name.
        margin_words: how many maps favour P, and how many of them make half of what does; empty as long as the score
            is all that is asked about.
    """

    thumbs: np.ndarray
    dead: np.ndarray
    gains: np.ndarray
    selected: tuple[int, ...]
    title: str
    subject: str
    delta_y: np.ndarray
    delta_error: np.ndarray
    error: str
    roles: np.ndarray
    exact: np.ndarray
    value: float
    done: bool
    note: str
    pending: bool
    key: str
    joint: str = ""
    role_words: tuple[str, ...] = ()
    can_undo: bool = False
    about: str = ""
    set_delta_y: np.ndarray | None = None
    set_delta_error: np.ndarray | None = None
    set_active: np.ndarray | None = None
    set_source: str = ""
    set_lacks: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    activation: np.ndarray | None = None
    likeness: np.ndarray | None = None
    like: int = -1
    region_delta_y: np.ndarray | None = None
    region_change: str = "Δy"
    effects: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    change: str = "Δy"
    beside: np.ndarray | None = None
    beside_exact: np.ndarray | None = None
    beside_name: str = ""
    margin_words: str = ""
