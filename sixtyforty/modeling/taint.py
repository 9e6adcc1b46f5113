"""Tainted partitions: features that know the future. The only module that says whether a partition is tainted, and why.

The features stage writes the fact `taint` into the manifest of a partition whose features differ when they are
recomputed from what was known at the decision time. Everything that would learn, decide or report money from the
partition refuses it. The dataset `tainted` is an index of the partitions that were ever marked, so that a question
about the whole history reads few files. It holds the hashes of their tainted rows, because a taint may be found after
a model has learned from the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.modeling.leakage import UNIT, Leak
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry

INDEX = "tainted"
FACT = "taint"
HASHES = "sha256"  # fact of the index: the files of features that are tainted
SHOWN_PARTITIONS = 3
SHOWN_TIMES = 3
CURE = "Correct features.sql or the declared known_at, then build the features of these partitions again."


class TaintedDataError(ModelError):
    """Something that would learn, decide or report money from tainted partitions. The text names them and the cure."""


@dataclass(frozen=True)
class FeatureTaint:
    """A feature that knows the future: the units that differ, of those checked, and when (UTC, up to SHOWN_TIMES)."""

    feature: str
    units: int
    checked: int
    decision_times: list[str]

    def __str__(self) -> str:
        """Return the feature with its number of units."""
        name = "units that became known later" if self.feature == UNIT else self.feature
        return f"{name} ({self.units} of {self.checked} units, decided at {self.decision_times[0]} UTC)"


@dataclass(frozen=True)
class TaintedPartition:
    """A partition whose features know the future."""

    partition: str
    features: list[FeatureTaint]

    @classmethod
    def from_fact(cls, partition: str, fact: Mapping[str, Any]) -> TaintedPartition:
        """Read the fact of a manifest, as `taint_facts` returns it."""
        return cls(partition, [FeatureTaint(**feature) for feature in fact[FACT]])

    def __str__(self) -> str:
        """Return the partition with each feature and its number of units."""
        return f"{self.partition}: {', '.join(map(str, self.features))}"


def taint_facts(leaks: Sequence[Leak]) -> dict[str, dict[str, Any]]:
    """Return the facts that mark the manifests of partitions, by partition; a sound partition has none."""
    by_partition: dict[str, dict[str, list[Leak]]] = {}
    for leak in leaks:
        by_partition.setdefault(leak.partition, {}).setdefault(leak.feature, []).append(leak)
    return {
        partition: {FACT: [asdict(_summarize(feature, group)) for feature, group in sorted(features.items())]}
        for partition, features in sorted(by_partition.items())
    }


def _summarize(feature: str, leaks: Sequence[Leak]) -> FeatureTaint:
    by_time = {str(leak.decision_time): leak for leak in leaks}
    worst_first = sorted(by_time, key=lambda time: (-by_time[time].units, time))
    units, checked = sum(k.units for k in by_time.values()), sum(k.checked for k in by_time.values())
    return FeatureTaint(feature, units, checked, worst_first[:SHOWN_TIMES])


def read_taint(entry: Entry | None) -> TaintedPartition | None:
    """Return why a partition of features is tainted; None if it isn't."""
    if entry is None or FACT not in entry.facts:
        return None
    return TaintedPartition.from_fact(entry.partition, entry.facts)


def select_tainted(entries: Iterable[Entry]) -> list[TaintedPartition]:
    """Return the tainted ones of some partitions of features."""
    return [tainted for entry in entries if (tainted := read_taint(entry))]


def find_tainted(lake: Lake, partitions: Iterable[str] | None = None) -> list[TaintedPartition]:
    """Return the tainted partitions of features in force, among some partitions or all."""
    marked = lake.partitions(INDEX)
    if partitions is not None and marked:
        marked = sorted(set(marked).intersection(partitions))
    return select_tainted(lake.entries("features", marked).values()) if marked else []


def find_tainted_versions(lake: Lake, versions: Mapping[str, str]) -> list[TaintedPartition]:
    """Return the tainted ones of some versions of features, by partition: those in force, and those replaced since."""
    marked = {partition: versions[partition] for partition in lake.partitions(INDEX) if partition in versions}
    tainted = []
    for partition, version in marked.items():
        current, index = lake.entry("features", partition), lake.entry(INDEX, partition)
        entry = current if current is not None and current.version == version else lake.replaced_entry(version)
        if entry is not None and index is not None and (FACT in entry.facts or entry.sha256 in index.facts[HASHES]):
            tainted.append(read_taint(entry) or TaintedPartition.from_fact(partition, index.facts))
    return tainted


def decision_times(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return the decision times (UTC) at which tainted partitions must be checked again, by partition."""
    return {
        tainted.partition: sorted({time for feature in tainted.features for time in feature.decision_times})
        for tainted in select_tainted(entries.values())
    }


def mark(lake: Lake, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Add partitions to the index, before their manifests are written. facts: see `taint_facts`."""
    for partition, fact in facts.items():
        index = lake.entry(INDEX, partition)
        _write_index(lake, partition, fact, index.facts[HASHES] if index else [])


def settle(lake: Lake, entries: Mapping[str, Entry]) -> None:
    """Update the index after manifests are written: it learns hashes of tainted rows and forgets those now sound."""
    for partition in sorted(set(lake.partitions(INDEX)).intersection(entries)):
        entry, index = entries[partition], lake.entry(INDEX, partition)
        hashes = set(index.facts[HASHES]) if index else set()
        fact = entry.facts if FACT in entry.facts else (index.facts if index else {})
        hashes = hashes | {entry.sha256} if FACT in entry.facts else hashes - {entry.sha256}
        if hashes:
            _write_index(lake, partition, fact, hashes)
        else:
            lake.drop(INDEX, partition)


def _write_index(lake: Lake, partition: str, fact: Mapping[str, Any], hashes: Iterable[str]) -> None:
    import pyarrow as pa

    facts = {FACT: fact[FACT], HASHES: sorted(hashes)}
    lake.write(INDEX, partition, pa.Table.from_pylist(fact[FACT]), facts=facts)


def describe(tainted: Sequence[TaintedPartition]) -> str:
    """Return in one sentence which partitions are tainted: feature, partition and number of units."""
    shown = "; ".join(map(str, tainted[:SHOWN_PARTITIONS]))
    more = f"; and {len(tainted) - SHOWN_PARTITIONS} more" if len(tainted) > SHOWN_PARTITIONS else ""
    return f"features of {format_plural(len(tainted), 'partition')} know the future ({shown}{more})"


def require_sound(tainted: Sequence[TaintedPartition], refusal: str) -> None:
    """Raise TaintedDataError if any partition is tainted. refusal: what is refused, such as `No figure`."""
    if tainted:
        raise TaintedDataError(f"{refusal}: the {describe(tainted)}. {CURE}")
