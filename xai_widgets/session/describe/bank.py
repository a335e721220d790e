"""The map bank as a scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_widgets.engine import Impacts, Joint, Maps
from xai_widgets.engine.set_answers import SetAnswers
from xai_widgets.scenes import Bank
from xai_widgets.session.describe.effects import (
    beside,
    effects,
    margin_words,
    on_difference,
    p_and_q,
    shown_subject,
    subject_words,
)
from xai_widgets.session.describe.words import short
from xai_widgets.session.facts import where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

NO_MAPS = Maps(np.zeros((0, 0, 0), np.uint8), np.zeros(0, bool), "", "maps")
OF_SET = ("set_delta_y", "set_delta_error", "set_active")
HERE = "this explorer"  # the source of what was made in an open session
for _empty in (NO_MAPS.thumbs, NO_MAPS.dead):
    _empty.flags.writeable = False


def bank(session: Session, *, like: int = -1, likeness: np.ndarray | None = None) -> Bank:
    """What the map bank shows: every feature map, its gain, and what its removal changes.

    Args:
        like: the map that the others are compared with, where they are; -1 for none.
        likeness: of each map to it.
    """
    maps = session.maps or NO_MAPS
    query = session.query
    return Bank(
        thumbs=maps.thumbs,
        dead=maps.dead,
        gains=session.gains(),
        selected=session.selected,
        title=f"{where(session.sources, query)} · {len(maps.thumbs)} maps" if len(maps.thumbs) else "on their way",
        subject=shown_subject(session),
        **effects(session),
        **beside(session),
        change=f"Δ({shown_subject(session)})" if on_difference(session) else "Δy",
        about=about(session),
        pending=session.maps is None,  # the old ones stay, dimmed: an empty grid would only flicker
        key=" ".join((query.image, query.shown, query.model, query.layer, str(query.call), str(query.run))),
        joint=joint_words(session.joint, session.impacts, subject_words(session) if on_difference(session) else ""),
        can_undo=session.steps[0],
        **of_set(session),
        **named(session),
        activation=maps.maximum,
        like=like,
        likeness=likeness,
        **_in_region(session),
        margin_words=_for_and_against(session),
    )


def named(session: Session) -> dict[str, Any]:
    """What the reader calls maps of this layer, and groups of them."""
    here = session._names_here()
    return {"names": here.names, "groups": here.groups}


def _in_region(session: Session) -> dict[str, Any]:
    """What the removal of each map inside the region changes, and of what, where a region is asked about."""
    found, maps = session.region, session.maps
    if found is None or maps is None or len(found.delta_y) != len(maps.thumbs):
        return {}
    names = () if found.against is None else (session.target(), found.against)
    change = f"Δ({' − '.join(map(session.model.name_of, names))})" if names else "Δy"
    return {"region_delta_y": np.asarray(found.delta_y, np.float32), "region_change": change}


def _for_and_against(session: Session) -> str:
    """How many maps are for P and for Q, where Q is another class; empty before that is known."""
    found, names = session.margins, p_and_q(session)
    return "" if found is None or not names else margin_words(found, *names)


def of_set(session: Session) -> dict[str, Any]:
    """What is known of each map over the set, and why it is not known."""
    known, count = session.of_set, 0 if session.maps is None else len(session.maps.thumbs)
    medians = (None, None) if known is None else (known.median_delta_y, known.median_delta_error)
    found = [None if one is None else one.median.numpy() for one in medians]
    found.append(None if known is None else known.active)
    fits = [one is not None and len(one) == count and not np.isnan(one).all() for one in found]
    values = [np.asarray(one, np.float32) if there else None for one, there in zip(found, fits, strict=True)]
    lacks = [words if one is None else "" for one, words in zip(values, _missing(session), strict=True)]
    return {
        **dict(zip(OF_SET, values, strict=True)),
        "set_source": source_words(session),
        "set_lacks": tuple(zip(OF_SET, lacks, strict=True)),
    }


def _missing(session: Session) -> tuple[str, str, str]:
    """Why medians of delta y and of delta error, and shares of images, are not known, where they are not."""
    words = {"coming": "on their way", "": "not computed yet, see the card of a map"}
    removals, activations = session.knows_set("impacts"), session.knows_set()
    error = "no rating or label is known" if removals == "all" else words.get(removals, "not known")
    return words.get(removals, "not known"), error, words.get(activations, "not known")


def source_words(session: Session) -> str:
    """Of which images what is known of the set is, and whence; empty where nothing is known."""
    known = session.of_set
    if known is None:
        return ""
    named = {"activations": known.maximum, "impacts": known.delta_y}
    said = {group: _of_images(session, known, group) for group, values in named.items() if values is not None}
    if len(set(said.values())) < 2:
        found = next(iter(said.values()), _of_images(session, known, "columns"))
    else:
        found = "; ".join(f"{group} {words}" for group, words in said.items())
    return f"{found}; {baseline_words(known)}" if "impacts" in said else found


def _of_images(session: Session, known: SetAnswers, group: str) -> str:
    """Of which images a group is: of the set that is open, of a study, or of both."""
    sources, total = known.source_of(group), len(session.images)
    count = sum(number for _, number in sources)
    if all(source in ("", HERE) for source, _ in sources):
        some = "the" if count == total else f"{count:,} of the"
        return f"of {some} {images_words(total)} of this set"
    if len(sources) == 1:
        return f"of {sources[0][0]}, {images_words(count)}"
    return f"of {images_words(count)}, {source_of_images(sources)}"


def source_of_images(sources: Sequence[tuple[str, int]]) -> str:
    """Whence the values of images are: "from the study faces", "3 from the study faces and 2 made in this explorer"."""
    words = {source: f"made in {HERE}" if source == HERE else f"from {source or 'the set'}" for source, _ in sources}
    if len(sources) == 1:
        return words[sources[0][0]]
    return " and ".join(f"{count:,} {words[source]}" for source, count in sources)


def baseline_words(known: SetAnswers) -> str:
    """What a map was replaced by, where impacts of a set are known."""
    return f"{known.baseline} baseline"


def images_words(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def about(session: Session) -> str:
    """What a figure that stands alone is about: image, model, layer and P, or P - Q where effects are on that."""
    query = session.query
    return " · ".join((query.image, session.model.name, where(session.sources, query), shown_subject(session)))


def joint_words(joint: Joint | None, impacts: Impacts | None, of: str = "") -> str:
    """What all muted maps change together, beside the sum of what each changes alone.

    Args:
        of: of what, where other numbers beside it are of something else.
    """
    if joint is None or not joint.muted:
        return ""
    count = len(joint.muted)
    what = f"{count} map{'s' * (count > 1)} muted: {f'Δ {of} ' if of else ''}{short(joint.delta_y, sign=True)} together"
    if count == 1 or not np.isfinite(joint.delta_y_sum):
        return f"{what}."
    about = "" if impacts is not None and impacts.exact[list(joint.muted)].all() else "about "
    return f"{what}, {about}{short(joint.delta_y_sum, sign=True)} as a sum of single removals."
