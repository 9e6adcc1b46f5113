"""A use case lives through a year of changes: no day is without decisions, and no decision changes afterwards."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations import suites
from sixtyforty.decisions.delivery_table import read_deliveries
from tests.helpers import day_range
from tests.pipelines.conftest import RunCli, home, run_cli  # noqa: F401
from tests.quick_proof import prove_any_gain
from tests.year_of_change import (
    CALLS_A_DAY,
    CREWS,
    DECIDING,
    FEATURES,
    FIRST,
    LAST,
    LIVE,
    NAME,
    RETIRED,
    TRAINING,
    Year,
    make_year,
)

pytestmark = pytest.mark.e2e

DAY, LEARNED = timedelta(days=1), timedelta(days=60)  # a model learns from 60 days
WITH_SITE = FEATURES.replace("u.load,", "u.load, (u.site = 'north')::integer as north,")
WITH_CREW = WITH_SITE.replace("u.load,", "u.load, u.crew,", 1)
LEAK = WITH_SITE.replace("avg(v.late)", "(select max(late) from visits x where x.id = u.id) as late_today, avg(v.late)")
WITHOUT_HISTORY = "select id, load, (site = 'north')::integer as north from units"
WITH_CREWS = """
    select u.id, u.load, (u.site = 'north')::integer as north, k.free from units u
    left join crews k on k.site = u.site and k.day = u.call_hour::date"""
NEW = "visits_in_time"


@pytest.fixture
def year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> Year:  # noqa: F811
    prove_any_gain(monkeypatch)
    return make_year(tmp_path, monkeypatch, run_cli)


def test_a_year_of_change(year: Year) -> None:
    go_live(year)
    decide_in_shadow(year)
    add_a_feature_and_a_column(year)
    decide_fully(year)
    refuse_a_leak(year)
    withdraw_a_leak(year)
    drop_a_feature(year)
    add_a_source(year)
    rename(year)
    retire(year)
    check_custody(year)


def go_live(year: Year) -> None:
    """1 April: the proof of concept has passed on the replay, the pilot starts, and a champion is adopted."""
    year.set_time(LIVE, 0)
    year.land(FIRST, LIVE - DAY)
    year.run(FIRST, LIVE - DAY)
    assert year.answer("stage")["verdict"] == "pass"
    year.set_time(LIVE, 4)
    assert year.change("stage", "--advance").startswith("pilot (enter)")
    assert year.change("adopt").startswith("PROMOTE")
    assert "0 whole days with known outcomes; it needs 10" in year.change("rollout", "--advance", code=1)


def decide_in_shadow(year: Year) -> None:
    """April: the model answers and the current process decides. People answer."""
    year.live_through(LIVE, LIVE, DECIDING)
    accepted, overridden, *_ = year.decided(LIVE)
    assert "Nobody has answered a decision yet." in year.change("rollout", "--advance", code=1)
    year.change(f"answer {{}} {accepted.decision_id}")
    year.change(f"answer {{}} {overridden.decision_id}", "--action act")
    last = date(2013, 4, 20)
    year.live_through(LIVE + DAY, last, since=LIVE)
    assert year.deciders(LIVE, last) == {"shadow"}
    status = year.answer("rollout")
    assert (status["step"], status["days"], status["obstacles"]) == ("shadow", 20, [])
    assert year.change("rollout", "--advance").startswith("holdout from")


def add_a_feature_and_a_column(year: Year) -> None:
    """Until June, beside a holdout: a feature is added, then a column of a source. The champion goes on deciding."""
    first, added = date(2013, 4, 21), date(2013, 4, 30)
    year.live_through(first, added - DAY, DECIDING)
    champion = year.champion
    year.write_features(WITH_SITE)
    log = year.live_through(added, added, TRAINING, since=added - LEARNED)
    assert "features: built (61 partitions" in log
    assert {d.champion_version for d in year.decided(added) if d.decided_by == "model"} == {champion}
    assert "north" in year.columns_of(added - LEARNED) & year.columns_of(added)
    row = year.newest_verdict()
    assert (row.verdict, row.kind, row.version) == ("PROMOTE", "recipe", year.champion), row.reasons
    assert "north" in year.ws.models.card(row.version).features

    crew = date(2013, 5, 14)
    year.live_through(added + DAY, crew - DAY, DECIDING)
    year.declare(sources={"calls": {"columns": {"crew": "INTEGER"}, "optional_columns": ["crew"]}})
    year.write_features(WITH_CREW)
    year.has_crew = True
    year.live_through(crew, crew, TRAINING, since=crew - LEARNED)
    assert "crew" in year.columns_of(crew - LEARNED) & year.columns_of(crew)
    row = year.newest_verdict()
    assert (row.verdict, row.kind) == ("HOLD", "recipe"), "the column is a constant, so it gains nothing"
    assert year.deciders(first, crew) == {"model", "holdout"}


def decide_fully(year: Year) -> None:
    """Until August: the holdout has shown the gain, the model decides everything, and the pilot has passed."""
    first, full = date(2013, 5, 15), date(2013, 6, 10)
    year.live_through(first, full - DAY, DECIDING)
    assert "aren't counted" in year.change("rollout", "--advance", code=1), "what people did isn't known yet"
    year.run(LIVE, full - DAY, "--track live --select acceptance")  # as a run of the sensor for answers
    assert year.change("rollout", "--advance").startswith("full from")
    shown = {evidence["step"]: evidence for evidence in year.answer("rollout")["evidence"]}
    assert [shown[step]["days"] for step in ("shadow", "holdout", "full")] == [19, 49, 0]
    assert all(shown[step]["lift"]["low"] > 0 for step in ("shadow", "holdout"))

    last = date(2013, 7, 31)
    year.live_through(full, last, DECIDING)
    assert year.deciders(full, last) == {"model"}
    assert "full is the last rollout step" in year.change("rollout", "--advance", code=1)
    assert "aren't counted" in year.run_cli(f"stage {year.name}").out, "what people did isn't known yet"
    year.run(LIVE, last, "--track live --select acceptance")  # as a run of the sensor for answers
    assert year.answer("stage")["verdict"] == "pass"
    assert year.change("stage", "--advance").startswith("production (enter)")


def refuse_a_leak(year: Year) -> None:
    """August: a feature knows the future. The check refuses its days, and the champion goes on once it is cured."""
    leak, champion = date(2013, 8, 1), year.champion
    year.write_features(LEAK)
    log = year.live_through(leak, leak, TRAINING, since=leak - 3 * DAY, code=1)
    assert "late_today" in log and "know the future" in log
    assert year.deciders(leak, leak) == {"fallback"}
    assert "late_today" in year.decided(leak)[0].reason
    assert not year.doctor("features")["ok"]
    assert "late_today" in year.alerts()["leakage"]
    assert "know the future" in year.run_cli(f"impact {year.name} --track live").err

    cured = leak + DAY
    year.write_features(WITH_CREW)
    year.live_through(cured, cured, DECIDING, since=leak - 3 * DAY)
    assert year.deciders(cured, cured) == {"model"}
    assert year.champion == champion
    assert year.doctor("features")["ok"]
    assert year.alerts()["leakage"] == "resolved"


def withdraw_a_leak(year: Year) -> None:
    """A person finds that visits are entered late, so `late_before` wasn't known. Its recipes are withdrawn."""
    day = date(2013, 8, 3)
    earlier = year.change(f"withdraw {{}} --model {year.champion}", "--recipe")
    assert f"{year.champion} decides from now on." in earlier
    text = year.change(f"withdraw {{}} --model {year.champion}", "--recipe")
    assert "The current process decides from now on." in text
    year.write_features(WITHOUT_HISTORY)
    year.live_through(day, day, TRAINING, since=day - LEARNED)
    assert year.deciders(day, day) == {"current_process"}
    assert "was withdrawn" in year.decided(day)[0].reason
    row = year.newest_verdict()
    assert (row.verdict, row.version) == ("PROMOTE", year.champion), row.reasons
    last = date(2013, 8, 31)
    year.live_through(day + DAY, last, DECIDING)
    assert year.deciders(day + DAY, last) == {"model"}


def drop_a_feature(year: Year) -> None:
    """September: features.sql loses a column that the champion needs, until the next training."""
    first, last = date(2013, 9, 1), date(2013, 9, 30)
    year.write_features("select id, load from units")
    log = year.live_through(first, first, DECIDING, since=first - LEARNED, code=1)
    reason = "the model needs north, which features.sql doesn't return"
    assert reason in log
    assert {(d.decided_by, reason in d.reason) for d in year.decided(first)} == {("fallback", True)}
    line = year.doctor("champion")
    assert (line["ok"], reason in line["found"]) == (False, True)
    assert reason in year.alerts()["champion can't score"]

    before = year.history(first)
    year.run(first, first, f"--track live {year.select(TRAINING)}")
    assert year.history(first) == before
    row = year.newest_verdict()
    assert (row.verdict, row.kind) == ("PROMOTE", "first"), row.reasons
    assert any(reason in text for text in row.reasons)
    year.live_through(first + DAY, last, DECIDING)
    assert year.deciders(first + DAY, last) == {"model"}
    assert year.doctor("champion")["ok"]
    assert year.alerts()["champion can't score"] == "resolved"


def add_a_source(year: Year) -> None:
    """October: the planners send the free crews of each day and site. Earlier days have no such values."""
    first, last = date(2013, 10, 1), date(2013, 10, 31)
    (suites.HERE / year.name / "crews.yaml").write_text("description: for the test\n")
    year.declare(sources={"crews": CREWS})
    year.write_features(WITH_CREWS)
    year.has_crews = True
    year.live_through(first, first, TRAINING, since=first - LEARNED)
    assert "free" in year.columns_of(first - LEARNED) & year.columns_of(first)
    row = year.newest_verdict()
    assert row.kind == "recipe", row.reasons
    year.live_through(first + DAY, last, DECIDING)
    assert year.deciders(first, last) == {"model"}


def rename(year: Year) -> None:
    """November: the use case gets another name, and keeps its decisions, deliveries, accounts and champion."""
    last, champion = date(2013, 10, 31), year.champion
    year.run(LIVE, last, "--track live --select acceptance")  # as a run of the sensor for answers
    before, impact = year.history(last), year.answer("impact --track live")
    assert year.change(f"rename {{}} {NEW}").startswith(f"Renamed {NAME} to {NEW}")
    unknown = year.run_cli(f"impact {NAME}")
    assert (unknown.code, f"There is no use case '{NAME}'" in unknown.err) == (1, True)
    year.name = NEW
    assert year.history(last) == before
    assert year.undecided(last) == []
    assert year.answer("impact --track live") == impact
    assert year.champion == champion
    assert year.doctor("verification")["ok"], "the former name explains the ledgers of before"
    year.live_through(last + DAY, last + DAY)
    assert year.deciders(last + DAY, last + DAY) == {"model"}


def retire(year: Year) -> None:
    """March: after quiet months, the use case is retired. Nothing is trained, promoted or delivered any more."""
    first, pause = date(2013, 11, 2), date(2014, 1, 10)
    year.live_through(first, pause, DECIDING)
    year.live_through(pause + DAY, RETIRED - DAY, DECIDING)
    assert year.deciders(first, RETIRED - DAY) == {"model"}
    assert year.change("stage", "--retire").startswith("retired (enter)")

    models, champions = year.ws.models.versions(), year.ws.champion_ledger.rows()
    delivered = read_deliveries(year.ws, "live")
    log = year.live_through(RETIRED, LAST)
    assert "training: skipped (the use case has ended: retired)" in log
    assert year.deciders(RETIRED, LAST) == {"current_process"}
    assert (year.ws.models.versions(), year.ws.champion_ledger.rows()) == (models, champions)
    assert read_deliveries(year.ws, "live") == delivered
    for command in ("adopt", "rollout --advance"):
        assert "retired" in year.change(*command.split(" ", 1), code=1)


def check_custody(year: Year) -> None:
    """At the end, each ledger's chain holds, each delivered row is a decision, and each day is accounted for."""
    things = year.run_cli("doctor --json").answer["things"]
    assert [thing for thing in things if thing["needed"] and not thing["ok"]] == []
    days = map(date.fromisoformat, day_range(LIVE, RETIRED - DAY))
    decisions = {decision.decision_id: decision.action for day in days for decision in year.decided(day)}
    assert {row.decision_id: row.action for row in read_deliveries(year.ws, "live")} == decisions
    assert len(decisions) == CALLS_A_DAY * len(day_range(LIVE, RETIRED - DAY))
    for day in (LIVE, date(2013, 8, 1), date(2013, 9, 1), RETIRED - DAY):
        traced = year.answer(f"explain {{}} {year.decided(day)[0].decision_id}")
        assert traced["inputs"] and traced["delivery"]["action"] == traced["decision"]["action"]
