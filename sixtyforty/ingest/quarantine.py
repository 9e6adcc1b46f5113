"""Export quarantined rows for correction, and count the quarantined rows that people corrected and resubmitted.

People correct an export, and land it as an extract. A row counts as resubmitted if a row with the same key was accepted
from a later extract. The dataset `exported/<source>` lists the exported rows: their key, extract, line and reason.

A key that is quarantined again from a later extract, as after a correction that is wrong, counts once: as its newest
row. So an export has neither resubmitted rows nor rows of which a newer one is in quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.contract_rows import select_landed_rows
from sixtyforty.ingest.correction_files import CorrectionError, choose_correction_format, encode_corrections
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import write_private
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LINEAGE = ("_partition", "_extract", "_seq", "_row", "_reason")  # where an exported row was, and why in quarantine


@dataclass(frozen=True)
class QuarantineAccount:
    """The numbers of quarantined, exported and resubmitted rows of one source.

    - quarantined: rows that are in quarantine. Lines of refused extracts are not among them.
    - exported: rows that were exported for correction, including those that have left the quarantine since. A row isn't
      counted if a row with its key was exported from a later extract.
    - resubmitted: rows of `exported` whose key was accepted from a later extract.
    """

    source: str
    quarantined: int
    exported: int
    resubmitted: int

    @property
    def open(self) -> int:
        """The number of quarantined rows that were exported for correction, and not resubmitted yet."""
        return self.exported - self.resubmitted


def account_for(landing: LandingZone, source: str) -> QuarantineAccount:
    """Count the quarantined, exported and resubmitted rows of a source."""
    lake = landing.lake
    quarantined = sum(entry.rows for entry in lake.entries(f"quarantine/{source}").values())
    counts = _count_exported(landing, source).values()
    exported, resubmitted = (sum(pair[n] for pair in counts) for n in range(2))
    return QuarantineAccount(source, quarantined, exported, resubmitted)


def export_quarantine(landing: LandingZone, source: str, file: Path, code: str) -> int:
    """Write the quarantined rows of a source to a new file for correction, and return their number.

    Rows that were resubmitted are left out, and so are rows with a key of which a newer row is in quarantine.

    The file has the contract's columns with the landed texts, then COMMENTS: the reason, the file and its line, and the
    partition. A line that couldn't be read as a row has only its text. Only the owner can read the file, because the
    rows may hold personal data. Then the lake remembers that the rows were exported.

    code: the code version to write into manifests. Raises CorrectionError if no row is in quarantine, or if corrections
    can't land in such a file. Raises FileAccessError if the file can't be written.
    """
    use_case, lake, contract = landing.use_case, landing.lake, landing.use_case.sources[source]
    entries = lake.entries(f"quarantine/{source}")
    raw = lake.entries(f"raw/{source}", entries)
    if not raw:
        raise _nothing_to_export(source)
    landed_names = [arrival.name for arrival in landing.known(source)]
    kind = choose_correction_format(source, contract, file.name, landed_names)
    names = {extract.seq: extract.name for entry in raw.values() for extract in listed_extracts(entry)}
    with lake.open_session(use_case.timezone) as db:
        landed = select_landed_rows(lake, contract, raw.values())
        db.execute(
            f"""create temp table quarantined as select l.*, q._reason, {_key_columns(use_case, source)}
            from {_select_newest(contract, lake.select_rows(entries.values()))} q
            join {landed} l using (_partition, _seq, _row)
            where not {_is_resubmitted(landing, source, "q")}"""
        )
        rows = db.execute(
            f"select {identifiers(contract.columns)}, _reason, _seq, _row, _partition, _text from quarantined"
            " order by _partition, _seq, _row"
        ).fetchall()
        if not rows:
            raise CorrectionError(f"{source}: all quarantined rows were corrected and resubmitted; nothing to export.")
        position = len(contract.columns) + 1
        lines = [(*row[:position], names.get(row[position], ""), *row[position + 1 :]) for row in rows]
        write_private(file, encode_corrections(contract, kind, file.name, lines))
        _remember(db, use_case, source, lake, code)
    return len(rows)


def _nothing_to_export(source: str) -> CorrectionError:
    return CorrectionError(f"{source} has no quarantined rows, so there is nothing to export.")


def _key_columns(use_case: DecisionChain, source: str) -> str:
    return ", ".join(
        f"q.{identifier(column)} as {identifier(f'_key_{column}')}" for column in use_case.sources[source].key
    )


def _remember(db: duckdb.DuckDBPyConnection, use_case: DecisionChain, source: str, lake: Lake, code: str) -> None:
    """Add the rows of the table `quarantined` to the dataset `exported/<source>`, which lists all exported rows."""
    key = use_case.sources[source].key
    keys = ", ".join(f"{identifier(f'_key_{column}')} as {identifier(column)}" for column in key)
    selects = [f"select {keys}, {identifiers(LINEAGE)} from quarantined"]
    if earlier := lake.entries(f"exported/{source}"):
        selects.append(f"select {identifiers([*key, *LINEAGE])} from {lake.select_rows(earlier.values())}")
    rows: pa.Table = db.sql(
        f"select distinct on (_partition, _seq, _row) * from ({' union all '.join(selects)})"
        " order by _partition, _seq, _row, _reason"
    ).to_arrow_table()
    for partition, table in split_by_partition(rows, "_partition", sorted(set(rows["_partition"].to_pylist()))).items():
        lake.write(f"exported/{source}", partition, table, code=code)


def count_resubmitted(landing: LandingZone, source: str) -> dict[str, int]:
    """Return the number of exported rows that were resubmitted, by the partition in whose quarantine they were.

    A partition without such a row is left out.
    """
    return {partition: count for partition, (_, count) in _count_exported(landing, source).items() if count}


def count_open(landing: LandingZone, source: str) -> dict[str, int]:
    """Return the number of quarantined rows of each partition, each key once, as far as no later extract corrected it.

    A partition without such a row is left out.
    """
    quarantined = landing.lake.entries(f"quarantine/{source}")
    if not quarantined:
        return {}
    newest = _select_newest(landing.use_case.sources[source], landing.lake.select_rows(quarantined.values()))
    with landing.lake.open_session(landing.use_case.timezone) as db:
        query = (
            f"select _partition, count(*) from {newest} q where not {_is_resubmitted(landing, source, 'q')} group by 1"
        )
        return dict(db.execute(query).fetchall())


def _count_exported(landing: LandingZone, source: str) -> dict[str, tuple[int, int]]:
    """Return the numbers of exported and of resubmitted rows of each partition of a source. See QuarantineAccount."""
    exported = landing.lake.entries(f"exported/{source}")
    if not exported:
        return {}
    newest = _select_newest(landing.use_case.sources[source], landing.lake.select_rows(exported.values()))
    with landing.lake.open_session(landing.use_case.timezone) as db:
        counts = db.execute(
            f"""select _partition, count(*), count(*) filter (resubmitted)
            from (select _partition, {_is_resubmitted(landing, source, "e")} as resubmitted from {newest} e) group by 1
            order by 1"""
        ).fetchall()
    return {partition: (rows, resubmitted) for partition, rows, resubmitted in counts}


def _select_newest(contract: Source, rows: str) -> str:
    """Return a subquery of rows of a source, without those whose key a row of a later extract has."""
    key = _key_text(contract, "r")
    return f"(select * from {rows} r qualify {key} is null or _seq = max(_seq) over (partition by {key}))"


def _is_resubmitted(landing: LandingZone, source: str, row: str) -> str:
    """Return the SQL condition that the key of a row was accepted from a later extract. row: the alias of its table."""
    contract, validated = landing.use_case.sources[source], landing.lake.entries(f"validated/{source}")
    arrivals = ", ".join(f"({literal(arrival.id)}, {arrival.seq})" for arrival in landing.known(source))
    if not validated or not arrivals:
        return "false"
    return f"""exists (
        select 1 from {landing.lake.select_rows(validated.values())} a
        join (values {arrivals}) arrival(id, seq) on a._extract = arrival.id
        where {_key_text(contract, "a")} = {_key_text(contract, row)} and arrival.seq > {row}._seq)"""


def _key_text(contract: Source, table: str) -> str:
    """Return SQL of a row's key as one text; null if a column of the key is null."""
    return " || chr(31) || ".join(f"{table}.{identifier(column)}::varchar" for column in contract.key)
