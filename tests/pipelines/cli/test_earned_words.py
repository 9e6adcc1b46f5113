"""No page, command, digest or record claims earned money unless it is live, measured, not retired and above zero.

Each shape of use case is shown in each state. The accounts are written by hand, so nothing has to run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from pipelines.authoring import catalog
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.modeling.built_by import hash_tested_parts
from sixtyforty.reports import digest_sections, impact_report
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.exactness_ledger import ExactnessEvent
from sixtyforty.value.policy_weights import RECEIVED, PolicyWeights
from sixtyforty.workspace import Workspace
from tests.accounted_home import FIRST, LAST, append_verdict, make_daily_value, write_accounts
from tests.helpers import DECLARED, day_range, make_workspace, merge
from tests.pipelines.cli.conftest import use_workspace
from tests.pipelines.conftest import RunCli
from tests.sixtyforty.reports.test_portfolio import NOW
from tests.sixtyforty.value.test_standing import EARNED
from tests.words import read_words

State = Literal["replay", "live", "null", "losing", "retired", "assumed", "refuted", "too early"]
STATES: tuple[State, ...] = ("replay", "live", "null", "losing", "retired", "assumed", "refuted", "too early")
GAINS: dict[State, float] = {"null": 0.0, "losing": -20.0}
COMMON: dict[str, Any] = {
    "kpi": {"costs": {"build": 100, "per_month": 10}, "target": 500},
    "stages": {"poc": {"target": 500, "minimum_gain": 100, "stop_date": "2013-12-01"}},
}
AMOUNT = {"description": "fitters", "shortage_cost": 60, "excess_cost": 20, "maximum": 9}
SHAPES: dict[str, dict[str, Any]] = {
    "binary": {},
    "ranked": {"kpi": {"actions": {"act": {"limit": 5}}}},
    "amount": {"kpi": {"outcome_type": "number", "amount": AMOUNT}},
    "past experiment": {
        "kpi": {
            "measurement": "randomized",
            "actions": {"act": {"gain": 0}},
            "treatment": {"column": "received", "shares": {"wait": 0.5, "act": 0.5}, "value_per_outcome": -10},
        }
    },
}
# The states that judge the evidence are the same code for each shape, so one shape is in all of them.
CASES = [("binary", state) for state in STATES]
CASES += [(shape, state) for shape in SHAPES if shape != "binary" for state in ("replay", "live", "null")]
ON_REPLAY = ("replay", "assumed")
# Denials, and what the portfolio's total counts in general.
DENIED = re.compile(r"(isn't|not) proven|measured and proven|proven gain or loss|would have brought")


def make_home(folder: Path, shape: str, state: State) -> Workspace:
    """Return a home of a shape and state, with six months of accounts (six days if it is too early) and a champion."""
    changes = merge(COMMON, SHAPES[shape])
    if state == "assumed":
        changes = merge(
            changes, {"kpi": {"measurement": "randomized", "holdout": {"share": 0.2, "value_per_outcome": -10}}}
        )
    ws = make_workspace(folder)
    declared = merge(DECLARED, changes)
    if "amount" in declared["kpi"]:
        del declared["kpi"]["actions"]
    ws = Workspace(UseCase(**declared, folder=ws.use_case.folder), ws.home, ws.database_url)
    track: Track = "replay" if state in ON_REPLAY else "live"
    last = FIRST + timedelta(days=5) if state == "too early" else LAST + timedelta(days=60)
    weights = dict.fromkeys(("model", "current_process", RECEIVED), PolicyWeights(20.0, 40.0, 2.0, 0, 0.0))
    days = [
        replace(
            make_daily_value(partition, GAINS.get(state, 20.0) + (i * 7 % 11 - 5)),
            candidates={},
            weights={policy: vars(w) for policy, w in weights.items()} if shape == "past experiment" else {},
        )
        for i, partition in enumerate(day_range(FIRST, last))
    ]
    write_accounts(ws, days, track)
    append_verdict(ws, f"{date(2013, 4, 1)}", track=track)
    if state == "retired":
        retire_use_case(ws, "Ada", "the process is gone", NOW)
    if state == "refuted":
        refute(ws)
    return ws


def refute(ws: Workspace) -> None:
    declaration, at = hash_tested_parts(ws.use_case), "2013-05-01T00:00:00"
    why = "Refuted: the action changes the outcome."
    event = ExactnessEvent(event="refuted", declaration=declaration, by="holdout", why=why, effective_from=at)
    ws.exactness_ledger.record(event)


def read_texts(ws: Workspace, track: Track, run_cli: RunCli) -> dict[str, str]:
    """Return the words of everything that shows a gain."""
    name = ws.use_case.name
    portfolio = run_cli("portfolio").out
    return {
        "impact page": read_words(impact_report.write_report(ws, track).read_text()),
        "digest": "\n".join(digest_sections.owner_section(ws, track, ["2013-06-30"])),
        "portfolio page": read_words(Path(portfolio.splitlines()[-1].removeprefix("Page: ")).read_text()),
        "portfolio": portfolio,
        "impact": run_cli(f"impact {name} --track {track}").out,
        "model record": run_cli(f"model-record {name}").out,
    }


@pytest.mark.parametrize(("shape", "state"), CASES)
def test_only_live_measured_gains_are_claimed(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli, shape: str, state: State
) -> None:
    ws = make_home(tmp_path, shape, state)
    use_workspace(monkeypatch, ws)
    monkeypatch.setattr(catalog, "load_workspaces", lambda: catalog.LoadedWorkspaces(complete={ws.use_case.name: ws}))
    texts = read_texts(ws, "replay" if state in ON_REPLAY else "live", run_cli)
    claims = {where: words for where, text in texts.items() if (words := EARNED.findall(DENIED.sub("", text)))}
    if state == "live":
        assert {"impact page", "portfolio page"} <= claims.keys()
    else:
        assert not claims, {where: texts[where] for where in claims}
