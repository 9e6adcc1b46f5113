"""Evaluate candidates: other ways to decide, written in SQL over the features, such as an expert's rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.actions import Candidate
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import describe_sql_error
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value.action_limits import count_actions
from sixtyforty.value.numeric_payoffs import format_amount
from sixtyforty.value.payoff_sql import cost_sql, gain_sql, priced_sql
from sixtyforty.value.payoffs import build_payoffs

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.storage.lake import Lake


class CandidateError(SixtyfortyError):
    """A candidate's SQL can't run, or doesn't give a valid action for each decision."""


def candidates_sql(
    use_case: UseCase,
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    partitions: Iterable[str],
    names: Collection[str],
    columns: Collection[str],
) -> str:
    """Return a SQL subquery in parentheses: the action or expected outcome that each candidate gives each unit.

    A candidate is another way to decide, such as an expert's rule. Its SQL gives an action or an expected outcome.
    Join the subquery with decisions by partition and key. It has one row per unit, with `_partition`, the key, `known`
    (always true), the features in `columns`, and a column `candidate <name>` for each candidate.

    partitions: at least one of them must have features. The subquery reads their current features.
    names: the candidates. columns: the features to return.
    Raises CandidateError if the SQL of a candidate can't run on the features.
    """
    rows = lake.select_rows(lake.entries("features", partitions).values())
    answers = [
        f"({candidate.action or candidate.expected_outcome}) as {identifier(f'candidate {name}')}"
        for name, candidate in use_case.kpi.candidates.items()
        if name in names
    ]
    for name in names:
        _check_runs(use_case, db, rows, name)
    selected = ", ".join(["_partition", identifiers([*use_case.decision.key, *columns]), "true as known", *answers])
    return f"(select {selected} from {rows})"


def _check_runs(use_case: UseCase, db: duckdb.DuckDBPyConnection, rows: str, name: str) -> None:
    import duckdb

    candidate = use_case.kpi.candidates[name]
    try:
        db.execute(f"select ({candidate.action or candidate.expected_outcome}) from {rows} limit 0")
    except duckdb.Error as error:
        raise CandidateError(
            f"{use_case.name}: kpi.candidates.{name} is not valid SQL over the columns of features.sql. Correct its SQL"
            f" in defs.yaml. DuckDB's message: {describe_sql_error(error)}."
        ) from None


def propose_actions(use_case: UseCase, rows: pd.DataFrame, name: str) -> list[str]:
    """Return the action that a candidate would have taken for each row, in the order of the rows.

    rows: decisions, left joined with `candidates_sql`. The action is that of the current process if a decision is a
    fallback, or if its features no longer exist. The same holds if the gain or cost of the candidate's action is
    unknown. Raises CandidateError for an answer that is not a valid action.
    """
    import numpy as np

    candidate, answers = use_case.kpi.candidates[name], rows[f"candidate {name}"]
    answered = (rows["known"].notna() & (rows["decided_by"] != "fallback")).to_numpy()
    if candidate.expected_outcome is None and use_case.kpi.amount is None:
        invalid = ~answers.isin(list(use_case.kpi.actions)).to_numpy()
        chosen, requirement = answers.to_numpy(object), f"one of {', '.join(use_case.kpi.actions)}"
    else:
        chosen, invalid = _actions_of_numbers(use_case.kpi, candidate, rows, answers, answered)
        requirement = "a number"
    if (answered & invalid).any():
        raise _invalid_answers(use_case, name, rows[answered & invalid], requirement)
    current = rows["current_action"].to_numpy(object)
    own = np.where(answered, chosen, use_case.kpi.idle_action)
    priced = build_payoffs(use_case.kpi, rows).is_priced(own.tolist())
    return list(np.where(answered & priced, chosen, current))


def _actions_of_numbers(
    kpi: Kpi, candidate: Candidate, rows: pd.DataFrame, answers: pd.Series[Any], answered: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the action for each number that a candidate's SQL returns, and a mask of the rows without a finite number.

    answers: amounts or expected outcomes, as the candidate declares. answered: a mask of the rows on which the
    candidate decides. On the other rows, the action of the current process uses up the limits of actions.
    """
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(answers, errors="coerce").to_numpy(float, na_value=np.nan)
    invalid = ~np.isfinite(numbers)
    numbers = np.where(invalid, 0.0, numbers)
    if candidate.expected_outcome is None:
        return np.array([format_amount(amount) for amount in numbers], object), invalid
    counts = count_actions(rows[~answered], "current_action") if kpi.has_limits else None
    chosen = rows["current_action"].to_numpy(object).copy()
    chosen[answered] = build_payoffs(kpi, rows[answered]).choose_actions(numbers[answered], taken=counts)
    return chosen, invalid


def _invalid_answers(use_case: UseCase, name: str, rows: pd.DataFrame, requirement: str) -> CandidateError:
    import pandas as pd

    answer = rows[f"candidate {name}"].iloc[0]
    shown = "null" if pd.isna(answer) else repr(answer)
    decisions = "1 decision" if len(rows) == 1 else f"{len(rows)} decisions"
    return CandidateError(
        f"{use_case.name}: kpi.candidates.{name} gives {shown} for {decisions}, first in partition"
        f" {rows['_partition'].iloc[0]}; expected {requirement}. End the case expression with an else, or use coalesce."
    )


def candidate_action_sql(use_case: UseCase, name: str) -> str:
    """Return a SQL expression for the action that a candidate would have taken.

    The audit compares this SQL with `propose_actions`, so the two functions share no code. The expression reads
    decisions that are left joined with `candidates_sql`.
    """
    kpi, answer = use_case.kpi, identifier(f"candidate {name}")
    gives_outcome = kpi.candidates[name].expected_outcome is not None
    if kpi.amount and gives_outcome:
        rounded = f"round_even({answer}, 0)" if kpi.amount.whole_numbers else answer
        minimum, maximum = (f"'{limit!r}'::double" for limit in (kpi.amount.minimum, kpi.amount.maximum))
        action = f"format('{{:.10g}}', least(greatest({rounded}, {minimum}), {maximum})::double)"
    elif kpi.amount:
        action = f"format('{{:.10g}}', {answer}::double)"
    elif gives_outcome:
        payoffs = ", ".join(f"{gain_sql(kpi, a)} * {answer} - {cost_sql(kpi, a)}" for a in kpi.actions_by_cost)
        actions = ", ".join(literal(a) for a in kpi.actions_by_cost)
        action = f"[{actions}][list_position([{payoffs}], list_max([{payoffs}]))]"
    else:
        action = answer
    proposed = f"case when known is null or decided_by = 'fallback' then current_action else {action} end"
    return f"case when {priced_sql(kpi, proposed)} then {proposed} else current_action end"
