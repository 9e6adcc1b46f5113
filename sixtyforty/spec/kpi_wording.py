"""Describe the actions, outcomes and payoffs of a KPI in words, for people. No decision depends on these texts."""

from __future__ import annotations

import math

from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import EvidenceLabel, Kpi
from sixtyforty.spec.money import format_exact_money


def allowed_instead(kpi: Kpi, action: str | None, instead_of: str) -> str | None:
    """Return in words which actions may override a decision; None if the action that a person chose may do so.

    action: the action that the person chose. instead_of: the action of the decision.
    """
    if kpi.amount is None:
        others = [name for name in kpi.actions if name != instead_of]
        return None if action in others else " or ".join(others)
    try:
        number = float(action or "")
    except ValueError:
        number = math.nan
    in_range = kpi.amount.minimum <= number <= kpi.amount.maximum
    is_possible = in_range and (number.is_integer() or not kpi.amount.whole_numbers)
    if is_possible and number != float(instead_of):
        return None
    kind = "whole number" if kpi.amount.whole_numbers else "number"
    return f"another {kind} from {kpi.amount.minimum:g} to {kpi.amount.maximum:g}"


def describe_label(label: EvidenceLabel) -> str:
    """Return the kind of evidence in words. An exact figure is exact only for the payoffs that were declared."""
    return "exact given the declared payoffs" if label == "exact" else label


def describe_action(action: str, kpi: Kpi) -> str:
    """Return an action in the words of the business, such as 'send a standby crew' or '4 fitters'."""
    if kpi.amount:
        return f"{action} {kpi.amount.description}"
    return kpi.actions[action].description if action in kpi.actions else action


def describe_expected(expected: float, kpi: Kpi) -> str:
    """Return an expected outcome in words, such as 'disrupted in about 30 of 100 such cases'."""
    if kpi.outcome_type == "number":
        return f"{expected:,.1f} {kpi.outcome_name}"
    return f"{kpi.outcome_name} in about {expected * 100:.0f} of 100 such cases"


def describe_outcome(outcome: float, kpi: Kpi) -> str:
    """Return an outcome in words, such as 'not disrupted'."""
    if kpi.outcome_type == "number":
        return f"{outcome:,.1f} {kpi.outcome_name}"
    return kpi.outcome_name if outcome else f"not {kpi.outcome_name}"


def payoff_sentences(kpi: Kpi) -> list[str]:
    """Return a sentence for each action with a cost: what it costs, and what it saves or brings."""
    if kpi.amount:
        shortage = format_exact_money(kpi.amount.shortage_cost, kpi.currency)
        excess = format_exact_money(kpi.amount.excess_cost, kpi.currency)
        return [f"Too few {kpi.amount.description} cost {shortage} each, too many cost {excess} each."]
    return [_payoff_sentence(action, kpi) for action in kpi.actions.values() if action.cost]


def _payoff_sentence(action: Action, kpi: Kpi) -> str:
    description = action.description[:1].upper() + action.description[1:]
    parts = [f"{description}: costs {_format_price(action.cost, kpi)}"]
    if not kpi.treatment:  # with a treatment, the model learns the outcome of each action instead
        is_binary = kpi.outcome_type == "binary"
        condition = f"if {kpi.outcome_name}" if is_binary else f"for each of the {kpi.outcome_name}"
        parts.append(f"brings {_format_price(action.gain, kpi)} {condition}")
    period = "a day" if action.is_limited_by_day else "at one decision time"
    limit = f" At most {action.most_units:,} {period}." if action.most_units else ""
    return f"{', '.join(parts)}.{limit}"


def _format_price(price: float | str, kpi: Kpi) -> str:
    if isinstance(price, str):
        return f"the amount that `{price}` returns"
    return format_exact_money(price, kpi.currency)
