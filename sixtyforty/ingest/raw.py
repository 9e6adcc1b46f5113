"""The first stage: landed lines, as landed, by partition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sixtyforty.ingest.data_contract import raw_schema
from sixtyforty.ingest.landing_zone import Extract, Landing, touching
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry, Lake, side_by_side

if TYPE_CHECKING:
    import pyarrow as pa

GONE = "no longer in the landing folder as it was found there, and not all of it was taken before: put it back"


def ingest(
    use_case: UseCase, source: str, lake: Lake, landing: Landing, partitions: Sequence[str], code: str
) -> dict[str, Entry]:
    """Brings `raw/<source>` of these partitions up to date with what has landed; returns what they hold now.

    Only extracts a partition doesn't hold yet are read. An extract archived away from the landing folder keeps
    its rows, and is told as a problem where they weren't taken before; one that was replaced under its name loses
    them to the new content, so that a partition may be left with none. Partitions nothing landed for are absent
    from the result.
    """
    dataset, arrivals = f"raw/{source}", touching(landing.scan(source), partitions)
    held = lake.entries(dataset, partitions)
    due = {p: [e for e in arrivals if p in e.partitions] for p in partitions}
    stale = outdated(due, held)
    cut: dict[int, dict[str, pa.Table]] = {}
    for extract in arrivals:
        new = [p for p in stale if p in extract.partitions and not _taken(extract, held.get(p))]
        if new and not extract.problem:
            with suppress(FileNotFoundError):
                found = landing.lines(source, extract)
                cut[extract.seq] = {p: found[p] for p in new if p in found}

    def renewed(partition: str) -> Entry:
        before = held.get(partition)
        gone = {e.seq for e in due[partition] if e.seq not in cut and not _taken(e, before)}
        table = _rows(use_case, source, lake, due[partition], {s: t.get(partition) for s, t in cut.items()}, before)
        facts = {"extracts": [_line(e, partition, e.seq in gone) for e in due[partition]]}
        return lake.write(dataset, partition, table, code=code, facts=facts)

    renewable = sorted(p for p in stale if due[p] or p in held)
    held |= zip(renewable, side_by_side(renewed, renewable), strict=True)
    return {p: held[p] for p in partitions if p in held}


def outdated(due: Mapping[str, Sequence[Extract]], held: Mapping[str, Entry]) -> set[str]:
    """The partitions that don't hold what they should: their due extracts, in order of arrival, as the lake told.

    An extract that is gone from its location and was never taken makes nothing stale once that is told.
    """

    def expected(partition: str) -> list[dict[str, object]]:
        before = held.get(partition)
        return [_line(e, partition, not e.there and not _taken(e, before)) for e in due[partition]]

    return {p for p in due if expected(p) != _extracts(held.get(p))}


def pending(landing: Landing, source: str, partitions: Collection[str]) -> dict[str, list[str]]:
    """Those of the partitions that raw doesn't hold as they have arrived, by the last scan.

    Each with the ids of the extracts it should hold. What a sensor missed once, it finds the next time.
    """
    first, last = landing.use_case.limits  # the use case may have begun earlier, or ended later, when it came
    wanted = {p for p in partitions if p == SNAPSHOT or first <= p <= last}
    due: dict[str, list[Extract]] = {}
    for extract in landing.known(source):
        for partition in wanted & extract.partitions.keys():
            due.setdefault(partition, []).append(extract)
    held = landing.lake.entries(f"raw/{source}", partitions)
    # what a partition holds of a file that is since all another's, or nobody's, is outdated as well
    stale = outdated({p: due.get(p, []) for p in {*due, *held}}, held)
    return {p: [e.id for e in due.get(p, [])] for p in sorted(stale)}


def _line(extract: Extract, partition: str, gone: bool = False) -> dict[str, object]:
    rows = extract.partitions[partition]
    told = {"name": extract.name, "sha256": extract.sha256, "seq": extract.seq, "rows": rows}
    if gone and rows and not extract.problem:
        return told | {"refused": rows, "problem": GONE}
    return told | {
        # a refused extract's lines are counted once, at the first partition it speaks of
        "refused": extract.rows if extract.problem and partition == min(extract.partitions) else 0,
        "problem": extract.problem,
    }


def _extracts(entry: Entry | None) -> list[dict[str, object]]:
    return entry.facts["extracts"] if entry else []


def _taken(extract: Extract, entry: Entry | None) -> bool:
    return any((e["seq"], e["sha256"], e["problem"]) == (extract.seq, extract.sha256, None) for e in _extracts(entry))


def _rows(
    use_case: UseCase,
    source: str,
    lake: Lake,
    extracts: list[Extract],
    cut: dict[int, pa.Table | None],
    before: Entry | None,
) -> pa.Table:
    """A partition's lines by order of arrival: newly cut from their extract, or as the partition held them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = raw_schema(use_case.sources[source])
    old = pq.read_table(lake.path(before)) if before else schema.empty_table()
    parts = [schema.empty_table()]
    for extract in extracts:
        part = cut.get(extract.seq)
        if part is not None:
            part = part.append_column("_extract", pa.array([extract.id] * part.num_rows, pa.string()))
            part = part.append_column("_seq", pa.array([extract.seq] * part.num_rows, pa.int64()))
            parts.append(part.select(schema.names).cast(schema))
        elif _taken(extract, before):
            parts.append(old.filter(pc.equal(old["_seq"], extract.seq)))
    return pa.concat_tables(parts)
