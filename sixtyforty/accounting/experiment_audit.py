"""Audit an experiment's ledger: recompute its values in SQL, which shares no code with the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting.arm_sums import declared_holdout
from sixtyforty.accounting.experiment_ledger import DATASET, ExperimentAccount
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value.payoff_sql import cost_sql, priced_sql
from sixtyforty.workspace import Workspace

TOLERANCE = 0.005  # half a cent: the order in which doubles are added changes the last digits


def find_differences(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    """Return one line of text for each partition whose experiment account differs from the sums that SQL computes."""
    accounts = ws.lake.entries(DATASET, partitions)
    if not accounts:
        return []
    sums = _sum_arms(ws, list(accounts))
    differences = []
    for partition, entry in accounts.items():
        account = ExperimentAccount.from_entry(entry)
        stated = account.model, account.current_process
        recomputed = sums.get(partition, (0.0, 0.0))
        if any(abs(s - r) > TOLERANCE for s, r in zip(stated, recomputed, strict=True)):
            differences.append(
                f"{partition}: the KPI account states {stated[0]:.2f} for the model and {stated[1]:.2f} for the current"
                f" process, but SQL computes {recomputed[0]:.2f} and {recomputed[1]:.2f}"
            )
    return differences


def _sum_arms(ws: Workspace, partitions: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return, by partition, the value of the units on which the model decides, and of the held-out units."""
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    decisions, outcomes = (
        ws.lake.select_rows(ws.lake.entries(name, partitions).values())
        for name in (decisions_dataset("live"), "outcomes")
    )
    join = ""
    if kpi.payoff_sql:
        features = ws.lake.select_rows(ws.lake.entries("features", partitions).values())
        join = (
            f"join (select _partition, {key}, {identifiers(kpi.payoff_sql)} from {features}) using (_partition, {key})"
        )
    outcome = f"o.{identifier(kpi.outcome)}"
    costs = " ".join(f"when {literal(action)} then {cost_sql(kpi, action)}" for action in kpi.actions)
    value_per_outcome = declared_holdout(ws.use_case).value_per_outcome
    unit_value = f"{value_per_outcome!r}::double * {outcome} - (case d.action {costs} end)"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""select d._partition, coalesce(sum({unit_value}) filter (decided_by <> 'holdout'), 0),
                coalesce(sum({unit_value}) filter (decided_by = 'holdout'), 0)
            from {decisions} d join {outcomes} o using (_partition, {key}) {join}
            where {outcome} is not null and {priced_sql(kpi, "d.action")}
                and d.policy like '%holdout=%' and d.policy not like '%holdout=1.0'
            group by 1"""
        ).fetchall()
    return {partition: (model, current) for partition, model, current in rows}
