"""The arrivals of new extracts: what the ledger stores about each, and when a refused extract is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.extract import contract_hash
from sixtyforty.ingest.extract_staging import NewExtract
from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.ingest.reader_process import memory_of_reader
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source


def new_arrival(
    use_case: DecisionChain, source: str, extract: NewExtract, seq: int, replaced: Arrival | None
) -> Arrival:
    """Return the arrival of an extract that was read.

    seq: the arrival number, unless the extract has one already. replaced: the earlier arrival of the file's name; None
    for a new name.
    """
    return Arrival(
        name=extract.file.name,
        sha256=extract.sha256,
        size=extract.file.size,
        mtime_ns=extract.file.mtime_ns,
        seq=extract.seq or seq,
        rows=extract.line_count,
        partitions=_partition_counts(use_case, source, extract, replaced),
        problem=extract.problem,
        tag=extract.file.tag,
        undeclared=extract.undeclared,
        seen_at=extract.seen_at,
        **_refusal_fields(extract, use_case.sources[source]),
    )


def is_refusal_outdated(known: Arrival | None, source: Source, in_run: bool) -> bool:
    """Return whether a refused extract must be read again, because the reason for the refusal may be gone.

    The reason may be gone if the data contract or the code that reads extracts has changed. If the reader process ended
    at the extract, the reason may also be gone if the process may use more memory now. Only a run checks the memory,
    because the process of the sensors may have other settings.

    source: the current data contract. in_run: whether the caller is a run, not a sensor.
    """
    if known is None or known.problem is None:
        return False
    return known.contract != contract_hash(source) or (in_run and 0 < known.memory < memory_of_reader())


def _refusal_fields(extract: NewExtract, source: Source) -> dict[str, Any]:
    """Return the fields of an arrival that tell when its refused extract is read again; none for an accepted one."""
    if not extract.problem:
        return {}
    return {"contract": contract_hash(source), "memory": memory_of_reader() if extract.has_broken_reader else 0}


def _partition_counts(
    use_case: DecisionChain, source: str, extract: NewExtract, replaced: Arrival | None
) -> dict[str, int]:
    """Return the number of an extract's rows by partition.

    A partition in the file name is listed even without rows, because the extract may be incomplete. A refused extract
    has the rows of the extract that it replaced, so that the verdicts count the rows that are missing now. It is listed
    in at least one partition, so that people see it: otherwise in the first partition of the use case.
    """
    if not use_case.sources[source].partition:
        return {SNAPSHOT: extract.line_count}
    is_inside = extract.partitions.is_inside
    promised = filter(is_inside, partitions_in_name(Path(extract.file.name).name, use_case))
    counts = dict.fromkeys(promised, 0) | extract.lines.counts
    if not extract.problem:
        return counts
    if replaced:
        counts |= {p: rows for p, rows in replaced.partitions.items() if is_inside(p) and (rows or replaced.problem)}
    return counts or {use_case.limits[0]: 0}
