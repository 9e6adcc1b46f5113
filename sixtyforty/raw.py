"""The first stage: landed lines, as landed, by partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.contract import raw_schema
from sixtyforty.lake import Entry, Lake
from sixtyforty.landing import Extract, Landing, touching
from sixtyforty.use_case import UseCase

if TYPE_CHECKING:
    import pyarrow as pa


def ingest(
    use_case: UseCase, source: str, lake: Lake, landing: Landing, partitions: Sequence[str], code: str
) -> dict[str, Entry]:
    """Brings `raw/<source>` of these partitions up to date with what has landed; returns what they hold now.

    Only extracts a partition doesn't hold yet are read. An extract archived away from the landing folder keeps
    its rows; one that was replaced under its name loses them to the new content. Partitions nothing landed for
    are absent from the result.
    """
    dataset, arrivals = f"raw/{source}", touching(landing.scan(source), partitions)
    held = lake.entries(dataset, partitions)
    due = {p: [e for e in arrivals if p in e.partitions] for p in partitions}
    stale = {p for p in partitions if [_line(e, p) for e in due[p]] != _extracts(held.get(p))}
    cut: dict[str, dict[str, pa.Table]] = {}
    for extract in arrivals:
        new = [p for p in stale if p in extract.partitions and extract.id not in _ids(held.get(p))]
        if new and not extract.problem:
            found = landing.lines(source, extract.name)
            cut[extract.id] = {p: found[p] for p in new if p in found}
    for partition in sorted(stale):
        if due[partition]:
            table = _rows(use_case, source, lake, partition, due[partition], cut, held.get(partition))
            facts = {"extracts": [_line(e, partition) for e in due[partition]]}
            held[partition] = lake.write(dataset, partition, table, code=code, facts=facts)
    return {p: held[p] for p in partitions if p in held}


def _line(extract: Extract, partition: str) -> dict[str, object]:
    return {
        "name": extract.name,
        "sha256": extract.sha256,
        "seq": extract.seq,
        "rows": extract.partitions[partition],
        # a refused extract's lines are counted once, at the first partition it speaks of
        "refused": extract.rows if extract.problem and partition == min(extract.partitions) else 0,
        "problem": extract.problem,
    }


def _extracts(entry: Entry | None) -> list[dict[str, object]]:
    return entry.facts["extracts"] if entry else []


def _ids(entry: Entry | None) -> set[str]:
    return {str(e["sha256"])[:16] for e in _extracts(entry)}


def _rows(
    use_case: UseCase,
    source: str,
    lake: Lake,
    partition: str,
    extracts: list[Extract],
    cut: dict[str, dict[str, pa.Table]],
    before: Entry | None,
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = raw_schema(use_case.sources[source])
    old = pq.read_table(lake.path(before)) if before else schema.empty_table()
    parts = [schema.empty_table()]
    for extract in extracts:
        if partition in cut.get(extract.id, {}):
            part = cut[extract.id][partition]
            part = part.append_column("_extract", pa.array([extract.id] * part.num_rows, pa.string()))
            part = part.append_column("_seq", pa.array([extract.seq] * part.num_rows, pa.int64()))
            parts.append(part.select(schema.names).cast(schema))
        else:
            parts.append(old.filter(pc.equal(old["_extract"], extract.id)))
    return pa.concat_tables(parts)
