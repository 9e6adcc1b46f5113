"""Mark, list and refuse tainted partitions. A partition is tainted if its features have leakage.

This is the only module that decides whether a partition is tainted. Leakage shows if features change when they are
recomputed from data known at the decision time, or if features.sql contains a constant that was known only later. The
features stage then writes the fact `taint` into the partition's manifest. Training, decisions and figures refuse the
partition.

The dataset `tainted` is an index of the marked partitions, so that a search of the whole history reads few files. The
index also stores the hashes of the tainted feature files, because a model may have learned from a file before its
leakage is detected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.modeling.leakage import UNIT, Leak
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.wording import format_plural, join_first
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry

INDEX = "tainted"
FACT = "taint"
HASHES = "sha256"  # fact in the index: the hashes of the feature files that are tainted
SHOWN_PARTITIONS = 3
SHOWN_TIMES = 3
KNOW_FUTURE = "know the future"
# The list of partitions in a text of `describe`. Each partition has its units and decision time in brackets.
DESCRIBED = re.compile(rf"{KNOW_FUTURE} \((?P<partitions>(?:[^()]|\([^()]*\))*?)(?:; and \d+ more)?\)")
CURE = "Correct features.sql or the declared known_at, then build the features of the tainted partitions again."
CURE_OF_CONSTANT = (
    "Declare the constant with `constants: [{{value: {value}, known_since: DATE, why: TEXT}}]`, or make it a source"
    " with known_at, then build the features of the tainted partitions again."
)


class TaintedDataError(ModelError):
    """Partitions are refused because their features have leakage. The message names them and says what to correct."""


@dataclass(frozen=True)
class FeatureTaint:
    """A feature with leakage, in one partition, or a constant of features.sql that was known only later.

    `units`: the number of units whose value changes if only data known at their decision time are used, out of the
    `checked` units. For a constant: the number of units that were decided before it was known. `decision_times`: up to
    SHOWN_TIMES decision times (UTC) of such units, the worst first. `place`: for a constant, its file and line, and
    since when it is known; empty for a feature.
    """

    feature: str
    units: int
    checked: int
    decision_times: list[str]
    place: str = ""

    def __str__(self) -> str:
        """Return the name of the feature, the number of units with leakage, and the worst decision time (UTC)."""
        name = "units that became known later" if self.feature == UNIT else self.feature
        if self.place:
            name = f"the constant {self.feature} in {self.place}"
        return f"{name} ({self.units} of {self.checked} units, decided at {self.decision_times[0]} UTC)"


@dataclass(frozen=True)
class TaintedPartition:
    """A partition whose features have leakage."""

    partition: str
    features: list[FeatureTaint]

    def to_facts(self) -> dict[str, Any]:
        """Return the facts that mark a manifest as tainted."""
        return {FACT: [_without_empty_place(feature) for feature in self.features]}

    def __str__(self) -> str:
        """Return the partition, with each feature that has leakage and its number of units."""
        return f"{self.partition}: {', '.join(map(str, self.features))}"


def summarize_leaks(leaks: Sequence[Leak]) -> dict[str, TaintedPartition]:
    """Return the partitions with leaks, sorted, with the leakage of each of their features."""
    by_partition: dict[str, dict[str, list[Leak]]] = {}
    for leak in leaks:
        by_partition.setdefault(leak.partition, {}).setdefault(leak.feature, []).append(leak)
    return {
        partition: TaintedPartition(partition, [_summarize(name, group) for name, group in sorted(features.items())])
        for partition, features in sorted(by_partition.items())
    }


def _summarize(feature: str, leaks: Sequence[Leak]) -> FeatureTaint:
    by_time = {str(leak.decision_time): leak for leak in leaks}
    worst_first = sorted(by_time, key=lambda time: (-by_time[time].units, time))
    units, checked = sum(k.units for k in by_time.values()), sum(k.checked for k in by_time.values())
    return FeatureTaint(feature, units, checked, worst_first[:SHOWN_TIMES])


def _without_empty_place(feature: FeatureTaint) -> dict[str, Any]:
    """Return a taint as a dict. An empty `place` is left out, as in facts stored before constants were checked."""
    return {name: content for name, content in asdict(feature).items() if content != ""}


def merge_tainted(*by_partition: Mapping[str, TaintedPartition]) -> dict[str, TaintedPartition]:
    """Return the tainted partitions of several checks, sorted, each with all its features and constants."""
    return {
        partition: TaintedPartition(
            partition, [f for t in by_partition if partition in t for f in t[partition].features]
        )
        for partition in sorted(set().union(*by_partition))
    }


def read_taint(entry: Entry | None) -> TaintedPartition | None:
    """Return the leakage that a manifest of features states. Return None if it states none or is missing."""
    if entry is None or FACT not in entry.facts:
        return None
    return TaintedPartition(entry.partition, [FeatureTaint(**feature) for feature in entry.facts[FACT]])


def select_tainted(entries: Iterable[Entry]) -> list[TaintedPartition]:
    """Return the tainted partitions among some manifests of features."""
    return [tainted for entry in entries if (tainted := read_taint(entry))]


def find_tainted(lake: Lake, partitions: Iterable[str] | None = None) -> list[TaintedPartition]:
    """Return the partitions whose current features are tainted. partitions: those to check; None checks all."""
    marked = lake.partitions(INDEX)
    if partitions is not None and marked:
        marked = sorted(set(marked).intersection(partitions))
    return select_tainted(lake.entries("features", marked).values()) if marked else []


def find_tainted_versions(lake: Lake, versions: Mapping[str, str]) -> list[TaintedPartition]:
    """Return the partitions whose features were tainted in a certain version, which may be current or replaced.

    versions: the version of the features to check, by partition.
    """
    marked = {partition: versions[partition] for partition in lake.partitions(INDEX) if partition in versions}
    tainted = []
    for partition, version in marked.items():
        current, index = lake.entry("features", partition), lake.entry(INDEX, partition)
        entry = current if current is not None and current.version == version else lake.replaced_entry(version)
        if entry is not None and index is not None:
            taint_found_later = read_taint(index) if entry.sha256 in index.facts[HASHES] else None
            tainted.append(read_taint(entry) or taint_found_later)
    return [partition for partition in tainted if partition]


def decision_times(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return the decision times (UTC) at which tainted partitions must be checked again, by partition.

    entries: manifests of features, by partition.
    """
    return {
        tainted.partition: sorted({time for feature in tainted.features for time in feature.decision_times})
        for tainted in _without_constants(select_tainted(entries.values()))
    }


def _without_constants(tainted: Iterable[TaintedPartition]) -> list[TaintedPartition]:
    """Return the tainted partitions without tainted constants, because recomputed features don't show these."""
    return [TaintedPartition(t.partition, [f for f in t.features if not f.place]) for t in tainted]


def mark(lake: Lake, tainted: Iterable[TaintedPartition]) -> None:
    """Add partitions to the index of tainted partitions, before their manifests are written."""
    for marked in tainted:
        index = lake.entry(INDEX, marked.partition)
        _write_index(lake, marked, index.facts[HASHES] if index else [])


def settle(lake: Lake, entries: Mapping[str, Entry]) -> None:
    """Update the index of tainted partitions after manifests of features are written.

    Add the hash of each feature file that is tainted, and remove the hash of each file that is sound now.
    """
    for partition in sorted(set(lake.partitions(INDEX)).intersection(entries)):
        entry, index = entries[partition], lake.entry(INDEX, partition)
        hashes = set(index.facts[HASHES]) if index else set()
        hashes = hashes | {entry.sha256} if FACT in entry.facts else hashes - {entry.sha256}
        tainted = read_taint(entry) or read_taint(index)
        if hashes and tainted:
            _write_index(lake, tainted, hashes)
        else:
            lake.drop(INDEX, partition)


def _write_index(lake: Lake, tainted: TaintedPartition, hashes: Iterable[str]) -> None:
    import pyarrow as pa

    schema = pa.schema(
        {"checked": pa.int64(), "decision_times": pa.list_(pa.string()), "feature": pa.string(), "units": pa.int64()}
    )
    table = pa.Table.from_pylist([asdict(feature) for feature in tainted.features], schema=schema)
    lake.write(INDEX, tainted.partition, table, facts={**tainted.to_facts(), HASHES: sorted(hashes)})


def describe(tainted: Sequence[TaintedPartition]) -> str:
    """Return a text that names the tainted partitions, their features with leakage and the number of units."""
    shown = join_first(list(map(str, tainted)), SHOWN_PARTITIONS)
    return f"features of {format_plural(len(tainted), 'partition')} {KNOW_FUTURE} ({shown})"


def shorten_repeats(texts: Iterable[str]) -> list[str]:
    """Shorten sentences about leakage: list the same tainted partitions only in the first sentence that names them.

    texts: the sentences, in order. Each may contain a list that `describe` wrote. Two lists are the same if they name
    the same first partitions. Return the sentences, with a reference in place of each repeated list.
    """
    listed: set[str] = set()

    def shorten(match: re.Match[str]) -> str:
        if match["partitions"] in listed:
            return f"{KNOW_FUTURE} (the first partitions are listed above)"
        listed.add(match["partitions"])
        return match[0]

    return [DESCRIBED.sub(shorten, text) for text in texts]


def describe_cure(tainted: Sequence[TaintedPartition]) -> str:
    """Return what a person can do about tainted partitions: correct the SQL, or declare a constant, and build again."""
    features = [feature for partition in tainted for feature in partition.features]
    constants = [feature.feature for feature in features if feature.place]
    cures = [] if len(constants) == len(features) else [CURE]
    return " ".join([*cures, *(CURE_OF_CONSTANT.format(value=constant) for constant in constants[:1])])


def require_sound(tainted: Sequence[TaintedPartition], refusal: str) -> None:
    """Raise TaintedDataError if any partition is tainted. refusal: the start of the message."""
    if tainted:
        raise TaintedDataError(f"{refusal} (leakage): the {describe(tainted)}. {describe_cure(tainted)}")
