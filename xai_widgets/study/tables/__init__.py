"""Every table of a study, a record each. A new table is a record in a file of this folder."""

from __future__ import annotations

from xai_widgets.study.tables import activations, agreement, impacts, means, measures, scores
from xai_widgets.study.tables.record import ASKED as ASKED
from xai_widgets.study.tables.record import Column as Column
from xai_widgets.study.tables.record import Summary as Summary
from xai_widgets.study.tables.record import Table as Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        scores.TABLE, impacts.TABLE, activations.TABLE, measures.TABLE, measures.STABILITY, agreement.TABLE,
        agreement.SHUFFLED,
    )
}  # fmt: skip
SUMMARIES: tuple[Summary, ...] = (means.MEANS, means.AGREEMENT)


def belonging(name: str) -> list[Table]:
    """A table and those whose rows belong to its finished table: who asks for one asks for all."""
    return [table for table in TABLES.values() if name in (table.name, table.into)]
