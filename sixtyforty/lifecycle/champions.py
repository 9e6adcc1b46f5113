"""What people and triggers do to the champion ledger: go live, approve, roll back; and whether to train again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sixtyforty.accounting import kpi_ledger
from sixtyforty.modeling import model_store
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.storage.champion_ledger import Row
from sixtyforty.value.lift import Day
from sixtyforty.workspace import Workspace


class ChampionError(ValueError):
    """What was asked can't be done, and why."""


def adopt(ws: Workspace, by: str, why: str, moment: datetime, version: str | None = None) -> Row:
    """Goes live with a champion of the replay: its newest, or the version named. Live decisions begin at `moment`."""
    if over := ws.progress.over(moment):
        raise ChampionError(f"it can't go live: {over} (`sixtyforty stage` tells why)")
    if ws.ledger.champions("live"):
        raise ChampionError("it is live already; `rollback` puts an earlier champion back in force")
    replayed = {r.version: r for r in ws.ledger.champions("replay")}
    if not replayed:
        raise ChampionError("no champion to adopt: the replay has promoted none; run the chain first")
    if version is not None and version not in replayed:
        raise ChampionError(f"{version} was never promoted in the replay; there are: {', '.join(replayed)}")
    return _put_in_force(ws, replayed[version or list(replayed)[-1]], "adopted", by, why, moment)


def rollback(ws: Workspace, to: str, by: str, why: str, moment: datetime) -> Row:
    """Puts an earlier live champion back in force from `moment` on."""
    before = {r.version: r for r in ws.ledger.champions("live")}
    if to not in before:
        raise ChampionError(f"{to} was never champion; there were: {', '.join(before) or 'none'}")
    now = ws.ledger.champion("live", moment)
    if now is not None and now.version == to:
        raise ChampionError(f"{to} is in force already")
    return _put_in_force(ws, before[to], "rollback", by, why, moment)


def approve(ws: Workspace, version: str, by: str, why: str, moment: datetime) -> Row:
    """Records an approval; the sensor promotes on it, never a person's own hand."""
    waiting = [r for r in pending(ws) if r.version == version]
    if not waiting:
        there = ", ".join(r.version for r in pending(ws)) or "none"
        raise ChampionError(f"{version} doesn't wait for an approval; those that do: {there}")
    return ws.ledger.append(
        track="live",
        version=version,
        verdict="APPROVE",
        kind=waiting[0].kind,
        by=by,
        as_of=waiting[0].as_of,
        effective_from=_at(moment),
        reasons=[why],
        again=True,
    )


def pending(ws: Workspace) -> list[Row]:
    """Challengers that passed the gate and wait for an approval, oldest first."""
    rows = [r for r in ws.ledger.rows() if r.track == "live"]
    settled = {r.version for r in rows if r.verdict in ("APPROVE", "PROMOTE")}
    return [r for r in rows if r.verdict == "PENDING" and r.version not in settled]


def approved(ws: Workspace) -> list[Row]:
    """Approvals that nothing has followed yet."""
    rows = [r for r in ws.ledger.rows() if r.track == "live"]
    promoted = {r.version for r in rows if r.verdict == "PROMOTE"}
    return [r for r in rows if r.verdict == "APPROVE" and r.version not in promoted]


def promote_approved(ws: Workspace, moment: datetime) -> list[Row]:
    """Promotes what was approved, from `moment` on. Raises ModelError where the model can't be trusted."""
    found = []
    for row in approved(ws):
        ws.models.load(row.version)
        found.append(_put_in_force(ws, row, "approved", row.by, "; ".join(row.reasons), moment))
    return found


def _put_in_force(ws: Workspace, row: Row, kind: str, by: str, why: str, moment: datetime) -> Row:
    ws.models.load(row.version)
    return ws.ledger.append(
        track="live",
        version=row.version,
        verdict="PROMOTE",
        kind=kind,
        as_of=row.as_of,
        by=by,
        effective_from=_at(moment),
        reasons=[why],
        again=True,
    )


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def nothing_new(ws: Workspace, as_of: date) -> str | None:
    """Why training as of a local day would teach nothing: no data accepted, no code changed since the last time."""
    try:
        plan = model_store.plan(ws.use_case, ws.lake, as_of)
    except ModelError as error:
        return str(error)
    cards = [ws.models.card(v) for v in ws.models.versions() if ws.models.has(v, "model.skops")]
    mine = [c for c in cards if c["recipe_version"] == plan.recipe]
    if not mine or model_store.recipes(ws.use_case).keys() - {c["recipe_version"] for c in cards}:
        return None
    seen = {(k, p, v) for k, d in mine[-1]["data"].items() for p, v in d.items()}
    data = {"features": plan.features, "outcomes": plan.outcomes}
    fresh = [(k, p) for k, d in data.items() for p, e in d.items() if (k, p, e.version) not in seen]
    return None if fresh else f"no data was accepted and no code changed since {mine[-1]['version']}"


def realised(ws: Workspace, track: str) -> tuple[list[Day], float] | None:
    """The newest known days that decay is watched on, and their lift per 1,000 units; None: too few days yet."""
    wanted = ws.use_case.decisions_in(ws.use_case.automation.decay_days)
    known = kpi_ledger.days(ws, track)[-wanted:]
    if len(known) < wanted:
        return None
    return known, 1000 * sum(d.model - d.current_process for d in known) / sum(d.decisions for d in known)


def decayed(ws: Workspace, track: str, today: date) -> str | None:
    """Why the champion must be challenged at once: its realised lift is below its gate. None: it isn't, or it was."""
    found, limit = realised(ws, track), ws.use_case.automation.decay_lift
    if found is None or found[1] >= limit:
        return None
    judged = [r for r in ws.ledger.rows() if r.track == track]
    if judged and date.fromisoformat(judged[-1].as_of) > today - timedelta(days=1):
        return None
    return (
        f"lift of the last {ws.use_case.automation.decay_days} days is {found[1]:+,.0f} per 1,000, below {limit:,.0f}"
    )
