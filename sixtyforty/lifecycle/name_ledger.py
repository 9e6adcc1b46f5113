"""The ledger of names: each rename of a use case, and the newest row of its other ledgers at that time.

A rename moves the ledgers of a use case to another folder. Each rename is a row of this ledger, with the old name, the
new name and the newest hash of each other ledger. With these hashes, an auditor can verify that the moved ledgers are
complete.
"""

from __future__ import annotations

import json
from itertools import pairwise

from pydantic import Field

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import ChainedRow, HashChain, LedgerError
from sixtyforty.workspace import Workspace

NAMES = "names.jsonl"
TRACKS: tuple[Track, ...] = ("live", "replay")


class Renaming(ChainedRow):
    """A row of the ledger of names: one rename. `by`: the person who renamed the use case."""

    old: str = Field(description="Name of the use case before the rename.")
    new: str = Field(description="Name of the use case after the rename.")
    why: str = Field(description="The reason for the rename.")
    heads: dict[str, tuple[int, str]] = Field(
        description="For each other ledger of the use case: its number of rows, and the hash of its newest row."
    )


class NameLedger(HashChain[Renaming]):
    """The ledger of a use case's renames, in the file `names.jsonl`."""

    row_type = Renaming


def open_name_ledger(ws: Workspace) -> NameLedger:
    """Return the ledger of a use case's renames."""
    return ws.open_ledger(NameLedger, NAMES)


def record_renaming(ws: Workspace, old: str, new: str, by: str, why: str) -> Renaming:
    """Record a rename in the ledger of names, unless the newest row records the same rename. Return the row."""
    ledger, heads = open_name_ledger(ws), ledger_heads(ws)
    row = Renaming(by=by, old=old, new=new, why=why, heads=heads)

    def find_repeated(rows: list[Renaming]) -> Renaming | None:
        newest = rows[-1] if rows else None
        return newest if newest and (newest.old, newest.new) == (old, new) else None

    return ledger.append_row(row, find_repeated)


def ledger_heads(ws: Workspace) -> dict[str, tuple[int, str]]:
    """Return, by file name, the row count and newest hash of each ledger except the ledger of names."""
    heads = {}
    for path in ws.champion_ledger.path.parent.glob("*.head"):
        head = json.loads(path.read_bytes())
        name = path.with_suffix(".jsonl").name
        if name != NAMES:
            heads[name] = (int(head["rows"]), str(head["hash"]))
    return dict(sorted(heads.items()))


def verify_names(ws: Workspace) -> int:
    """Verify that the ledgers of a renamed use case are complete. Return the number of renames.

    Raises LedgerError if

    - the names in the declaration differ from the names in the ledger
    - the old name of a rename in the ledger differs from the new name of the rename before it
    - a ledger lacks the row that was its newest row when the use case was renamed
    - the ledger of names is missing, although some decisions were taken under an old name
    """
    rows = open_name_ledger(ws).rows()
    use_case = ws.use_case
    names = [*(row.old for row in rows), rows[-1].new] if rows else [use_case.name]
    if not rows and _first_decided_names(ws) & set(use_case.former_names):
        raise LedgerError(
            f"{use_case.name}: the ledger {NAMES} is missing, although decisions were taken under a former name."
            f" Restore {NAMES} and names.head from a backup."
        )
    if rows and names != [*use_case.former_names, use_case.name]:
        raise LedgerError(
            f"{use_case.name}: the names in the ledger {NAMES} are {' → '.join(names)}, but defs.yaml declares"
            f" {' → '.join([*use_case.former_names, use_case.name])}. Correct former_names in defs.yaml."
        )
    for before, after in pairwise(rows):
        if before.new != after.old:
            raise LedgerError(
                f"{use_case.name}: in {NAMES}, row {after.seq}, the old name is {after.old}, expected {before.new}."
                f" Restore {NAMES} and names.head from a backup."
            )
    for row in rows:
        _verify_heads(ws, row)
    return len(rows)


def _first_decided_names(ws: Workspace) -> set[str]:
    """Return the use case's names that are stored in the oldest replay decisions and the oldest live decisions.

    If the use case had no decisions before its rename, all decisions have the new name. Then the ledger of names needs
    no row for the rename.
    """
    import pyarrow.parquet as pq

    names = set[str]()
    for track in TRACKS:
        oldest = ws.lake.partitions(decisions_dataset(track))[:1]
        for entry in ws.lake.entries(decisions_dataset(track), oldest).values():
            names |= set(pq.read_table(ws.lake.local_file(entry), columns=["use_case"])["use_case"].to_pylist())
    return names


def _verify_heads(ws: Workspace, row: Renaming) -> None:
    for name, (count, expected) in row.heads.items():
        path = ws.champion_ledger.path.with_name(name)
        lines = path.read_bytes().splitlines() if path.exists() else []
        if len(lines) < count or (count and json.loads(lines[count - 1]).get("hash") != expected):
            raise LedgerError(
                f"{ws.use_case.name}: row {count} of {name} was changed or is missing. It was the newest row when"
                f" {row.old} was renamed to {row.new}. Restore {name} and its .head file from a backup."
            )
