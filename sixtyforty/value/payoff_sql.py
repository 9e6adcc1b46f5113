"""Write payoffs as SQL, for audits and for sums over more rows than fit into memory.

Audits compare these payoffs with those of `payoffs.py`, so the two modules share no code. The SQL reads the columns of
Kpi.payoff_sql, and the treatment's columns if a treatment is declared.
"""

from __future__ import annotations

from sixtyforty.spec.experiments import Treatment
from sixtyforty.spec.kpi import Kpi
from sixtyforty.storage.sql import identifier, literal


def gain_sql(kpi: Kpi, action: str) -> str:
    """Return a SQL expression for the gain of an action per unit of outcome, in the KPI's currency."""
    return _number_sql(kpi.actions[action].gain, f"_gain {action}")


def cost_sql(kpi: Kpi, action: str) -> str:
    """Return a SQL expression for the cost of taking an action once, in the KPI's currency."""
    return _number_sql(kpi.actions[action].cost, f"_cost {action}")


def _number_sql(declared: float | str, column: str) -> str:
    return identifier(column) if isinstance(declared, str) else f"{float(declared)!r}::double"


def priced_sql(kpi: Kpi, action: str) -> str:
    """Return a SQL condition: the gain and the cost of an action are known. action: a SQL expression for its name."""
    columns: dict[str, list[str]] = {}
    for column in kpi.payoff_sql:
        name = column.removeprefix("_gain ").removeprefix("_cost ")
        columns.setdefault(name, []).append(f"{identifier(column)} is not null")
    branches = " ".join(f"when {literal(name)} then {' and '.join(known)}" for name, known in columns.items())
    return f"(case {action} {branches} else true end)" if branches else "true"


def payoff_sql(kpi: Kpi, action: str, outcome: str) -> str:
    """Return a SQL expression for the payoff of an action given an outcome. Null if action or outcome is null.

    action: a SQL expression for the name of the action, or for an amount. outcome: a SQL expression for the outcome.
    """
    if kpi.amount:
        shortage = f"({outcome} - ({action})::double)"
        shortage_cost, excess_cost = kpi.amount.shortage_cost, kpi.amount.excess_cost
        return f"-greatest({shortage_cost!r}::double * {shortage}, {excess_cost!r}::double * -{shortage})"
    branches = " ".join(f"when {literal(name)} then {_action_payoff(kpi, name, outcome)}" for name in kpi.actions)
    return f"case {action} {branches} end"


def _action_payoff(kpi: Kpi, name: str, outcome: str) -> str:
    if kpi.treatment:
        return _treatment_payoff(kpi, kpi.treatment, name, outcome)
    return f"{gain_sql(kpi, name)} * {outcome} - {cost_sql(kpi, name)}"


def _treatment_payoff(kpi: Kpi, treatment: Treatment, name: str, outcome: str) -> str:
    """Return a SQL expression for an action's payoff, estimated from a past experiment (Horvitz-Thompson).

    The payoff is divided by the probability of the action if the unit received the action in the experiment. If the
    unit received another action, the payoff is 0.
    """
    payoff = f"({treatment.value_per_outcome!r}::double * {outcome} - {cost_sql(kpi, name)})"
    share = (treatment.shares or {}).get(name)
    chance = f"{share!r}::double" if share else identifier(str(treatment.propensity))
    return (
        f"case when {identifier(treatment.column)} = {literal(name)} then {payoff} / {chance}"
        f" when {outcome} is not null then 0.0::double end"
    )
