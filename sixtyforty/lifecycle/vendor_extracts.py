"""Write CSV files for vendors: units with their features but without personal columns, for a vendor to predict on.

What the SQL calculates from a personal column is left out, too, unless `sourcing.vendor_columns` allows the feature. A
text that a spreadsheet would run as a formula gets an apostrophe.

A hash-chained ledger records each file: the vendor, the person who gave the file away and why, its rows and columns.
If the use case's capability is declared strategic, no vendor gets a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from sixtyforty.accounting.build_or_buy import SourcingError
from sixtyforty.decisions.delivery import escape_formulas
from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.modeling.personal_lineage import impersonal_columns, personal_columns
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

INTERNAL_COLUMNS = ("current_action", "suspect", "_partition")  # vendors must not learn the current process
FEATURE_FILES = ("units", "features")  # SQL files whose columns an extract holds
# A text column is a copy of a personal column if that column holds more than this share of its distinct values.
COPY_SHARE = 0.5


class VendorExtract(ChainedRow):
    """A row of the ledger of vendor extracts: a file that the person `by` gave to a vendor."""

    vendor: str = Field(description="Name of the vendor in sourcing.vendors.")
    why: str = Field(description="Why the person gave the file to the vendor.")
    first: str = Field(description="First partition whose units are in the file.")
    last: str = Field(description="Last partition whose units are in the file.")
    rows: int = Field(description="Number of units in the file.")
    columns: list[str] = Field(description="Columns of the file.")
    left_out: list[str] = Field(description="Personal columns that the file leaves out.")
    sha256: str = Field(description="SHA-256 of the file.")


class VendorExtractLedger(HashChain[VendorExtract]):
    """The ledger `vendor_extracts.jsonl` of one use case: the files given to vendors."""

    row_type = VendorExtract


def open_vendor_extract_ledger(ws: Workspace) -> VendorExtractLedger:
    """Return the ledger of the files that a use case has given to vendors."""
    return ws.open_ledger(VendorExtractLedger, "vendor_extracts.jsonl")


def write_vendor_extract(
    ws: Workspace, vendor: str, partitions: Sequence[str], folder: Path, by: str, why: str
) -> tuple[Path, VendorExtract]:
    """Write the units of some partitions to a CSV file for a vendor, and record it. Return the path and the ledger row.

    folder: where to write the file. by, why: the person who gives the file to the vendor, and the reason. Raises
    SourcingError, and writes nothing, if the vendor may not get the file or if the partitions have no features.
    """
    _check_allowed(ws.use_case, vendor)
    entries = ws.lake.entries("features", partitions)
    if not entries:
        raise SourcingError(
            f"{ws.use_case.name}: there are no features from {partitions[0]} to {partitions[-1]}. Run the chain on"
            " these partitions first, with `sixtyforty run`."
        )
    columns, left_out, rows, content = _read_extract(ws, entries)
    path = folder / f"{ws.use_case.name}_{vendor}_{min(entries)}_{max(entries)}.csv"
    write_atomic(path, content)
    row = VendorExtract(
        by=by,
        vendor=vendor,
        why=why,
        first=min(entries),
        last=max(entries),
        rows=rows,
        columns=columns,
        left_out=left_out,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return path, open_vendor_extract_ledger(ws).append_row(row, lambda _: None)


def _check_allowed(use_case: UseCase, vendor: str) -> None:
    """Raise SourcingError if the vendor may not get a file of this use case's units."""
    declared = use_case.sourcing
    if declared is None:
        raise SourcingError(
            f"{use_case.name} declares no `sourcing`. Declare it in defs.yaml, with `strategic: false` if the model"
            " may be bought."
        )
    if declared.strategic:
        raise SourcingError(
            f"{use_case.name}: defs.yaml declares `sourcing.strategic: true`, so no vendor gets an extract."
            f" The declared reason: {declared.why}"
        )
    if vendor not in declared.vendors:
        raise SourcingError(
            f"{use_case.name}: the vendor '{vendor}' is not in sourcing.vendors."
            f" Declared vendors: {', '.join(declared.vendors) or 'none'}."
        )
    if personal_key := sorted(personal_columns(use_case) & set(use_case.decision.key)):
        raise SourcingError(
            f"{use_case.name}: the decision key holds personal columns ({', '.join(personal_key)}), which an extract"
            " must leave out. Declare a key without personal columns."
        )


def _read_extract(ws: Workspace, entries: Mapping[str, Entry]) -> tuple[list[str], list[str], int, bytes]:
    """Return a vendor extract: its columns, the personal columns left out, its number of rows, and the CSV file."""
    with ws.lake.open_session(ws.use_case.timezone) as db:
        db.execute(f"create or replace temp table extract_rows as from {ws.lake.select_rows(entries.values())}")
        types = {name: type_ for name, type_, *_ in db.execute("describe extract_rows").fetchall()}
        names = [c for c in types if c not in INTERNAL_COLUMNS and not c.startswith("_")]
        copies = _find_personal_copies(db, ws, [c for c in names if types[c] == "VARCHAR"])
        derived = set(names) - impersonal_columns(ws.use_case, FEATURE_FILES, names)
        _refuse_derived_key(ws.use_case, derived)
        allowed = set(ws.use_case.sourcing.vendor_columns) if ws.use_case.sourcing else set[str]()
        left_out = {c for c in names if c in personal_columns(ws.use_case)} | ((copies | derived) - allowed)
        columns = [c for c in names if c not in left_out]
        order = identifiers(["decided_at", *ws.use_case.decision.key])
        rows = db.sql(f"select {identifiers(columns)} from extract_rows order by {order}").to_arrow_table()
        content = escape_formulas(rows).to_pandas().to_csv(index=False).encode()
    return columns, sorted(left_out), rows.num_rows, content


def _refuse_derived_key(use_case: UseCase, derived: set[str]) -> None:
    """Raise SourcingError if a column of the decision key is calculated from a personal column."""
    if keys := sorted(derived & set(use_case.decision.key)):
        raise SourcingError(
            f"{use_case.name}: the decision key holds {', '.join(keys)}, which derives from personal columns, or the"
            " SQL doesn't name all its columns. Declare a key without personal data, and name each column in the SQL."
        )


def _find_personal_copies(db: duckdb.DuckDBPyConnection, ws: Workspace, columns: Sequence[str]) -> set[str]:
    """Return the text columns of the features whose values are copied from a personal column of a source."""
    copies = set()
    for name, source in ws.use_case.sources.items():
        entries = ws.lake.entries(f"validated/{name}") if source.personal else {}
        for personal in source.personal if entries else ():
            original = identifier(personal)
            values = f"""select distinct {original}::varchar
                from {select_validated_rows(ws.lake, source, entries.values())}
                where {original} is not null"""
            for column in columns:
                copy = identifier(column)
                repeated, distinct = db.execute(
                    f"""select count(*) filter ({copy} in ({values})), count(*)
                    from (select distinct {copy} from extract_rows where {copy} is not null)"""
                ).fetchall()[0]
                if repeated > COPY_SHARE * distinct and column not in ws.use_case.decision.key:
                    copies.add(column)
    return copies
