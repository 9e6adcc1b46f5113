"""Read extracts to staged lines, as a scan does, and show the lines."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

import pyarrow as pa

from sixtyforty.ingest.extract_staging import ExtractStaging
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.staged_lines import StagedLines, StagingArea
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake


def stage_file(use_case: DecisionChain, file: Path, source: str = "calls", seen_at: str = "") -> StagedLines:
    """Read an extract, and return its staged lines."""
    lake = Lake(file.parent)
    staging = ExtractStaging(use_case, source, lake, StagingArea(lake))
    extract = staging.read(file, ListedFile(file.name, 0, 0), "hash", seen_at)
    staging.flush()
    extract.partitions.finish()
    return extract.lines


def lines_of(lines: StagedLines, partition: str) -> pa.Table:
    """Return the staged lines of a partition as one table."""
    return pa.concat_tables(list(lines.tables(partition)))


def lines_by_partition(lines: StagedLines) -> dict[str, pa.Table]:
    """Return all staged lines, by partition."""
    tables = {partition: lines_of(lines, partition) for partition in sorted(lines.counts)}
    assert {partition: table.num_rows for partition, table in tables.items()} == lines.counts
    return tables


def fail_on_full_disk(*_args: object, **_options: object) -> NoReturn:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")
