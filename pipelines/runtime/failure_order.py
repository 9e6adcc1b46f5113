"""Let the daemon see a run's failure only when the run is marked as failed, so that each failed run is retried.

Dagster logs a failure first and marks the run as failed afterwards. Its daemon reads new failures every five seconds
and never looks at one again. It doesn't retry a run that isn't marked yet, so such a run would never be retried.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import dagster as dg

LONGEST_DELAY = 60  # seconds; a process that ends between the two steps must not hold back later failures for ever


def hold_back_unmarked_failures(storage: Any) -> None:
    """Change how a Dagster storage lists new failures of runs to the daemon, so that each failed run is retried.

    The list ends before the first failure whose run isn't marked as failed yet. The daemon reads the omitted failures
    later, when it asks again. A failure older than LONGEST_DELAY is listed in any case.
    storage: Dagster's storage of runs, events and schedules. Only the daemon calls the changed method.
    """
    events, runs = storage.event_log_storage, storage.run_storage
    list_events = events.get_logs_for_all_runs_by_log_id

    def is_complete(entry: dg.EventLogEntry) -> bool:
        is_old = time.time() - entry.timestamp > LONGEST_DELAY
        return is_old or all(run.is_finished for run in runs.get_runs(dg.RunsFilter(run_ids=[entry.run_id])))

    def list_complete_events(*arguments: Any, **options: Any) -> Mapping[int, dg.EventLogEntry]:
        listed = list_events(*arguments, **options)
        if options.get("dagster_event_type") != {dg.DagsterEventType.RUN_FAILURE}:
            return listed
        return dict(takewhile(lambda item: is_complete(item[1]), listed.items()))

    events.get_logs_for_all_runs_by_log_id = list_complete_events
