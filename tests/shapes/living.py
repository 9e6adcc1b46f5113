"""A tiny use case brought to life: its files, its extracts, its whole chain in this process, and its money by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.resources import BusinessClock, ProjectHome
from pipelines.component import build_chain
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace

Unit = dict[str, Any]  # a decision, with its `outcome`
Pays = Callable[[Unit, str], float]  # what an action would have paid on a unit


@dataclass(frozen=True)
class Shape:
    """A use case, what lands of it, and what became of each unit, by partition and key."""

    declared: dict[str, Any]
    sql: dict[str, str]
    extracts: dict[str, bytes]
    truth: dict[tuple[Any, ...], Any]
    first: date
    last: date
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Life:
    """What came of it: every unit decided whose outcome is known, and the checks that were evaluated."""

    ws: Workspace
    units: dict[str, list[Unit]]
    checks: dict[str, set[bool]]

    def by_the_model(self) -> list[Unit]:
        """The units a model decided."""
        return [u for units in self.units.values() for u in units if u["decided_by"] == "model"]


def live(folder: Path, rules: Path, shape: Shape) -> Life:
    """Runs the whole chain on the extracts. `rules`: the folder suites are read from."""
    name = shape.declared["name"]
    home = folder / "use_case"
    home.mkdir(parents=True)
    for stage, text in shape.sql.items():
        (home / f"{stage}.sql").write_text(text)
    case = UseCase(**shape.declared, folder=home)
    (rules / name).mkdir()
    for source in (*case.sources, "features"):
        (rules / name / f"{source}.yaml").write_text(yaml.safe_dump({"description": "Nothing is asked."}))
    project_home = ProjectHome(folder, f"sqlite:///{folder / 'deliveries.db'}", str(folder / "remote"))
    ws = project_home.workspace(case)
    ws.landing.folder.mkdir(parents=True)
    for file, content in shape.extracts.items():
        (ws.landing.folder / file).write_bytes(content)
    bound = dg.Definitions.merge(
        build_chain(case),
        dg.Definitions(resources={"project_home": project_home, "clock": BusinessClock()}, executor=dg.in_process_executor),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        keys = case.covering_days(shape.first, shape.last)
        run = bound.resolve_job_def(name).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]},
        )
        assert run.success
        told = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks: dict[str, set[bool]] = {}
    for event in told:
        found = event.get_dagster_event().asset_check_evaluation_data
        checks.setdefault(found.check_name, set()).add(found.passed)
    return Life(ws, _known(ws, shape), checks)


def _known(ws: Workspace, shape: Shape) -> dict[str, list[Unit]]:
    found: dict[str, list[Unit]] = {}
    for partition in ws.lake.entries(decisions_dataset("replay")):
        for one in read_decisions(ws, partition, "replay"):
            outcome = shape.truth.get((partition, *(one[k] for k in ws.use_case.decision.key)))
            if outcome is not None:
                found.setdefault(partition, []).append(one | {"outcome": outcome})
    return found


def by_hand(units: Mapping[str, list[Unit]], pays: Pays) -> dict[str, float]:
    """The money, a unit at a time. The coin deals the model's actions out anew: each to each, on average."""
    everybody = [u for some in units.values() for u in some]
    return {
        "model": sum(pays(u, u["action"]) for u in everybody),
        "current_process": sum(pays(u, u["current_action"]) for u in everybody),
        "random_choice": sum(
            pays(u, v["action"]) / len(some) for some in units.values() for u, v in product(some, some)
        ),
    }
