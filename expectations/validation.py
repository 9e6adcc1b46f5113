"""Validate raw partitions of a source by its suite. Only rows and partitions that pass become `validated`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

from expectations.evaluation import SuiteEvaluator
from expectations.judgement import Judgement
from expectations.publication import Publication
from expectations.rules import Suite
from sixtyforty.ingest.moved_keys import SharedKeys
from sixtyforty.ingest.restored_rows import RestoredRows
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, split_by_rows
from sixtyforty.storage.memory import memory_limit
from sixtyforty.storage.restatement import is_judged
from sixtyforty.storage.verdicts import Verdict

BYTES_PER_ROW = 1000  # approximate memory that one row needs while it is validated


def validate(
    use_case: DecisionChain,
    source: str,
    suite: Suite,
    lake: Lake,
    partitions: Sequence[str],
    now: datetime | None,
    code: str,
) -> dict[str, Verdict]:
    """Validate raw partitions of a source, write the results to the lake, and return the verdicts by partition.

    The valid rows of an accepted partition are written to `validated/<source>`. The invalid rows of every partition are
    written to `quarantine/<source>`. Of a rejected partition, only the verdict is written, to `rejected/<source>`. If
    an earlier version of a rejected partition was accepted, `validated/<source>` keeps that version.

    A key is in force in one partition only (see `moved_keys`). So the verdicts include those of other partitions that
    changed because a key moved to or from them.

    now: the time (UTC, naive) that decides which partitions are closed; None treats all of them as closed.
    code: the code version to write into manifests.
    """
    verdicts: dict[str, Verdict] = {}
    rows_per_group = memory_limit() // BYTES_PER_ROW
    groups = list(split_by_rows(lake.entries(f"raw/{source}", partitions), rows_per_group))
    for number, group in enumerate(groups, start=1):
        later = {partition for following in groups[number:] for partition in following}
        verdicts |= _validate_group(use_case, source, suite, lake, group, later, now, code)
    return verdicts


def _validate_group(
    use_case: DecisionChain,
    source: str,
    suite: Suite,
    lake: Lake,
    raw: Mapping[str, Entry],
    later: Set[str],
    now: datetime | None,
    code: str,
) -> dict[str, Verdict]:
    """Validate raw partitions of a source together, as `validate` does.

    raw: their manifests, by partition. later: the partitions of the groups that follow.
    """
    contract, requested = use_case.sources[source], set(raw)
    with lake.open_session(use_case.timezone) as db:
        shared_keys = SharedKeys(db, use_case, source, lake, later=later)
        raw, has_own_keys = shared_keys.type_landed(raw)
        before = _read_judged(lake, source, raw)
        shared = shared_keys.set_compared_aside(raw)
        publication = Publication(db, lake, source, contract, raw, shared, code)
        evaluator = SuiteEvaluator(db, lake, use_case.sources, source, suite, has_own_keys)
        restored = RestoredRows(db, lake, source, contract, shared_keys.compared)
        verdicts = Judgement(use_case, evaluator, raw, shared, now).judge(restored)
        # Publish the partitions whose raw rows changed last. If the process is killed earlier, the next run finds their
        # changes, and publishes all partitions again.
        settled = {p: verdict for p, verdict in verdicts.items() if is_judged(raw[p], before[p])}
        publication.remove_moved_rows(verdicts)
        publication.publish(settled)
        publication.publish({p: verdict for p, verdict in verdicts.items() if p not in settled})
    after = _read_judged(lake, source, raw)
    return {p: verdict for p, verdict in verdicts.items() if p in requested or after[p] != before[p]}


def _read_judged(lake: Lake, source: str, partitions: Iterable[str]) -> dict[str, list[Entry]]:
    """Return the manifests in `validated/<source>` and `rejected/<source>`, by partition."""
    partitions = list(partitions)
    datasets = [lake.entries(f"{kind}/{source}", partitions) for kind in ("validated", "rejected")]
    return {p: [entries[p] for entries in datasets if p in entries] for p in partitions}
