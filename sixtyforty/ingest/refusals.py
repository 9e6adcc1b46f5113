"""Refused extracts: what the ledger stores about a refusal, and when a refused extract is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.extract import contract_hash
from sixtyforty.ingest.reader_process import memory_of_reader, reader_version
from sixtyforty.spec.sources import Source

if TYPE_CHECKING:
    from sixtyforty.ingest.extract_staging import NewExtract


def refusal_fields(extract: NewExtract, source: Source) -> dict[str, Any]:
    """Return the fields `contract`, `memory` and `reader` of the arrival of an extract, if it is refused."""
    if not extract.problem:
        return {}
    reader = {"memory": memory_of_reader(), "reader": reader_version()} if extract.has_broken_reader else {}
    return {"contract": contract_hash(source)} | reader


def is_refusal_outdated(known: Arrival | None, contract: str, in_run: bool) -> bool:
    """Return whether an extract was refused for a reason that may be gone, so that it must be read again.

    This is so under another data contract. If the extract ended the reader process, it is also so with more memory or
    with another reader, but only in a run: the process of the sensors may have other settings than the runs.

    contract: the hash of today's contract. in_run: whether a run asks, not a sensor.
    """
    if known is None or known.problem is None:
        return False
    if known.contract != contract:
        return True
    return bool(known.reader) and in_run and (known.memory < memory_of_reader() or known.reader != reader_version())
