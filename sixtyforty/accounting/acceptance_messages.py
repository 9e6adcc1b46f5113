"""Describe acceptance in sentences: alarms, objections to more automation, and an explanation for the owner."""

from __future__ import annotations

import math
from typing import Literal

from sixtyforty.accounting.acceptance import Acceptance
from sixtyforty.spec.money import format_money
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.lift import Interval

UsageAlarm = Literal["no user", "rubber stamp", "low uptake"]
NO_ANSWER = "Nobody has answered a decision yet."


def find_alarms(use_case: UseCase, acceptance: Acceptance) -> dict[UsageAlarm, str]:
    """Return a sentence for each alarm that the current acceptance raises.

    "no user": nobody looks at the decisions. "rubber stamp": almost nobody overrides a decision. "low uptake": people
    follow too few of the decisions that they see.
    """
    watch, recent = use_case.watch, acceptance.recent
    alarms: dict[UsageAlarm, str] = {}
    if acceptance.idle >= watch.no_user_days:
        days = "day" if acceptance.idle == 1 else f"{acceptance.idle} days"
        alarms["no user"] = f"Nobody looked at the decisions of the newest {days}."
    bound = recent.override_rate_upper_bound
    if bound is not None and bound < watch.min_override_share:
        alarms["rubber stamp"] = (
            f"Of {format_plural(recent.answered, 'answer')}, {recent.overridden:,} overrode the decision: the 95%"
            f" confidence interval of the override rate lies below {watch.min_override_share:.1%}. Check whether people"
            " read the decisions before they accept them."
        )
    if recent.uptake is not None and recent.uptake < watch.min_uptake_share:
        alarms["low uptake"] = (
            f"People followed {recent.uptake:.0%} of the decisions that they saw. The declared minimum is"
            f" {watch.min_uptake_share:.0%}."
        )
    return alarms


def list_objections(use_case: UseCase, acceptance: Acceptance) -> list[str]:
    """Return how people's use of the decisions speaks against more automation, one sentence for each objection.

    Return an empty list if nothing in their use speaks against it.
    """
    if not acceptance.answered:
        return [NO_ANSWER]
    objections = [*find_alarms(use_case, acceptance).values()]
    if acceptance.simulated:
        objections.append(f"Simulated responses are no evidence of use ({acceptance.label}).")
    return objections


def explain_acceptance(use_case: UseCase, acceptance: Acceptance) -> list[str]:
    """Return sentences that explain to the owner how people use the decisions."""
    if not acceptance.responses:
        return [NO_ANSWER]
    sentences = []
    if acceptance.simulated:
        sentences.append(f"{acceptance.label[0].upper()}{acceptance.label[1:]}.")
    sentences.append(
        f"People looked at {format_plural(acceptance.seen, 'decision')}, followed {acceptance.accepted:,} and overrode"
        f" {acceptance.overridden:,}."
    )
    if acceptance.known:
        currency = use_case.kpi.currency
        average = describe_gain_per_override(acceptance.gain_per_1000, currency)
        sentences.append(
            f"The outcome of {format_plural(acceptance.known, 'override')} is known: {acceptance.right:,} of them were"
            f" right. Compared with following the decisions, they gained {format_money(acceptance.gain, currency)}"
            f"{f', {average}' if average else ''}."
        )
    if acceptance.retention is not None:
        sentences.append(
            f"Of the people who answered in a week, {acceptance.retention:.0%} answered again in the next."
        )
    if acceptance.rating is not None:
        sentences.append(f"The mean rating is {acceptance.rating:.1f} of 5.")
    return [*sentences, *find_alarms(use_case, acceptance).values()]


def describe_gain_per_override(per_1000: Interval, currency: str) -> str:
    """Return the mean gain of one override, such as `$5 each (95% confidence interval: -$1 to $11)`.

    per_1000: the gain per 1,000 overrides. If its confidence interval is unknown, return an empty text.
    """
    if math.isnan(per_1000.low):
        return ""
    gain, low, high = (format_money(end / 1000, currency) for end in (per_1000.value, per_1000.low, per_1000.high))
    return f"{gain} each (95% confidence interval: {low} to {high})"
