"""Compute the value of what people did. The overrides in force make it differ from the value of the decisions.

The KPI ledger values each unit as if the decision had been followed. An override in force replaces that action (see
`answers_in_force`), and the usage accounts hold its gain. In an experiment, the observed outcome already is the outcome
of what people did, so only the cost of the action is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.accounting.usage import PartitionUsage, usage_dataset
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class DoneValue:
    """The value of what people did over some partitions, in the KPI's currency, to the cent.

    - overrides: the number of overrides that count: those in force, of decisions that count in the KPI ledger.
    - difference: the value of the actions that people took instead, minus the value of the decisions.
    - total: the value of what people did. It is the value of the decisions plus `difference`.
    - gain: the gain of what people did over the current process.
    - simulated: the number of simulated responses among all responses of the partitions.
    """

    overrides: int
    difference: float
    total: float
    gain: float
    simulated: int

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)

    def describe(self, currency: str) -> str:
        """Return two sentences: the value of the decisions, and the value of what people did."""
        simulated = " (simulated responses)" if self.simulated else ""
        followed = format_money(self.total - self.difference, currency)
        return (
            f"Value if every decision had been followed: {followed}. Value with people's"
            f" {format_plural(self.overrides, 'override')} in force{simulated}: {format_money(self.total, currency)}"
            f" ({format_money(self.difference, currency, signed=True)})."
        )


def value_done(ws: Workspace, track: Track, partitions: Sequence[str], decided: float, gain: float) -> DoneValue | None:
    """Return the value of what people did over some partitions, or None if the usage accounts count no override.

    decided: the value of the decisions in these partitions, to the cent. gain: their gain over the current process.
    """
    usages = [PartitionUsage.from_entry(entry) for entry in ws.lake.entries(usage_dataset(track), partitions).values()]
    if ws.use_case.is_randomized(track):
        overrides, difference = sum(u.overrides_paid for u in usages), sum(u.cost_saved for u in usages)
    else:
        overrides = sum(u.known - u.known_without_effect for u in usages)
        difference = sum(u.gain - u.gain_without_effect for u in usages)
    if not overrides:
        return None
    return DoneValue(
        overrides=overrides,
        difference=round(difference, 2),
        total=round(decided + round(difference, 2), 2),
        gain=round(gain + round(difference, 2), 2),
        simulated=sum(u.simulated for u in usages),
    )
