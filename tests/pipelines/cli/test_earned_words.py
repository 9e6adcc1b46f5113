"""No page, command, digest or record claims earned money unless it is live, measured, not retired and above zero.

Hypothesis draws the shape of the use case, its state and its days. An independent interval of the days says what pages
may claim. The accounts are written by hand, so nothing has to run.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import scipy.stats
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.authoring import catalog
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.modeling.built_by import hash_tested_parts
from sixtyforty.reports import digest_sections, impact_report
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.exactness_ledger import ExactnessEvent
from sixtyforty.value.policy_weights import RECEIVED, PolicyWeights
from sixtyforty.value.unit_groups import GROUPS, GroupSums
from sixtyforty.workspace import Workspace
from tests.accounted_home import FIRST, append_verdict, make_daily_value, write_accounts
from tests.helpers import DECLARED, SITES, day_range, make_workspace, merge
from tests.pipelines.cli.conftest import use_workspace
from tests.pipelines.conftest import RunCli
from tests.sixtyforty.reports.test_portfolio import NOW
from tests.sixtyforty.value.test_standing import EARNED
from tests.words import read_words

MIN_BLOCKS = MIN_UNITS = 8
COUNTED = 20  # decisions a day
TARGET = 500
COMMON: dict[str, Any] = {
    "kpi": {"costs": {"build": 100, "per_month": 10}, "target": TARGET},
    "stages": {"poc": {"target": TARGET, "minimum_gain": 100, "stop_date": "2013-12-01"}},
}
RECURRING: dict[str, Any] = {  # each site is a unit in every partition
    "sources": {"sites": SITES},
    "decision": {"unit_source": "sites", "key": ["site"], "decided_at": "starts_at"},
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
# Denials, and what the portfolio's total counts in general.
DENIED = re.compile(r"(isn't|not) proven|measured and proven|proven gain or loss|would have brought")
REACHED = re.compile(r"gain of [^.]* reaches it")
EXACT = "exact given the declared payoffs"
INTERVAL = re.compile(r"confidence interval(?: is|:) \W*(?:[A-Z]{3} )?\d")


@dataclass(frozen=True)
class World:
    """A home's declaration and accounts.

    - daily: the gain of each day. block_days: the days of a block; the days are a multiple of it.
    - is_assumed: whether the effect is declared, not measured. Only on a replay: a live track would need decisions.
    - is_refuted: whether a holdout refuted the exact figures.
    - units: if the same units recur each day, how much each of them gains more than the mean unit.
    """

    daily: tuple[float, ...]
    shape: str = "binary"
    track: Track = "live"
    block_days: int = 1
    is_assumed: bool = False
    is_retired: bool = False
    is_refuted: bool = False
    units: tuple[float, ...] = ()

    @property
    def may_be_measured(self) -> bool:
        """Whether there are enough blocks and units for an interval."""
        has_units = not self.units or len(self.units) >= MIN_UNITS
        return has_units and len(self.daily) >= MIN_BLOCKS * self.block_days

    def low(self) -> float:
        """Return the lower end of the t interval of the gain per 1,000 decisions, from blocks or from units.

        Every interval on a page is at least as wide as both, so no page may claim more.
        """
        blocks = np.reshape(self.daily, (-1, self.block_days)).mean(axis=1) * 1000 / COUNTED
        lows = [t_low(blocks)]
        if self.units:
            lows.append(t_low(blocks.mean() + np.array(self.units) * len(self.units) * 1000 / COUNTED))
        return min(lows)

    def unit_groups(self, gain: float) -> GroupSums | None:
        """Return the sums of a day by unit, each unit in a group of its own; None if no unit recurs."""
        if not self.units:
            return None
        count, rest = len(self.units), [0.0] * (GROUPS - len(self.units))
        return {
            "decisions": [COUNTED / count] * count + rest,
            "model": [(40.0 + gain) / count + more for more in self.units] + rest,
            "current_process": [40.0 / count] * count + rest,
        }

    @property
    def may_claim(self) -> bool:
        """Whether a page may call the gain earned."""
        is_known = not (self.is_assumed or self.is_retired or self.is_refuted)
        return self.track == "live" and is_known and self.may_be_measured and self.low() > 0


def t_low(values: np.ndarray[Any, Any]) -> float:
    """Return the lower end of the 95% t interval of a mean."""
    return float(values.mean() - scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values))


def unit_gains(chance: np.random.Generator, count: int, spread: float) -> tuple[float, ...]:
    """Return how much each unit gains more a day than the mean unit."""
    gains = spread * chance.standard_normal(count)
    return tuple((gains - gains.mean()).tolist()) if count else ()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return a world whose days are independent, alike within a block, or have one day that decides everything."""
    block_days, blocks = draw(st.sampled_from([1, 7, 14])), draw(st.integers(1, 10))
    mean, spread = draw(st.sampled_from([-20.0, 0.0, 2.0, 20.0])), draw(st.sampled_from([0.0, 1.0, 30.0]))
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    daily = mean + spread * chance.standard_normal(blocks * block_days)
    match draw(st.sampled_from(["independent", "alike", "one extreme day"])):
        case "alike":
            daily = mean + spread * np.repeat(chance.standard_normal(blocks), block_days)
        case "one extreme day":
            daily[chance.integers(len(daily))] += 10_000
    shape = draw(st.sampled_from(sorted(SHAPES)))
    is_assumed = shape == "binary" and draw(st.booleans())
    units = draw(st.sampled_from([0, 0, 3, 20])) if shape in ("binary", "ranked") else 0
    return World(
        tuple(daily.tolist()),
        shape,
        "replay" if is_assumed else draw(st.sampled_from(get_args(Track))),
        block_days,
        is_assumed=is_assumed,
        is_retired=draw(st.integers(0, 3)) == 0,
        is_refuted=shape != "past experiment" and draw(st.integers(0, 3)) == 0,
        units=unit_gains(chance, units, draw(st.sampled_from([0.0, 10.0]))),
    )


STEADY = tuple(20.0 + (i * 7 % 11 - 5) for i in range(150))
GAINING = World(STEADY)


def make_home(folder: Path, world: World) -> Workspace:
    """Return a home with the accounts and a champion of a world."""
    changes = merge(COMMON, SHAPES[world.shape])
    if world.is_assumed:
        changes = merge(
            changes, {"kpi": {"measurement": "randomized", "holdout": {"share": 0.2, "value_per_outcome": -10}}}
        )
    if world.units:
        changes = merge(changes, RECURRING)
    ws = make_workspace(folder)
    declared = merge(DECLARED, merge(changes, {"kpi": {"block_days": world.block_days}}))
    if "amount" in declared["kpi"]:
        del declared["kpi"]["actions"]
    ws = Workspace(UseCase(**declared, folder=ws.use_case.folder), ws.home, ws.database_url)
    weights = dict.fromkeys(("model", "current_process", RECEIVED), PolicyWeights(20.0, 40.0, 2.0, 0, 0.0))
    partitions = day_range(FIRST, FIRST + timedelta(days=len(world.daily) - 1))
    days = [
        replace(
            make_daily_value(partition, gain, COUNTED),
            candidates={},
            unit_groups=world.unit_groups(gain),
            weights={policy: vars(w) for policy, w in weights.items()} if world.shape == "past experiment" else {},
        )
        for partition, gain in zip(partitions, world.daily, strict=True)
    ]
    write_accounts(ws, days, world.track)
    append_verdict(ws, f"{FIRST}", track=world.track)
    if world.is_retired:
        retire_use_case(ws, "Ada", "the process is gone", NOW)
    if world.is_refuted:
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


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds())
@example(world=GAINING)
@example(world=replace(GAINING, shape="past experiment"))
@example(world=replace(GAINING, track="replay"))
@example(world=replace(GAINING, is_retired=True))
@example(world=replace(GAINING, is_refuted=True))
@example(world=replace(GAINING, is_assumed=True, track="replay"))
@example(world=World(STEADY[: MIN_BLOCKS - 1]))
@example(world=World(STEADY[: 14 * (MIN_BLOCKS - 1)], block_days=14))
@example(world=World((*STEADY[:90], 100_000.0)))
@example(world=replace(GAINING, units=(0.1, -0.1, 0.0)))
@example(world=replace(GAINING, units=(30.0, *(-2.0,) * 15)))
def test_only_live_measured_gains_are_claimed(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli, world: World
) -> None:
    ws = make_home(Path(tempfile.mkdtemp(dir=tmp_path)), world)
    use_workspace(monkeypatch, ws)
    monkeypatch.setattr(catalog, "load_workspaces", lambda: catalog.LoadedWorkspaces(complete={ws.use_case.name: ws}))
    texts = read_texts(ws, world.track, run_cli)
    claims = {where for where, text in texts.items() if EARNED.search(DENIED.sub("", text))}
    assert world.may_claim or not claims, {where: texts[where] for where in claims}
    if world is GAINING:
        assert {"impact page", "portfolio page"} <= claims
    reached = {where for where, text in texts.items() if REACHED.search(text)}
    assert not reached or (world.may_be_measured and world.low() >= TARGET), {where: texts[where] for where in reached}
    exact = {where for where, text in texts.items() if EXACT in text}
    assert not (exact and world.is_refuted), {where: texts[where] for where in exact}
    intervals = {where for where, text in texts.items() if INTERVAL.search(text)}
    assert world.may_be_measured or not intervals, {where: texts[where] for where in intervals}
    if world is GAINING:
        assert "impact" in exact & intervals & reached
