"""What features and outcomes are made from: the validated data of a window, by version; and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry, Lake, versions
from sixtyforty.storage.restatement import changed_inputs


def read_inputs(use_case: UseCase, lake: Lake, window: Sequence[str]) -> dict[str, dict[str, Entry]]:
    """The validated entries of every source over a window of partitions; snapshots whole."""
    found = {s: lake.entries(f"validated/{s}", window) for s in use_case.partitioned}
    return found | {s: lake.entries(f"validated/{s}", [SNAPSHOT]) for s in use_case.snapshots}


def input_versions(
    use_case: UseCase, entries: Mapping[str, Mapping[str, Entry]], window: Sequence[str]
) -> dict[str, dict[str, str]]:
    """What a partition is made from: dataset to {partition: version} of the validated entries in its window."""
    wanted = (*window, SNAPSHOT)
    return {
        f"validated/{s}": versions({p: entries[s][p] for p in wanted if p in entries[s]})
        for s in use_case.inputs
        if entries[s]
    }


def find_outdated(use_case: UseCase, lake: Lake, partitions: Sequence[str]) -> dict[str, list[str]]:
    """Partitions whose features are made from other validated data than is in force, and which."""
    have = lake.entries("features", partitions)
    if not have:
        return {}
    entries = read_inputs(use_case, lake, use_case.widen(list(have), use_case.lookback_partitions, 0))
    found = {
        p: changed_inputs(use_case, e, input_versions(use_case, entries, use_case.widen([p], use_case.lookback_partitions, 0)))
        for p, e in have.items()
    }
    return {p: what for p, what in found.items() if what}


def expected_partitions(use_case: UseCase, lake: Lake, partitions: Sequence[str], moment: datetime) -> list[str]:
    """Those of the partitions there should be features of by a UTC moment: that hold units, as far as is known."""
    if use_case.decision.unit_source in use_case.partitioned:
        return use_case.partitions_with_units(lake.entries(f"validated/{use_case.decision.unit_source}", partitions))
    have = [p for s in use_case.partitioned for p in lake.partitions(f"validated/{s}")]
    if not have:
        return []
    last = min(use_case.partition_at(moment), use_case.limits[1], use_case.shift(max(have), use_case.lookback_partitions))
    return use_case.partitions_with_units(p for p in partitions if min(have) <= p <= last)
