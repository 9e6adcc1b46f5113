"""Backfills and looks at freshness, which the tests run in their own process with the code of Dagster's daemon."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions import freshness_evaluator
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.freshness import FreshnessDaemon

from pipelines.settings import prepare_dagster_home

LOCATION = "sixtyforty"  # as in workspace.yaml
MOST_ITERATIONS = 10
UNFINISHED = (BulkActionStatus.REQUESTED, BulkActionStatus.FAILING)


@contextmanager
def open_workspace() -> Iterator[tuple[dg.DagsterInstance, Any]]:
    """Return the instance of the home, and the workspace as Dagster's daemon sees it. Its runs need no processes."""
    prepare_dagster_home()
    target = LoadableTargetOrigin(module_name="pipelines.definitions", attribute="defs", executable_path=sys.executable)
    origin = InProcessCodeLocationOrigin(loadable_target_origin=target, location_name=LOCATION)
    with dg.DagsterInstance.get() as instance:
        for part, replacement in (
            ("_run_launcher", SyncInMemoryRunLauncher()),
            ("_run_coordinator", DefaultRunCoordinator()),
        ):
            replacement.register_instance(instance)
            setattr(instance, part, replacement)
        with create_test_daemon_workspace_context(InProcessWorkspaceLoadTarget([origin]), instance) as workspace:
            yield instance, workspace


def evaluate_freshness(days: float) -> None:
    """Evaluate all freshness policies once, as Dagster's daemon would in so many days."""
    with pytest.MonkeyPatch.context() as patch, open_workspace() as (_, workspace):
        patch.setattr(freshness_evaluator, "get_current_timestamp", lambda: time.time() + days * 86_400)
        for _ in FreshnessDaemon().run_iteration(workspace):
            pass


def run_backfill(name: str, use_case: str, stages: Sequence[str], partitions: Sequence[str]) -> str:
    """Run a backfill as Dagster's daemon does, and return its status, such as `COMPLETED_FAILED`.

    name: the id of the backfill.
    """
    with open_workspace() as (instance, workspace):
        instance.add_backfill(
            PartitionBackfill.from_asset_partitions(
                backfill_id=name,
                asset_graph=workspace.create_request_context().asset_graph,
                partition_names=partitions,
                asset_selection=[dg.AssetKey([use_case, *stage.split("/")]) for stage in stages],
                backfill_timestamp=time.time(),
                tags={},
                dynamic_partitions_store=instance,
                all_partitions=False,
                title=None,
                description=None,
                run_config=None,
            )
        )
        for _ in range(MOST_ITERATIONS):
            errors = [e for e in execute_backfill_iteration(workspace, logging.getLogger(name)) if e]
            assert not errors, errors
            backfill = instance.get_backfill(name)
            assert backfill is not None
            if backfill.status not in UNFINISHED:
                return backfill.status.value
    raise AssertionError(f"The backfill {name} didn't finish.")
