"""Add up the gains of several use cases to one total with an interval, corrected for how the use cases were chosen.

A total counts use cases because their gain looks good, so the plain sum is too high on average. Two corrections:

- **Selection.** Each gain is shrunk by the prior of `shrinkage.py`. A Bayesian estimate needs no correction for the
  choice. The sum over all use cases that ever ran would be free of selection, too. But it would add noise of null
  results to money that is claimed, and it would count retired use cases, whose figures are history.
- **Dependence.** Use cases of one company share days, so their errors aren't independent, and adding up their squares
  would give too narrow an interval. Instead, each of k intervals has the confidence 1 - (1 - c) / k, and the ends are
  added up. The total then has at least the confidence c, whatever the dependence. It is wide with many use cases.

Sources:

- Selection: Dawid (1994), see `shrinkage.py`. Yekutieli (2012), "Adjusted Bayesian inference for selected parameters",
  Journal of the Royal Statistical Society B 74(3), section 2.
- Bonferroni intervals: Dunn (1961), "Multiple comparisons among means", Journal of the American Statistical
  Association 56.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sixtyforty.value.blocks import Blocks
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval
from sixtyforty.value.shrinkage import shrink_mean
from sixtyforty.value.unit_groups import subtract_groups

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MeasuredGain:
    """The total gain of one use case as measured, in the KPI's currency.

    error: its standard error. blocks: the number of blocks of days on which it was measured, at least 2.
    """

    gain: float
    error: float
    blocks: int

    @classmethod
    def of_days(cls, days: Sequence[DailyValue], block_days: int) -> MeasuredGain:
        """Measure the gain over the current process on days that form at least two blocks of `block_days` days.

        Units that recur are clusters, as in the interval of the gain.
        """
        gains, counts = [day.model - day.current_process for day in days], [day.decisions for day in days]
        groups = subtract_groups((day.unit_groups, "model", day.unit_groups, "current_process") for day in days)
        blocks = Blocks.of([day.partition for day in days], gains, counts, block_days, groups)
        return cls(sum(gains), blocks.error * sum(counts), blocks.number)


def add_up_gains(gains: Sequence[MeasuredGain], confidence: float = CONFIDENCE) -> Interval:
    """Return the total gain of some use cases with its interval, corrected as the module describes.

    gains: the measured gains in one currency, at least one.
    """
    of_each = 1 - (1 - confidence) / len(gains)
    shrunk = [shrink_mean(gain.gain, gain.error, gain.blocks, of_each) for gain in gains]
    return Interval(*(sum(ends) for ends in zip(*shrunk, strict=True)))
