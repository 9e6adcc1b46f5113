"""Run assets in this process, and read what Dagster recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.resources import BusinessClock, ProjectHome
from pipelines.runtime.dagster_internals import partition_range_tags
from tests.flights import DAYS


@dataclass
class RecordedRun:
    """A run's success and its log."""

    success: bool
    log: list[dg.EventLogEntry]

    @property
    def events(self) -> list[dg.DagsterEvent]:
        """The events that Dagster's pages are made from."""
        return [entry.dagster_event for entry in self.log if entry.dagster_event]

    def materialized(self, name: str) -> dict[str | None, dg.AssetMaterialization]:
        """Return a stage's materializations, by partition. No partition is materialized twice in a run."""
        everything = [entry.asset_materialization for entry in self.log if entry.asset_materialization]
        assert len({(m.asset_key, m.partition) for m in everything}) == len(everything)
        return {m.partition: m for m in everything if m.asset_key == key(name)}

    def checks(self, name: str, check: str) -> dict[str | None, dg.AssetCheckEvaluation]:
        """Return the results of a stage's check, by partition."""
        evaluations = [
            event.asset_check_evaluation_data
            for event in self.events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        return {e.partition: e for e in evaluations if (e.asset_key, e.check_name) == (key(name), check)}

    def steps(self, event_type: dg.DagsterEventType) -> set[str | None]:
        """Return the steps that have an event of a type."""
        return {event.step_key for event in self.events if event.event_type == event_type}


def key(name: str) -> dg.AssetKey:
    """Return the key of a stage of the flights."""
    return dg.AssetKey(["flight_delays", *name.split("/")])


def execute(
    definitions: dg.Definitions,
    home: Path,
    instance: dg.DagsterInstance,
    names: Sequence[str],
    days: Sequence[str] = DAYS,
) -> RecordedRun:
    """Run these stages over the days, in one run."""
    project_home = ProjectHome(
        home=home, database_url=f"sqlite:///{home / 'deliveries.sqlite'}", dvc_remote=str(home / "dvc")
    )
    resources = dg.Definitions(resources={"project_home": project_home, "clock": BusinessClock()})
    job = dg.Definitions.merge(definitions, resources).resolve_implicit_global_asset_job_def()
    execution = job.execute_in_process(
        instance=instance,
        asset_selection=[key(name) for name in names],
        tags=partition_range_tags(days[0], days[-1]),
        raise_on_error=False,
    )
    return RecordedRun(execution.success, instance.all_logs(execution.run_id))


def data_version(materialization: dg.AssetMaterialization) -> str:
    """Return the data version of a materialization."""
    return (materialization.tags or {})["dagster/data_version"]


def plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as plain values, without tables."""
    return {name: entry.value for name, entry in metadata.items() if not isinstance(entry, dg.TableMetadataValue)}
