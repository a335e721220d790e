"""The radar of measures as a scene."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import METHODS, Measures, Query, Subject
from xai_widgets.engine.methods import heard, options_of
from xai_widgets.engine.options import differing
from xai_widgets.engine.parts.sides import IN_WORDS as SIDES
from xai_widgets.engine.parts.sides import ONE_SIDED, in_words
from xai_widgets.engine.sample import shown_in_words
from xai_widgets.scenes import Axis, Detail, Radar, Series, Table
from xai_widgets.session.describe.sets import of_sets, pull, set_note
from xai_widgets.session.describe.words import fixed, short
from xai_widgets.session.facts import contrast_of, where

if TYPE_CHECKING:
    from xai_widgets.session.session import Session

# All are drawn so that higher is better.
AXES = (
    Axis(
        name="entropy", label="few places", meaning="1 − entropy of the map: 1 for a single place, 0 for a uniform map."
    ),
    Axis(
        name="noise",
        label="noise",
        meaning="SSIM of the map and that of the photo with salt and pepper noise on 10 % of its pixels.",
    ),
    Axis(
        name="resilience",
        label="resilience",
        meaning="SSIM after shifts, flips and quarter turns are undone; mean of the three groups.",
    ),
    Axis(
        name="focus",
        label="focus",
        meaning="How much blurring the salient regions changes the map, and how little blurring the others.",
    ),
    Axis(
        name="stability",
        label="stability",
        meaning="SSIM between the maps of training runs; needs at least two of them.",
    ),
)
MEASURES = tuple(axis.name for axis in AXES)
WORDS = {
    "levels": "level",
    "ssim": "salt and pepper",
    "entropy": "entropy",
    "salient_removed": "SSIM, salient regions blurred",
    "other_removed": "SSIM, other regions blurred",
    "score_change_salient": "change of the score, salient regions blurred",
    "score_change_other": "change of the score, other regions blurred",
    "runs": "training runs",
}
RULES = {
    "fixed": "target of the clean photo",
    "repredicted": "target predicted again for each changed photo",
}
MOST_GAINS = 3  # that a name lists one by one


def radar(session: Session, others: Sequence[Series] = (), *, axis: str = "", relative: bool = False) -> Radar:
    """What the radar shows: the present measures, and others beside them.

    Args:
        others: further series.
        axis: the name of the axis that is open, or none.
        relative: each axis as a share of the best that is shown.
    """
    query, measures = session.query, session.measures
    present = series(_series_name(query), measures.values if measures else {}, texts=texts_of(measures))
    opened = detail(axis, measures, others) if axis else None
    if opened is not None:
        opened = replace(opened, **pull(session, axis, opened))
    return Radar(
        axes=AXES,
        series=(present, *others),
        sets=of_sets(session, MEASURES),
        relative=relative,
        note=" ".join(filter(None, (note(session), set_note(session)))),
        stale=stale(session),
        done=measures is not None and measures.done,
        detail=opened,
        of=session.measuring["of"],
        rule=session.measuring["rule"],
        side=session.measuring["side"],
        one_sided=measures is not None and measures.one_sided,
        unmeasured=unmeasured(query),
    )


def _series_name(query: Query) -> str:
    return " · ".join(filter(None, (query.image, shown_in_words(query.shown), query.model)))


def series(
    name: str,
    values: Mapping[str, float],
    low: Mapping[str, float] | None = None,
    high: Mapping[str, float] | None = None,
    texts: tuple[str, ...] = (),
) -> Series:
    """One line of the radar, from values by the names of axes.

    Raises:
        ValueError: an unknown measure.
    """
    for some in (values, low or {}, high or {}):
        if unknown := sorted(set(some) - set(MEASURES)):
            raise ValueError(f"values must be named {', '.join(MEASURES)}, got {', '.join(unknown)}.")

    def row(some: Mapping[str, float] | None) -> tuple[float, ...]:
        return tuple(float(some.get(axis, math.nan)) for axis in MEASURES) if some else ()

    found = tuple(float(values.get(axis, math.nan)) for axis in MEASURES)
    lows, highs = row(low), row(high)
    words = texts or tuple(
        number(value, *((lows[place], highs[place]) if lows and highs else ())) for place, value in enumerate(found)
    )
    return Series(name=name, values=found, low=lows, high=highs, texts=words)


def number(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A value with its interval, where there is one."""
    interval = f" [{fixed(low, 3)}, {fixed(high, 3)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{fixed(value, 3)}{interval}" if math.isfinite(value) else "n/a"


def texts_of(measures: Measures | None) -> tuple[str, ...]:
    """The present values in words; a mark for what is not there yet."""
    if measures is None:
        return ("…",) * len(MEASURES)
    there = [measures.done or name in measures.notes for name in MEASURES]
    values = [measures.values.get(name, math.nan) for name in MEASURES]
    return tuple(number(value) if known else "…" for value, known in zip(values, there, strict=True))


def note(session: Session) -> str:
    """What was measured, in one line: image, model, layer, map, its part, gains and the rule for the target."""
    query, measures = session.query, session.measures
    subject = f"{query.image} · {query.model} · {where(session.sources, query)}"
    if measures is None:
        return f"{subject}: not measured yet."
    if not measures.done:
        return f"{subject}: {len(measures.notes)} of {len(MEASURES)} measured."
    asked = measures.query or query
    what = f"{subject}: {_map_words(session, asked)}"
    if why := unavailable(measures):
        return f"{what}; {why}"
    missing = [axis.label for axis in AXES if not math.isfinite(measures.values.get(axis.name, math.nan))]
    changed = f", with {_counted(asked)}" if asked.gains else ""
    rule = RULES[rule_of(session, asked)]
    left_out = f" Not available: {', '.join(missing)}." if missing else ""
    side = in_words(session.measuring["side"], one_sided=measures.one_sided)
    return f"{what}, {side}{changed}; {rule}.{left_out}"


def rule_of(session: Session, asked: Query) -> str:
    """For which target measures are taken: of scores none is predicted, so that it is the chosen one."""
    return str(session.measuring["rule"]) if session.models[asked.model].has_classes else "fixed"


def _map_words(session: Session, asked: Query) -> str:
    if session.measuring["of"] == "standard":
        return METHODS["grad_cam"].words
    q = "" if asked.contrast is None or not METHODS[asked.method].takes_contrast else ", with Q"
    return f"the map on the stage ({METHODS[asked.method].words}{q})"


def _counted(asked: Query) -> str:
    return f"{len(asked.gains)} changed gain{'s' * (len(asked.gains) > 1)}"


def unavailable(measures: Measures) -> str:
    """Why nothing could be measured; empty where something was."""
    why = set(measures.notes.values())
    nothing = measures.done and not any(map(math.isfinite, measures.values.values()))
    return why.pop() if nothing and len(why) == 1 else ""


def kept(session: Session, measures: Measures) -> str:
    """The name under which measures are kept: image, model, layer, map, its part, gains, a rule that is not usual."""
    asked = measures.query or session.query
    run = f", run {asked.run}" if len(session.models[asked.model].runs) > 1 else ""
    side = ONE_SIDED if measures.one_sided else SIDES[session.measuring["side"]]
    parts = [asked.image, f"{asked.model}{run}", where(session.sources, asked), f"{_whole_map(session, asked)}, {side}"]
    if 0 < len(asked.gains) <= MOST_GAINS:
        parts.append(", ".join(f"map {index} ×{short(gain)}" for index, gain in asked.gains))
    elif asked.gains:
        parts.append(_counted(asked))
    if (rule := rule_of(session, asked)) != "fixed":
        parts.append(RULES[rule])
    return " · ".join(parts)


def _whole_map(session: Session, asked: Query) -> str:
    """The measured map with all that it depends on, since the stage will show another."""
    if session.measuring["of"] == "standard":
        return f"{METHODS['grad_cam'].words}{_chosen_p(session, asked)}"
    method, options = METHODS[asked.method], options_of(asked)
    words = [f"{method.words}{_chosen_p(session, asked)}{_rather_than(session, asked)}"]
    for name in differing(method.options, options):
        value = options[name]
        words.append(f"{name} {value}" if isinstance(value, str | int | float) else f"{name} chosen")
    return ", ".join(words)


def _chosen_p(session: Session, asked: Query) -> str:
    """P, where it is not the prediction."""
    model = session.models[asked.model]
    if model.one_score or (asked.target is None and model.has_classes):
        return ""
    return f" for {model.name_of(Subject(session.sources, asked).target)}"


def _rather_than(session: Session, asked: Query) -> str:
    """Q, where it acts on the map."""
    contrast = contrast_of(session.sources, heard(METHODS[asked.method], asked))
    if contrast is None:
        return ""
    if contrast.kind == "confidence":
        return " rather than 100 % confidence"
    if contrast.kind == "class":
        return f" rather than {session.models[asked.model].name_of(int(contrast.value))}"
    tiles = " by tiles" if contrast.form == "tiles" else ""
    return f" rather than {short(float(contrast.value))}{tiles}"


def stale(session: Session) -> str:
    """What has changed since the measures were taken; empty where nothing has."""
    measures, query = session.measures, session.query
    if measures is None or measures.query is None:
        return ""
    names = ["gains", "baseline"]
    if session.measuring["of"] == "shown":
        names += ["contrast", "method", "options"]
    if not measures.query.differs(query, names):
        return ""
    changed = "gains" if measures.query.gains != query.gains else "another map"
    taken = f"Taken with {'other ' if changed == 'gains' else ''}{changed}"
    on_demand = session.measuring["of"] == "shown" and METHODS[query.method].on_demand
    return f"{taken}; measure again to follow." if on_demand else f"{taken}; taken again in a moment."


def unmeasured(query: Query) -> str:
    """Why the map on the stage cannot be measured, or what it costs; empty where it can at once."""
    method = METHODS[query.method]
    if method.unmeasured:
        return f"The map on the stage cannot be measured: {method.unmeasured}."
    if method.cost == "all removals":
        return "To measure the map on the stage takes long: all removals for each of about 37 maps."
    return ""


def detail(name: str, measures: Measures | None, others: Sequence[Series]) -> Detail:
    """What the number of an axis is made of."""
    place = MEASURES.index(name)
    axis = AXES[place]
    parts = measures.details.get(name, {}) if measures else {}
    tables = [table(parts)] if parts else []
    if others:
        rows = tuple((one.name, one.texts[place]) for one in others)
        tables.append(Table(head=("beside it", axis.label), rows=rows))
    tested = measures.notes.get(name, "") if measures else ""
    text = texts_of(measures)[place]
    return Detail(label=axis.label, text=text, meaning=axis.meaning, note=tested, tables=tuple(tables))


def table(parts: Mapping[str, Any]) -> Table:
    """Columns where the parts are lists, else a row each."""
    columns = {_words(name): part for name, part in parts.items() if isinstance(part, list | tuple)}
    if columns:
        rows = zip(*columns.values(), strict=True)
        return Table(head=tuple(columns), rows=tuple(tuple(_cell(cell) for cell in row) for row in rows))
    return Table(head=(), rows=tuple((_words(name), _cell(part)) for name, part in parts.items()))


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return fixed(value, 3) if math.isfinite(value) else "n/a"
    return str(value)
