"""Steps through the stages: by gates registered before the figures, no stage skipped, and nothing taken back."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.lifecycle import champions
from sixtyforty.lifecycle.champions import ChampionError, adopt_champion
from sixtyforty.lifecycle.replay_rebuild import refuse_after_end
from sixtyforty.lifecycle.rollout import advance_rollout, step_back_rollout
from sixtyforty.lifecycle.stage_gate import StageError, read_stage_status
from sixtyforty.lifecycle.stage_steps import (
    StageEvidence,
    append_event,
    enter_next_stage,
    find_declaration_differences,
    record_verdict,
    register_first_stage,
    register_gate,
    retire_use_case,
)
from sixtyforty.reports.alert_rules import find_stop
from sixtyforty.reports.model_record import render_record
from sixtyforty.reports.portfolio_line import current_scope
from sixtyforty.spec import stages
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.stages import Stage
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, write_accounts, write_decisions
from tests.helpers import make_use_case, make_workspace, merge, publish_days, put_champion_in_force, read_files
from tests.stage_declarations import BAD, GATE, GOOD, NULL, STAGES, make_days

NOW = datetime(2014, 1, 1)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, **STAGES)


@pytest.fixture
def passing(ws: Workspace) -> Workspace:
    """A home whose proof of concept passes its gate."""
    write_accounts(ws, make_days(GOOD))
    return ws


def declare(ws: Workspace, **changes: Any) -> Workspace:
    """Return the same home with a changed declaration."""
    use_case = make_use_case(ws.home / "use_case", **merge(STAGES, changes))
    return Workspace(use_case, ws.home, ws.database_url)


def test_a_null_effect_stops_at_the_stop_date_and_stays_stopped(ws: Workspace) -> None:
    write_accounts(ws, make_days(NULL, count=22))
    assert record_verdict(ws, NOW).verdict == "continue", "its interval still reaches the minimum gain"
    write_accounts(ws, make_days(NULL, count=100))
    assert record_verdict(ws, NOW).verdict == "stop"
    write_accounts(ws, make_days(GOOD, count=150))
    assert record_verdict(ws, NOW).verdict == "stop"
    assert [(row.stage, row.event, row.by) for row in ws.stage_ledger.rows()] == [
        ("poc", "enter", "chain"),
        ("poc", "continue", "chain"),
        ("poc", "stop", "chain"),
    ]
    with pytest.raises(StageError, match="can't leave the stage poc: "):
        enter_next_stage(ws, "Ada", "please", NOW)
    with pytest.raises(ChampionError, match="because the use case has ended: the stage poc was stopped"):
        adopt_champion(ws, "Ada", "please", NOW)


def test_a_proven_loss_stops_before_the_stop_date(ws: Workspace) -> None:
    assert find_stop(ws, "live") == []
    write_accounts(ws, make_days(BAD, count=60))
    assert record_verdict(ws, NOW).verdict == "stop"
    why = ws.stage_ledger.rows()[-1].why
    assert why.startswith("the gain is below the minimum of EUR 100 per 1,000 units: ")
    (alert,) = find_stop(ws, "live")
    assert why in alert.text


def test_entering_a_stage_needs_a_passed_gate(passing: Workspace) -> None:
    assert enter_next_stage(passing, "Ada", "it pays", NOW).stage == "pilot"
    rows = passing.stage_ledger.rows()
    assert [row.event for row in rows] == ["enter", "pass", "enter"]
    assert rows[1].why == "the gain reaches the target, and its 95% confidence interval is above zero"
    assert rows[1].evidence["lift"]["low"] > 0
    assert "| pilot | enter | Ada | it pays |" in render_record(passing, "replay")
    with pytest.raises(StageError, match="can't leave the stage pilot: the stage missed its deadline, 1 July 2013"):
        enter_next_stage(passing, "Ada", "and on", NOW + timedelta(hours=1))


def test_a_pilot_is_judged_on_live_days_since_it_began(passing: Workspace) -> None:
    ws = declare(passing, stages={"pilot": {"stop_date": "2014-06-01"}})
    enter_next_stage(ws, "Ada", "it pays", datetime(2013, 10, 1, 4))
    write_accounts(ws, make_days(BAD, date(2013, 8, 1), 61), "live")
    later = datetime(2013, 12, 20)
    assert read_stage_status(ws, later).figures.partitions == 0
    write_accounts(ws, make_days(GOOD, date(2013, 10, 1), 70), "live")
    status = record_verdict(ws, later)
    figures = status.figures
    assert (status.stage, status.verdict) == ("pilot", "pass")
    assert (figures.track, figures.label, figures.partitions) == ("live", "exact", 70)
    assert enter_next_stage(ws, "Ada", "it pays live", later).stage == "production"
    with pytest.raises(StageError, match="no stage follows production"):
        enter_next_stage(ws, "Ada", "more", later)


def test_a_retired_use_case_stays_retired(passing: Workspace) -> None:
    assert retire_use_case(passing, "Ada", "the process is gone", NOW).stage == "retired"
    with pytest.raises(StageError, match="is already retired, since"):
        retire_use_case(passing, "Ada", "again", NOW)
    with pytest.raises(StageError, match="no stage follows retired"):
        enter_next_stage(passing, "Ada", "again", NOW)


def test_a_use_case_without_stages_can_be_retired(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    retire_use_case(ws, "Ada", "the process is gone", NOW)
    status = read_stage_status(ws, NOW)
    assert (status.stage, status.verdict, status.gate, status.obstacles) == ("retired", None, None, [])
    assert find_declaration_differences(ws) == [
        "defs.yaml declares the stage poc, but the stage ledger records retired (see `sixtyforty stage calls_in_time`)"
    ]
    with pytest.raises(StageError, match="is already retired, since"):
        retire_use_case(ws, "Ada", "again", NOW)


def test_assumed_figures_carry_nothing_into_production(ws: Workspace) -> None:
    """The pilot's figures are those of its live holdout; those of the replay never count there."""
    holdout = {"share": 0.1, "value_per_outcome": -10}
    ws = declare(ws, kpi={"measurement": "randomized", "holdout": holdout})
    write_accounts(ws, make_days(GOOD))
    status = read_stage_status(ws, NOW)
    assert (status.figures.label, status.verdict) == ("assumed", "pass")
    assert enter_next_stage(ws, "Ada", "let the holdout tell", datetime(2013, 6, 20)).stage == "pilot"
    assert ws.stage_ledger.rows()[1].why == "the gain reaches the target, if the declared assumption holds"
    status = read_stage_status(ws, datetime(2013, 6, 25))
    assert (status.figures.label, status.figures.partitions, status.verdict) == ("randomized", 0, "continue")
    with pytest.raises(StageError, match="this stage has 0 partitions with known outcomes"):
        enter_next_stage(ws, "Ada", "please", datetime(2013, 6, 25))


def test_a_changed_gate_counts_only_after_it_is_registered(ws: Workspace) -> None:
    write_accounts(ws, make_days(GOOD / 4))
    assert record_verdict(ws, NOW).verdict == "continue"
    lower = declare(ws, stages={"poc": {"target": 150}})
    assert read_stage_status(lower, NOW).verdict == "continue"
    assert find_declaration_differences(lower) == [
        "the declared gate in stages.poc has no effect: it differs from the gate registered on 2014-01-01"
    ]
    with pytest.raises(StageError, match="is missing or equals the registered gate"):
        register_gate(ws, "Ada", "why not", NOW)
    register_gate(lower, "Ada", "the crew got cheaper", NOW)
    assert record_verdict(lower, NOW).verdict == "pass"
    assert find_declaration_differences(lower) == []
    assert [row.gate.target for row in ws.stage_ledger.rows() if row.gate] == [500, 150]


def test_a_declared_stage_that_the_ledger_does_not_know_is_named(passing: Workspace) -> None:
    early = declare(passing, stage="pilot")
    assert find_declaration_differences(early) == [
        "defs.yaml declares the stage pilot, but the stage ledger records poc (see `sixtyforty stage calls_in_time`)"
    ]


def test_after_the_end_the_current_process_decides(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    trained = [date(2013, 3, 10) + timedelta(days=i) for i in range(15)]
    live = [trained[-1] + timedelta(days=1 + i) for i in range(3)]
    publish_days(ws, [*trained, *live], count=30)
    put_champion_in_force(ws, live[0], "live")
    retire_use_case(ws, "Ada", "it is over", ws.use_case.day_start(live[1]))
    keys = [day.isoformat() for day in live]
    take_decisions(ws, keys, "live", None)
    decided_by = [{d.decided_by for d in read_decisions(ws, key, "live")} for key in keys]
    assert decided_by == [{"model"}, {"current_process"}, {"current_process"}]
    assert {d.reason.split(":")[0] for d in read_decisions(ws, keys[1], "live")} == {"retired"}
    take_decisions(ws, keys, "replay", None)
    assert len(read_decisions(ws, keys[2], "replay")) == 30, "the replay doesn't end"
    assert ws.stage_ledger.end_reason_at(ws.use_case.day_start(live[0])) is None


def test_a_pilot_decides_only_within_its_scope(tmp_path: Path) -> None:
    """Decisions that its scope left out aren't made up for once production covers everything."""
    pilot = GATE | {"scope": {"site": "north", "where": "site = 'north'"}}
    ws = make_workspace(tmp_path, stages={"poc": GATE, "pilot": pilot, "production": GATE})
    trained = [date(2013, 3, 10) + timedelta(days=i) for i in range(15)]
    live = [trained[-1] + timedelta(days=1 + i) for i in range(3)]
    publish_days(ws, [*trained, *live], count=30)
    put_champion_in_force(ws, live[0], "live")
    entered: list[tuple[Stage, date]] = [("poc", trained[0]), ("pilot", live[1]), ("production", live[2])]
    for stage, day in entered:
        assert ws.use_case.stages is not None
        evidence = StageEvidence(gate=ws.use_case.stages.gate(stage))
        append_event(ws, stage, "enter", "Ada", "x", ws.use_case.day_start(day), evidence)
    end = ws.use_case.day_start(live[-1] + timedelta(days=1))
    keys, features = [day.isoformat() for day in live], ws.lake.partitions("features")
    assert count_due(ws, features, "live", end) == dict(zip(keys, (30, 15, 30), strict=True))
    take_decisions(ws, keys, "live", None)
    sites = [Counter(d.unit["id"] % 2 for d in read_decisions(ws, key, "live")) for key in keys]
    assert sites == [{0: 15, 1: 15}, {1: 15}, {0: 15, 1: 15}]
    assert count_due(ws, features, "live", end) == {}
    take_decisions(ws, keys, "replay", None)
    assert {len(read_decisions(ws, key, "replay")) for key in keys} == {30}


def test_a_changed_ledger_is_found(passing: Workspace) -> None:
    record_verdict(passing, NOW)
    path = passing.stage_ledger.path
    assert isinstance(path, Path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], json.dumps(json.loads(lines[1]) | {"event": "stop"})]) + "\n")
    with pytest.raises(LedgerError, match=r"stages\.jsonl, row 2: .*was changed"):
        read_stage_status(passing, NOW)


def test_the_same_verdict_is_recorded_once(passing: Workspace) -> None:
    record_verdict(passing, NOW)
    before = passing.stage_ledger.path.read_bytes()
    record_verdict(passing, NOW + timedelta(days=1))
    assert passing.stage_ledger.path.read_bytes() == before


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["enter", "retire", "record", "register"]), max_size=6))
def test_no_stage_is_ever_skipped(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    ws = make_workspace(tmp_path_factory.mktemp("home"), **STAGES)
    write_accounts(ws, make_days(GOOD))
    changes = {"enter": enter_next_stage, "retire": retire_use_case, "register": register_gate}
    for number, step in enumerate(steps):
        now = datetime(2013, 5, 1 + number)
        with suppress(StageError):
            record_verdict(ws, now) if step == "record" else changes[step](ws, "Ada", "why not", now)
    entered = [row.stage for row in ws.stage_ledger.entered_stages()]
    climbed = [stage for stage in entered if stage != "retired"]
    assert climbed == list(stages.STAGES[: len(climbed)])
    assert "retired" not in entered[:-1]


def test_retiring_one_use_case_touches_no_other(tmp_path: Path) -> None:
    ours, other = (make_workspace(tmp_path, name=name, **STAGES) for name in ("ours", "other"))
    for ws in (ours, other):
        write_accounts(ws, make_days(GOOD, count=30))
        record_verdict(ws, NOW)
    before = {path: content for path, content in read_files(tmp_path / "data").items() if "/other/" in path}
    retire_use_case(ours, "Ada", "the process is gone", NOW)
    after = read_files(tmp_path / "data")
    assert before and {path: after[path] for path in before} == before
    assert read_stage_status(other, NOW).stage == "poc"


def test_a_gate_registered_before_its_figures_has_no_remark(ws: Workspace) -> None:
    register_first_stage(ws, NOW)
    write_accounts(ws, make_days(GOOD))
    assert record_verdict(ws, NOW).remarks == []
    assert "known_figures" not in ws.stage_ledger.rows()[0].evidence


def test_a_gate_registered_after_its_figures_were_known_says_so(ws: Workspace) -> None:
    write_accounts(ws, make_days(GOOD))
    status = record_verdict(ws, NOW)
    known = ws.stage_ledger.rows()[0].evidence["known_figures"]
    days = status.figures.partitions
    assert known["partitions"] == days
    assert known["lift"]["value"] == pytest.approx(status.figures.lift.value, abs=0.01)
    assert status.remarks == [f"The gate was declared after its figures were known: {days} days already had outcomes."]


def test_a_changed_gate_shows_its_old_and_new_target(ws: Workspace) -> None:
    register_first_stage(ws, NOW)
    write_accounts(ws, make_days(GOOD / 4))
    lower = declare(ws, stages={"poc": {"target": 150}})
    row = register_gate(lower, "Ada", "the crew got cheaper", NOW)
    assert (row.previous_gate.target, row.gate.target) == (500, 150)  # type: ignore[union-attr]
    changed, known = read_stage_status(lower, NOW).remarks
    assert "Before: target EUR 500 per 1,000 units by " in changed
    assert "Now: target EUR 150 per 1,000 units by " in changed
    assert known.startswith("The gate was declared after its figures were known: ")


def test_an_outdated_replay_neither_passes_nor_stops_a_stage(passing: Workspace) -> None:
    write_decisions(passing, "2013-06-29")
    assert record_verdict(passing, NOW).verdict == "pass"
    changed = declare(passing, kpi={"actions": {"act": {"cost": 4}}})
    status = record_verdict(changed, NOW)
    assert status.verdict == "continue"
    assert status.obstacles[0].startswith(
        "The replay is outdated: 1 of 1 day was decided by an earlier declaration. Run `sixtyforty "
    )
    with pytest.raises(StageError, match="can't leave the stage poc: The replay is outdated: 1 of 1 day"):
        enter_next_stage(changed, "Ada", "please", NOW)


def test_a_retired_use_case_refuses_every_change_of_what_decides(ws: Workspace) -> None:
    append_verdict(ws, "2013-04-01")
    append_verdict(ws, "2013-04-01", track="live")
    approval = append_verdict(ws, "2013-05-01", "PENDING", "live").version
    champions.approve_challenger(ws, approval, "Ada", "fine", NOW)
    assert [row.version for row in champions.list_approved(ws, NOW)] == [approval]
    retire_use_case(ws, "Ada", "the route was closed", NOW)
    version = ws.champion_ledger.promotions("live")[0].version
    for change in (
        lambda: champions.roll_back_champion(ws, version, "Bo", "again", NOW),
        lambda: champions.approve_challenger(ws, approval, "Bo", "again", NOW),
        lambda: champions.adopt_champion(ws, "Bo", "again", NOW),
        lambda: advance_rollout(ws, "Bo", "on", NOW),
        lambda: step_back_rollout(ws, "Bo", "back", NOW),
        lambda: refuse_after_end(ws, NOW),
    ):
        with pytest.raises(SixtyfortyError, match="retired"):
            change()
    assert champions.list_approved(ws, NOW) == champions.promote_approved(ws, NOW) == []


def test_a_retired_use_case_keeps_its_scope(passing: Workspace) -> None:
    ws = declare(passing, stages={"pilot": {"scope": {"site": "LaGuardia", "where": "load > 0.5"}}})
    enter_next_stage(ws, "Ada", "it pays", NOW)
    retire_use_case(ws, "Ada", "the route was closed", NOW + timedelta(days=1))
    scope = ws.stage_ledger.scope_sql()
    assert scope is not None and scope.endswith("else (load > 0.5) is true end")
    assert current_scope(ws).site == "LaGuardia"
