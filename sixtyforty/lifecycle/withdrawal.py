"""Withdraw a model version, or its whole recipe, for ever: it leaked, broke a law, or was wrong.

The champion ledger keeps the row; `ChampionLedger.withdrawal_of` is the only place that answers whether a version may
decide. Live decisions that the version has taken stay as they are.
"""

from __future__ import annotations

from datetime import datetime

from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace


def withdraw_model(
    ws: Workspace, version: str, by: str, why: str, now: datetime, whole_recipe: bool = False
) -> ChampionRow:
    """Take a version out of force on both tracks, from `now` (UTC, naive) on, and return the ledger row.

    whole_recipe: also every other version of its recipe, and those that will be trained later. Raises ChampionError if
    the gate never judged the version or if it is withdrawn already, and ModelError if there is no such version.
    """
    ledger = ws.champion_ledger
    judged = {row.version: row for row in ledger.rows() if row.verdict not in ("WITHDRAW", "REBUILD")}
    if version not in judged:
        raise ChampionError(f"{version} was never judged by the gate. Judged versions: {', '.join(judged) or 'none'}.")
    recipe = ws.models.card(version).recipe_version if whole_recipe else None
    earlier = ledger.withdrawal_of(version)
    if earlier and (recipe is None or earlier.evidence.get("recipe") == recipe):
        raise ChampionError(f"{version} was {earlier.withdrawal_text}. There is nothing more to withdraw.")
    same_recipe = [v for v in ws.models.versions() if recipe and ws.models.card(v).recipe_version == recipe]
    return ledger.take_out_of_force(
        version,
        "withdrawn",
        also=same_recipe,
        recipe=recipe,
        by=by,
        as_of=judged[version].as_of,
        effective_from=now.isoformat(timespec="seconds"),
        reasons=[why],
    )


def describe_successor(ws: Workspace, now: datetime) -> str:
    """Return what decides live at a UTC time, in a sentence."""
    if not ws.champion_ledger.promotions("live"):
        return f"{ws.use_case.name} isn't live. Make its replay again with `sixtyforty run --rebuild-replay`."
    champion = ws.champion_ledger.champion_at("live", now)
    return f"{champion.version if champion else 'The current process'} decides from now on."
