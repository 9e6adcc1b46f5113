"""The first pipeline stage, `raw`: the lines of the landed extracts by partition. All texts stay unchanged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sixtyforty.ingest.arrivals import Arrival, arrivals_for
from sixtyforty.ingest.casting import raw_schema
from sixtyforty.ingest.contract_rows import align_raw_rows, lacks_columns
from sixtyforty.ingest.landing_zone import LandingZone, Lines
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


def ingest(
    use_case: DecisionChain, source: str, lake: Lake, landing: LandingZone, partitions: Sequence[str], code: str
) -> dict[str, Entry]:
    """Scan a source, update partitions of `raw/<source>` with the landed extracts, and return their manifests.

    Only extracts that a partition doesn't hold yet are read. If an extract was archived, its rows stay in the lake. If
    it was archived before its rows were ingested, the manifest lists a problem. If a new extract has the same file name
    as an old extract, the new rows replace the old rows, so a partition may become empty. Partitions for which no
    extract has arrived are not returned.

    code: the code version to record in the manifests.
    """
    dataset, arrivals = f"raw/{source}", arrivals_for(landing.scan(source), partitions)
    contract, entries = use_case.sources[source], lake.entries(dataset, partitions)
    due = {p: [arrival for arrival in arrivals if p in arrival.partitions] for p in partitions}
    outdated = outdated_partitions(lake, contract, due, entries)
    new_lines = _read_new_lines(source, landing, arrivals, outdated, entries)

    def update(partition: str) -> Entry:
        before = entries.get(partition)
        lines = {seq: lines[partition] for seq, lines in new_lines.items() if partition in lines}
        table = _partition_rows(contract, lake, due[partition], lines, before)
        gone = {a.seq for a in due[partition] if a.seq not in new_lines and not _holds(before, a)}
        extracts = [_listed_extract(a, partition, a.seq in gone) for a in due[partition]]
        return lake.write(dataset, partition, table, code=code, facts=extract_facts(extracts))

    updates = sorted(p for p in outdated if due[p] or p in entries)
    entries |= zip(updates, run_in_parallel(update, updates), strict=True)
    return {p: entries[p] for p in partitions if p in entries}


def _read_new_lines(
    source: str,
    landing: LandingZone,
    arrivals: Sequence[Arrival],
    outdated: Collection[str],
    entries: Mapping[str, Entry],
) -> dict[int, Lines]:
    """Read the extracts that add rows or columns to at least one outdated partition.

    Return {`seq` of the extract: {partition: lines}}. Only partitions that need the lines are included. Refused and
    archived extracts are left out.
    """
    contract, lake = landing.use_case.sources[source], landing.lake
    lines_by_seq: dict[int, Lines] = {}
    for arrival in arrivals:
        needed = {
            p
            for p in outdated
            if p in arrival.partitions
            and (not _holds(entries.get(p), arrival) or _offers_columns(lake, contract, entries.get(p), arrival))
        }
        if needed and not arrival.problem:
            with suppress(FileNotFoundError):
                lines = landing.lines(source, arrival)
                lines_by_seq[arrival.seq] = {p: lines[p] for p in needed if p in lines}
    return lines_by_seq


def _offers_columns(lake: Lake, contract: Source, entry: Entry | None, arrival: Arrival) -> bool:
    """Return whether an extract contains a column that a partition lacks.

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
        return [_listed_extract(a, partition, not a.is_present and not _holds(before, a)) for a in due[partition]]

    return {
        p
        for p in due
        if not lists_extracts(entries.get(p), expected(p))
        or any(_offers_columns(lake, contract, entries.get(p), arrival) for arrival in due[p])
    }


def pending(landing: LandingZone, source: str, partitions: Collection[str]) -> dict[str, list[str]]:
    """Return the raw partitions that are outdated as of the last scan, each with the ids of its extracts.

    The ledger is compared with the manifests each time, so a sensor that missed a change finds the change the next
    time.
    """
    first, last = landing.use_case.limits  # the declared limits may have changed since an extract arrived
    requested = {p for p in partitions if p == SNAPSHOT or first <= p <= last}
    due: dict[str, list[Arrival]] = {}
    for arrival in landing.known(source):
        for partition in requested & arrival.partitions.keys():
            due.setdefault(partition, []).append(arrival)
    entries = landing.lake.entries(f"raw/{source}", partitions)
    # A partition is outdated too if it holds rows of a file that now belongs to other partitions, or to none.
    contract = landing.use_case.sources[source]
    outdated = outdated_partitions(landing.lake, contract, {p: due.get(p, []) for p in {*due, *entries}}, entries)
    return {p: [arrival.id for arrival in due.get(p, [])] for p in sorted(outdated)}


def _listed_extract(arrival: Arrival, partition: str, is_gone: bool) -> ListedExtract:
    """Return an extract in the form in which a partition's manifest lists it.

    is_gone: whether the extract was archived before this partition ingested it.
    """
    rows = arrival.partitions[partition]
    if is_gone and rows and not arrival.problem:
        return ListedExtract(arrival.name, arrival.sha256, arrival.seq, rows, refused=rows, problem=GONE)
    # The lines of a refused extract are counted only once, in the first of its partitions.
    counts_here = arrival.problem is not None and partition == min(arrival.partitions)
    refused = arrival.rows if counts_here else 0
    return ListedExtract(arrival.name, arrival.sha256, arrival.seq, rows, refused, arrival.problem)


def _holds(entry: Entry | None, arrival: Arrival) -> bool:
    """Return whether a partition, according to its manifest, holds the rows of an extract."""
    identity = (arrival.seq, arrival.sha256, None)
    return any((extract.seq, extract.sha256, extract.problem) == identity for extract in listed_extracts(entry))


def _partition_rows(
    contract: Source, lake: Lake, arrivals: Sequence[Arrival], lines: Mapping[int, pa.Table], before: Entry | None
) -> pa.Table:
    """Return the lines of a partition, in order of arrival.

    arrivals: the extracts of the partition, in order of arrival.
    lines: the lines of the extracts that were read now, by `seq`. The lines of all other extracts come from the old
    partition.
    before: the manifest of the old partition; None if the partition is new.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = raw_schema(contract)
    old_rows = schema.empty_table()
    if before:
        old_rows = align_raw_rows(pq.read_table(lake.local_file(before)), contract, schema)
    parts = [schema.empty_table()]
    for arrival in arrivals:
        rows = lines.get(arrival.seq)
        if rows is not None:
            rows = rows.append_column("_extract", pa.array([arrival.id] * rows.num_rows, pa.string()))
            rows = rows.append_column("_seq", pa.array([arrival.seq] * rows.num_rows, pa.int64()))
            parts.append(rows.select(schema.names).cast(schema))
        elif _holds(before, arrival):
            parts.append(old_rows.filter(pc.equal(old_rows["_seq"], arrival.seq)))
    return pa.concat_tables(parts)
