"""Read the state of the Dagster assets that make a source. They may be in any code location of the instance."""

from __future__ import annotations

from typing import Any

import dagster as dg
import sqlalchemy as sa

from pipelines.runtime.dagster_internals import AssetCheckExecutionRecordStatus, AssetCheckExecutionsTable
from sixtyforty.ingest.upstream_state import UpstreamState
from sixtyforty.spec.sources import Source

CHECK_RESULTS = 20  # newest results of a check that are searched for a completed one
COMPLETED = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)


def read_upstream(instance: dg.DagsterInstance, source: Source) -> UpstreamState:
    """Return when the assets upstream of a source were made last, and which of their checks failed last."""
    keys = [dg.AssetKey.from_user_string(name) for name in source.upstream]
    events = [instance.get_latest_materialization_event(key) for key in keys]
    failed = tuple(f"{name} of {key.to_user_string()}" for key in keys for name in find_failed_checks(instance, key))
    return UpstreamState(max((event.timestamp for event in events if event), default=0.0), failed)


def find_failed_checks(instance: dg.DagsterInstance, asset: dg.AssetKey) -> list[str]:
    """Return the names of an asset's checks whose newest completed result is a failure, sorted. Leave out warnings.

    An asset of another code location is known from the event log only, and so are its checks.
    """
    storage: Any = instance.event_log_storage
    table = AssetCheckExecutionsTable.c
    query = sa.select(table.check_name).distinct().where(table.asset_key == asset.to_string())
    with storage.index_connection() as connection:
        names = sorted(connection.execute(query).scalars())
    return [name for name in names if _has_failed(storage, dg.AssetCheckKey(asset, name))]


def _has_failed(storage: Any, check: dg.AssetCheckKey) -> bool:
    """Return whether the newest completed evaluation of a check failed. A planned evaluation hides no failure."""
    for record in storage.get_asset_check_execution_history(check, limit=CHECK_RESULTS):
        if record.status in COMPLETED and record.event:
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    return False
