"""What an action pays, as SQL: for an audit that shares nothing with `payoff.py`, and for sums too large for memory.

The rows it is said over have the hidden features of Kpi.priced, and the dealt action of a treatment.
"""

from __future__ import annotations

from sixtyforty.spec.kpi import Kpi


def gain_sql(kpi: Kpi, action: str) -> str:
    """Gain per unit of outcome."""
    return _number(kpi.actions[action].gain, f"_gain {action}")


def cost_sql(kpi: Kpi, action: str) -> str:
    """Cost of taking it once."""
    return _number(kpi.actions[action].cost, f"_cost {action}")


def _number(value: float | str, column: str) -> str:
    return f'"{column}"' if isinstance(value, str) else f"{float(value)!r}::double"


def payoff_sql(kpi: Kpi, action: str, outcome: str) -> str:
    """What an action (SQL of its name, or of an amount) pays under an outcome (SQL); null where either is."""
    if kpi.amount:
        short, under, over = f"({outcome} - ({action})::double)", kpi.amount.shortage_cost, kpi.amount.excess_cost
        return f"-greatest({under!r}::double * {short}, {over!r}::double * -{short})"
    if kpi.treatment is None:
        pays = {a: f"{gain_sql(kpi, a)} * {outcome} - {cost_sql(kpi, a)}" for a in kpi.actions}
    else:
        of = kpi.treatment
        got = f'"{of.column}"'
        pays = {
            a: f"case when {got} = '{a}'"
            f" then ({of.value_per_outcome!r}::double * {outcome} - {cost_sql(kpi, a)}) / {share!r}::double"
            f" when {outcome} is not null then 0.0::double end"
            for a, share in of.shares.items()
        }
    said = " ".join(f"when '{a}' then {sql}" for a, sql in pays.items())
    return f"case {action} {said} end"
