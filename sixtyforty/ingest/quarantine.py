"""Quarantined rows for correction: their original texts and reasons, and which of them were resubmitted.

People correct an export, and land it as an extract. A row counts as resubmitted if a row with the same key was accepted
from a later extract. The dataset `exported/<source>` remembers the exported rows: their key, extract, line and reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.ingest.contract_rows import select_landed_rows
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LINEAGE = ("_partition", "_extract", "_seq", "_row", "_reason")  # identify an exported row
COMMENTS = ("_reason", "_file", "_line", "_partition", "_text")  # columns of the export that the landing ignores


@dataclass(frozen=True)
class QuarantineAccount:
    """The quarantined rows of one source.

    - quarantined: rows that are in quarantine. Lines of refused extracts are not among them.
    - exported: rows that were exported for correction, including those that have left the quarantine since.
    - resubmitted: exported rows whose key was accepted from a later extract.
    """

    source: str
    quarantined: int
    exported: int
    resubmitted: int

    @property
    def open(self) -> int:
        """Exported rows that were not resubmitted yet."""
        return self.exported - self.resubmitted


def account_for(landing: LandingZone, source: str) -> QuarantineAccount:
    """Return the account of a source's quarantined rows."""
    lake = landing.lake
    quarantined = sum(entry.rows for entry in lake.entries(f"quarantine/{source}").values())
    exported = sum(entry.rows for entry in lake.entries(f"exported/{source}").values())
    return QuarantineAccount(source, quarantined, exported, _count_resubmitted(landing, source))


def export_quarantine(use_case: DecisionChain, source: str, lake: Lake, code: str) -> tuple[bytes, int]:
    """Return the quarantined rows of a source as CSV, and their number. The lake remembers that they were exported.

    The CSV has the contract's columns with the landed texts, then the reason, the file and its line, and the partition.
    A line that couldn't be read as a row has only its text. code: the code version to write into manifests.
    """
    entries = lake.entries(f"quarantine/{source}")
    raw = lake.entries(f"raw/{source}", entries)
    columns = list(use_case.sources[source].columns)
    if not entries or not raw:
        return _csv_bytes([*columns, *COMMENTS], []), 0
    names = {extract.sha256: extract.name for entry in raw.values() for extract in listed_extracts(entry)}
    with lake.open_session(use_case.timezone) as db:
        landed = select_landed_rows(lake, use_case.sources[source], raw.values())
        db.execute(
            f"""create temp table quarantined as select l.*, q._reason, {_key_columns(use_case, source)}
            from {lake.select_rows(entries.values())} q join {landed} l using (_partition, _extract, _row)"""
        )
        rows = db.execute(
            f"select {identifiers(columns)}, _reason, _extract, _row, _partition, _text from quarantined"
            " order by _partition, _seq, _row"
        ).fetchall()
        _remember(db, use_case, source, lake, code)
    position = len(columns) + 1
    lines = [(*row[:position], _file_name(names, row[position]), *row[position + 1 :]) for row in rows]
    return _csv_bytes([*columns, *COMMENTS], lines), len(lines)


def _key_columns(use_case: DecisionChain, source: str) -> str:
    return ", ".join(
        f"q.{identifier(column)} as {identifier(f'_key_{column}')}" for column in use_case.sources[source].key
    )


def _file_name(names: dict[str, str], extract: str) -> str:
    return next((name for sha256, name in names.items() if sha256.startswith(extract)), "")


def _csv_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _remember(db: duckdb.DuckDBPyConnection, use_case: DecisionChain, source: str, lake: Lake, code: str) -> None:
    """Add the rows of the table `quarantined` to the dataset of exported rows."""
    key = use_case.sources[source].key
    keys = ", ".join(f"{identifier(f'_key_{column}')} as {identifier(column)}" for column in key)
    selects = [f"select {keys}, {identifiers(LINEAGE)} from quarantined"]
    if earlier := lake.entries(f"exported/{source}"):
        selects.append(f"select {identifiers([*key, *LINEAGE])} from {lake.select_rows(earlier.values())}")
    rows: pa.Table = db.sql(
        f"select distinct on (_partition, _extract, _row) * from ({' union all '.join(selects)})"
        " order by _partition, _extract, _row, _reason"
    ).to_arrow_table()
    for partition, table in split_by_partition(rows, "_partition", sorted(set(rows["_partition"].to_pylist()))).items():
        lake.write(f"exported/{source}", partition, table, code=code)


def _count_resubmitted(landing: LandingZone, source: str) -> int:
    lake, contract = landing.lake, landing.use_case.sources[source]
    exported, validated = lake.entries(f"exported/{source}"), lake.entries(f"validated/{source}")
    arrivals = ", ".join(f"({literal(arrival.id)}, {arrival.seq})" for arrival in landing.known(source))
    if not exported or not validated or not arrivals:
        return 0
    columns = ", ".join(f"{identifier(column)}::varchar" for column in contract.key)
    is_complete = " and ".join(f"{identifier(column)} is not null" for column in contract.key)
    key = f"concat_ws(chr(31), {columns}) as key"
    with lake.open_session(landing.use_case.timezone) as db:
        (count,) = db.execute(
            f"""with accepted as (
                select {key}, seq from {lake.select_rows(validated.values())}
                join (values {arrivals}) _(extract, seq) on _extract = extract)
            select count(*) from (
                select {key}, _seq from {lake.select_rows(exported.values())} where {is_complete}) e
            where exists (from accepted a where a.key = e.key and a.seq > e._seq)"""
        ).fetchall()[0]
    return int(count)
