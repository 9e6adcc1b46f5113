"""Add up the money of a partition's decisions: model, current process, random choice and perfect foresight.

The accounting is exact where the decision doesn't change the outcome: every policy is paid on the same observed
outcomes. For a randomized KPI that is an assumption about the past. Live, `accounting/experiment_ledger.py` compares
two arms drawn at random instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.payoffs import build_payoffs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# `decided_by` of decisions that the current process took: no model, unfit inputs, or the two best actions nearly equal.
CURRENT_PROCESS_DECIDERS = ("current_process", "fallback", "review")
POLICIES = ("model", "current_process", "random_choice", "perfect_foresight")
CANDIDATE_PREFIX = "candidate "  # marks a candidate's name where a policy is expected
MAX_MONTHS = 36  # longer histories are grouped by year


@dataclass(frozen=True)
class DailyValue:
    """Money of one partition in the KPI's currency, added over the units whose outcome is known.

    Where two arms were drawn at random, the figures are those of the model's units. The current process's money is
    estimated from the units held out; random choice and perfect foresight are unknown (NaN).
    """

    partition: str
    decisions: int
    model: float
    current_process: float
    random_choice: float
    perfect_foresight: float
    acted: int  # the model's actions other than the cheapest one
    differ: int  # decisions that differ from the current process
    fallback: int  # decisions that the current process took: no model, unfit inputs, or waiting for a reviewer
    candidates: dict[str, float] = field(default_factory=dict)  # money of each candidate on the same units


def money_by_day(days: Sequence[DailyValue], policy: str) -> list[float]:
    """Return each day's money under a policy, or under a candidate (`candidate <name>`)."""
    if policy.startswith(CANDIDATE_PREFIX):
        name = policy.removeprefix(CANDIDATE_PREFIX)
        return [day.candidates[name] for day in days]
    return list(map(attrgetter(policy), days))


def value_of_day(
    kpi: Kpi,
    partition: str,
    rows: pd.DataFrame,
    outcome: NDArray[np.float64],
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> DailyValue:
    """Add up the money of one partition.

    rows: `action`, `current_action`, the columns that `build_payoffs` needs, and `decided_by` if fallbacks are to be
    counted. outcome (n,): known outcomes, no NaN. candidates: the actions of each candidate. The random choice takes
    the model's own mix of actions and assigns them at random; its money is the mean over all such assignments.
    """
    import numpy as np

    payoffs, chosen, n = build_payoffs(kpi, rows), rows["action"].to_numpy(str), len(rows)
    actions, counts = np.unique(chosen, return_counts=True)
    random_choice = sum(
        count / n * float(payoffs.realized([action] * n, outcome).sum())
        for action, count in zip(actions.tolist(), counts, strict=True)
    )
    decided_by = rows.get("decided_by")
    return DailyValue(
        partition=partition,
        decisions=n,
        model=float(payoffs.realized(chosen.tolist(), outcome).sum()),
        current_process=float(payoffs.realized(rows["current_action"].tolist(), outcome).sum()),
        random_choice=float(random_choice),
        perfect_foresight=float(payoffs.best_possible(outcome).sum()),
        acted=int((chosen != kpi.idle_action).sum()),
        differ=int((chosen != rows["current_action"].to_numpy(str)).sum()),
        fallback=int(decided_by.isin(CURRENT_PROCESS_DECIDERS).sum()) if decided_by is not None else 0,
        candidates={
            name: float(payoffs.realized(actions_, outcome).sum()) for name, actions_ in (candidates or {}).items()
        },
    )


def group_by_month(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Return the days of each calendar month (`YYYY-MM`), in order."""
    months: dict[str, list[DailyValue]] = {}
    for day in sorted(days, key=attrgetter("partition")):
        months.setdefault(day.partition[:7], []).append(day)
    return months


def group_by_period(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Return the days of each calendar month, or of each year where there are more than MAX_MONTHS months."""
    months = group_by_month(days)
    if len(months) <= MAX_MONTHS:
        return months
    years: dict[str, list[DailyValue]] = {}
    for month, days_of_month in months.items():
        years.setdefault(month[:4], []).extend(days_of_month)
    return years


def period_name(period: str, form: str = "%B %Y") -> str:
    """Return a month for people, such as `March 2024`; a year is returned unchanged."""
    return date.fromisoformat(f"{period}-01").strftime(form) if "-" in period else period


def group_by_week(days: Sequence[DailyValue]) -> dict[str, list[DailyValue]]:
    """Return the days of each week, named by its Monday, in order."""
    weeks: dict[str, list[DailyValue]] = {}
    for day in sorted(days, key=attrgetter("partition")):
        local_day = date.fromisoformat(day.partition[:10])
        weeks.setdefault(str(local_day - timedelta(days=local_day.weekday())), []).append(day)
    return weeks
