"""The first pipeline stage, `raw`: the lines of the landed extracts by partition. All texts stay unchanged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.arrivals import Arrival, arrivals_for
from sixtyforty.ingest.casting import raw_schema
from sixtyforty.ingest.contract_rows import align_raw_rows, lacks_columns
from sixtyforty.ingest.landing_zone import LandingZone, LaterRefusalError
from sixtyforty.ingest.staged_lines import StagedLines
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import ListedExtract, extract_facts, listed_extracts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import lists_extracts

if TYPE_CHECKING:
    import pyarrow as pa

GONE = "the extract was removed from its location before all of its rows were ingested. Put the extract back."
NOW_REFUSED = (
    "the data contract changed after the extract arrived, and refuses the extract now."
    " Correct the data contract, or ask the sender for another extract."
)


def ingest(
    use_case: DecisionChain, source: str, lake: Lake, landing: LandingZone, partitions: Sequence[str], code: str
) -> dict[str, Entry]:
    """Scan a source, update partitions of `raw/<source>` with the landed extracts, and return their manifests.

    Only extracts that a partition doesn't hold yet are read. If an extract was archived, its rows stay in the lake. If
    the extract was archived before its rows were ingested, or a changed data contract refuses it, the manifest lists a
    problem. If a new extract has the same file name as an old extract, the new rows replace the old rows, so a
    partition may become empty. Partitions for which no extract has arrived are not returned.

    code: the code version to record in the manifests.
    """
    while True:
        try:
            return _ingest(use_case, source, lake, landing, partitions, code)
        except LaterRefusalError:
            continue  # the ledger records that the extract is refused, so the next attempt doesn't read it again


def _ingest(
    use_case: DecisionChain, source: str, lake: Lake, landing: LandingZone, partitions: Sequence[str], code: str
) -> dict[str, Entry]:
    dataset, arrivals = f"raw/{source}", arrivals_for(landing.scan(source, partitions=partitions), partitions)
    contract, entries = use_case.sources[source], lake.entries(dataset, partitions)
    due = {p: [arrival for arrival in arrivals if p in arrival.partitions] for p in partitions}
    outdated = outdated_partitions(lake, contract, due, entries)
    new_lines = _read_new_lines(source, landing, arrivals, outdated, entries)

    def update(partition: str) -> Entry:
        before = entries.get(partition)
        read = new_lines.get(partition, {})
        lines = {seq: staged for seq, staged in read.items() if partition in staged.counts}
        rows = _partition_rows(contract, lake, partition, due[partition], lines, before)
        problems = {
            a.seq: NOW_REFUSED if a.seq in read else GONE
            for a in due[partition]
            if a.seq not in lines and not _holds(before, a)
        }
        extracts = [_listed_extract(a, partition, problems.get(a.seq)) for a in due[partition]]
        return lake.write(dataset, partition, rows, code=code, facts=extract_facts(extracts))

    updates = sorted(p for p in outdated if due[p] or p in entries)
    entries |= zip(updates, run_in_parallel(update, updates), strict=True)
    return {p: entries[p] for p in partitions if p in entries}


def _read_new_lines(
    source: str,
    landing: LandingZone,
    arrivals: Sequence[Arrival],
    outdated: Collection[str],
    entries: Mapping[str, Entry],
) -> dict[str, dict[int, StagedLines]]:
    """Read the extracts that add rows or columns to at least one outdated partition.

    Return, for each partition that needs lines, the lines of these extracts by `seq`. Refused and archived extracts are
    left out. If the data contract has changed since an extract arrived and refuses it now, it has no lines.
    """
    contract, lake = landing.use_case.sources[source], landing.lake
    needed: dict[str, list[Arrival]] = {
        p: [
            arrival
            for arrival in arrivals
            if p in arrival.partitions
            and not arrival.problem
            and (not _holds(entries.get(p), arrival) or _offers_columns(lake, contract, entries.get(p), arrival))
        ]
        for p in outdated
    }
    needed_seqs = {arrival.seq for needed_arrivals in needed.values() for arrival in needed_arrivals}
    lines = landing.lines(source, [arrival for arrival in arrivals if arrival.seq in needed_seqs])
    return {
        p: {a.seq: lines[a.seq] for a in needed_arrivals if a.seq in lines} for p, needed_arrivals in needed.items()
    }


def _offers_columns(lake: Lake, contract: Source, entry: Entry | None, arrival: Arrival) -> bool:
    """Return whether an extract contains a declared column that a raw partition lacks.

    A partition lacks a column that was declared only after the partition's rows were imported.
    """
    if entry is None or not arrival.is_present or not arrival.undeclared:
        return False
    return lacks_columns(lake, contract, entry, arrival.undeclared)


def outdated_partitions(
    lake: Lake, contract: Source, due: Mapping[str, Sequence[Arrival]], entries: Mapping[str, Entry]
) -> set[str]:
    """Return the partitions that must be imported again.

    A partition is outdated if its manifest doesn't list exactly the extracts that it should hold, or if an extract has
    a column that was declared after the import.

    due: the extracts that each partition should hold, in order of arrival. entries: the manifests by partition. If an
    extract was archived before it was ingested, its partition is outdated until the manifest lists the problem.
    """

    def expected(partition: str) -> list[ListedExtract]:
        before = entries.get(partition)
        return [
            _listed_extract(a, partition, None if a.is_present or _holds(before, a) else GONE) for a in due[partition]
        ]

    return {
        p
        for p in due
        if not lists_extracts(entries.get(p), expected(p))
        or any(_offers_columns(lake, contract, entries.get(p), arrival) for arrival in due[p])
    }


def pending(landing: LandingZone, source: str, partitions: Collection[str]) -> dict[str, list[str]]:
    """Return the raw partitions that are outdated as of the last scan, each with the ids of its extracts.

    Each call compares the arrivals ledger with the manifests, so a sensor that missed a change notices it in its next
    scan.
    """
    first, last = landing.use_case.limits  # the declared limits may have changed since an extract arrived
    requested = {p for p in partitions if p == SNAPSHOT or first <= p <= last}
    due: dict[str, list[Arrival]] = {}
    for arrival in landing.known(source):
        for partition in requested & arrival.partitions.keys():
            due.setdefault(partition, []).append(arrival)
    entries = landing.lake.entries(f"raw/{source}", partitions)
    # A partition is outdated, too, if it holds rows of an extract that now belongs to other partitions, or to none.
    contract = landing.use_case.sources[source]
    outdated = outdated_partitions(landing.lake, contract, {p: due.get(p, []) for p in {*due, *entries}}, entries)
    return {p: [arrival.id for arrival in due.get(p, [])] for p in sorted(outdated)}


def _listed_extract(arrival: Arrival, partition: str, problem: str | None) -> ListedExtract:
    """Return an extract in the form in which a partition's manifest lists it.

    problem: why the extract's rows couldn't be read for the partition; None if they could, or if the partition holds
    them already.
    """
    rows = arrival.partitions[partition]
    if problem and rows and not arrival.problem:
        return ListedExtract(arrival.name, arrival.sha256, arrival.seq, rows, refused=rows, problem=problem)
    refused = rows if arrival.problem else 0
    if arrival.problem and partition == min(arrival.partitions):  # further lines are counted only once
        refused += max(0, arrival.rows - sum(arrival.partitions.values()))
    return ListedExtract(arrival.name, arrival.sha256, arrival.seq, rows, refused, arrival.problem)


def _holds(entry: Entry | None, arrival: Arrival) -> bool:
    """Return whether a partition, according to its manifest, holds the rows of an extract."""
    identity = (arrival.seq, arrival.sha256, None)
    return any((extract.seq, extract.sha256, extract.problem) == identity for extract in listed_extracts(entry))


def _partition_rows(
    contract: Source,
    lake: Lake,
    partition: str,
    arrivals: Sequence[Arrival],
    lines: Mapping[int, StagedLines],
    before: Entry | None,
) -> pa.RecordBatchReader:
    """Return all lines of the new version of a partition as a stream, in order of arrival.

    arrivals: the extracts of the partition, in order of arrival.
    lines: the lines of the extracts that were read now, by `seq`. The lines of all other extracts come from the old
    partition.
    before: the manifest of the old partition; None if the partition is new.
    """
    import pyarrow as pa

    schema = raw_schema(contract)

    def batches() -> Iterator[pa.RecordBatch]:
        old_rows = _OldRows(lake.local_file(before) if before else None)
        for arrival in arrivals:
            if arrival.seq in lines:
                tables = (_with_origin(table, arrival) for table in lines[arrival.seq].tables(partition))
                yield from _batches(table.select(schema.names).cast(schema) for table in tables)
            elif _holds(before, arrival):
                yield from _batches(align_raw_rows(rows, contract, schema) for rows in old_rows.take(arrival.seq))

    return pa.RecordBatchReader.from_batches(schema, batches())


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.to_batches()


def _with_origin(rows: pa.Table, arrival: Arrival) -> pa.Table:
    import pyarrow as pa

    rows = rows.append_column("_extract", pa.repeat(pa.scalar(arrival.id), rows.num_rows))
    return rows.append_column("_seq", pa.repeat(pa.scalar(arrival.seq, pa.int64()), rows.num_rows))


class _OldRows:
    """Reads the rows of the version of a partition that is being replaced, once, in order of arrival.

    file: the Parquet file of the old partition; None if there is no old partition.
    """

    def __init__(self, file: Path | None) -> None:
        self._tables = _read_tables(file) if file else iter(())
        self._rest: pa.Table | None = None

    def take(self, seq: int) -> Iterator[pa.Table]:
        """Yield the rows of the extract with the number `seq`, after skipping the rows of earlier extracts."""
        import numpy as np

        while True:
            table = next(self._tables, None) if self._rest is None else self._rest
            if table is None:
                return
            start, end = np.searchsorted(table["_seq"].to_numpy(), [seq, seq + 1])
            self._rest = table.slice(end) if end < table.num_rows else None
            if end > start:
                yield table.slice(start, end - start)
            if self._rest is not None:
                return


def _read_tables(file: Path) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches():
            yield pa.Table.from_batches([batch])
