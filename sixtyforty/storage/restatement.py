"""The restatement rule: when a row arrives late, its partition and every partition computed from it are recomputed.

A manifest lists the versions of its inputs. A partition is outdated if they differ from the current versions:

| dataset                | outdated when                                             | function            |
|------------------------|-----------------------------------------------------------|---------------------|
| `raw/*`                | its manifest doesn't list exactly the arrived extracts    | `lists_extracts`    |
| `validated/*`          | raw changed, or the partition closed after its validation | `validation_reason` |
| `features`, `outcomes` | a validated partition in their window changed             | `changed_inputs`    |

A partition closes when it counts as complete. A new version of a closed partition is a restatement (`restated_by`), and
its metadata names the changed inputs. Live decisions are never restated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.listed_extracts import ListedExtract, listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import was_complete

CODE = "the code version changed"  # the reason for a restatement if no input changed
SHARES_KEYS = "shares_keys_with"  # the fact that names the partitions whose rows share keys with a validated partition


def is_closed(use_case: DecisionChain, partition: str, now: datetime | None) -> bool:
    """Return whether a partition counts as complete at a UTC time (naive).

    A snapshot always counts as complete. If `now` is None, every partition does.
    """
    return partition == SNAPSHOT or now is None or now >= use_case.settled_at(partition)


def lists_extracts(entry: Entry | None, extracts: Sequence[ListedExtract]) -> bool:
    """Return whether a raw partition's manifest lists exactly `extracts`, in the same order (order of arrival)."""
    return listed_extracts(entry) == list(extracts)


def validation_reason(use_case: DecisionChain, raw: Entry, judged: Iterable[Entry], now: datetime | None) -> str | None:
    """Return why a raw partition must be validated again at a UTC time (naive); None if its validation is up to date.

    raw: the manifest of the raw partition. judged: the manifests of the same partition in the validated and rejected
    datasets, if they exist.
    """
    inputs = {raw.dataset: {raw.partition: raw.version}}
    validations = [entry for entry in judged if entry.inputs == inputs]
    if not validations:
        return "not validated yet"
    if not was_complete(validations[-1]) and is_closed(use_case, raw.partition, now):
        return "the partition has closed since its validation"
    return None


def shared_key_facts(partitions: Sequence[str]) -> dict[str, list[str]]:
    """Return the fact for a partition's manifest that lists all other partitions in which some of its keys occur."""
    return {SHARES_KEYS: sorted(partitions)} if partitions else {}


def partitions_sharing_keys(judged: Iterable[Entry]) -> set[str]:
    """Return the partitions whose raw rows shared a key with validated or rejected partitions when these were judged.

    judged: the manifests of validated and rejected partitions.
    """
    return {partition for entry in judged for partition in entry.facts.get(SHARES_KEYS, ())}


def is_judged(raw: Entry, judged: Iterable[Entry]) -> bool:
    """Return whether validation has judged the current version of a raw partition.

    judged: the manifests of the same partition in the validated and rejected datasets, if they exist.
    """
    inputs = {raw.dataset: {raw.partition: raw.version}}
    return any(entry.inputs == inputs for entry in judged)


def changed_inputs(use_case: DecisionChain, entry: Entry | None, inputs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the validated partitions that changed since a manifest was written, as `dataset partition`, sorted.

    entry: the manifest. If it is None, all inputs count as changed.
    inputs: the current versions, by dataset and partition.
    Snapshots are ignored, so a change of a reference table makes no partition outdated.
    """
    versions_before = entry.inputs if entry else {}
    changes = []
    for source in use_case.partitioned:
        dataset = f"validated/{source}"
        before, after = versions_before.get(dataset, {}), inputs.get(dataset, {})
        partitions = sorted(before.keys() | after.keys())
        changes += [f"{dataset} {p}" for p in partitions if before.get(p) != after.get(p)]
    return changes


def restated_by(use_case: DecisionChain, before: Entry | None, entry: Entry, now: datetime | None) -> str | None:
    """Return why a complete partition was restated; None if it wasn't restated.

    The reason is the changed inputs or, if no input changed, the text CODE: the code version changed.
    before: the previous manifest. entry: the new manifest. now: UTC, naive.
    """
    if before is None or before.sha256 == entry.sha256 or not is_closed(use_case, entry.partition, now):
        return None
    return ", ".join(changed_inputs(use_case, before, entry.inputs)) or CODE


def was_restated(before: Entry, current: Entry | None) -> bool:
    """Return whether a validated partition was complete at an earlier validation, and its rows have changed since.

    before: the manifest that the earlier validation wrote. current: the partition's manifest now; None if the partition
    was deleted.
    """
    if current is None or not before.dataset.startswith("validated/"):
        return False
    return was_complete(before) and current.sha256 != before.sha256
