"""Hold the unit sums of a period (see `unit_sums.py`) as arrays, from which the figures of a gain's basis follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.value.group_sums import SumsByGroup
from sixtyforty.value.unit_sums import PAYOFF_SUMS

if TYPE_CHECKING:
    from sixtyforty.value.payoff_base import Floats

# By group, the PAYOFF_SUMS of each partition, shape (sums, partitions).
PayoffsOfPeriod = Mapping[tuple[str, ...], "Floats"]


@dataclass(frozen=True)
class PeriodSums:
    """The unit sums of n partitions. UnitSums describes the figures.

    - partitions: in the order of time.
    - payoffs: by group, with the sums of each partition.
    - predictions, segments: by group, added over all partitions.
    - acted, current_acted: the number of actions in each partition, shape (n,).
    """

    partitions: Sequence[str]
    payoffs: PayoffsOfPeriod
    predictions: SumsByGroup
    segments: SumsByGroup
    acted: Floats
    current_acted: Floats

    @property
    def decisions(self) -> Floats:
        """The number of decisions with a known outcome in each partition, shape (n,)."""
        return self._add_payoffs()[0]

    @property
    def gain(self) -> Floats:
        """The gain over the current process in each partition, in the KPI's currency, shape (n,)."""
        _, taken_gain, taken_cost, current_gain, current_cost = self._add_payoffs()
        return taken_gain - taken_cost - current_gain + current_cost

    @property
    def total_payoffs(self) -> SumsByGroup:
        """The payoffs by group, added over all partitions."""
        return {key: tuple(sums.sum(axis=1).tolist()) for key, sums in self.payoffs.items()}

    def _add_payoffs(self) -> Floats:
        """Return PAYOFF_SUMS of each partition, added over all groups, shape (sums, n)."""
        import numpy as np

        zeros = np.zeros((len(PAYOFF_SUMS), len(self.partitions)))
        return sum(self.payoffs.values(), zeros)
