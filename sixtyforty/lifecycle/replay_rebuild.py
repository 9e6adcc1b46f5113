"""Make a replay again by today's declaration: judge its champions anew, so that its decisions can be taken anew.

Only the replay is made again. Live decisions, live rows of the ledgers and live deliveries are history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling import training_plan
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace


class RebuildError(SixtyfortyError):
    """A replay that can't be made again."""


def refuse_after_end(ws: Workspace, now: datetime) -> None:
    """Raise RebuildError if the use case has ended: the current process would decide every day of its replay."""
    if ended := ws.stage_ledger.end_reason_at(now):
        name = ws.use_case.name
        raise RebuildError(f"{name}: the replay can't be made again: {ended}. `sixtyforty stage {name}` shows why.")


def start_rebuild(ws: Workspace, first: str, by: str = "chain") -> ChampionRow:
    """Record that the replay is made again from a partition on; its champions from then on no longer count."""
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
        reasons=[f"the replay is made again from {first} on, by the declaration as it is now"],
    )


def days_to_rebuild(ws: Workspace, days: Sequence[date], first: str) -> list[date]:
    """Return the training days whose champions decide from a partition on, in order.

    The champion that decides the partition was trained on the last training day before it.
    """
    start = ws.use_case.first_day(first)
    earlier = training_plan.training_days(ws.use_case, start)
    newest = earlier[-1] if earlier else start
    return sorted(day for day in days if day >= newest)


def days_to_judge(ws: Workspace, days: Sequence[date]) -> list[date]:
    """Return the training days of a replay that the gate may still judge, in order.

    A day is judged once if a champion decided after it: another champion of a past day would not be the one that
    decided it. `days_to_rebuild` and new decisions are the way to change it.
    """
    decided = ws.lake.partitions(decisions_dataset("replay"))
    newest = ws.use_case.first_day(decided[-1]) if decided else date.min
    judged = {row.as_of for row in ws.champion_ledger.verdicts("replay")}

    def is_settled(day: date) -> bool:
        has_champion = ws.champion_ledger.champion_at("replay", ws.use_case.day_start(day)) is not None
        return day <= newest and day.isoformat() in judged and has_champion

    return sorted(day for day in days if not is_settled(day))
