"""Revoke champions that learned from tainted features, which know the future. The ledger records each revocation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sixtyforty.modeling import taint
from sixtyforty.modeling.taint import TaintedPartition
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace

CANDIDATES = ("PROMOTE", "PENDING", "APPROVE")  # verdicts on versions that decide now or may decide later


def find_tainted_training(ws: Workspace, version: str) -> list[TaintedPartition]:
    """Return the partitions that a model version learned from and whose features know the future (are tainted)."""
    return taint.find_tainted_versions(ws.lake, ws.models.card(version).data["features"])


def revoke_tainted_champions(ws: Workspace, now: datetime) -> list[ChampionRow]:
    """Revoke each model version that learned from tainted features. Return the new rows of the champion ledger.

    now: the time (UTC, naive) from which the versions no longer decide. All champions of the same recipe are revoked
    too, because they learned from the same features.sql. New versions of the recipe may be promoted once the features
    are corrected.
    """
    if not ws.lake.partitions(taint.INDEX):
        return []
    rows = []
    for row in _revocable(ws):
        tainted = find_tainted_training(ws, row.version)
        if tainted and not ws.champion_ledger.withdrawal_of(row.version):
            rows.append(
                ws.champion_ledger.take_out_of_force(
                    row.version,
                    "revoked",
                    also=_same_recipe(ws, row.version),
                    by="chain",
                    as_of=row.as_of,
                    effective_from=now.isoformat(timespec="seconds"),
                    reasons=[f"it learned from tainted data: the {taint.describe(tainted)}"],
                )
            )
    return rows


def _revocable(ws: Workspace) -> Iterator[ChampionRow]:
    """Yield one ledger row for each model version that decides now or may decide later, and that isn't withdrawn."""
    rows = {row.version: row for row in ws.champion_ledger.rows() if row.verdict in CANDIDATES}
    yield from (row for row in rows.values() if not ws.champion_ledger.withdrawal_of(row.version))


def _same_recipe(ws: Workspace, version: str) -> list[str]:
    recipe = ws.models.card(version).recipe_version
    return [row.version for row in _revocable(ws) if ws.models.card(row.version).recipe_version == recipe]
