"""Candidates: other ways to decide, in SQL over what the model knew, such as an expert's rule or a vendor's numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.payoff_sql import cost_sql, gain_sql
from sixtyforty.value.payoffs import build_payoffs, format_amount
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


class CandidateError(ValueError):
    """A candidate's SQL doesn't give one action for each decision."""


def candidates_sql(
    ws: Workspace, db: duckdb.DuckDBPyConnection, partitions: Iterable[str], names: Iterable[str], also: Collection[str]
) -> str:
    """SQL to join decisions with, by partition and key: columns `also` of the features, and what candidates say.

    Rows: `_partition`, the key, `known` (true), `also`, and `candidate <name>` for each. It reads the features now in
    force; there must be some. Raises CandidateError for SQL that can't be run on them.
    """
    import duckdb

    case, rows = ws.use_case, ws.lake.rows(ws.lake.entries("features", partitions).values())
    kept = "".join(f', "{c}"' for c in (*case.decision.key, *also))
    columns = {
        n: f'({c.action or c.expected_outcome}) as "candidate {n}"' for n, c in case.kpi.candidates.items() if n in names
    }
    for name, column in columns.items():
        try:
            db.execute(f"select {column} from {rows} limit 0")
        except duckdb.Error as error:
            raise CandidateError(
                f"{case.name}: kpi.candidates.{name} isn't SQL over the columns of features.sql: {error}"
            ) from error
    return f"(select _partition{kept}, true as known{''.join(f', {c}' for c in columns.values())} from {rows})"


def propose_actions(use_case: UseCase, rows: pd.DataFrame, name: str) -> list[str]:
    """A candidate's action for each row, in their order.

    Rows: decisions left joined with `answers`. What the fallback decided, or has no features any more, the current
    process would have decided for each candidate too. Raises CandidateError for what isn't an action.
    """
    import numpy as np
    import pandas as pd

    declared, answer = use_case.kpi.candidates[name], rows[f"candidate {name}"]
    asked = (rows["known"].notna() & (rows["decided_by"] != "fallback")).to_numpy()
    if declared.expected_outcome is None and use_case.kpi.amount is None:
        wrong, want = ~answer.isin(list(use_case.kpi.actions)).to_numpy(), f"one of {', '.join(use_case.kpi.actions)}"
        chosen = answer.to_numpy(object)
    else:
        number = pd.to_numeric(answer, errors="coerce").to_numpy(float, na_value=np.nan)
        wrong, want = ~np.isfinite(number), "a number"
        number = np.where(wrong, 0.0, number)
        if declared.expected_outcome is None:
            chosen = np.array([format_amount(a) for a in number], object)
        else:
            chosen = build_payoffs(use_case.kpi, rows).choose(number)
    if (asked & wrong).any():
        value = answer[asked & wrong].iloc[0]
        raise CandidateError(
            f"{use_case.name}: kpi.candidates.{name} gives {'nothing' if pd.isna(value) else repr(value)} for"
            f" {int((asked & wrong).sum())} decisions, first on {rows['_partition'][asked & wrong].iloc[0]}; it must"
            f" give {want} for each: end the case with an else, or coalesce"
        )
    return list(np.where(asked, chosen, rows["current_action"].to_numpy(object)))


def candidate_action_sql(use_case: UseCase, name: str) -> str:
    """SQL of what `proposed` says, over decisions left joined with `answers`: for an audit that shares none of it."""
    kpi, said = use_case.kpi, f'"candidate {name}"'
    if kpi.amount:
        near = "round_even(said, 0)" if kpi.amount.whole_numbers else "said"
        said = (
            f"least(greatest({near.replace('said', said)}, {kpi.amount.minimum!r}), {kpi.amount.maximum!r})::varchar"
            if (kpi.candidates[name].expected_outcome is not None)
            else f"{said}::varchar"
        )
    elif kpi.candidates[name].expected_outcome is not None:
        values = ", ".join(f"{gain_sql(kpi, a)} * {said} - {cost_sql(kpi, a)}" for a in kpi.actions_by_cost)
        said = f"{kpi.actions_by_cost!r}[list_position([{values}], list_max([{values}]))]"
    return f"case when known is null or decided_by = 'fallback' then current_action else {said} end"
