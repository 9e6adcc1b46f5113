"""Describe what-if assumptions and their answers in words, for people."""

from __future__ import annotations

from collections.abc import Mapping

from sixtyforty.accounting.what_if_accounts import WhatIfAccounts
from sixtyforty.reports.gain_basis_texts import name_payoff
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_exact_money, format_money
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.sensitivity import PayoffName
from sixtyforty.value.what_if import BUILD, CAPACITY, PER_MONTH, SUCCESS, Answer, Assumption, Variable

CURRENT_UNLIMITED = "The current process keeps no capacity, and actions that it decided are never cut."
AS_DECLARED = "Nothing is assumed: these are the figures of the account."


def name_variable(name: str, use_case: UseCase) -> str:
    """Return the name of a variable in the words of the business. The name comes from a ledger, too.

    Example: `Cost: send a standby crew`.
    """
    fixed = {
        SUCCESS: "Actions that work",
        CAPACITY: f"At most so many actions a {use_case.partitions.every}",
        BUILD: "Cost of building the use case",
        PER_MONTH: "Cost of running the use case, a month",
    }
    if name in fixed:
        return fixed[name]
    kind, _, action = name.partition(".")
    return name_payoff(PayoffName(kind, action), use_case.kpi)  # type: ignore[arg-type]  # the kinds are PayoffKinds


def format_number(name: str, number: float | None, kpi: Kpi) -> str:
    """Return a number of a variable, such as `$200`, `75%` or `10 actions`. None is no capacity."""
    if number is None:
        return "no limit"
    if name == CAPACITY:
        return format_plural(int(number), "action")
    is_share = name == SUCCESS
    if not is_share and name not in (BUILD, PER_MONTH):
        kind, _, action = name.partition(".")
        is_share = PayoffName(kind, action).declared(kpi) is None  # type: ignore[arg-type]
    return f"{number:.10g}%" if is_share else format_exact_money(number, kpi.currency)


def format_break_even(name: str, number: float, kpi: Kpi) -> str:
    """Return a calculated number of a variable without false precision, such as `$675.50`, `$200,821` or `22%`."""
    is_share = format_number(name, 0.0, kpi).endswith("%")
    return format_number(name, round(number, 0 if is_share or abs(number) >= 1000 else 2), kpi)


def describe_assumption(
    assumed: Mapping[str, float], declared: Mapping[str, float | None], use_case: UseCase
) -> list[str]:
    """Return a clause for each assumed number, such as `Cost: send a standby crew: $200 instead of $120`."""
    kpi = use_case.kpi
    return [
        f"{name_variable(name, use_case)}: {format_number(name, number, kpi)}"
        f" instead of {format_number(name, declared.get(name), kpi)}"
        for name, number in assumed.items()
    ]


def describe_answer(accounts: WhatIfAccounts, assumption: Assumption, answer: Answer) -> str:
    """Return a sentence that compares the gain and the net benefit under an assumption with the account."""
    variables, currency = accounts.what_if.variables, accounts.use_case.kpi.currency
    changed = [name for name, number in assumption.items() if number != variables[name].declared]
    if not changed:
        return AS_DECLARED
    account = accounts.summary
    parts = []
    if set(changed) - {BUILD, PER_MONTH}:
        gains = format_money(answer.gain, currency), format_money(account.gain, currency)
        parts.append(f"the gain would be {gains[0]} instead of {gains[1]}")
    nets = format_money(answer.balance.net_impact, currency), format_money(account.net_impact, currency)
    parts.append(f"the net benefit would be {nets[0]} instead of {nets[1]}")
    sentence = f"With this assumption, {' and '.join(parts)}."
    return f"{sentence} {CURRENT_UNLIMITED}" if CAPACITY in changed else sentence


def describe_variable_limit(variable: Variable, kpi: Kpi) -> str:
    """Return a sentence that says which numbers can be assumed."""
    lowest, highest = (format_number(variable.name, n, kpi) for n in (variable.minimum, variable.maximum))
    return f"Enter a number from {lowest} to {highest}, such as 200 or 2.50."
