"""Deliver decisions to the business process, as table rows and files. A webhook sends what the table holds.

Each partition becomes rows of the table, one CSV file and one Parquet file. A second delivery adds the missing
decisions. A person's answer that takes effect revises the delivered row, but never the decision in the lake.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.decisions.answered_rows import JudgedAnswers, read_answers, with_answers
from sixtyforty.decisions.answers_in_force import JudgedAnswer
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery_table import delete_replaced, delivery_table_name, insert_decisions, revise_rows
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import (
    UnfinishedFile,
    access_errors,
    canonical_json,
    file_sha256,
    run_in_parallel,
    unfinished_file,
    write_atomic,
)
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.stored_tables import Rows, TableStore, portions, run_for_tables
from sixtyforty.storage.verdicts import is_accepted
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

RECEIPT_SUFFIX = ".delivered"
HIDDEN_IN_CSV = ("use_case", "track", "policy")
FORMULA_START = "\\A([=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"  # also the full-width forms of =, +, - and @


class DeliveryError(SixtyfortyError):
    """Decisions can't be delivered, because governance refused the features that they were taken on."""


@dataclass(frozen=True)
class DeliveredPartition:
    """The delivered decisions of one partition.

    `rows`: number of decisions in the files. `new`: number of decisions that this delivery added to the SQL table.
    `files`: names of the files below the delivery folder. `table`: name of the SQL table.
    """

    rows: int
    new: int
    files: list[str]
    table: str


def deliver_decisions(ws: Workspace, entries: dict[str, Entry], track: Track) -> dict[str, DeliveredPartition]:
    """Deliver the decisions of some partitions, each decision once. Return what was delivered for each partition.

    When a replay's decisions were taken again, their rows in the SQL table are replaced. Nothing is delivered once the
    use case is retired. Raises DeliveryError if governance refused the features of a decision.
    """
    if ws.stage_ledger.is_retired():
        return {}
    store = TableStore(ws.lake.scratch)
    rows = dict(zip(entries, run_in_parallel(lambda p: _read_accepted(ws, store, entries[p]), entries), strict=True))
    undelivered = find_undelivered(ws, track, entries)
    if track == "replay":
        delete_replaced(ws, {p: rows[p] for p in undelivered})
    new = insert_decisions(ws, track, rows)
    answers = read_answers(ws, track, rows)
    revise_rows(ws, track, _all_answers(answers))
    table = delivery_table_name(ws.use_case.name, track)

    def deliver_partition(partition: str) -> DeliveredPartition:
        answers_to = answers.get(partition, {})
        files = write_files(ws.deliveries, track, partition, rows[partition], answers_to, ws.lake.scratch)
        if partition in undelivered:  # written last, because the receipt confirms the SQL rows and the files
            receipt = canonical_json({"decisions": entries[partition].version})
            write_atomic(_receipt_path(ws, track, partition), receipt.encode())
        return DeliveredPartition(rows[partition].num_rows, new[partition], files, table)

    return run_for_tables(deliver_partition, rows)


def deliver_answers(ws: Workspace, track: Track, partitions: Collection[str]) -> int:
    """Revise the delivered rows and files of some partitions after people's answers. Return how many rows changed.

    Partitions that weren't delivered yet are left out, because their first delivery includes the answers. Once the use
    case is retired, nothing changes.
    """
    if ws.stage_ledger.is_retired():
        return 0
    entries = ws.lake.entries(decisions_dataset(track), partitions)
    delivered = {p: entry for p, entry in entries.items() if _receipt_path(ws, track, p).exists()}
    store = TableStore(ws.lake.scratch)
    rows = {partition: store.open(ws.lake.local_file(entry)) for partition, entry in delivered.items()}
    answers = read_answers(ws, track, rows)
    revised = revise_rows(ws, track, _all_answers(answers))
    for partition, by_decision in answers.items():
        write_files(ws.deliveries, track, partition, rows[partition], by_decision, ws.lake.scratch)
    return revised


def _all_answers(answers: Mapping[str, JudgedAnswers]) -> list[JudgedAnswer]:
    return [answer for by_decision in answers.values() for answer in by_decision.values()]


def _receipt_path(ws: Workspace, track: Track, partition: str) -> StoragePath:
    return ws.deliveries / track / f".{partition}{RECEIPT_SUFFIX}"


def find_undelivered(ws: Workspace, track: Track, entries: Mapping[str, Entry]) -> set[str]:
    """Return the partitions whose current version of decisions wasn't delivered, or none for a retired use case."""
    if ws.stage_ledger.is_retired():
        return set()
    partition_by_receipt = {_receipt_path(ws, track, partition).name: partition for partition in entries}
    folder = ws.deliveries / track
    if isinstance(folder, ObjectPath):
        receipts = folder.read_listed(RECEIPT_SUFFIX, list(partition_by_receipt))
    else:
        receipts = {name: (folder / name).read_bytes() for name in partition_by_receipt if (folder / name).exists()}
    delivered = set()
    for name, receipt in receipts.items():
        partition = partition_by_receipt[name]
        if json.loads(receipt)["decisions"] == entries[partition].version:
            delivered.add(partition)
    return entries.keys() - delivered


def has_current_receipt(ws: Workspace, track: Track, entry: Entry) -> bool:
    """Return whether a partition's decisions were delivered in the version of this manifest."""
    receipt = _receipt_path(ws, track, entry.partition)
    return receipt.exists() and json.loads(receipt.read_bytes())["decisions"] == entry.version


def _read_accepted(ws: Workspace, store: TableStore, decisions: Entry) -> Rows:
    """Return a partition's decisions. Raises DeliveryError if governance refused the features of a decision.

    A failed Dagster check stops only its own run. This check also stops a later run that only delivers.
    """
    partition, rows = decisions.partition, store.open(ws.lake.local_file(decisions))
    current = ws.lake.entry("features", partition)
    versions = {v: None for portion in portions(rows) for v in portion["data_version"].unique().to_pylist()}
    for version in versions:
        entry = current if current is not None and current.version == version else ws.lake.replaced_entry(version)
        if entry is None or not is_accepted(entry):
            raise DeliveryError(
                f"{ws.use_case.name}: the decisions of {partition} were taken on the features version {version},"
                " which governance refused. Correct the data, then build the features and take the decisions again."
            )
    return rows


def write_files(
    deliveries: StoragePath, track: Track, partition: str, rows: Rows, answers: JudgedAnswers, scratch: Path
) -> list[str]:
    """Write a partition's CSV and Parquet files if their content differs from the files that exist.

    Return the names of both files below the delivery folder. deliveries: the delivery folder.
    """
    import pyarrow.parquet as pq
    from pyarrow import csv

    folder = deliveries / track
    schema = with_answers(rows.slice(0, 0), answers).schema
    shown = [column for column in schema.names if column not in HIDDEN_IN_CSV]
    shown_schema = schema.empty_table().select(shown).schema
    with ExitStack() as stack:
        local_folder = scratch if isinstance(folder, ObjectPath) else folder
        stack.enter_context(access_errors(local_folder))
        csv_file, parquet_file = (stack.enter_context(unfinished_file(local_folder)) for _ in range(2))
        with (
            csv.CSVWriter(csv_file, shown_schema) as as_csv,
            pq.ParquetWriter(parquet_file, schema, compression="zstd") as as_parquet,
        ):
            for portion in portions(rows):
                answered = with_answers(portion, answers)
                as_csv.write_table(escape_formulas(answered.select(shown)))
                as_parquet.write_table(answered)
        files = {f"{partition}.csv": csv_file, f"{partition}.parquet": parquet_file}
        for name, file in files.items():
            _publish(folder / name, file, scratch)
    return [f"{track}/{name}" for name in files]


def _publish(path: StoragePath, file: UnfinishedFile, scratch: Path) -> None:
    """Move or upload a newly written file to `path`, unless the file there has the same content."""
    if isinstance(path, Path):
        if not path.exists() or file_sha256(path) != file.sha256:
            file.publish(path)
        return
    if path.exists():
        copy = scratch / secrets.token_hex(8)
        path.parent.download({path.name: copy})
        if file_sha256(copy) == file.sha256:
            return
    path.upload(file.path)


def escape_formulas(rows: pa.Table) -> pa.Table:
    """Return the rows with an apostrophe before each text and header that a spreadsheet would run as a formula."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for position, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            escaped = pc.replace_substring_regex(rows[position], FORMULA_START, r"'\1")
            rows = rows.set_column(position, field, escaped)
    return rows.rename_columns([re.sub(FORMULA_START, r"'\1", name) for name in rows.column_names])
