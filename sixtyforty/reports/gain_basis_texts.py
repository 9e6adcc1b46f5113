"""Describe in words what a gain rests on, for the impact report, the model record and the command line."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting.gain_basis import GainBasis
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_exact_money, format_money
from sixtyforty.spec.wording import format_date
from sixtyforty.value.activity import Activity
from sixtyforty.value.sensitivity import PayoffName, PayoffSensitivity, VariedGain

NO_BREAK_EVEN = "no amount"


def name_payoff(payoff: PayoffName, kpi: Kpi) -> str:
    """Return the name of a payoff in the words of the business, such as `Cost: send a standby crew`."""
    if kpi.amount:
        kind = "few" if payoff.kind == "shortage_cost" else "many"
        return f"Cost of one too {kind}: {kpi.amount.description}"
    if payoff.kind == "value_per_outcome":
        return f"Value of the outcome: {kpi.outcome_name}"
    action = kpi.actions.get(payoff.action)
    description = action.description if action and action.description else payoff.action
    if payoff.kind == "cost":
        return f"Cost: {description}"
    condition = f"if {kpi.outcome_name}" if kpi.outcome_type == "binary" else f"for each of the {kpi.outcome_name}"
    return f"Gain {condition}: {description}"


def describe_declared(sensitivity: PayoffSensitivity, kpi: Kpi) -> str:
    """Return the declared payoff, such as `$500`. The action may have been removed from the declaration."""
    if (action := sensitivity.payoff.action) and action not in kpi.actions:
        return "no longer declared"
    if sensitivity.declared is None:
        return "differs by unit"
    return format_exact_money(sensitivity.declared, kpi.currency)


def describe_break_even(sensitivity: PayoffSensitivity, kpi: Kpi) -> str:
    """Return the payoff for which the gain is zero, such as `$116.72`, or as a share of the declared payoff."""
    if sensitivity.break_even_change is None:
        return NO_BREAK_EVEN
    if sensitivity.break_even is None:
        return f"{1 + sensitivity.break_even_change:.0%} of the declared amount"
    return format_exact_money(sensitivity.break_even, kpi.currency)


def describe_change(change: float) -> str:
    """Return a change of a payoff in words, such as `50% lower`."""
    if not change:
        return "as declared"
    return f"{abs(change):.0%} {'lower' if change < 0 else 'higher'}"


def format_mean(mean: float, kpi: Kpi) -> str:
    """Return the mean of a binary outcome as a percentage, such as `31%`, and of a number with one decimal."""
    return f"{mean:.0%}" if kpi.outcome_type == "binary" else f"{mean:,.1f}"


def explain_need(kpi: Kpi) -> str:
    """Return a sentence that says when an action was needed."""
    if kpi.outcome_type == "binary":
        return f"An action was needed if the outcome was: {kpi.outcome_name}."
    return "An action was needed if it paid more than the cheapest action."


def describe_activity(basis: GainBasis, kpi: Kpi) -> list[str]:
    """Return a sentence on the actions of the decisions taken, and one on those of the current process."""
    if basis.activity is None:
        return []
    names = ("The decisions take", "The current process takes")
    per_period = f"{kpi.amount.description if kpi.amount else 'actions'} a {basis.period}"
    return [_activity_sentence(name, a, per_period) for name, a in zip(names, basis.activity, strict=True)]


def summarize_for_command(basis: GainBasis, kpi: Kpi) -> list[str]:
    """Return what a gain rests on as short lines of text."""
    if basis.problem:
        return [basis.problem]
    lines = [_payoff_line(sensitivity, kpi) for sensitivity in basis.payoffs]
    if basis.success:
        lines.append(f"Gain by the share of actions that work: {_gains_by_share(basis.success.gains, kpi)}.")
    if basis.opportunity_cost:
        gains = _gains_by_share(basis.opportunity_cost.gains, kpi)
        lines.append(f"Gain by the opportunity cost of an action, as a share of its cost: {gains}.")
    if basis.hits:
        taken, current = basis.hits.taken, basis.hits.current
        lines.append(
            f"Needed and acted: {taken.hits:,} of {taken.hits + taken.misses:,} (current process: {current.hits:,})."
            f" Acted in vain: {taken.false_alarms:,} (current process: {current.false_alarms:,})."
        )
    return [*lines, *describe_activity(basis, kpi), *basis.notes]


def _payoff_line(sensitivity: PayoffSensitivity, kpi: Kpi) -> str:
    changed = [g for g in sensitivity.gains if g.change]
    gains = ", ".join(f"{format_money(g.gain, kpi.currency)} if {describe_change(g.change)}" for g in changed)
    name, declared = name_payoff(sensitivity.payoff, kpi), describe_declared(sensitivity, kpi)
    return f"{name} ({declared}). Gain: {gains}; zero at {describe_break_even(sensitivity, kpi)}."


def _gains_by_share(gains: Sequence[VariedGain], kpi: Kpi) -> str:
    return ", ".join(f"{gain.change:.0%}: {format_money(gain.gain, kpi.currency)}" for gain in gains)


def _activity_sentence(name: str, activity: Activity, per_period: str) -> str:
    return (
        f"{name} {activity.mean:,.1f} {per_period} on average, and at most {activity.peak:,.0f}"
        f" ({format_date(activity.peak_period)})."
    )
