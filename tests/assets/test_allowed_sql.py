"""A run of any origin refuses a use case with forbidden SQL, wherever the SQL is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.allowed_sql import require_allowed_sql
from assets.stage import Stage, StageResult, StageRun
from assets.wiring import Wiring, build_stage_assets
from expectations import suites
from pipelines.authoring import catalog
from pipelines.runtime.dagster_internals_events import EventRecorder
from sixtyforty.modeling.sql_guard import ForbiddenSqlError
from tests.assets.recorded_runs import execute
from tests.flights import flight_delays
from tests.helpers import make_use_case

CLOCK = "now()"
FIELDS: dict[str, dict[str, Any]] = {
    "decision.decided_at": {"decision": {"decided_at": f"least(call_hour, {CLOCK})"}},
    "sources.calls.known_at": {"sources": {"calls": {"known_at": f"{CLOCK}::timestamp"}}},
    "sources.calls.partition": {"sources": {"calls": {"partition": f"{CLOCK}::date"}}},
    "sources.calls.derived.age": {"sources": {"calls": {"derived": {"age": f"{CLOCK} - call_hour"}}}},
    "kpi.actions.act.cost": {"kpi": {"actions": {"act": {"cost": f"epoch({CLOCK})"}}}},
    "kpi.candidates.rule.action": {
        "kpi": {"candidates": {"rule": {"description": "a rule", "action": f"if({CLOCK} > decided_at, 'act', 'wait')"}}}
    },
    "model.vetoes.late.when": {
        "model": {"vetoes": {"late": {"never": "act", "when": f"decided_at < {CLOCK}", "why": "too late"}}}
    },
    "model.target": {"model": {"target": f"late * epoch({CLOCK})"}},
}


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the suites of the small use case, still empty."""
    folder = tmp_path / "suites" / "calls_in_time"
    folder.mkdir(parents=True)
    monkeypatch.setattr(suites, "HERE", folder.parent)
    return folder


@pytest.mark.parametrize("field", FIELDS)
def test_each_declared_expression_is_checked(tmp_path: Path, rules: Path, field: str) -> None:
    require_allowed_sql(make_use_case(tmp_path / "sound"))
    with pytest.raises(ForbiddenSqlError, match=rf"forbidden SQL in {field.replace('.', '[.]')}, line 1: now\(\)"):
        require_allowed_sql(make_use_case(tmp_path / "leaky", **FIELDS[field]))


@pytest.mark.parametrize("stage", ["features", "current_process", "outcomes"])
def test_each_sql_file_is_checked(tmp_path: Path, rules: Path, stage: str) -> None:
    use_case = make_use_case(tmp_path / "leaky")
    file = use_case.folder / f"{stage}.sql"
    file.write_text(f"select *, {CLOCK} as made_at from ({file.read_text()})")
    with pytest.raises(ForbiddenSqlError, match=rf"forbidden SQL in {stage}\.sql, line 1: now\(\)"):
        require_allowed_sql(use_case)
    if stage == "features":  # the stage that builds features refuses it, so that the current process can decide
        require_allowed_sql(use_case, "live")
    else:
        with pytest.raises(ForbiddenSqlError):
            require_allowed_sql(use_case, "live")


def test_each_metric_of_a_suite_is_checked(tmp_path: Path, rules: Path) -> None:
    (rules / "calls.yaml").write_text("description: rules\npartition:\n  metrics: {fresh: max(call_hour) > now()}\n")
    with pytest.raises(ForbiddenSqlError, match=r"forbidden SQL in calls\.yaml, metric fresh, line 1: now\(\)"):
        require_allowed_sql(make_use_case(tmp_path / "use_case"))


@pytest.mark.parametrize("name", catalog.list_use_cases())
def test_the_demos_sql_is_allowed(name: str) -> None:
    require_allowed_sql(catalog.load_use_case(name))


def test_no_stage_runs_with_forbidden_sql(tmp_path: Path) -> None:
    worked: list[list[str]] = []

    def work(run: StageRun) -> StageResult:
        worked.append(run.partitions)
        return StageResult()

    use_case = flight_delays()
    leaky = use_case.model_copy(update={"decision": use_case.decision.model_copy(update={"decided_at": CLOCK})})
    stage = Stage(name="one", run=work, inputs=[], description="a test", phase="evaluation", kinds={"csv"})
    assets = build_stage_assets(stage, leaky, Wiring(EventRecorder(), lambda: [leaky]))
    with dg.DagsterInstance.ephemeral() as instance:
        run = execute(dg.Definitions(assets=assets), tmp_path, instance, ["one"])
    failures = [event.step_failure_data.error for event in run.events if event.is_step_failure]
    assert "flight_delays: forbidden SQL in decision.decided_at, line 1: now()" in str(failures[0])
    assert worked == []
