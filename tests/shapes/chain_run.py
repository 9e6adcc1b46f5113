"""Run the whole pipeline of a small use case in this process, and count its money by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.resources import BusinessClock, ProjectHome
from pipelines.component import build_chain
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.spec.cross_checks import require_consistent
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.dagster_runs import open_instance

Unit = dict[str, Any]  # a decision with its `outcome`
Payoff = Callable[[Unit, str], float]  # what an action would have paid on a unit


@dataclass(frozen=True)
class Shape:
    """A use case, its extracts, and the true outcome of each unit by partition and key."""

    declared: dict[str, Any]
    sql: dict[str, str]
    extracts: dict[str, bytes]
    truth: dict[tuple[Any, ...], Any]
    first: date
    last: date
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChainRun:
    """A finished run: the decided units with a known outcome, by partition, and whether each check passed."""

    ws: Workspace
    units: dict[str, list[Unit]]
    checks: dict[str, set[bool]]

    def decided_by_model(self) -> list[Unit]:
        """Return the units that a model decided."""
        return [u for units in self.units.values() for u in units if u["decided_by"] == "model"]


def run_chain(folder: Path, rules: Path, shape: Shape) -> ChainRun:
    """Run the whole pipeline on the extracts. `rules`: the folder of the suites."""
    name = shape.declared["name"]
    home = folder / "use_case"
    home.mkdir(parents=True)
    for stage, text in shape.sql.items():
        (home / f"{stage}.sql").write_text(text)
    use_case = require_consistent(UseCase(**shape.declared, folder=home))
    (rules / name).mkdir()
    for source in (*use_case.sources, "features"):
        (rules / name / f"{source}.yaml").write_text(yaml.safe_dump({"description": "No rules."}))
    project_home = ProjectHome(folder, f"sqlite:///{folder / 'deliveries.db'}", str(folder / "remote"))
    ws = project_home.workspace(use_case)
    ws.landing.folder.mkdir(parents=True)
    for file, content in shape.extracts.items():
        (ws.landing.folder / file).write_bytes(content)
    definitions = dg.Definitions.merge(
        build_chain(use_case),
        dg.Definitions(
            resources={"project_home": project_home, "clock": BusinessClock()}, executor=dg.in_process_executor
        ),
    )
    with open_instance(folder / "dagster") as instance:
        keys = use_case.covering_days(shape.first, shape.last)
        run = definitions.resolve_job_def(name).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]},
        )
        assert run.success
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks: dict[str, set[bool]] = {}
    for event in events:
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        checks.setdefault(evaluation.check_name, set()).add(evaluation.passed)
    return ChainRun(ws, _decided_units(ws, shape), checks)


def _decided_units(ws: Workspace, shape: Shape) -> dict[str, list[Unit]]:
    units: dict[str, list[Unit]] = {}
    for partition in ws.lake.entries(decisions_dataset("replay")):
        for decision in read_decisions(ws, partition, "replay"):
            outcome = shape.truth.get((partition, *decision.unit.values()))
            if outcome is not None:
                units.setdefault(partition, []).append(decision.to_dict() | {"outcome": outcome})
    return units


def money_by_hand(units: Mapping[str, list[Unit]], payoff: Payoff) -> dict[str, float]:
    """Count the money unit by unit. The random choice is the mean over all assignments of the model's actions.

    They are dealt to all units of the period.
    """
    all_units = [unit for in_partition in units.values() for unit in in_partition]
    return {
        "model": sum(payoff(unit, unit["action"]) for unit in all_units),
        "current_process": sum(payoff(unit, unit["current_action"]) for unit in all_units),
        "random_choice": sum(
            payoff(unit, action) * count / len(all_units)
            for action, count in Counter(unit["action"] for unit in all_units).items()
            for unit in all_units
        ),
    }
