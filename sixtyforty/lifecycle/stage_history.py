"""Read from the stage ledger which stage a use case is in, and how many days it has spent in each stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal

from sixtyforty.spec.stages import Stage
from sixtyforty.workspace import Workspace

SpellStage = Literal["idea"] | Stage


@dataclass(frozen=True)
class StageSpell:
    """The time that a use case spent in one stage.

    `since` and `until`: UTC dates, as `2013-06-15`; `until` is None for the current stage. `days`: number of days.
    """

    stage: SpellStage
    since: str
    until: str | None
    days: float

    def to_dict(self) -> dict[str, Any]:
        """Return the time in the stage as a dict for JSON, with the keys `stage`, `from`, `to` and `days`."""
        return {"stage": self.stage, "from": self.since, "to": self.until, "days": self.days}


def current_stage(ws: Workspace) -> Stage:
    """Return the current stage of a use case from the stage ledger; without declared gates, the declared stage."""
    row = ws.stage_ledger.current_registration()
    if row:
        return row.stage
    return "poc" if ws.use_case.stages else ws.use_case.stage


def list_stage_spells(ws: Workspace, now: datetime) -> list[StageSpell]:
    """Return the time that a use case spent in each stage up to a UTC time, oldest stage first.

    If an idea date is declared, the first item is the stage `idea`: the time from this date to the first stage.
    """
    events, spells = ws.stage_ledger.entered_stages(), []
    idea_date = ws.use_case.stages.idea_date if ws.use_case.stages else None
    if idea_date and events:
        spells.append(_spell("idea", ws.use_case.day_start(idea_date), events[0].at, now))
    for event, following in zip_longest(events, events[1:]):
        if event.stage != "retired":
            spells.append(_spell(event.stage, event.at, following.at if following else None, now))
    return spells


def _spell(stage: SpellStage, since: datetime, until: datetime | None, now: datetime) -> StageSpell:
    days = ((until or now) - since).total_seconds() / 86400
    return StageSpell(stage, f"{since:%Y-%m-%d}", f"{until:%Y-%m-%d}" if until else None, round(days, 1))
