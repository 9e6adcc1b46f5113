"""List the inputs of features and outcomes: the versions of the validated partitions that the SQL may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.restatement import changed_inputs


def read_inputs(use_case: DecisionChain, lake: Lake, window: Sequence[str]) -> dict[str, dict[str, Entry]]:
    """Return the manifests of each source's validated data, as {source: {partition: manifest}}.

    window: the partitions to return. A snapshot source has a single manifest, under the partition SNAPSHOT.
    """
    entries = {source: lake.entries(f"validated/{source}", window) for source in use_case.partitioned}
    return entries | {source: lake.entries(f"validated/{source}", [SNAPSHOT]) for source in use_case.snapshots}


def input_versions(
    use_case: DecisionChain, entries: Mapping[str, Mapping[str, Entry]], window: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the versions of the inputs in a window of partitions, as {dataset: {partition: version}}.

    entries: the manifests that `read_inputs` returns.
    """
    partitions = (*window, SNAPSHOT)
    return {
        f"validated/{source}": versions_by_partition(
            {p: entries[source][p] for p in partitions if p in entries[source]}
        )
        for source in use_case.inputs
        if entries[source]
    }


def feature_window(use_case: DecisionChain, partitions: Sequence[str]) -> list[str]:
    """Return the partitions that the features of `partitions` may read: `partitions` and their lookback."""
    return use_case.widen(partitions, use_case.lookback_partitions, 0)


def find_outdated(use_case: DecisionChain, lake: Lake, partitions: Sequence[str]) -> dict[str, list[str]]:
    """Return the partitions whose features are outdated, as {partition: changed inputs}.

    Features are outdated if they weren't built from the current versions of the validated data. A changed input is
    written `dataset partition`.
    """
    features = lake.entries("features", partitions)
    if not features:
        return {}
    entries = read_inputs(use_case, lake, feature_window(use_case, list(features)))
    changes = {
        partition: changed_inputs(
            use_case, entry, input_versions(use_case, entries, feature_window(use_case, [partition]))
        )
        for partition, entry in features.items()
    }
    return {partition: changed for partition, changed in changes.items() if changed}


def expected_partitions(use_case: DecisionChain, lake: Lake, partitions: Sequence[str], now: datetime) -> list[str]:
    """Return those of `partitions` that should have features by the UTC time `now` (naive).

    If the units are the rows of a partitioned source, these are the partitions with validated data of that source.
    Otherwise, these are the partitions from the first validated one up to `now`, but no later than one lookback after
    the newest validated one.
    """
    unit_source = use_case.decision.unit_source
    if unit_source in use_case.partitioned:
        return use_case.partitions_with_units(lake.entries(f"validated/{unit_source}", partitions))
    validated = [p for source in use_case.partitioned for p in lake.partitions(f"validated/{source}")]
    if not validated:
        return []
    last = min(
        use_case.partition_at(now), use_case.limits[1], use_case.shift(max(validated), use_case.lookback_partitions)
    )
    return use_case.partitions_with_units(p for p in partitions if min(validated) <= p <= last)
