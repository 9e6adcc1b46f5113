"""Manage the live champion: go live, approve challengers, roll back to an earlier champion, decide when to retrain.

The rules that a challenger must pass to be promoted are in `modeling.gate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.refused_figures import describe_refusal
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
    """The gain over the current process, measured on the newest partitions with known outcomes.

    `daily_values`: the value of the decisions of each of these partitions. `per_1000`: the gain per 1,000 units, in the
    KPI's currency.
    """

    daily_values: Sequence[DailyValue]
    per_1000: float


def adopt_champion(ws: Workspace, by: str, why: str, now: datetime, version: str | None = None) -> ChampionRow:
    """Go live: let a champion of the replay decide from `now` (UTC, naive) on. Return the champion ledger's new row.

    version: the champion to put in force; None takes the newest one that wasn't withdrawn. Raises ChampionError if the
    use case was stopped or retired or is live already, or if the version was withdrawn or never promoted in the replay.
    Raises TaintedDataError if the features of any partition know the future.
    """
    _refuse_after_end(ws, now)
    if ws.champion_ledger.promotions("live"):
        raise ChampionError(
            f"{ws.use_case.name} is already live. To put an earlier champion back in force, use `sixtyforty rollback`."
        )
    replayed = {row.version: row for row in ws.champion_ledger.promotions("replay")}
    if not replayed:
        require_sound(find_tainted(ws.lake), f"{ws.use_case.name}: no model can go live")
        raise ChampionError(f"{ws.use_case.name}: the replay has no champion yet. {_explain_missing_champion(ws)}")
    if version is not None and version not in replayed:
        raise ChampionError(
            f"{ws.use_case.name}: {version} was never champion of the replay. Choose a champion of the replay:"
            f" {', '.join(replayed)}."
        )
    sound = [row.version for row in ws.champion_ledger.sound_promotions("replay")]
    chosen = version or (sound or list(replayed))[-1]
    _refuse_withdrawn(ws, chosen)
    require_sound(find_tainted(ws.lake), f"{ws.use_case.name}: no model can go live")
    return _put_in_force(ws, replayed[chosen], "adopted", by, why, now)


def _explain_missing_champion(ws: Workspace) -> str:
    """Return why the gate promoted no model in the replay, and what to do next."""
    if refusal := describe_refusal(ws, "replay"):
        return refusal
    verdicts = ws.champion_ledger.verdicts("replay")
    if not verdicts:
        return f"Run the chain first: `sixtyforty run {ws.use_case.name} --from DATE --to DATE`."
    newest = verdicts[-1]
    reasons = "; ".join(newest.reasons).removesuffix(".")
    return (
        f"The gate's newest verdict is {newest.verdict}, on {newest.version}: {reasons}. Remove this cause, or replay"
        f" more days: `sixtyforty run {ws.use_case.name} --from DATE --to DATE`."
    )


def _refuse_after_end(ws: Workspace, now: datetime) -> None:
    """Raise ChampionError if the use case was stopped or retired, because then no model may decide."""
    if end_reason := ws.stage_ledger.end_reason_at(now):
        raise ChampionError(
            f"{ws.use_case.name}: no model can be put in force, because the use case has ended: {end_reason}."
            f" `sixtyforty stage {ws.use_case.name}` shows why."
        )


def _refuse_withdrawn(ws: Workspace, version: str) -> None:
    """Raise ChampionError if a model version was withdrawn or revoked."""
    if withdrawal := ws.champion_ledger.withdrawal_of(version):
        raise ChampionError(
            f"{ws.use_case.name}: the model {version} was {withdrawal.withdrawal_text}. This version never decides"
            " again. Train a corrected recipe."
        )


def roll_back_champion(ws: Workspace, version: str, by: str, why: str, now: datetime) -> ChampionRow:
    """Put an earlier live champion back in force from `now` (UTC, naive) on. Return the champion ledger's new row.

    Raises ChampionError if the use case was stopped or retired, or if the version was never the live champion, was
    withdrawn, or is in force already.
    """
    _refuse_after_end(ws, now)
    earlier = {row.version: row for row in ws.champion_ledger.promotions("live")}
    if version not in earlier:
        raise ChampionError(
            f"{ws.use_case.name}: {version} was never the live champion. Choose an earlier champion:"
            f" {', '.join(earlier) or 'none'}."
        )
    _refuse_withdrawn(ws, version)
    champion = ws.champion_ledger.champion_at("live", now)
    if champion is not None and champion.version == version:
        raise ChampionError(f"{ws.use_case.name}: {version} is already the live champion. Nothing was changed.")
    return _put_in_force(ws, earlier[version], "rollback", by, why, now)


def approve_challenger(ws: Workspace, version: str, by: str, why: str, now: datetime) -> ChampionRow:
    """Record that a person approves a challenger. The next run of the chain then promotes the challenger.

    Raises ChampionError if the use case was stopped or retired, or if the version was withdrawn or doesn't wait for an
    approval.
    """
    _refuse_after_end(ws, now)
    _refuse_withdrawn(ws, version)
    pending = {row.version: row for row in list_pending(ws)}
    if version not in pending:
        raise ChampionError(
            f"{ws.use_case.name}: {version} isn't waiting for an approval. Challengers that are waiting:"
            f" {', '.join(pending) or 'none'}."
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
    """Return the challengers that passed the gate and wait for a person's approval, oldest first."""
    rows = [row for row in ws.champion_ledger.rows() if row.track == "live"]
    settled = {row.version for row in rows if row.verdict in ("APPROVE", "PROMOTE")}
    pending = [row for row in rows if row.verdict == "PENDING" and row.version not in settled]
    return [row for row in pending if not ws.champion_ledger.withdrawal_of(row.version)]


def list_approved(ws: Workspace, now: datetime) -> list[ChampionRow]:
    """Return the approvals of challengers that can be promoted; none if the use case was stopped or retired."""
    if ws.stage_ledger.end_reason_at(now):
        return []
    rows = [row for row in ws.champion_ledger.rows() if row.track == "live"]
    promoted = {row.version for row in rows if row.verdict == "PROMOTE"}
    approved = [row for row in rows if row.verdict == "APPROVE" and row.version not in promoted]
    return [row for row in approved if not ws.champion_ledger.withdrawal_of(row.version)]


def promote_approved(ws: Workspace, now: datetime) -> list[ChampionRow]:
    """Promote all approved challengers, in force from `now` (UTC, naive) on, and return the new ledger rows.

    Raises ModelError if a model file differs from its model card.
    """
    return [_put_in_force(ws, row, "approved", row.by, "; ".join(row.reasons), now) for row in list_approved(ws, now)]


def _put_in_force(
    ws: Workspace, row: ChampionRow, kind: PromotionKind, by: str, why: str, now: datetime
) -> ChampionRow:
    ws.models.require_bound(row.version, row.bound)
    verify_files(ws.use_case.first_name, ws.lake, ws.models, row.version)  # raises ModelError if a file was changed
    refusal = f"{ws.use_case.name}: the model {row.version} can't decide, because it learned from tainted data"
    require_sound(find_tainted_training(ws, row.version), refusal)
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
    """Return why no model needs training on a local day; None if data, a recipe or a library has changed."""
    try:
        plan = training_plan.plan_training(ws.use_case, ws.lake, as_of)
    except ModelError as error:
        return str(error)
    cards = ws.models.readable_cards("model.skops")
    same_recipe = [card for card in cards if card.recipe_version == plan.recipe]
    untrained = training_plan.declared_recipes(ws.use_case).keys() - {card.recipe_version for card in cards}
    if not same_recipe or untrained or same_recipe[-1].libraries != library_versions():
        return None
    if _has_new_data(plan, same_recipe[-1]):
        return None
    return f"since {same_recipe[-1].version} was trained, no new data was accepted and no recipe changed"


def _has_new_data(plan: TrainingPlan, card: ModelCard) -> bool:
    """Return whether a training plan contains data that an earlier model (`card`) didn't learn from."""
    trained_on = {(name, p, version) for name, versions in card.data.items() for p, version in versions.items()}
    planned = {"features": plan.features, "outcomes": plan.outcomes}
    return any((name, p, e.version) not in trained_on for name, entries in planned.items() for p, e in entries.items())


def measure_recent_lift(ws: Workspace, track: Track) -> RecentLift | None:
    """Return the gain on the last `automation.decay_days` days with known outcomes; None with fewer such days."""
    count = ws.use_case.decision_count(ws.use_case.automation.decay_days)
    newest = kpi_ledger.read_daily_values(ws, track)[-count:]
    if len(newest) < count:
        return None
    gain = sum(d.model - d.current_process for d in newest)
    return RecentLift(newest, 1000 * gain / sum(d.decisions for d in newest))


def find_decay(ws: Workspace, track: Track, today: date) -> str | None:
    """Return the reason to train a new model now, if the champion's recent gain is below `automation.decay_lift`.

    Return None if the gain reaches this limit, or if the gate has already judged a challenger today.
    """
    recent, automation = measure_recent_lift(ws, track), ws.use_case.automation
    if recent is None or recent.per_1000 >= automation.decay_lift:
        return None
    judged = [row for row in ws.champion_ledger.rows() if row.track == track]
    if judged and date.fromisoformat(judged[-1].as_of) > today - timedelta(days=1):
        return None
    currency = ws.use_case.kpi.currency
    return (
        f"the gain of the last {automation.decay_days} days is {format_money(recent.per_1000, currency)} per"
        f" 1,000 units, below the limit of {format_money(automation.decay_lift, currency)}"
    )
