"""Open the accounts of a track for what-if questions (see `sixtyforty.value.what_if`), and say what can't be varied."""

from __future__ import annotations

from dataclasses import dataclass

from sixtyforty.accounting import gain_basis
from sixtyforty.accounting.gain_basis import describe_mismatch
from sixtyforty.accounting.kpi_ledger import read_daily_values
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi
from sixtyforty.accounting.unit_sums_ledger import read_sums
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.period_sums import PeriodSums
from sixtyforty.value.sensitivity import Gains
from sixtyforty.value.what_if import CAPACITY, CAPACITY_ALONE, SUCCESS, WhatIf
from sixtyforty.workspace import Workspace

DECISIONS_STAY = (
    "Which action each of the {units} gets. The decisions stay as they were taken. With other payoffs, other actions"
    " might have paid more."
)
OUTCOMES_STAY = "What happened. The outcomes are those that were seen."
ORDER_UNKNOWN = "The capacity. The accounts don't hold the order in which actions would have been cut."
FEW_ACTIONS = "The capacity. No {every} had more than 10 actions, the least capacity that the accounts hold."
NOT_SPLIT = "The capacity. The action is an amount, and the accounts don't hold what a smaller amount would have paid."


@dataclass(frozen=True)
class WhatIfAccounts:
    """The accounts of a track, ready for what-if questions.

    summary: the official figures. unvaried: what can't be varied and why, one or two sentences each.
    """

    use_case: UseCase
    track: Track
    summary: KpiSummary
    what_if: WhatIf
    unvaried: list[str]


def open_accounts(ws: Workspace, track: Track) -> WhatIfAccounts | None:
    """Return the accounts of a track for what-if questions; None if no outcome is known yet.

    Raises RefusedFiguresError if the figures are refused (see `refused_figures`).
    """
    days, use_case = read_daily_values(ws, track), ws.use_case
    summary = summarize_kpi(ws, track, daily_values=days)
    if not days:
        return None
    sums: PeriodSums | None = None
    problem = gain_basis.MEASURED_LIVE if use_case.is_randomized(track) else None
    if problem is None:
        sums = read_sums(ws, track, [day.partition for day in days])
        if problem := describe_mismatch(use_case, track, days, sums):
            sums = None
    gains = Gains(use_case.kpi, track, days)
    what_if = WhatIf(gains, summary.lift_vs_current, sums, use_case.days_between_decisions)
    unvaried = [f"The payoffs. {problem}"] if problem else _explain_unvaried(use_case, what_if)
    unvaried += [DECISIONS_STAY.format(units=use_case.kpi.unit_plural), OUTCOMES_STAY]
    return WhatIfAccounts(use_case, track, summary, what_if, unvaried)


def _explain_unvaried(use_case: UseCase, what_if: WhatIf) -> list[str]:
    kpi, every = use_case.kpi, use_case.partitions.every
    sentences = []
    if SUCCESS not in what_if.variables:
        reason = gain_basis.MEASURED_EFFECT if kpi.treatment else gain_basis.NO_GAIN
        sentences.append(f"The success rate. {gain_basis.AMOUNT_WORKS if kpi.amount else reason}")
    if CAPACITY in what_if.variables:
        sentences.append(f"The capacity together with payoffs or the success rate. {CAPACITY_ALONE}")
    elif kpi.amount:
        sentences.append(NOT_SPLIT)
    else:
        is_ordered = max(day.acted for day in what_if.gains.days) <= 10
        sentences.append(FEW_ACTIONS.format(every=every) if is_ordered else ORDER_UNKNOWN)
    return sentences
