"""Manage the live champion: go live, approve challengers, roll back, and find out when retraining is due.

`modeling.gate` decides whether a challenger is good enough to be promoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sixtyforty.accounting import kpi_ledger
from sixtyforty.lifecycle.revocation import find_tainted_training
from sixtyforty.modeling import training_plan
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_files import verify_files
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import find_tainted, require_sound
from sixtyforty.modeling.training_plan import TrainingPlan
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionRow, PromotionKind
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace


class ChampionError(SixtyfortyError):
    """The champion can't be changed as requested."""


@dataclass(frozen=True)
class RecentLift:
    """The gain over the current process on the newest partitions with known values.

    `per_1000` is the gain per 1,000 units, in the KPI's currency.
    """

    daily_values: list[DailyValue]
    per_1000: float


def adopt_champion(ws: Workspace, by: str, why: str, now: datetime, version: str | None = None) -> ChampionRow:
    """Go live with a champion of the replay, from `now` (UTC, naive) on. Return the row in the champion ledger.

    Raises ChampionError if the use case has ended, is live already, or if the replay never promoted the version, or if
    the version was withdrawn. Raises TaintedDataError while any partition is tainted.
    """
    _refuse_after_end(ws, now)
    if ws.champion_ledger.promotions("live"):
        raise ChampionError(
            f"{ws.use_case.name} is already live. To put an earlier champion back in force, use `sixtyforty rollback`."
        )
    replayed = {row.version: row for row in ws.champion_ledger.promotions("replay")}
    if not replayed:
        raise ChampionError(f"{ws.use_case.name}: the replay has promoted no champion yet. Run the chain first.")
    if version is not None and version not in replayed:
        raise ChampionError(f"{version} was never promoted in the replay. Choose one of: {', '.join(replayed)}.")
    sound = [row.version for row in ws.champion_ledger.sound_promotions("replay")]
    chosen = version or (sound or list(replayed))[-1]
    _refuse_withdrawn(ws, chosen)
    require_sound(find_tainted(ws.lake), f"{ws.use_case.name}: no model can go live")
    return _put_in_force(ws, replayed[chosen], "adopted", by, why, now)


def _refuse_after_end(ws: Workspace, now: datetime) -> None:
    """Raise ChampionError if the use case has ended: then no model decides, whichever is in force."""
    if ended := ws.stage_ledger.end_reason_at(now):
        raise ChampionError(
            f"{ws.use_case.name}: no model can be put in force, {ended}."
            f" `sixtyforty stage {ws.use_case.name}` shows why."
        )


def _refuse_withdrawn(ws: Workspace, version: str) -> None:
    """Raise ChampionError if a version was withdrawn or revoked."""
    if withdrawal := ws.champion_ledger.withdrawal_of(version):
        raise ChampionError(
            f"{version} was {withdrawal.withdrawal_text}. It never decides again. Train a mended recipe instead."
        )


def roll_back_champion(ws: Workspace, version: str, by: str, why: str, now: datetime) -> ChampionRow:
    """Put an earlier live champion back in force from `now` on.

    Raises ChampionError if the use case has ended, or if the version was never champion, was withdrawn, or is in force
    already.
    """
    _refuse_after_end(ws, now)
    earlier = {row.version: row for row in ws.champion_ledger.promotions("live")}
    if version not in earlier:
        raise ChampionError(
            f"{version} was never the live champion. Choose an earlier champion: {', '.join(earlier) or 'none'}."
        )
    _refuse_withdrawn(ws, version)
    champion = ws.champion_ledger.champion_at("live", now)
    if champion is not None and champion.version == version:
        raise ChampionError(f"{version} is already in force.")
    return _put_in_force(ws, earlier[version], "rollback", by, why, now)


def approve_challenger(ws: Workspace, version: str, by: str, why: str, now: datetime) -> ChampionRow:
    """Record a person's approval of a challenger. The retrain sensor then promotes the challenger.

    Raises ChampionError if the use case has ended, or if the version was withdrawn or doesn't wait for an approval.
    """
    _refuse_after_end(ws, now)
    _refuse_withdrawn(ws, version)
    pending = {row.version: row for row in list_pending(ws)}
    if version not in pending:
        raise ChampionError(
            f"{version} isn't waiting for an approval. Challengers that are: {', '.join(pending) or 'none'}."
        )
    return ws.champion_ledger.append(
        track="live",
        version=version,
        verdict="APPROVE",
        kind=pending[version].kind,
        by=by,
        as_of=pending[version].as_of,
        effective_from=now.isoformat(timespec="seconds"),
        reasons=[why],
        repeat=True,
    )


def list_pending(ws: Workspace) -> list[ChampionRow]:
    """Return the challengers that passed the gate and wait for an approval, oldest first."""
    rows = [row for row in ws.champion_ledger.rows() if row.track == "live"]
    settled = {row.version for row in rows if row.verdict in ("APPROVE", "PROMOTE")}
    pending = [row for row in rows if row.verdict == "PENDING" and row.version not in settled]
    return [row for row in pending if not ws.champion_ledger.withdrawal_of(row.version)]


def list_approved(ws: Workspace, now: datetime) -> list[ChampionRow]:
    """Return the approvals whose challenger can still be promoted at a UTC time; none once the use case has ended."""
    if ws.stage_ledger.end_reason_at(now):
        return []
    rows = [row for row in ws.champion_ledger.rows() if row.track == "live"]
    promoted = {row.version for row in rows if row.verdict == "PROMOTE"}
    approved = [row for row in rows if row.verdict == "APPROVE" and row.version not in promoted]
    return [row for row in approved if not ws.champion_ledger.withdrawal_of(row.version)]


def promote_approved(ws: Workspace, now: datetime) -> list[ChampionRow]:
    """Promote the approved challengers from `now` on. Raises ModelError if a model file differs from its card."""
    return [_put_in_force(ws, row, "approved", row.by, "; ".join(row.reasons), now) for row in list_approved(ws, now)]


def _put_in_force(
    ws: Workspace, row: ChampionRow, kind: PromotionKind, by: str, why: str, now: datetime
) -> ChampionRow:
    verify_files(ws.use_case.name, ws.lake, ws.models, row.version)  # raises ModelError
    require_sound(find_tainted_training(ws, row.version), f"{row.version} can't decide, it learned from tainted data")
    return ws.champion_ledger.append(
        track="live",
        version=row.version,
        verdict="PROMOTE",
        kind=kind,
        as_of=row.as_of,
        by=by,
        effective_from=now.isoformat(timespec="seconds"),
        reasons=[why],
        repeat=True,
    )


def reason_to_skip_training(ws: Workspace, as_of: date) -> str | None:
    """Return the reason to skip training on a local day, or None if data, recipes or libraries have changed."""
    try:
        plan = training_plan.plan_training(ws.use_case, ws.lake, as_of)
    except ModelError as error:
        return str(error)
    versions = [v for v in ws.models.versions() if ws.models.has(v, "model.skops")]
    cards = [ws.models.card(version) for version in versions]
    same_recipe = [card for card in cards if card.recipe_version == plan.recipe]
    untrained = training_plan.declared_recipes(ws.use_case).keys() - {card.recipe_version for card in cards}
    if not same_recipe or untrained or same_recipe[-1].libraries != library_versions():
        return None
    if _has_new_data(plan, same_recipe[-1]):
        return None
    return f"since {same_recipe[-1].version} was trained, no new data was accepted and no recipe changed"


def _has_new_data(plan: TrainingPlan, card: ModelCard) -> bool:
    """Return whether a training plan reads a partition version that the model of the card wasn't trained on."""
    trained_on = {(name, p, version) for name, versions in card.data.items() for p, version in versions.items()}
    planned = {"features": plan.features, "outcomes": plan.outcomes}
    return any((name, p, e.version) not in trained_on for name, entries in planned.items() for p, e in entries.items())


def measure_recent_lift(ws: Workspace, track: Track) -> RecentLift | None:
    """Return the gain on the newest `automation.decay_days` days with decisions, or None if there are fewer days."""
    count = ws.use_case.decision_count(ws.use_case.automation.decay_days)
    newest = kpi_ledger.read_daily_values(ws, track)[-count:]
    if len(newest) < count:
        return None
    gain = sum(d.model - d.current_process for d in newest)
    return RecentLift(newest, 1000 * gain / sum(d.decisions for d in newest))


def find_decay(ws: Workspace, track: Track, today: date) -> str | None:
    """Return why a new model must be trained now: the champion's recent gain is below `automation.decay_lift`.

    Return None if the gain isn't below this limit, or if a challenger was judged today.
    """
    recent, automation = measure_recent_lift(ws, track), ws.use_case.automation
    if recent is None or recent.per_1000 >= automation.decay_lift:
        return None
    judged = [row for row in ws.champion_ledger.rows() if row.track == track]
    if judged and date.fromisoformat(judged[-1].as_of) > today - timedelta(days=1):
        return None
    currency = ws.use_case.kpi.currency
    return (
        f"the gain of the last {automation.decay_days} days is {format_money(recent.per_1000, currency)} per 1,000,"
        f" below the limit of {format_money(automation.decay_lift, currency)}"
    )
