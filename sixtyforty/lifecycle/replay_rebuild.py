"""Rebuild a replay with the current declaration: judge its champions again, then take its decisions again.

Only the replay is rebuilt. Live decisions, live deliveries and the live rows of the ledgers never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling import training_plan
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace


class RebuildError(SixtyfortyError):
    """The replay can't be rebuilt."""


def refuse_after_end(ws: Workspace, now: datetime) -> None:
    """Raise RebuildError if the use case was stopped or retired, because no model may decide its replay."""
    if end_reason := ws.stage_ledger.end_reason_at(now):
        name = ws.use_case.name
        raise RebuildError(
            f"{name}: the replay can't be rebuilt, because the use case has ended: {end_reason}."
            f" `sixtyforty stage {name}` shows why."
        )


def start_rebuild(ws: Workspace, first: str, by: str = "chain") -> ChampionRow:
    """Record in the champion ledger that the replay is rebuilt from partition `first` on. Return the new row.

    The champions that the replay has had from this partition on no longer count.
    """
    effective_from = ws.use_case.opens_at(first).isoformat()
    return ws.champion_ledger.append(
        repeat=True,
        track="replay",
        version="-",
        verdict="REBUILD",
        kind="rebuilt",
        by=by,
        as_of=ws.use_case.first_day(first).isoformat(),
        effective_from=effective_from,
        reasons=[f"the replay is rebuilt from {first} on, with the current declaration"],
    )


def days_to_rebuild(ws: Workspace, days: Sequence[date], first: str) -> list[date]:
    """Return the training days of the champions that decide partition `first` and the partitions after it, sorted.

    days: all training days of the replay. The champion of a partition is trained on the last training day before it.
    """
    start = ws.use_case.first_day(first)
    earlier = training_plan.training_days(ws.use_case, start)
    newest = earlier[-1] if earlier else start
    return sorted(day for day in days if day >= newest)


def judge_rebuild(ws: Workspace, days: Sequence[date], first: str) -> list[ChampionRow]:
    """Restart the replay from partition `first` on, and let the gate judge its challengers again.

    days: the training days of the replay for which challengers exist. Returns the new rows of the champion ledger.
    """
    start = start_rebuild(ws, first)
    days = days_to_rebuild(ws, days, first)
    stores = (ws.use_case, ws.lake, ws.models, ws.champion_ledger)
    return promote_challengers(*stores, "replay", days, not_before=start.effective_from)


def days_to_judge(ws: Workspace, days: Sequence[date]) -> list[date]:
    """Return the training days of a replay for which the gate may still judge challengers, sorted.

    The gate doesn't judge a training day again once decisions were taken after it. Another verdict would name a
    champion that did not take these decisions. To change past decisions, rebuild the replay (see `days_to_rebuild`).
    """
    decided = ws.lake.partitions(decisions_dataset("replay"))
    newest = ws.use_case.first_day(decided[-1]) if decided else date.min
    judged = {row.as_of for row in ws.champion_ledger.verdicts("replay")}

    def is_settled(day: date) -> bool:
        has_champion = ws.champion_ledger.champion_at("replay", ws.use_case.day_start(day)) is not None
        return day <= newest and day.isoformat() in judged and has_champion

    return sorted(day for day in days if not is_settled(day))
