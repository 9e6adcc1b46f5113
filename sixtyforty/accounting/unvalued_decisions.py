"""Count the decisions that the figures leave out because their value is unknown, and say why it is."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting.kpi_ledger import kpi_dataset, read_account
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace


def count_unvalued(ws: Workspace, track: Track, partitions: Sequence[str] | None = None) -> int:
    """Return the number of a track's decisions whose value is unknown. partitions: None counts all."""
    return sum(read_account(entry).unknown for entry in ws.lake.entries(kpi_dataset(track), partitions).values())


def describe_unvalued(kpi: Kpi, count: int) -> str:
    """Return a sentence on the decisions that the figures leave out, with each cause that the KPI allows.

    count: the number that `count_unvalued` returns. Without such a decision, the sentence is empty.
    """
    if not count:
        return ""
    decisions = format_plural(count, "more decision")
    causes = ["the gain or cost of the action is unknown"] if kpi.payoff_sql else []
    causes += ["the unit was outside the experiment"] if kpi.treatment else []
    if not causes:
        return f"The outcome of {decisions} isn't known yet."
    verb = "isn't" if count == 1 else "aren't"
    return f"{decisions} {verb} counted: the outcome isn't known yet, or {', or '.join(causes)}."
