"""Dagster's query of the newest partitions, on which its plots by partition rely."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import PartitionLoadingContext
from dagster._core.definitions.temporal_context import TemporalContext

from pipelines.runtime.dagster_internals_webserver import end_partitions_at_their_end

PAGINATE = "get_paginated_partition_keys"
NOW = PartitionLoadingContext(
    temporal_context=TemporalContext(effective_dt=datetime(2026, 12, 1, 12, tzinfo=UTC), last_event_id=1),
    dynamic_partitions_store=None,
)


def newest(partitions: dg.TimeWindowPartitionsDefinition) -> list[str]:
    return list(partitions.get_paginated_partition_keys(context=NOW, limit=2, ascending=False).results)


def test_the_newest_partitions_are_those_before_a_past_end(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = dg.TimeWindowPartitionsDefinition
    monkeypatch.setattr(definition, PAGINATE, getattr(definition, PAGINATE))  # restores the method after the test
    past = dg.DailyPartitionsDefinition("2013-01-01", end_date="2014-01-02", end_offset=2, timezone="America/New_York")
    coming = dg.DailyPartitionsDefinition("2013-01-01", end_date="2027-01-01")
    assert newest(past) == ["2026-11-30", "2026-11-29"]  # if this fails, Dagster heeds the end: delete the function
    before = newest(coming), newest(dg.DailyPartitionsDefinition("2013-01-01"))
    end_partitions_at_their_end()
    assert newest(past) == ["2014-01-01", "2013-12-31"]
    assert (newest(coming), newest(dg.DailyPartitionsDefinition("2013-01-01"))) == before
