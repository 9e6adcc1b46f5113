"""Permanently withdraw a model version, or all versions of its recipe: because of leakage, a law or an error.

The withdrawal is a row of the champion ledger. Only `ChampionLedger.withdrawal_of` answers whether a version may
decide. Live decisions that a withdrawn version has already taken don't change.
"""

from __future__ import annotations

from datetime import datetime

from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace


def withdraw_model(
    ws: Workspace, version: str, by: str, why: str, now: datetime, whole_recipe: bool = False
) -> ChampionRow:
    """Withdraw a model version on both tracks, from `now` (UTC, naive) on, and return the champion ledger's new row.

    whole_recipe: also withdraw all other versions of its recipe, including versions trained later. Raises ChampionError
    if the gate never judged the version or if it is already withdrawn. Raises ModelError if the version doesn't exist.
    """
    ledger = ws.champion_ledger
    judged = {row.version: row for row in ledger.rows() if row.verdict not in ("WITHDRAW", "REBUILD")}
    if version not in judged:
        raise ChampionError(
            f"{ws.use_case.name}: the gate never judged the model {version}, so it can't be withdrawn."
            f" Choose a judged version: {', '.join(judged) or 'none'}."
        )
    recipe = ws.models.card(version).recipe_version if whole_recipe else None
    earlier = ledger.withdrawal_of(version)
    if earlier and (recipe is None or earlier.withdrawn_recipe == recipe):
        raise ChampionError(
            f"{ws.use_case.name}: the model {version} was {earlier.withdrawal_text}. There is nothing more to withdraw."
        )
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
    """Return a sentence that says who decides live from a UTC time on: a champion or the current process."""
    if not ws.champion_ledger.promotions("live"):
        return f"{ws.use_case.name} isn't live. Rebuild its replay with `sixtyforty run --rebuild-replay`."
    has_ended = ws.stage_ledger.end_reason_at(now) is not None
    champion = None if has_ended else ws.champion_ledger.champion_at("live", now)
    return f"{champion.version if champion else 'The current process'} decides from now on."
