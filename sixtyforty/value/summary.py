"""Summarise the KPI over days: totals, lift, costs and candidates, as JSON for pages and ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, takewhile
from typing import Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, POLICIES, DailyValue
from sixtyforty.value.lift import Interval, estimate_lift


@dataclass(frozen=True)
class Balance:
    """The gain over the current process, the costs and the net benefit, in the KPI's currency.

    - build, running: the declared costs.
    - net_impact: the net benefit: gain - build - running.
    - payback: the first partition from which the total gain stays above the total costs; None if it is below them now.
    """

    gain: float
    build: float
    running: float
    net_impact: float
    payback: str | None


def compute_balance(kpi: Kpi, days: Sequence[DailyValue], days_apart: float = 1.0) -> Balance:
    """Compute the balance over partitions.

    days: must be sorted by partition. days_apart: the number of days from one partition to the next, which determines
    each partition's share of the monthly costs. The build costs count as paid before the first partition.
    """
    running = kpi.costs.per_month / DAYS_A_MONTH * days_apart
    build = kpi.costs.build if days else 0.0
    balances = list(accumulate((day.model - day.current_process - running for day in days), initial=-build))
    newest_first = zip(reversed(days), reversed(balances), strict=False)
    covered = [day.partition for day, _ in takewhile(lambda pair: pair[1] >= 0, newest_first)]
    gain, running_total = sum(day.model - day.current_process for day in days), running * len(days)
    return Balance(gain, build, running_total, gain - running_total - build, covered[-1] if covered else None)


def summarize_days(kpi: Kpi, days: Sequence[DailyValue], days_apart: float = 1.0) -> dict[str, Any]:
    """Return the KPI over days as JSON: totals, figures per 1,000 decisions, lift and net benefit.

    days: must be sorted by partition. days_apart: the number of days from one partition with a decision to the next.
    Money is rounded to the cent, and unknown figures are null.
    """
    decisions = sum(day.decisions for day in days)
    totals = {policy: _rounded(sum(getattr(day, policy) for day in days)) for policy in POLICIES}
    differing = sum(day.differ for day in days)
    balance = asdict(compute_balance(kpi, days, days_apart))
    return {
        "decisions": decisions,
        "per_1000": {policy: _per_1000(total, decisions) for policy, total in totals.items()},
        "lift_vs_current": _rounded_interval(estimate_lift(days)),
        "total": totals["model"],
        "totals": totals,
        **{name: round(amount, 2) if isinstance(amount, float) else amount for name, amount in balance.items()},
        "acted": sum(day.acted for day in days),
        "differ_from_current": differing,
        "differ_share": round(differing / decisions, 4) if decisions else None,
        "operational": differing > 0,
        "candidates": {name: _summarize_candidate(name, days) for name in kpi.candidates},
        "decided_by_current_process": sum(day.fallback for day in days),
        "unit": kpi.currency,
        "from": days[0].partition if days else None,
        "to": days[-1].partition if days else None,
        "days": len(days),
    }


def _summarize_candidate(name: str, days: Sequence[DailyValue]) -> dict[str, Any]:
    """Return the figures of a candidate over the days for which it has money.

    `lift_vs_current` is its lift over the current process. `model_minus` is the lift of the model over the candidate.
    """
    own_days, policy = [day for day in days if name in day.candidates], CANDIDATE_PREFIX + name
    decisions = sum(day.decisions for day in own_days)
    return {
        "decisions": decisions,
        "per_1000": _per_1000(sum(day.candidates[name] for day in own_days), decisions),
        "lift_vs_current": _rounded_interval(estimate_lift(own_days, of=policy)),
        "model_minus": _rounded_interval(estimate_lift(own_days, against=policy)),
    }


def _per_1000(total: float | None, decisions: int) -> float | None:
    return round(1000 * total / decisions, 2) if decisions and total is not None else None


def _rounded_interval(interval: Interval) -> dict[str, float | None]:
    return {name: _rounded(amount) for name, amount in interval.__dict__.items()}


def _rounded(amount: float) -> float | None:
    is_unknown = amount != amount  # NaN
    return None if is_unknown else round(amount, 2)
