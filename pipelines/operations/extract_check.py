"""Judge a file before it lands: validate it in a temporary lake, and compare its columns with the data contract."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from expectations.rules import PartitionRules
from expectations.suites import load_suite
from expectations.validation import validate
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.landed_files import find_name_problem, find_skip_reason
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.profiled_texts import UndecodableExtractError, read_column_names
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.retyped_columns import find_misfits
from sixtyforty.ingest.schema_drift import SchemaDrift, compare_columns
from sixtyforty.spec.clock import now
from sixtyforty.spec.errors import SixtyfortyError, closest_match
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace

LINE_SAMPLES = 3


class CheckError(SixtyfortyError):
    """A file can't be checked. The message says why, and what to do."""


@dataclass(frozen=True)
class RefusedRows:
    """Rows that would be quarantined for the same reason: how many, and the line numbers of the first rows."""

    reason: str
    rows: int
    lines: list[int]


@dataclass(frozen=True)
class FileJudgement:
    """What would happen to a file if it landed.

    - name_problem: why a file of this name would not be imported; None if the name matches `files` of the source.
    - problem: why the whole file would be refused; None if it would be imported.
    - landed, accepted, quarantined, duplicates, superseded: numbers of rows.
    - refused: the quarantined rows by reason, the most frequent reason first.
    - warnings: failed rules of severity warning, with the number of rows.
    - partitions: the number of rows by partition. rejected: the partitions that would be rejected, with the reasons.
    """

    name_problem: str | None
    problem: str | None
    drift: SchemaDrift
    landed: int
    accepted: int
    quarantined: int
    duplicates: int
    superseded: int
    refused: list[RefusedRows]
    warnings: list[str]
    partitions: dict[str, int]
    rejected: dict[str, list[str]]

    @property
    def is_accepted(self) -> bool:
        """Whether the file would be imported, and all of its rows accepted."""
        whole = not (self.name_problem or self.problem or self.drift.is_breaking)
        return whole and not self.quarantined and not self.rejected


def check_extract(ws: Workspace, source: str, file: Path) -> FileJudgement:
    """Judge a file by the contract and the rules of a source, without writing to the home.

    Rules about whole partitions are left out, because the file may be only a part of a partition. Raises CheckError if
    the source doesn't exist, if the file can't be read, or if every scan skips a file of this name.
    """
    if source not in ws.use_case.sources:
        meant = closest_match(source, ws.use_case.sources)
        hint = f"Did you mean {meant}?" if meant else f"Its sources: {', '.join(ws.use_case.sources)}."
        raise CheckError(f"{ws.use_case.name} has no source '{source}'. {hint}")
    if skip_reason := find_skip_reason(file.name):
        raise CheckError(f"{file} can't be checked: {skip_reason}. Rename the file.")
    with tempfile.TemporaryDirectory(prefix="sixtyforty-check-") as folder:
        landed = _copy(file, Path(folder) / "landing")
        scratch = Workspace(_use_case_of_file(ws.use_case, source, landed), Path(folder), "")
        contract = scratch.use_case.sources[source]
        landing = LandingZone(landed.parent, scratch.lake, scratch.use_case)
        (arrival,) = landing.scan(source)
        raw = ingest(scratch.use_case, source, scratch.lake, landing, list(arrival.partitions), "")
        verdicts = _validate(ws.lake, scratch, source, list(raw))
        misfits = {} if arrival.problem else find_misfits(scratch.use_case, source, scratch.lake, raw)
        name_problem = find_name_problem(ws.use_case.sources[source], file.name)
        return FileJudgement(
            name_problem=f"{name_problem}. Rename the file." if name_problem else None,
            problem=arrival.problem,
            drift=_compare(contract, landed, misfits),
            landed=sum(verdict.landed for verdict in verdicts.values()),
            accepted=sum(verdict.accepted_rows for verdict in verdicts.values()),
            quarantined=sum(verdict.quarantined for verdict in verdicts.values()),
            duplicates=sum(verdict.duplicates for verdict in verdicts.values()),
            superseded=sum(verdict.superseded for verdict in verdicts.values()),
            refused=_refused_rows(scratch, source),
            warnings=_warnings(verdicts),
            partitions=arrival.partitions,
            rejected={p: verdict.reasons for p, verdict in verdicts.items() if not verdict.accepted},
        )


def _copy(file: Path, folder: Path) -> Path:
    """Copy the file to a new folder, and return the copy. Raises CheckError if the file can't be copied."""
    folder.mkdir()
    try:
        if file.is_dir():
            raise CheckError(f"{file} is a folder. Name a file in it.")
        return shutil.copyfile(file, folder / file.name)
    except FileNotFoundError:
        raise CheckError(f"{file}: there is no such file. Name a file to check.") from None
    except OSError as error:
        raise CheckError(
            f"{file}: can't be copied for the check ({error.strerror or error}). Check that this user may read it, and"
            " that the folder for temporary files has space."
        ) from error


def _use_case_of_file(use_case: UseCase, source: str, file: Path) -> UseCase:
    """Return a copy of the use case in which this file is the only extract of the source."""
    changes = {
        "files": glob.escape(file.name),
        "location": str(file.parent),
        "query": None,
        "requires_done_file": False,
        "settle_seconds": 0.0,
    }
    contract = use_case.sources[source].model_copy(update=changes)
    return use_case.model_copy(update={"sources": {**use_case.sources, source: contract}})


def _validate(lake: Lake, scratch: Workspace, source: str, partitions: list[str]) -> dict[str, Verdict]:
    suite = load_suite(scratch.use_case.name, source)
    suite = suite.model_copy(update={"partition": PartitionRules()})
    for rule in suite.rows:  # rules may compare a column with the values of a snapshot
        value_set = rule.kwargs.get("value_set")
        dataset = f"validated/{value_set['source']}" if isinstance(value_set, dict) else ""
        if dataset and (entry := lake.entry(dataset, SNAPSHOT)):
            scratch.lake.write(dataset, SNAPSHOT, pq.read_table(lake.local_file(entry)))
    return validate(scratch.use_case, source, suite, scratch.lake, partitions, now(), "")


def _compare(contract: Source, file: Path, misfits: Mapping[str, str]) -> SchemaDrift:
    try:
        names = read_column_names(file, contract.encoding, contract.delimiter)
    except (UnreadableExtractError, UndecodableExtractError):  # the judgement has the reason of the refusal
        return SchemaDrift()
    return compare_columns(contract, names, misfits)


def _refused_rows(scratch: Workspace, source: str) -> list[RefusedRows]:
    entries = scratch.lake.entries(f"quarantine/{source}")
    if not entries:
        return []
    with scratch.lake.open_session(scratch.use_case.timezone) as db:
        rows = db.execute(
            f"""select _reason, count(*) as rows, (list(_row order by _row))[1:{LINE_SAMPLES}]
            from {scratch.lake.select_rows(entries.values())} group by 1 order by rows desc, 1"""
        ).fetchall()
    return [RefusedRows(*row) for row in rows]


def _warnings(verdicts: Mapping[str, Verdict]) -> list[str]:
    failed: dict[str, int] = {}
    for verdict in verdicts.values():
        for rule in verdict.warnings:
            text = f"{rule.column}: {rule.rule}"
            failed[text] = failed.get(text, 0) + rule.failed
    return [f"{text} ({format_plural(rows, 'row')})" for text, rows in failed.items()]
