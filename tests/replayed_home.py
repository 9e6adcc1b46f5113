"""A small home with four weeks of a replay that weekly champions decided, made without Dagster."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.lifecycle.plan_models import plan_models
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.trainer import train_models
from sixtyforty.workspace import Workspace
from tests.helpers import day_range, make_use_case, make_workspace, merge, publish_days

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 5)
DECIDED = day_range(date(2013, 3, 15), LAST)
CHANGES: dict[str, Any] = {
    "replay": {"first_day": "2013-03-15", "retrain": "week", "warm_up_days": 10},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
}
VETO = {"model": {"vetoes": {"small": {"when": "load < 0.6", "never": "act", "why": "Too small."}}}}
NEVER = {"model": {"vetoes": {"all": {"when": "true", "never": "act", "why": "No fitters."}}}}


def make_replayed_home(folder: Path, **changes: Any) -> Workspace:
    """Return a home whose replay has decisions and accounts. changes: of its declaration."""
    ws = make_workspace(folder, **merge(CHANGES, changes))
    publish_days(ws, [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)], count=12)
    plans = plan_models(ws)
    for plan in plans:
        ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(train_models(ws.models, ws.use_case.kpi, [plan.version for plan in plans]))
    days = [plan.as_of for plan in plans if plan.as_of >= ws.use_case.replay.first_day]
    promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", days)
    take_decisions(ws, DECIDED, "replay", None)
    kpi_ledger.write_accounts(ws, DECIDED, "replay")
    return ws


def declare(ws: Workspace, **changes: Any) -> Workspace:
    """Return the workspace with an edited declaration."""
    return replace(ws, use_case=make_use_case(ws.use_case.folder, **merge(CHANGES, changes)))
