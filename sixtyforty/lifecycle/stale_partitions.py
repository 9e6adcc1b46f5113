"""Find the stale partitions of a use case by comparing manifests. A sensor then requests runs for them.

The manifest of a partition names the versions of its inputs. A partition is stale if its inputs have other versions
now, if it closed after its validation, or if decisions are due (see `storage.restatement`). No record of earlier runs
is needed. So each search finds all unfinished work, even after a run was killed or an extract arrived late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from sixtyforty.accounting import usage
from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.accounting.unit_sums_ledger import unit_sums_dataset
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery import find_undelivered
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.decisions.review_queue import review_dataset
from sixtyforty.ingest.contract_rows import find_retyped
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.raw import pending
from sixtyforty.ingest.upstream_state import NO_UPSTREAM, UpstreamState
from sixtyforty.lifecycle.stale_work import StaleWork
from sixtyforty.modeling.built_by import changed_parts, declared_parts
from sixtyforty.modeling.lineage import expected_partitions, input_versions, read_inputs
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import changed_inputs, validation_reason
from sixtyforty.workspace import Workspace

NOTHING_UPSTREAM: Mapping[str, UpstreamState] = MappingProxyType({})
BLOCK = 200  # number of partitions in a block; the older blocks of a long history are scanned in turn


def find_stale_partitions(
    ws: Workspace,
    track: Track,
    now: datetime,
    turn: int | None = None,
    upstream: Mapping[str, UpstreamState] = NOTHING_UPSTREAM,
) -> StaleWork:
    """Return the stale partitions of a use case, and the reasons why each partition is stale.

    The function also scans the landing zone and records new extracts. now: the current time (UTC, naive).
    turn: a number that the caller increases by 1 at each call. If a use case has many partitions, each call then scans
    the newest partitions and one block of older partitions, in rotation. If `turn` is None, it scans all of them.
    upstream: the state of the Dagster assets that make a source, by source.
    """
    use_case, stale = ws.use_case, StaleWork(ws.use_case)
    _scan_sources(ws, use_case.inputs, stale, upstream)
    stretches = list_stretches(ws, now, turn)
    _check_sources(ws, use_case.snapshots, [SNAPSHOT], now, stale)
    for partitions in stretches:
        around = use_case.widen(partitions, use_case.lookback_partitions, use_case.outcome_horizon_partitions)
        _check_sources(ws, use_case.partitioned, [p for p in around if p <= stretches[-1][-1]], now, stale)
    if set(stale.reasons) == {SNAPSHOT}:  # only a run over a partition can process a changed snapshot
        raw_partitions = [p for source in use_case.partitioned for p in ws.lake.partitions(f"raw/{source}")]
        if raw_partitions:
            stale.add_reason(max(raw_partitions), "a snapshot source has new rows", stale.reasons[SNAPSHOT])
    changing = stale.reasons.keys() - {SNAPSHOT}
    for partitions in stretches:
        _check_features(ws, partitions, changing, now, stale)
        _check_decisions(ws, partitions, track, now, stale)
    return stale


def find_stale_responses(
    ws: Workspace,
    track: Track,
    now: datetime,
    turn: int | None = None,
    upstream: Mapping[str, UpstreamState] = NOTHING_UPSTREAM,
) -> StaleWork:
    """Return the partitions in which people's responses to decisions still have to be imported or counted.

    A partition's responses are counted again if its responses, decisions or outcomes have changed. A partition without
    responses is counted, too, because its decisions are unanswered.
    now, turn, upstream: see `find_stale_partitions`.
    """
    stale, source = StaleWork(ws.use_case), ws.use_case.people.responses
    if source is None:
        return stale
    sources = {source: ws.use_case.sources[source]}
    _scan_sources(ws, sources, stale, upstream)
    for partitions in list_stretches(ws, now, turn):
        _check_sources(ws, sources, partitions, now, stale)
        decisions = ws.lake.entries(decisions_dataset(track), partitions)
        accounts = ws.lake.entries(usage.usage_dataset(track), list(decisions))
        for partition in decisions:
            inputs = usage.current_inputs(ws, track, partition)
            if not usage.is_current(accounts.get(partition), inputs):
                stale.add_reason(partition, "the counts of responses are missing or outdated", inputs)
    return stale


def list_stretches(ws: Workspace, now: datetime, turn: int | None) -> list[list[str]]:
    """Return the partitions that one search for stale partitions covers, as lists of consecutive partitions.

    Without a turn, or with few partitions, there is one list with all partitions. Otherwise the partitions are divided
    into blocks of BLOCK. A search covers the newest one or two blocks and one older block, which depends on the turn.
    So its cost doesn't grow with the number of partitions, and a stale partition in an older block is found some
    searches later. Partitions that aren't open yet are left out, because a run over them would fail.

    turn: a number that the caller increases by 1 at each search; None to cover all partitions.
    """
    use_case = ws.use_case
    first, last_possible = use_case.limits
    newest_open = use_case.shift(use_case.partition_at(now), use_case.partitions.partitions_ahead - 1)
    end = min(last_possible, newest_open)
    newest = _newest_partition(ws, end)
    if not newest:
        return []
    reach = max(use_case.lookback_partitions, use_case.outcome_horizon_partitions)
    count = use_case.index_of(min(end, use_case.shift(newest, reach))) - use_case.index_of(first) + 1
    if count < 1:
        return []
    older_blocks = count // BLOCK - 1
    if turn is None or older_blocks < 2:
        return [_partitions_from(use_case, first, 0, count)]
    start = turn % older_blocks * BLOCK
    return [
        _partitions_from(use_case, first, start, start + BLOCK),
        _partitions_from(use_case, first, older_blocks * BLOCK, count),
    ]


def _newest_partition(ws: Workspace, end: str) -> str:
    """Return the newest partition up to `end` that has an extract or raw rows; an empty string if no partition has."""
    use_case = ws.use_case
    arrived = (p for s in use_case.sources for e in ws.landing.known(s) for p in e.partitions if p <= end)
    imported = (p for s in use_case.partitioned for p in ws.lake.partitions(f"raw/{s}")[-1:])
    return max([*arrived, *imported], default="")


def _partitions_from(use_case: UseCase, first: str, start: int, end: int) -> list[str]:
    return [use_case.shift(first, n) for n in range(start, end)]


def _scan_sources(
    ws: Workspace, sources: Iterable[str], stale: StaleWork, upstream: Mapping[str, UpstreamState]
) -> None:
    for name in sources:
        state = upstream.get(name, NO_UPSTREAM)
        if refusal := state.refusal(name):
            stale.unreachable[name] = refusal
            continue
        try:
            ws.landing.scan(name, patient=True, made_at=state.made_at)
        except UnreachableSourceError as error:  # extracts that landed earlier are still processed
            stale.unreachable[name] = str(error)


def _check_sources(
    ws: Workspace, sources: Mapping[str, Source], partitions: Sequence[str], now: datetime, stale: StaleWork
) -> None:
    """Add to `stale` each source partition that has extracts to import or raw rows to validate."""
    for name in sources:
        arrived = {} if name in stale.unreachable else pending(ws.landing, name, partitions)
        for partition, extracts in arrived.items():
            count = format_plural(len(extracts), "landed extract")
            stale.add_reason(partition, f"{name}: {count} to import", extracts, name)
        verdicts = [ws.lake.entries(f"{kind}/{name}", partitions) for kind in ("validated", "rejected")]
        for partition, raw in ws.lake.entries(f"raw/{name}", partitions).items():
            judged = [entries[partition] for entries in verdicts if partition in entries]
            reason = validation_reason(ws.use_case, raw, judged, now) or _contract_reason(ws, sources[name], judged)
            if reason:
                stale.add_reason(partition, f"{name}: {reason}", raw.version, name)


def _contract_reason(ws: Workspace, source: Source, judged: Sequence[Entry]) -> str | None:
    """Return a clause that names the columns whose declared type changed after validation; None if no type changed."""
    retyped = sorted({column for entry in judged for column in find_retyped(ws.lake, source, entry)})
    return f"the declared type of {', '.join(retyped)} has changed" if retyped else None


def _check_features(
    ws: Workspace, partitions: Sequence[str], changing: Collection[str], now: datetime, stale: StaleWork
) -> None:
    """Add to `stale` each partition whose features or outcomes weren't built from the current validated rows.

    changing: the partitions whose validated rows the next run will change.
    """
    use_case, lake = ws.use_case, ws.lake
    entries = {name: lake.entries(name, partitions) for name in ("features", "outcomes")}
    expected = sorted({*expected_partitions(use_case, lake, partitions, now), *entries["features"]})
    if not expected:
        return
    lookback, horizon = use_case.lookback_partitions, use_case.outcome_horizon_partitions
    inputs = read_inputs(use_case, lake, use_case.widen(expected, lookback, horizon))
    declared = {"features": declared_parts(use_case, "features"), "outcomes": declared_parts(use_case, "outcomes")}
    for partition in expected:
        for name, before, after in (("features", lookback, 0), ("outcomes", *use_case.outcome_window)):
            window = use_case.widen([partition], before, after)
            changing_inputs = [p for p in window if p in changing and p != partition]
            versions = input_versions(use_case, inputs, window)
            if changing_inputs:
                stale.add_reason(partition, f"{name}: the input {changing_inputs[-1]} is changing", versions)
            elif changed_inputs(use_case, entries[name].get(partition), versions):
                stale.add_reason(partition, f"{name}: inputs have changed", versions)
            elif changed := changed_parts(entries[name].get(partition), declared[name]):
                stale.add_reason(partition, f"{name}: {', '.join(changed)} changed", [versions, declared[name]])


def _check_decisions(ws: Workspace, partitions: Sequence[str], track: Track, now: datetime, stale: StaleWork) -> None:
    """Add to `stale` each partition that lacks decisions, a delivery, a review queue or an up-to-date value."""
    decisions = ws.lake.entries(decisions_dataset(track), partitions)
    for partition, count in count_due(ws, partitions, track, now).items():
        state = [decisions[partition].version] if partition in decisions else []
        stale.add_reason(partition, f"{format_plural(count, 'decision')} due", state)
    accounts, unit_sums, queues, outcomes = (
        ws.lake.entries(name, list(decisions))
        for name in (kpi_dataset(track), unit_sums_dataset(track), review_dataset(track), "outcomes")
    )
    ledgers = [accounts] if ws.use_case.is_randomized(track) else [accounts, unit_sums]
    undelivered = find_undelivered(ws, track, decisions)
    for partition, entry in decisions.items():
        if partition in undelivered:
            stale.add_reason(partition, "the decisions aren't delivered", entry.version)
        is_open = now < ws.use_case.settled_at(partition)
        if ws.use_case.people.review and is_open and not _is_queued(queues.get(partition), entry, track):
            stale.add_reason(partition, "the decisions aren't in the review queue", entry.version)
        if partition in outcomes:
            inputs = {
                decisions_dataset(track): {partition: entry.version},
                "outcomes": {partition: outcomes[partition].version},
            }
            if any(partition not in ledger or ledger[partition].inputs != inputs for ledger in ledgers):
                stale.add_reason(partition, "the value of the decisions is missing or outdated", inputs)


def _is_queued(queue: Entry | None, decisions: Entry, track: Track) -> bool:
    """Return whether a partition has a review queue that was made from the current version of its decisions."""
    return queue is not None and queue.inputs[decisions_dataset(track)][decisions.partition] == decisions.version
