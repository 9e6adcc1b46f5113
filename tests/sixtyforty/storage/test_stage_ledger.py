"""The stage ledger answers which stage and gate are in force, when the use case ended, and who is in scope."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import literal
from sixtyforty.storage.stage_ledger import StageEvent, StageEventKind, StageLedger

START = datetime(2013, 4, 1)
GATE = {"target": 500, "minimum_gain": 100, "stop_date": "2013-07-01"}


@pytest.fixture
def ledger(tmp_path: Path) -> StageLedger:
    return StageLedger(tmp_path / "stages.jsonl")


def record(ledger: StageLedger, event: StageEventKind, stage: Stage, days: int, where: str | None = None) -> StageEvent:
    gate = StageGate.model_validate(GATE | {"scope": {"where": where}})
    row = StageEvent(
        event=event,
        stage=stage,
        by="Ada",
        why="for the test",
        effective_from=(START + timedelta(days=days)).isoformat(),
        evidence={"gate": gate.model_dump(mode="json")},
    )
    return ledger.append_row(row, lambda _: None)


def test_an_empty_ledger_answers_nothing(ledger: StageLedger) -> None:
    assert ledger.current_registration() is None
    assert ledger.current_verdict() is None
    assert ledger.entered_stages() == []
    assert ledger.end_reason_at(START) is None
    assert ledger.scope_sql() is None


def test_the_registered_gate_is_the_newest_and_its_verdict_belongs_to_it(ledger: StageLedger) -> None:
    record(ledger, "enter", "poc", 0)
    verdict = record(ledger, "continue", "poc", 1)
    assert ledger.current_verdict() == verdict
    assert verdict.gate is None
    registered = record(ledger, "gate", "poc", 2)
    assert ledger.current_registration() == registered
    assert ledger.current_verdict() is None, "the new gate has no verdict yet"
    assert registered.gate == StageGate.model_validate(GATE)
    assert [row.stage for row in ledger.entered_stages()] == ["poc"]


def test_a_use_case_ends_by_a_stop_and_runs_again_with_a_new_gate(ledger: StageLedger) -> None:
    record(ledger, "enter", "pilot", 0)
    record(ledger, "stop", "pilot", 2)
    record(ledger, "gate", "pilot", 4)
    record(ledger, "enter", "retired", 6)
    reasons = [ledger.end_reason_at(START + timedelta(days=day)) for day in (0, 2, 3, 4, 6)]
    assert reasons == [None, "the stage pilot was stopped", "the stage pilot was stopped", None, "retired"]


def test_each_stage_covers_the_units_of_its_own_scope(ledger: StageLedger) -> None:
    record(ledger, "enter", "poc", 0, where="site = 'north'")
    record(ledger, "enter", "pilot", 2)
    record(ledger, "gate", "pilot", 4, where="load > 1")
    units = [(day, site, load) for day in (1, 3, 5) for site, load in (("north", 0), ("south", 2), (None, 2))]
    rows = ", ".join(
        f"(timestamp '{START + timedelta(days=day)}', {literal(site) if site else 'null'}, {load})"
        for day, site, load in units
    )
    with connect("UTC") as session:
        query = f"select {ledger.scope_sql()} from (values {rows}) as units (decided_at, site, load)"
        in_scope = [row[0] for row in session.execute(query).fetchall()]
    assert in_scope == [True, False, False, True, True, True, False, True, True]
