"""Summarize the KPI over days: totals, gain over the current process, costs and candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

from sixtyforty.spec.actions import Costs
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.spec.track import Track
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, POLICIES, DailyValue
from sixtyforty.value.daily_values import figures_by_day, gains_by_day, money_by_day, with_candidate
from sixtyforty.value.past_experiment import measure_gain
from sixtyforty.value.rounded_interval import RoundedInterval, round_known


@dataclass(frozen=True)
class CandidateSummary:
    """A candidate's figures over the days on which its value is known. Money is in the KPI's currency, to the cent.

    - decisions: the number of decisions on these days.
    - per_1000: the money of the candidate's actions per 1,000 decisions; None without decisions.
    - lift_vs_current: the candidate's gain over the current process, per 1,000 decisions.
    - model_minus: the value of the decisions taken minus the candidate's value, per 1,000 decisions.
    """

    decisions: int
    per_1000: float | None
    lift_vs_current: RoundedInterval
    model_minus: RoundedInterval

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the candidate for JSON."""
        intervals = {"lift_vs_current": self.lift_vs_current.to_dict(), "model_minus": self.model_minus.to_dict()}
        return {"decisions": self.decisions, "per_1000": self.per_1000, **intervals}


@dataclass(frozen=True)
class DaysSummary:
    """The KPI over days. Money is in the currency `unit`, to the cent. An unknown figure is None.

    - first, last: the first and the last partition; `days` is the number of partitions.
    - acted: the number of decisions for an action other than the idle one, which is the cheapest.
    - differ_from_current, differ_share: the number and the share of decisions that differ from the current process.
    - decided_by_current_process: the number of decisions that the current process took.
    - totals, per_1000: the money in total and per 1,000 decisions, by policy (see `daily_value.POLICIES`).
    - lift_vs_current: the gain over the current process per 1,000 decisions.
    - gain, build, running, net_impact, payback: see `Balance`.
    """

    unit: str
    first: str | None
    last: str | None
    days: int
    decisions: int
    acted: int
    differ_from_current: int
    differ_share: float | None
    decided_by_current_process: int
    totals: dict[str, float | None]
    per_1000: dict[str, float | None]
    lift_vs_current: RoundedInterval
    gain: float
    build: float
    running: float
    net_impact: float
    payback: str | None
    candidates: dict[str, CandidateSummary]

    @property
    def operational(self) -> bool:
        """Whether any decision differs from the action of the current process."""
        return self.differ_from_current > 0


@dataclass(frozen=True)
class Balance:
    """The gain over the current process, the costs and the net benefit, in the KPI's currency.

    - build, running: the declared costs.
    - net_impact: the net benefit: gain - build - running.
    - payback: the first partition from which the total gain stays above the total costs; None if the total gain of all
      partitions is below the total costs.
    """

    gain: float
    build: float
    running: float
    net_impact: float
    payback: str | None


def compute_balance(kpi: Kpi, days: Sequence[DailyValue], days_apart: float = 1.0) -> Balance:
    """Compute the gain, the costs and the net benefit over partitions. See `balance_gains`."""
    return balance_gains(kpi.costs, figures_by_day(days, "partition"), gains_by_day(days), days_apart)


def balance_gains(costs: Costs, partitions: Sequence[str], gains: Sequence[float], days_apart: float = 1.0) -> Balance:
    """Compute the balance of the gain of each partition, in the KPI's currency, with the costs.

    partitions: must be sorted. days_apart: the number of days from one partition to the next, which determines each
    partition's share of the monthly costs. The build costs count as paid before the first partition.
    """
    running = costs.per_month / DAYS_A_MONTH * days_apart
    build = costs.build if partitions else 0.0
    balances = list(accumulate((gain - running for gain in gains), initial=-build))
    newest_first = zip(reversed(partitions), reversed(balances), strict=False)
    covered = [partition for partition, _ in takewhile(lambda pair: pair[1] >= 0, newest_first)]
    gain, running_total = sum(gains), running * len(partitions)
    return Balance(gain, build, running_total, gain - running_total - build, covered[-1] if covered else None)


def summarize_days(kpi: Kpi, track: Track, days: Sequence[DailyValue], days_apart: float = 1.0) -> DaysSummary:
    """Return the KPI over days: totals, figures per 1,000 decisions, gain over the current process, net benefit.

    track: determines the intervals (see `measure_gain`). days: must be sorted by partition. days_apart: the number of
    days from one partition with a decision to the next.
    """
    decisions, acted, differing, fallback = (
        sum(figures_by_day(days, name)) for name in ("decisions", "acted", "differ", "fallback")
    )
    totals = {policy: round_known(sum(money_by_day(days, policy))) for policy in POLICIES}
    balance = compute_balance(kpi, days, days_apart)
    return DaysSummary(
        unit=kpi.currency,
        first=days[0].partition if days else None,
        last=days[-1].partition if days else None,
        days=len(days),
        decisions=decisions,
        acted=acted,
        differ_from_current=differing,
        differ_share=round(differing / decisions, 4) if decisions else None,
        decided_by_current_process=fallback,
        totals=totals,
        per_1000={policy: _per_1000(total, decisions) for policy, total in totals.items()},
        lift_vs_current=RoundedInterval.of(measure_gain(kpi, track, days)),
        gain=round(balance.gain, 2),
        build=round(balance.build, 2),
        running=round(balance.running, 2),
        net_impact=round(balance.net_impact, 2),
        payback=balance.payback,
        candidates={name: _summarize_candidate(kpi, track, name, days) for name in kpi.candidates},
    )


def _summarize_candidate(kpi: Kpi, track: Track, name: str, days: Sequence[DailyValue]) -> CandidateSummary:
    own_days, policy = with_candidate(days, name), CANDIDATE_PREFIX + name
    decisions = sum(figures_by_day(own_days, "decisions"))
    return CandidateSummary(
        decisions=decisions,
        per_1000=_per_1000(sum(money_by_day(own_days, policy)), decisions),
        lift_vs_current=RoundedInterval.of(measure_gain(kpi, track, own_days, of=policy)),
        model_minus=RoundedInterval.of(measure_gain(kpi, track, own_days, policy)),
    )


def _per_1000(total: float | None, decisions: int) -> float | None:
    return round(1000 * total / decisions, 2) if decisions and total is not None else None
