"""What a vendor is given to predict on: units and what is known of them. Never what is personal or held close.

Each extract given is kept in a ledger (`given.jsonl`), chained by hashes: to whom, by whom and why, which rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from sixtyforty.accounting.build_or_buy import SourcingError
from sixtyforty.storage.champion_ledger import Chain, Chained
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import write_atomic
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

OURS = ("current_action", "suspect", "_partition")  # how we decide today is no vendor's business


class Given(Chained):
    """An extract that was given away."""

    vendor: str = Field(description="To which candidate's vendor.")
    why: str = Field(description="In the words of who gave it.")
    first: str = Field(description="First partition.")
    last: str = Field(description="Last partition.")
    rows: int = Field(description="How many units.")
    columns: list[str] = Field(description="What is told of them.")
    left_out: list[str] = Field(description="Columns that are personal.")
    sha256: str = Field(description="Of the file.")


class Gifts(Chain[Given]):
    """`given.jsonl` of one use case."""

    kind = Given


def gifts(ws: Workspace) -> Gifts:
    """The extracts given away of a use case."""
    return Gifts(ws.ledger.path.with_name("given.jsonl"))


def extract(
    ws: Workspace, vendor: str, partitions: Sequence[str], folder: Path, by: str, why: str
) -> tuple[Path, Given]:
    """Writes the CSV and keeps that it was given. Raises SourcingError, with nothing written, where it may not be."""
    case, declared = ws.use_case, ws.use_case.sourcing
    if declared is None:
        raise SourcingError(f"{case.name} declares no sourcing: say first whether it is to be held close")
    if declared.strategic:
        raise SourcingError(f"{case.name} is held close, no vendor is given anything: {declared.why}")
    if vendor not in declared.vendors:
        raise SourcingError(f"'{vendor}' is no vendor of sourcing.vendors: {', '.join(declared.vendors) or 'none'}")
    personal = {c for s in case.sources.values() for c in s.personal}
    if shared := sorted(personal & set(case.decision.key)):
        raise SourcingError(f"the key itself is personal ({', '.join(shared)}): there is nothing to tell units by")
    entries = ws.lake.entries("features", partitions)
    if not entries:
        raise SourcingError(f"no features of {partitions[0]} to {partitions[-1]}: run the chain on these days")
    with connect(case.timezone) as db:
        db.execute(f"create or replace temp table known as from {ws.lake.rows(entries.values())}")
        kinds = {name: kind for name, kind, *_ in db.execute("describe known").fetchall()}
        names = [c for c in kinds if c not in OURS and not c.startswith("_")]
        out = {c for c in names if c in personal} | _renamed(db, ws, [c for c in names if kinds[c] == "VARCHAR"])
        told = [c for c in names if c not in out]
        key = ", ".join(f'"{c}"' for c in case.decision.key)
        listed = ", ".join(f'"{c}"' for c in told)
        rows = db.execute(f"select {listed} from known order by decided_at, {key}").df()
    data = rows.to_csv(index=False).encode()
    path = folder / f"{case.name}_{vendor}_{min(entries)}_{max(entries)}.csv"
    write_atomic(path, data)
    fields = {
        "by": by,
        "vendor": vendor,
        "why": why,
        "first": min(entries),
        "last": max(entries),
        "rows": len(rows),
        "columns": told,
        "left_out": sorted(out),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return path, gifts(ws).add(fields, lambda _: None)


def _renamed(db: duckdb.DuckDBPyConnection, ws: Workspace, columns: Sequence[str]) -> set[str]:
    """Text columns that hold what a personal column of a source holds, under a name of their own."""
    found = set()
    for name, source in ws.use_case.sources.items():
        entries = ws.lake.entries(f"validated/{name}") if source.personal else {}
        for p in source.personal if entries else ():
            known = f'select distinct "{p}"::varchar from {ws.lake.rows(entries.values())} where "{p}" is not null'
            for c in columns:
                hit, of = db.execute(
                    f"""select count(*) filter ("{c}" in ({known})), count(*)
                    from (select distinct "{c}" from known where "{c}" is not null)"""
                ).fetchall()[0]
                if of and hit * 2 > of and c not in ws.use_case.decision.key:
                    found.add(c)
    return found
