"""Find features that read a row of a snapshot before anybody could know the row.

A snapshot has no `known_at`: features read its newest extract, whatever their decision time. If a row changes or is
added later, features that are built again read a value that was not known at their decision times.

The dataset `first_seen/<source>` records when each row of the snapshot was first seen. Rows that were there at the
first recording have no time, because nobody can know since when they were true. For each version of the snapshot, the
fact `versions` lists its rows that changed or were added after the first recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.ingest.arrival_times import create_seen_rows, first_seen_dataset, same_columns
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landings import first_seen
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

KEYS_SHOWN = 3
CHANGES_LISTED = 100  # a record lists the newest changes of a snapshot's version, at most this many
VERSIONS_LISTED = 20  # a record lists the newest versions of a snapshot, at most this many


@dataclass(frozen=True)
class SnapshotChange:
    """Rows of a snapshot that changed or were added at one time.

    - seen_at: the UTC time at which the rows were first seen, in ISO format.
    - rows: the number of rows.
    - keys: the first keys of these rows; empty if the key holds personal data.
    """

    seen_at: str
    rows: int
    keys: list[str]


@dataclass(frozen=True)
class LateSnapshot:
    """Features that read rows of a snapshot, although these rows changed or were added after the decision times.

    - rows: the number of these rows. keys: the first of their keys; empty if the key holds personal data.
    - seen_at: the UTC time at which the newest of these rows was first seen.
    - units: the number of units that were decided before that time. partitions: their partitions, sorted.
    """

    source: str
    rows: int
    keys: list[str]
    seen_at: datetime
    units: int
    partitions: list[str]

    def __str__(self) -> str:
        """Return one sentence without a final stop, which says what the features read too early.

        It names the snapshot's late rows, when they were first seen, and the units and partitions decided before.
        """
        keys = f" ({', '.join(self.keys)}{', …' if self.rows > len(self.keys) else ''})" if self.keys else ""
        first, last = self.partitions[0], self.partitions[-1]
        days = first if first == last else f"{first} to {last}"
        return (
            f"{format_plural(self.rows, 'row')} of {self.source}{keys} changed or"
            f" {'was' if self.rows == 1 else 'were'} added until {self.seen_at:%Y-%m-%d %H:%M} UTC, after"
            f" {format_plural(self.units, 'unit')} of {days} had been due for a decision"
        )


def record_snapshot_changes(use_case: DecisionChain, source: str, lake: Lake, arrivals: Sequence[Arrival]) -> None:
    """Record when the rows of a snapshot's current version were first seen, unless the record is up to date.

    arrivals: all arrivals of the source, in order of arrival.
    """
    dataset, validated = first_seen_dataset(source), lake.entry(f"validated/{source}", SNAPSHOT)
    if validated is None:
        return
    inputs = {validated.dataset: {SNAPSHOT: validated.version}}
    record = lake.entry(dataset, SNAPSHOT)
    if record is not None and record.inputs == inputs:
        return
    contract = use_case.sources[source]
    records = same_columns(contract, {SNAPSHOT: record} if record else {})
    times = {arrival.id: first_seen(arrival) if records else None for arrival in reversed(arrivals)}
    with lake.open_session(use_case.timezone) as db:
        shown_key = [] if set(contract.key) & set(contract.personal) else contract.key
        create_seen_rows(db, lake, contract, {SNAPSHOT: validated}, {SNAPSHOT: times}, records, shown_key)
        changes = _list_changes(db)
        rows = db.sql("select row, seen_at from seen_rows order by row").to_arrow_table()
    versions = [*_read_versions(record), [validated.version, [asdict(change) for change in changes]]]
    lake.write(
        dataset,
        SNAPSHOT,
        rows,
        inputs=inputs,
        facts={"versions": versions[-VERSIONS_LISTED:], "columns": contract.columns},
    )


def _read_versions(record: Entry | None) -> list[list[Any]]:
    """Return the versions of a snapshot that its record lists, oldest first: each with its hash and its changes."""
    return list(record.facts["versions"]) if record else []


def _list_changes(db: duckdb.DuckDBPyConnection) -> list[SnapshotChange]:
    """Return the changes of a snapshot, oldest first. Rows that were first seen at the same time are one change."""
    changes = db.execute(
        f"""select strftime(seen_at, '%Y-%m-%dT%H:%M:%S'), count(*),
            (list(key order by key))[1:{KEYS_SHOWN}]
        from seen_rows where seen_at is not null group by seen_at order by seen_at desc limit {CHANGES_LISTED}"""
    ).fetchall()
    return [SnapshotChange(time, rows, [k for k in keys if k is not None]) for time, rows, keys in reversed(changes)]


def find_late_snapshots(
    use_case: DecisionChain, lake: Lake, partitions: Sequence[str] | None = None
) -> list[LateSnapshot]:
    """Return, for each snapshot, the features that read rows which changed or were added after the decision times.

    partitions: the partitions of features to check; None checks all of them.
    """
    changes_by_source = {source: _changes_by_version(lake, source) for source in use_case.snapshots}
    if not any(changes_by_source.values()):
        return []
    features = lake.entries("features", partitions)
    late = [_find_late(use_case, lake, source, changes, features) for source, changes in changes_by_source.items()]
    return [snapshot for snapshot in late if snapshot is not None]


def _changes_by_version(lake: Lake, source: str) -> dict[str, list[SnapshotChange]]:
    """Return the changes in each version of a snapshot. Versions without changes are left out."""
    versions = _read_versions(lake.entry(first_seen_dataset(source), SNAPSHOT))
    return {version: [SnapshotChange(**change) for change in changes] for version, changes in versions if changes}


def _find_late(
    use_case: DecisionChain,
    lake: Lake,
    source: str,
    changes_by_version: Mapping[str, Sequence[SnapshotChange]],
    features: Mapping[str, Entry],
) -> LateSnapshot | None:
    units: dict[str, int] = {}
    late_changes: dict[str, SnapshotChange] = {}
    for version, changes in changes_by_version.items():
        readers = [e for e in features.values() if e.inputs.get(f"validated/{source}", {}).get(SNAPSHOT) == version]
        if not readers:
            continue
        with lake.open_session(use_case.timezone) as db:
            counts = db.execute(
                f"select _partition, count(*), min(decided_at) from {lake.select_rows(readers)}"
                f" where decided_at < timestamp {literal(changes[-1].seen_at)} group by 1"
            ).fetchall()
        for partition, count, first_decision in counts:
            units[partition] = count
            late_changes |= {c.seen_at: c for c in changes if datetime.fromisoformat(c.seen_at) > first_decision}
    if not units:
        return None
    newest_first = [late_changes[time] for time in sorted(late_changes, reverse=True)]
    return LateSnapshot(
        source=source,
        rows=sum(change.rows for change in newest_first),
        keys=[key for change in newest_first for key in change.keys][:KEYS_SHOWN],
        seen_at=datetime.fromisoformat(newest_first[0].seen_at),
        units=sum(units.values()),
        partitions=sorted(units),
    )
