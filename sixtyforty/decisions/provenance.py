"""Trace a decision back to its sources: features, verdicts, input files, champion and delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sixtyforty.decisions.answered_rows import read_responses
from sixtyforty.decisions.answers_in_force import JudgedAnswer, judge_answer
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.decision_trace import (
    DecisionTrace,
    TracedChampion,
    TracedFile,
    TracedOutcome,
    TracedPolicy,
    TracedVerdict,
    UnknownFiles,
    UnknownVerdict,
)
from sixtyforty.decisions.delivery_table import read_delivery
from sixtyforty.decisions.entry_versions import entry_at_version
from sixtyforty.decisions.responses import has_answers, responses_by_decision
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.response_log import Response
from sixtyforty.storage.sql import identifier
from sixtyforty.storage.verdicts import read_verdict, verdict_id
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class UnknownDecisionError(SixtyfortyError):
    """No decision has the given id."""


def trace_decision(ws: Workspace, decision_id: str) -> DecisionTrace:
    """Return the trace of a decision: its features, verdicts, input files, champion, policy, delivery and outcome.

    Raises UnknownDecisionError if the decision doesn't exist, or DecisionIdError if the text isn't a decision id.
    """
    track, partition = parse_decision_id(decision_id)
    decision = next(iter(read_decisions(ws, partition, track, [decision_id])), None)
    if decision is None:
        raise UnknownDecisionError(
            f"There is no decision {decision_id}."
            f" `sixtyforty decisions {ws.use_case.name} --date {partition}` lists the decisions of that day."
        )
    answer = judge_answer(
        ws.use_case,
        decision_id,
        decision.decided_at,
        decision.decided_by,
        decision.action,
        _read_responses(ws, track, partition, decision_id),
    )
    features = entry_at_version(ws, "features", partition, decision.data_version)
    inputs, verdicts = _trace_inputs(ws, features)
    return DecisionTrace(
        decision=decision,
        features=_read_features(ws, features, decision),
        verdicts=[_trace_verdict(features) if features else UnknownVerdict("features"), *verdicts],
        inputs=inputs,
        champion=_trace_champion(ws, track, decision.champion_version),
        policy=TracedPolicy(decision.policy, ws.use_case.kpi.actions),
        code_version=decision.code_version,
        delivery=read_delivery(ws, track, decision_id),
        outcome=trace_outcome(ws, track, partition, decision, answer),
        answer=answer,
    )


def _read_responses(ws: Workspace, track: Track, partition: str, decision_id: str) -> list[Response]:
    """Return all responses to a decision, including simulated responses and responses from other systems."""
    logged = responses_by_decision(ws, [decision_id]) if has_answers(ws) else {}
    return logged.get(decision_id) or read_responses(ws, track, [partition], [decision_id]).get(decision_id, [])


def _trace_verdict(entry: Entry) -> TracedVerdict:
    verdict = read_verdict(entry)
    failed = [
        f"{rule.severity}: {rule.expected} on {rule.column} ({rule.failed} rows)"
        for rule in verdict.rules
        if not rule.passed
    ]
    return TracedVerdict(
        id=verdict_id(entry),
        dataset=entry.dataset,
        partition=entry.partition,
        accepted=verdict.accepted,
        rows=verdict.accepted_rows,
        quarantined=verdict.quarantined,
        failed_rules=failed,
    )


def _trace_inputs(ws: Workspace, features: Entry | None) -> tuple[list[TracedFile | UnknownFiles], list[TracedVerdict]]:
    """Return the input files of a partition of features, and the verdicts on the data validated from these files.

    For each validated partition whose files are unknown, the list of files starts with an UnknownFiles. The files
    follow, sorted by source and name.
    """
    files: dict[str, TracedFile] = {}
    unknown: dict[str, UnknownFiles] = {}
    verdicts = []
    for dataset, versions in (features.inputs if features else {}).items():
        for partition, version in versions.items():
            validated = entry_at_version(ws, dataset, partition, version)
            if validated is None:
                unknown[version] = UnknownFiles(dataset, partition)
                continue
            verdicts.append(_trace_verdict(validated))
            _add_files(ws, validated, files)
    in_order = sorted(files.values(), key=lambda file: (file.source, file.file))
    return [*unknown.values(), *in_order], verdicts


def _add_files(ws: Workspace, validated: Entry, files: dict[str, TracedFile]) -> None:
    """Add the input files of a validated partition to `files`, whose keys are SHA-256 hashes."""
    for dataset, versions in validated.inputs.items():
        for partition, version in versions.items():
            raw = entry_at_version(ws, dataset, partition, version)
            for extract in listed_extracts(raw):
                source = dataset.removeprefix("raw/")
                new = TracedFile(extract.name, extract.sha256, source, [], extract.problem)
                file = files.get(extract.sha256, new)
                files[extract.sha256] = replace(file, partitions=[*file.partitions, partition])


def _unit_condition(decision: StoredDecision) -> tuple[str, list[object]]:
    """Return the SQL condition that selects a decision's unit, and its parameters."""
    return " and ".join(f"{identifier(column)} = ?" for column in decision.unit), list(decision.unit.values())


def _read_features(ws: Workspace, entry: Entry | None, decision: StoredDecision) -> Mapping[str, object] | None:
    if entry is None or not ws.lake.local_file(entry).exists():
        return None
    condition, parameters = _unit_condition(decision)
    with ws.lake.open_session(ws.use_case.timezone) as db:
        cursor = db.execute(
            f"select * exclude _partition from {ws.lake.select_rows([entry])} where {condition}", parameters
        )
        columns, rows = [column[0] for column in cursor.description or []], cursor.fetchall()
        return dict(zip(columns, rows[0], strict=True)) if rows else None


def _trace_champion(ws: Workspace, track: Track, version: str | None) -> TracedChampion | None:
    if version is None:
        return None
    card = ws.models.card(version)
    rows = ws.champion_ledger.rows_of(track)  # the champion ledger also has the rows of earlier replays
    row = next(row for row in rows if (row.version, row.verdict) == (version, "PROMOTE"))
    return TracedChampion(
        version=version,
        as_of=card.as_of.isoformat(),
        effective_from=row.effective_from,
        why=row.reasons,
        ledger_row=row.seq,
        training_data_version=card.data_version,
        training_rows=card.rows,
        training_days=[card.first, card.last],
        files=card.files,
    )


def trace_outcome(
    ws: Workspace, track: Track, partition: str, decision: StoredDecision, answer: JudgedAnswer | None
) -> TracedOutcome | None:
    """Return the outcome and the value of a decision, or None if the partition's outcomes haven't been built.

    answer: the answer to the decision. If it replaced the decided action, the value of its action is returned, too.
    """
    import numpy as np

    entry, kpi = ws.lake.entry("outcomes", partition), ws.use_case.kpi
    if entry is None:
        return None
    row = _read_outcome(ws, entry, partition, decision)
    if row.empty or row[[kpi.outcome, "known_at"]].isna().any(axis=None):
        return TracedOutcome(kpi.outcome)
    outcome = row[kpi.outcome].tolist()[0]
    observed = np.array([float(outcome)])
    decided, current = _outcome_values(ws, track, row, decision, observed)
    done = None
    if answer is not None and answer.action != decision.action:
        done, _ = _outcome_values(ws, track, row, replace(decision, action=answer.action), observed)
    return TracedOutcome(
        name=kpi.outcome,
        outcome=outcome,
        known_at=row["known_at"].iloc[0].to_pydatetime(),
        value=decided,
        value_current_process=current,
        value_done=done,
        unit=kpi.currency,
    )


def _read_outcome(ws: Workspace, entry: Entry, partition: str, decision: StoredDecision) -> pd.DataFrame:
    """Return the outcome row of a decision's unit, with the columns from which payoffs are computed."""
    kpi = ws.use_case.kpi
    condition, parameters = _unit_condition(decision)
    with ws.lake.open_session(ws.use_case.timezone) as db:
        outcomes = ws.lake.select_rows([entry])
        row = db.execute(f"select * exclude _partition from {outcomes} where {condition}", parameters).df()
        features = ws.lake.entry("features", partition)
        if kpi.payoff_sql and features:
            payoffs = db.execute(f"select * from {ws.lake.select_rows([features])} where {condition}", parameters).df()
            row = row.assign(**{column: payoffs[column] for column in kpi.payoff_sql})
    return row


def _outcome_values(
    ws: Workspace, track: Track, row: pd.DataFrame, decision: StoredDecision, outcome: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    """Return two values in the KPI's currency: of the decided action, and of the current process's action.

    A value that can't be known is None. row: the outcome row of the unit. outcome: the outcome, in an array of one
    element.
    """
    kpi = ws.use_case.kpi
    payoffs = build_payoffs(kpi, row)

    def value_of(action: str, calculate: Callable[..., NDArray[np.float64]]) -> float | None:
        if isinstance(payoffs, ChoicePayoffs) and action not in payoffs.names:
            return None  # the action was declared once, so its gain and cost aren't known any more
        payoff = calculate([action], outcome)
        return None if payoff[0] != payoff[0] else float(payoff[0])  # NaN: the action's gain or cost is unknown

    if ws.use_case.is_randomized(track) and isinstance(payoffs, ChoicePayoffs):
        # The action may change the outcome, so the value of the other action isn't known.
        return value_of(decision.action, payoffs.unit_values), None
    if kpi.treatment:  # a past experiment estimates the value of many units together, not of one unit
        return None, None
    return value_of(decision.action, payoffs.realized), value_of(decision.current_action, payoffs.realized)
