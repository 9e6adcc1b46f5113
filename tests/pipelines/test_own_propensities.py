"""A past experiment in which each unit had its own chances: three estimates, and a refusal if the chances are wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.helpers import SQL, day_range, land_days
from tests.leaky_world import NAME, days_between, make_world
from tests.pipelines.conftest import RunCli

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 10)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
CHANCE = "(0.3 + 0.4 * u.load)"  # of the action `act`


def outcomes_sql(chance: str) -> str:
    """Return outcomes.sql. chance: SQL of the probability that it returns for a unit's action `got`."""
    return f"""with drawn as (
        select u.id, {CHANCE} as p_act,
            case when hash(u.id) % 1000 / 1000 < {CHANCE} then 'act' else 'wait' end as got from units u)
    select d.id, v.late, v.known_at, d.got, {chance} as chance from drawn d left join visits v using (id)"""


RIGHT = outcomes_sql("case got when 'act' then p_act else 1 - p_act end")
UNDERSTATED = outcomes_sql("0.6 * case got when 'act' then p_act else 1 - p_act end")


def test_right_chances_give_three_estimates_and_wrong_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    monkeypatch.setitem(SQL, "outcomes", RIGHT)
    world = make_world(
        tmp_path / "world",
        monkeypatch,
        kpi={
            "measurement": "randomized",
            "treatment": {"column": "got", "propensity": "chance", "value_per_outcome": -10},
            "actions": {"act": {"gain": 0}},
            "candidates": {"always": {"description": "Always act", "action": "'act'"}},
            "segments": ["site"],
        },
        replay={"first_day": "2013-03-18", "retrain": "week", "warm_up_days": 10},
        gate={"margin": 0, "max_rejected_share": 0.9},
    )
    land_days(world.open(), DAYS, count=12)
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    answer = run_cli(f"impact {NAME} --json").answer
    experiment = answer["past_experiment"]
    assert (answer["label"], experiment["official"]) == ("randomized", "horvitz_thompson")
    assert experiment["model"]["horvitz_thompson"]["value"] == answer["lift_vs_current"]["value"]
    always = experiment["candidates"]["always"]
    assert always["horvitz_thompson"]["value"] == answer["candidates"]["always"]["lift_vs_current"]["value"]
    assert None not in {always["hajek"]["value"], always["doubly_robust"]["value"]}
    assert always["hajek"]["value"] != always["horvitz_thompson"]["value"]
    overlap = experiment["overlap"]
    assert overlap["units"] == answer["decisions"] > overlap["effective_units"] > 0
    assert (overlap["rare_share"], 1.4 < overlap["largest_weight"] <= 3.4) == (0, True)
    assert {segment["column"] for segment in answer["segments"]} == {"site"}
    page = (world.open().reports / "impact.html").read_text()
    assert "Horvitz-Thompson (official)" in page and "Doubly robust" in page
    assert "chance" not in world.open().models.card(world.open().models.versions()[-1]).features

    monkeypatch.setitem(SQL, "outcomes", UNDERSTATED)
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 1, finished.err
    reason = "the propensities in 'chance' (kpi.treatment.propensity) don't fit the received actions"
    for command in (f"impact {NAME}", "portfolio"):
        refused = run_cli(command)
        assert (refused.code, reason in refused.err + refused.out) == (1, True), (command, refused.err)
    assert reason.replace("'", "&#39;") in (world.open().reports / "impact.html").read_text()
