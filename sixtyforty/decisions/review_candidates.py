"""Select the decisions that a reviewer could improve.

A decision is a candidate if the expected payoffs of its two best actions differ by less than
`people.review.abstain_below`, or if the declared expert's rule chooses another action. A decision to which a veto
applied is never a candidate, because an expert's rule has already decided it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sixtyforty.decisions.due_units import read_frames
from sixtyforty.decisions.partition_portions import cut_at_partitions
from sixtyforty.spec.kpi_wording import describe_action
from sixtyforty.spec.money import format_exact_money
from sixtyforty.spec.review import Review
from sixtyforty.storage import stored_tables
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.candidates import candidates_sql, propose_actions
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReviewCandidate:
    """A decision that a reviewer could improve.

    `value_of_information`: the expected benefit of knowing the outcome before acting, in the KPI's currency. `why`: the
    reason for the review, in full sentences. `action`: the decided action. `alternative`: the action of the expert's
    rule if that action differs, otherwise the second-best action.
    """

    decision_id: str
    decided_at: datetime
    value_of_information: float
    why: str
    action: str
    alternative: str


def find_review_candidates(
    ws: Workspace, review: Review, decided: Mapping[str, Entry]
) -> Iterator[dict[str, list[ReviewCandidate]]]:
    """Yield the decisions that a reviewer could improve, portion by portion, each portion by partition.

    A partition of more than one portion is sorted by decision time. The units of a decision time may be in several
    portions.

    decided: the manifests of decisions, by partition.
    """
    for rows in _read_decisions(ws, review, decided):
        yield _select_candidates(ws, review, rows)


def _select_candidates(ws: Workspace, review: Review, rows: pd.DataFrame) -> dict[str, list[ReviewCandidate]]:
    """Return the candidates among some decisions, by partition. rows: from `_read_decisions`."""
    import numpy as np

    kpi = ws.use_case.kpi
    score, actions = rows["expected"].to_numpy(float), rows["action"].tolist()
    payoffs = ChoicePayoffs(kpi, rows)
    rule_actions = propose_actions(ws.use_case, rows, review.rule) if review.rule else actions
    rows = rows.assign(
        margin=payoffs.margin(score),
        disagrees=np.array(rule_actions, object) != np.array(actions, object),
        rule_action=rule_actions,
        second_best=payoffs.next_best(score, actions),
        value_of_information=np.round(payoffs.value_of_information(score), 6),
    )
    candidates: dict[str, list[ReviewCandidate]] = {}
    for row in rows[(rows["margin"] < review.abstain_below) | rows["disagrees"]].to_dict("records"):
        candidate = ReviewCandidate(
            decision_id=row["decision_id"],
            decided_at=row["decided_at"].to_pydatetime(),
            value_of_information=float(row["value_of_information"]),
            why=_describe(ws, review, row["margin"], row["rule_action"] if row["disagrees"] else None),
            action=row["action"],
            alternative=row["rule_action"] if row["disagrees"] else row["second_best"],
        )
        candidates.setdefault(row["_partition"], []).append(candidate)
    return candidates


def _read_decisions(ws: Workspace, review: Review, decided: Mapping[str, Entry]) -> Iterator[pd.DataFrame]:
    """Yield the decisions that the model took or left to a reviewer, without vetoed decisions, in portions.

    No action has a limit, because a KPI with limits can't declare a review.
    Columns: those of the decision, the action of the expert's rule, and the columns for computing payoffs.
    """
    use_case = ws.use_case
    payoff_columns = use_case.kpi.payoff_sql
    columns = ["_partition", "decision_id", "decided_at", "action", "current_action", "decided_by", "expected"]
    rules = [review.rule] if review.rule else []
    if review.rule:
        columns += ["known", f"candidate {review.rule}"]
    columns += payoff_columns
    fits_one_portion = sum(entry.rows for entry in decided.values()) <= stored_tables.PORTION_ROWS
    order = "" if fits_one_portion else "order by _partition, decided_at, decision_id"
    with ws.lake.open_session(use_case.timezone) as db:
        joined = ""
        if rules or payoff_columns:
            answers = candidates_sql(use_case, ws.lake, db, decided, rules, payoff_columns)
            joined = f"left join {answers} using (_partition, {identifiers(use_case.decision.key)})"
        query = f"""select {", ".join(map(identifier, columns))} from {ws.lake.select_rows(decided.values())} {joined}
            where decided_by in ('model', 'review') and not starts_with(reason, 'veto ') {order}"""
        yield from cut_at_partitions(read_frames(db, query, []), "anywhere")


def _describe(ws: Workspace, review: Review, margin: float, rule_action: str | None) -> str:
    """Explain why a reviewer should look at a decision.

    margin: difference between the expected payoffs of the two best actions. rule_action: the action of the expert's
    rule if that action differs from the decided one, otherwise None.
    """
    kpi = ws.use_case.kpi
    sentences = []
    if margin < review.abstain_below:
        difference = format_exact_money(round(margin, 2), kpi.currency)
        sentences.append(f"The expected payoffs of the two best actions differ by only {difference}.")
    if review.rule and rule_action is not None:
        rule = kpi.candidates[review.rule].description
        sentences.append(f"Another rule would {describe_action(rule_action, kpi)}. The rule: {rule}")
    return " ".join(sentences)
