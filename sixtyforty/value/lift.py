"""What the decisions were worth: money by day, against the current process, random choice and perfect foresight.

Exact accounting: the decision doesn't change the outcome, so every policy is paid on the same realised outcomes.
Where it does (a randomized KPI), that is an assumption about the past; live, arms dealt at random tell (`arms.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.value.payoffs import build_payoffs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

CURRENT_PROCESS_DECIDERS = ("current_process", "fallback", "review")  # for want of a model, sound data or certainty
POLICIES = ("model", "current_process", "random_choice", "perfect_foresight")
RESAMPLES = 2000
MONTHS = 36  # told one by one
BLOCKS = 400  # days drawn from at most; of more, several in a row are drawn as one
CANDIDATE_PREFIX = "candidate "  # before a candidate's name, where a policy is asked for


@dataclass(frozen=True)
class DailyValue:
    """Money of one partition, in the KPI's unit, summed over the units whose outcome is known.

    Of arms dealt at random: over the model's units, the current process told from those that kept it; what a coin or
    foresight had made of them isn't known (NaN).
    """

    partition: str
    decisions: int
    model: float
    current_process: float
    random_choice: float
    perfect_foresight: float
    acted: int  # the model's actions that aren't the cheapest one
    differ: int  # decisions that differ from the current process
    fallback: int  # decisions the current process took for want of a model or of sound data
    candidates: dict[str, float] = field(default_factory=dict)  # what each would have made of the same units


def money_by_day(days: Sequence[DailyValue], policy: str) -> list[float]:
    """Each day's, of a policy, or of a candidate by its name after `candidate `."""
    name = policy.removeprefix(CANDIDATE_PREFIX)
    return list(map(attrgetter(policy), days)) if name == policy else [d.candidates[name] for d in days]


def value_of_day(
    kpi: Kpi,
    partition: str,
    rows: pd.DataFrame,
    outcome: NDArray[np.float64],
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> DailyValue:
    """Accounts for one partition.

    Rows: `action`, `current_action`, `decided_by` if fallbacks are to be counted, and what payoffs need (see there).
    Outcomes, of the same length, are known (no NaN). candidates: actions of each.
    The random choice takes the model's own mix of actions, dealt out at random: the mean over all such deals.
    """
    import numpy as np

    pays, chosen, n = build_payoffs(kpi, rows), rows["action"].to_numpy(str), len(rows)
    taken, counts = np.unique(chosen, return_counts=True)
    coin = sum(c / n * float(pays.paid([a] * n, outcome).sum()) for a, c in zip(taken.tolist(), counts, strict=True))
    by = rows.get("decided_by")
    return DailyValue(
        partition=partition,
        decisions=n,
        model=float(pays.paid(chosen.tolist(), outcome).sum()),
        current_process=float(pays.paid(rows["current_action"].tolist(), outcome).sum()),
        random_choice=float(coin),
        perfect_foresight=float(pays.best(outcome).sum()),
        acted=int((chosen != kpi.idle_action).sum()),
        differ=int((chosen != rows["current_action"].to_numpy(str)).sum()),
        fallback=int(by.isin(CURRENT_PROCESS_DECIDERS).sum()) if by is not None else 0,
        candidates={c: float(pays.paid(a, outcome).sum()) for c, a in (candidates or {}).items()},
    )


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided 95% interval, per 1,000 decisions."""

    value: float
    low: float
    high: float


def estimate_lift(
    days: Sequence[DailyValue], against: str = "current_process", of: str = "model", confidence: float = 0.95
) -> Interval:
    """Lift per 1,000 decisions, with a paired day-block bootstrap (percentile, seeded).

    Days are resampled whole, as units of one day share its weather. Fewer than two days: no interval (NaN).
    Source: Efron & Tibshirani, An Introduction to the Bootstrap, ch. 13; ratio of sums as the statistic.
    """
    difference = [a - b for a, b in zip(money_by_day(days, of), money_by_day(days, against), strict=True)]
    return estimate_ratio(difference, [d.decisions for d in days], confidence)


def estimate_ratio(
    total: Sequence[float] | NDArray[np.float64], count: Sequence[int] | NDArray[np.int64], confidence: float = 0.95
) -> Interval:
    """1000 x sum(total) / sum(count) over days, with its day-block bootstrap interval.

    Over a long history blocks are of several days, so that it costs no more: where neighbours are alike, as days are,
    longer blocks tell the spread rather better.
    """
    import numpy as np

    sums, counts = np.asarray(total, dtype=float), np.asarray(count, dtype=float)
    sums, counts = sums[counts > 0], counts[counts > 0]  # a day without decisions says nothing
    if not len(counts):
        return Interval(float("nan"), float("nan"), float("nan"))
    value = float(1000 * sums.sum() / counts.sum())
    if len(sums) < 2:
        return Interval(value, float("nan"), float("nan"))
    starts = np.arange(0, len(sums), -(-len(sums) // BLOCKS))
    sums, counts = np.add.reduceat(sums, starts), np.add.reduceat(counts, starts)
    drawn = _draws(len(sums)) @ np.column_stack([sums, counts])
    low, high = np.quantile(1000 * drawn[:, 0] / drawn[:, 1], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


@lru_cache(maxsize=4)
def _draws(blocks: int) -> NDArray[np.float64]:
    """How often each of the blocks is in each resample (RESAMPLES x blocks): the same whatever is told of them."""
    import numpy as np

    taken = np.random.default_rng(0).integers(0, blocks, (RESAMPLES, blocks))
    taken += blocks * np.arange(RESAMPLES)[:, None]
    return np.bincount(taken.ravel(), minlength=taken.size).reshape(taken.shape).astype(float)


@dataclass(frozen=True)
class Balance:
    """Gain over the current process, what was spent for it, and what is left; in the KPI's unit. Costs are assumed.

    `payback`: the first day from which on the gain has always covered what was spent; None: it hasn't yet.
    """

    gain: float
    build: float
    running: float
    net_impact: float
    payback: str | None


def compute_balance(kpi: Kpi, days: Sequence[DailyValue], apart: float = 1.0) -> Balance:
    """The balance over partitions, in order, so many days apart: each costs its share of a month.

    The building was paid before the first.
    """
    daily, build = kpi.costs.per_month / DAYS_A_MONTH * apart, kpi.costs.build if days else 0.0
    left = list(accumulate((d.model - d.current_process - daily for d in days), initial=-build))
    covered = [
        d.partition for d, _ in takewhile(lambda x: x[1] >= 0, zip(reversed(days), reversed(left), strict=False))
    ]
    gain, running = sum(d.model - d.current_process for d in days), daily * len(days)
    return Balance(gain, build, running, gain - running - build, covered[-1] if covered else None)


def summarize_days(kpi: Kpi, days: Sequence[DailyValue], apart: float = 1.0) -> dict[str, Any]:
    """The KPI over days: totals, per 1,000 decisions, the lift over the current process, and what is left of it.

    apart: days from one partition decided in to the next.
    """
    n = sum(d.decisions for d in days)
    totals = {p: _rounded(sum(getattr(d, p) for d in days)) for p in POLICIES}
    gained, differ = estimate_lift(days), sum(d.differ for d in days)
    return {
        "decisions": n,
        "per_1000": {p: round(1000 * t / n, 2) if n and t is not None else None for p, t in totals.items()},
        "lift_vs_current": {k: _rounded(v) for k, v in gained.__dict__.items()},
        "total": totals["model"],
        "totals": totals,
        **{k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(compute_balance(kpi, days, apart)).items()},
        "acted": sum(d.acted for d in days),
        "differ_from_current": differ,
        "differ_share": round(differ / n, 4) if n else None,
        "operational": differ > 0,
        "candidates": {c: _beside(c, days) for c in kpi.candidates},
        "decided_by_current_process": sum(d.fallback for d in days),
        "unit": kpi.currency,
        "from": days[0].partition if days else None,
        "to": days[-1].partition if days else None,
        "days": len(days),
    }


def _beside(name: str, days: Sequence[DailyValue]) -> dict[str, Any]:
    """A candidate on the days it was accounted for on: per 1,000 decisions, and paired with what it is compared to."""
    mine, policy = [d for d in days if name in d.candidates], CANDIDATE_PREFIX + name
    n = sum(d.decisions for d in mine)
    return {
        "decisions": n,
        "per_1000": round(1000 * sum(d.candidates[name] for d in mine) / n, 2) if n else None,
        "lift_vs_current": {k: _rounded(v) for k, v in estimate_lift(mine, of=policy).__dict__.items()},
        "model_minus": {k: _rounded(v) for k, v in estimate_lift(mine, against=policy).__dict__.items()},
    }


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 2)


def group_by_month(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Days by calendar month, in order."""
    found: dict[str, list[DailyValue]] = {}
    for one in sorted(days, key=lambda d: d.partition):
        found.setdefault(one.partition[:7], []).append(one)
    return found


def group_by_period(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Days by calendar month; where these would be more than anybody reads, by year."""
    found = group_by_month(days)
    if len(found) <= MONTHS:
        return found
    years: dict[str, list[DailyValue]] = {}
    for month, those in found.items():
        years.setdefault(month[:4], []).extend(those)
    return years


def period_name(period: str, form: str = "%B %Y") -> str:
    """A month for people; a year is as it is."""
    return date.fromisoformat(f"{period}-01").strftime(form) if "-" in period else period


def group_by_week(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Days by week, each named by its Monday, in order."""
    found: dict[str, list[DailyValue]] = {}
    for one in sorted(days, key=lambda d: d.partition):
        day = date.fromisoformat(one.partition[:10])
        found.setdefault(str(day - timedelta(days=day.weekday())), []).append(one)
    return found
