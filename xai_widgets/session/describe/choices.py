"""Controls of the stage: which image of a sample and which call, and the options of a method."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from xai_widgets import scenes
from xai_widgets.engine import Query, Subject
from xai_widgets.engine.methods import method_named, options_of
from xai_widgets.engine.options import Option
from xai_widgets.session.describe.words import sentence
from xai_widgets.session.samples import calls

if TYPE_CHECKING:
    from xai_widgets.session.panel import Panel
    from xai_widgets.session.session import Session


def sample(session: Session, panel: Panel) -> tuple[scenes.Choice, ...]:
    """Which image of the sample is shown, and which call of the layer, where there are several."""
    query, slices, found = panel.query, session.images.slices, []
    model = session.model_of(panel)
    count = calls(model, query.layer)
    if slices:
        changed = " It alone is degraded." if query.degradation is not None else ""
        hint = f"The image of the sample over which the map lies.{changed}"
        found.append(scenes.Choice(name="shown", words="Image", value=query.shown, choices=slices, hint=hint))
    if count > 1:
        own = "by default that of the image" if model.images > 1 else "by default the last"
        with suppress(ValueError):  # the error line says that the sample has too few images
            value = Subject(session.sources, query).call % count
            hint = f"{query.layer} is called {count} times; {own}. Gains act on this call alone."
            found.append(scenes.Choice(name="call", words="Call", value=value, choices=tuple(range(count)), hint=hint))
    return tuple(found)


def choices(query: Query) -> tuple[scenes.Choice, ...]:
    """The options of the method that a control can set; others are set in Python."""
    chosen = options_of(query)
    options = method_named(query.method).options
    return tuple(_choice(option, chosen[option.name]) for option in options if option.check is None)


def _choice(option: Option, value: Any) -> scenes.Choice:
    range_ = ", ".join(filter(None, (option.allowed, option.unit))) if option.takes_numbers else ""
    return scenes.Choice(
        name=option.name,
        words=option.words,
        value=value,
        choices=option.choices,
        low=float(option.low),
        high=float(option.high),
        unit=option.unit,
        numbers=option.takes_numbers,
        whole=option.whole,
        hint=" ".join(filter(None, (sentence(range_), sentence(f"It acts {option.acts}" if option.acts else "")))),
    )
