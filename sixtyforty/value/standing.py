"""Judge what a gain may be called. Only a live gain whose interval excludes zero is money that was earned.

| standing | when |
|---|---|
| not known | The figures are refused, or what people did isn't counted. |
| retired | The use case is retired. Its figures are history. |
| assumed | The effect of the action is declared, not measured. |
| replay | Nobody acted. The gain is what the decisions would have brought. |
| no gain shown | The interval of the live gain contains zero, or there is none yet. |
| earned, lost | The interval of the live gain is above zero, or below zero. |
"""

from __future__ import annotations

from typing import Literal

from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_date
from sixtyforty.value.rounded_interval import RoundedInterval

Standing = Literal["earned", "lost", "no gain shown", "assumed", "replay", "retired", "not known"]


def judge_standing(
    track: Track,
    label: EvidenceLabel,
    lift: RoundedInterval,
    *,
    is_retired: bool = False,
    is_refused: bool = False,
) -> Standing:
    """Return what a gain may be called. lift: the gain per 1,000 decisions with its 95% interval."""
    if is_refused:
        return "not known"
    if is_retired:
        return "retired"
    if label == "assumed":
        return "assumed"
    if track == "replay":
        return "replay"
    if lift.contains_zero or lift.low is None:
        return "no gain shown"
    return "earned" if lift.low > 0 else "lost"


def describe_payback(standing: Standing, lift: RoundedInterval, payback: str | None) -> str:
    """Return a clause that says whether the gain covers the costs, such as `costs covered since 1 May 2024`.

    payback: the day from which the total gain stays above the total costs; None if it doesn't cover them yet. Costs
    count as covered only by money that was earned.
    """
    if standing in ("earned", "lost"):
        if payback and standing == "earned":
            return f"costs covered since {format_date(payback)}"
        return "costs not covered yet"
    if standing != "replay":
        return {
            "no gain shown": "no gain shown yet, so no costs are covered",
            "assumed": "the gain is assumed, so no costs are covered",
            "retired": "the use case is retired, so this is history",
        }.get(standing, "it isn't known whether the costs are covered")
    if lift.contains_zero:
        return "the replay shows no gain that could cover the costs"
    if payback is None:
        return "the gain of the replay would not have covered the costs yet"
    return f"the gain of the replay would have covered the costs on {format_date(payback)}"
