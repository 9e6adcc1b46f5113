"""A use case lives through a year of changes: no day is without decisions, and no decision changes afterwards."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations import suites
from sixtyforty.decisions.delivery_table import read_deliveries
from tests.pipelines.conftest import RunCli, home, run_cli  # noqa: F401
from tests.year_of_change import CREWS, FEATURES, FIRST, LAST, LIVE, NAME, RETIRED, Year, make_year

pytestmark = pytest.mark.e2e

DAY = timedelta(days=1)
WITH_SITE = FEATURES.replace("u.load,", "u.load, (u.site = 'north')::integer as north,")
WITH_CREW = WITH_SITE.replace("u.load,", "u.load, u.crew,", 1)
LEAK = WITH_SITE.replace("avg(v.late)", "(select max(late) from visits x where x.id = u.id) as late_today, avg(v.late)")
WITH_CREWS = """
    select u.id, u.load, (u.site = 'north')::integer as north, k.free from units u
    left join crews k on k.site = u.site and k.day = u.call_hour::date"""
NEW = "visits_in_time"


@pytest.fixture
def year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> Year:  # noqa: F811
    return make_year(tmp_path, monkeypatch, run_cli)


def test_a_year_of_change(year: Year) -> None:
    go_live(year)
    decide_in_shadow(year)
    decide_beside_a_holdout(year)
    decide_fully(year)
    refuse_a_leak(year)
    drop_a_feature(year)
    add_a_source(year)
    rename(year)
    retire(year)


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
    year.live_through(LIVE, LIVE)
    accepted, overridden, *_ = year.decided(LIVE)
    year.change(f"answer {{}} {accepted.decision_id}")
    year.change(f"answer {{}} {overridden.decision_id}", "--action act")
    last = date(2013, 4, 20)
    year.live_through(LIVE + DAY, last, since=LIVE)
    assert year.deciders(LIVE, last) == {"shadow"}
    status = year.answer("rollout")
    assert (status["step"], status["days"], status["obstacles"]) == ("shadow", 20, [])
    assert year.change("rollout", "--advance").startswith("holdout from")


def decide_beside_a_holdout(year: Year) -> None:
    """Until June: a feature is added, then a column of a source. The model decides, and a quarter is held out."""
    first, added = date(2013, 4, 21), date(2013, 4, 28)
    year.live_through(first, added - DAY)
    year.write_features(WITH_SITE)
    log = year.live_through(added, added, since=FIRST)
    assert "features: built (140 partitions" in log
    assert "north" in year.columns_of(FIRST) & year.columns_of(added)
    assert year.newest_verdict().kind == "recipe"
    assert "north" in year.ws.models.card(year.newest_verdict().version).features

    crew = date(2013, 5, 13)
    year.live_through(added + DAY, crew - DAY)
    year.declare(sources={"calls": {"columns": {"crew": "INTEGER"}, "optional_columns": ["crew"]}})
    year.write_features(WITH_CREW)
    year.has_crew = True
    year.live_through(crew, crew, since=FIRST)
    assert "crew" in year.columns_of(FIRST) & year.columns_of(crew)
    assert year.deciders(first, crew) == {"model", "holdout"}


def decide_fully(year: Year) -> None:
    """Until August: the holdout has shown the gain, the model decides everything, and the pilot has passed."""
    first, full = date(2013, 5, 14), date(2013, 6, 10)
    year.live_through(first, full - DAY)
    assert year.change("rollout", "--advance").startswith("full from")
    shown = {evidence["step"]: evidence for evidence in year.answer("rollout")["evidence"]}
    assert [shown[step]["days"] for step in ("shadow", "holdout", "full")] == [19, 49, 0]
    assert shown["shadow"]["lift"]["low"] > 0 and shown["holdout"]["lift"]["low"] > 0

    last = date(2013, 7, 31)
    year.live_through(full, last)
    assert year.deciders(full, last) == {"model"}
    assert "full is the last rollout step" in year.change("rollout", "--advance", code=1)
    assert year.answer("stage")["verdict"] == "pass"
    assert year.change("stage", "--advance").startswith("production (enter)")


def refuse_a_leak(year: Year) -> None:
    """August: a feature knows the future. Its days are refused, its recipe is withdrawn, and a sound one follows."""
    leak, champion = date(2013, 8, 1), year.champion
    year.write_features(LEAK)
    log = year.live_through(leak, leak, since=leak - 5 * DAY, code=1)
    assert "late_today" in log and "know the future" in log
    assert year.deciders(leak, leak) == {"fallback"}
    assert not year.doctor("features")["ok"]
    assert "late_today" in year.alerts()["leakage"]
    text = year.change(f"withdraw {{}} --model {champion}", "--recipe")
    print(text)

    cured = leak + DAY
    year.write_features(WITH_SITE)
    year.live_through(cured, cured, since=FIRST)
    print(year.deciders(cured, cured), year.newest_verdict())
    assert year.doctor("features")["ok"]
    assert year.alerts()["leakage"] == "resolved"
    year.live_through(cured + DAY, date(2013, 8, 31))
    print(year.deciders(cured + DAY, date(2013, 8, 31)), year.newest_verdict())


def drop_a_feature(year: Year) -> None:
    """September: features.sql loses a column that the champion needs. The current process decides for a day."""
    first = date(2013, 9, 1)
    year.write_features("select id, load, (site = 'north')::integer as north from units")
    log = year.live_through(first, first, since=FIRST, code=1)
    reason = "it needs late_before, which features.sql doesn't return"
    assert reason in log
    print(year.deciders(first, first), year.newest_verdict())
    print(year.doctor("champion"), year.alerts())
    year.live_through(first + DAY, date(2013, 9, 30))
    print(year.deciders(first + DAY, date(2013, 9, 30)), year.newest_verdict(), year.alerts())


def add_a_source(year: Year) -> None:
    """October: the planners send the free crews of each day and site."""
    first = date(2013, 10, 1)
    (suites.HERE / year.name / "crews.yaml").write_text("description: for the test\n")
    year.declare(sources={"crews": CREWS})
    year.write_features(WITH_CREWS)
    year.has_crews = True
    year.live_through(first, first, since=FIRST)
    print(year.deciders(first, first), year.newest_verdict())
    assert "free" in year.columns_of(FIRST) & year.columns_of(first)
    year.live_through(first + DAY, date(2013, 10, 31))
    print(year.deciders(first + DAY, date(2013, 10, 31)), year.newest_verdict())


def rename(year: Year) -> None:
    """November: the use case gets another name, with all it has stored."""
    last = date(2013, 10, 31)
    before, impact = year.history(last), year.answer("impact --track live")
    text = year.change(f"rename {{}} {NEW}")
    assert text.startswith(f"Renamed {NAME} to {NEW}")
    assert year.run_cli(f"impact {NAME}").code == 1
    year.name = NEW
    assert year.history(last) == before
    assert year.undecided(last) == []
    renamed = year.answer("impact --track live")
    print({k: (impact[k], renamed[k]) for k in impact if impact[k] != renamed[k]})
    assert year.doctor("names")["found"].endswith(f"formerly {NAME}")
    assert NEW in (year.root / "project" / "dvc.yaml").read_text()
    year.live_through(last + DAY, last + DAY)
    assert year.deciders(last + DAY, last + DAY) == {"model"}


def retire(year: Year) -> None:
    """March: after quiet months, the use case is retired. Nothing is trained, promoted or delivered any more."""
    year.live_through(date(2013, 11, 2), date(2014, 1, 10))
    year.live_through(date(2014, 1, 11), RETIRED - DAY)
    year.change("stage", "--retire")
    before = year.history(RETIRED), year.ws.models.versions(), year.ws.champion_ledger.rows()
    delivered = len(read_deliveries(year.ws, "live"))
    log = year.live_through(RETIRED, LAST)
    print(log[-3000:])
    print(year.deciders(RETIRED, LAST))
    assert (year.ws.models.versions(), year.ws.champion_ledger.rows()) == before[1:]
    assert len(read_deliveries(year.ws, "live")) == delivered
