"""The command line: what it answers, as text and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from expectations.serving_gate import check_features
from expectations.suites import Suite
from expectations.validation import validate
from pipelines.authoring import catalog
from sixtyforty.accounting.kpi_ledger import account
from sixtyforty.decisions.deciding import decide
from sixtyforty.decisions.delivery import deliver
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling.features import Window, outcomes
from sixtyforty.workspace import Workspace
from tests.helpers import land_days, make_use_case
from tests.post import a_desk


def test_land_says_what_it_dropped_where(say, home):
    code, out, _ = say("land flight_delays --from 2013-06-12 --to 2013-06-12 --json")
    answer = json.loads(out)
    assert code == 0
    assert Path(answer["folder"]) == home / "data" / "landing" / "flight_delays"
    assert set(answer["files"]) == {p.name for p in Path(answer["folder"]).iterdir()}
    assert "movements_2013-06-12_2013-06-12.csv" in answer["files"]
    code, out, _ = say("land flight_delays --from 2013-06-12 --to 2013-06-12 --hourly")
    assert code == 0
    assert out.strip().endswith(f"extracts in {answer['folder']}")
    assert (Path(answer["folder"]) / "movements_2013-06-12T16Z.csv").exists()


def test_champion_of_a_young_home_is_the_current_process(say, home):
    code, out, _ = say("champion flight_delays --json")
    assert (code, json.loads(out)["champion"]) == (0, None)
    code, out, _ = say("champion flight_delays --history --json")
    answer = json.loads(out)
    assert (code, answer["history"]) == (0, [])
    assert Path(answer["ledger"]) == home / "data" / "models" / "flight_delays" / "champion.jsonl"
    code, out, _ = say("champion flight_delays --on 2013-06-01")
    assert (code, "current process decides" in out) == (0, True)


def test_a_stage_and_a_training_are_told_and_kept(say):
    code, out, _ = say("stage flight_delays --json")
    answer = json.loads(out)
    assert (code, answer["stage"], answer["verdict"], answer["history"]) == (0, "poc", "continue", [])
    assert "7,500 per 1,000 by 2014-01-01" in say("stage flight_delays")[1]
    assert json.loads(say("trained flight_delays override --by dora --json")[1])["by"] == "dora"
    assert "1 of 6 duty managers: override" in say("trained flight_delays")[1]
    assert say("stage flight_delays --retire --by ola --why 'we sold the airline' --json")[0] == 0
    answer = json.loads(say("stage flight_delays --json")[1])
    assert (answer["stage"], [r["said"] for r in answer["history"]]) == ("retired", ["enter", "enter"])
    stage = next(t for t in json.loads(say("doctor --json")[1])["things"] if t["thing"] == "stage of flight_delays")
    assert "stage: poc is declared, retired is what it has earned" in stage["found"]


def test_the_portfolio_of_an_empty_home_has_every_use_case_and_a_page(say):
    code, out, _ = say("portfolio --json")
    answer = json.loads(out)
    assert (code, answer["totals"]) == (0, [])
    assert "flight_delays" in [o["name"] for o in answer["lines"]]
    assert {o["advice"] for o in answer["lines"]} == {"begin"}
    assert "Portfolio" in Path(answer["page"]).read_text()
    assert [o["name"] for o in json.loads(say("portfolio --site Mars --json")[1])["lines"]]  # a poc reaches everywhere


@pytest.fixture
def small(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A use case with decided days, in place of the flights."""
    use_case = make_use_case(tmp_path / "use_case", name="calls_in_time")
    ws = Workspace(use_case, home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")
    monkeypatch.setattr(catalog, "workspace", lambda name: ws)
    yield ws


def decided(ws: Workspace, days: list[date]) -> None:
    """Brings days from the landing zone to delivered decisions and known outcomes."""
    use_case, lake, partitions = ws.use_case, ws.lake, land_days(ws, days)
    for source in use_case.sources:
        ingest(use_case, source, lake, ws.landing, partitions, ws.code)
        validate(use_case, source, Suite(about="no rules"), lake, partitions, None, ws.code)
    built = Window(use_case, lake, partitions).build()
    for p, (rows, verdict) in check_features(use_case, Suite(about="no rules"), built.tables).items():
        facts = {"verdict": verdict.to_dict(), "verdict_id": verdict.id}
        lake.write("features", p, rows, inputs=built.inputs[p], code=ws.code, facts=facts)
    after = outcomes(use_case, lake, partitions)
    for p, rows in after.tables.items():
        lake.write("outcomes", p, rows, inputs=after.inputs[p], code=ws.code)
    decide(ws, partitions, "replay", None)
    deliver(ws, lake.entries("decisions/replay"), "replay")
    account(ws, partitions, "replay")


def test_decisions_impact_and_explain_answer_as_json_and_as_text(small, say):
    decided(small, [date(2013, 4, 2), date(2013, 4, 3)])
    code, out, _ = say("decisions calls_in_time --date 2013-04-02 --json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["date"], answer["track"], len(answer["decisions"])) == ("2013-04-02", "replay", 4)
    assert {"decision_id", "action", "decided_by", "champion_version", "verdict_id"} <= answer["decisions"][0].keys()
    ids = [d["decision_id"] for d in answer["decisions"]]
    code, out, _ = say("decisions calls_in_time --date 2013-04-02")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ids)

    code, out, _ = say("impact calls_in_time --json")
    found = json.loads(out)
    assert code == 0
    assert {"decisions", "per_1000", "lift_vs_current", "total", "unit", "from", "to"} <= found.keys()
    assert {"model", "current_process", "random_choice", "perfect_foresight"} <= found["per_1000"].keys()
    assert {"value", "low", "high"} <= found["lift_vs_current"].keys()
    assert {"target", "target_date", "terms", "coming_month"} <= found["forecast"].keys()
    assert (found["decisions"], found["unit"], found["from"], found["to"]) == (8, "EUR", "2013-04-02", "2013-04-03")
    code, out, _ = say("impact calls_in_time")
    assert code == 0
    assert "Net value of second fitters, EUR (exact), 2013-04-02 to 2013-04-03, 8 calls" in out
    assert "gain over the current process" in out

    code, out, _ = say(f"explain calls_in_time {ids[0]} --json")
    thread = json.loads(out)
    assert code == 0
    assert {
        "decision",
        "features",
        "verdicts",
        "inputs",
        "champion",
        "policy",
        "code_version",
        "delivery",
        "outcome",
    } <= thread.keys()
    assert thread["decision"]["decision_id"] == ids[0]
    assert {f["file"] for f in thread["inputs"]} >= {"calls_2013-04-02.csv"}
    assert all(re.fullmatch("[0-9a-f]{64}", f["sha256"]) for f in thread["inputs"])


def test_the_record_is_told_and_searched_with_what_people_added(small, say):
    decided(small, [date(2013, 4, 2)])
    code, out, _ = say("finding calls_in_time --by Ada --text 'Loads above 0.9 are typing errors.' --json")
    assert (code, json.loads(out)["by"], json.loads(out)["seq"]) == (0, "Ada", 1)
    code, out, _ = say("record calls_in_time")
    assert code == 0
    assert out.startswith("# Fitters in time: model record")
    assert "> Loads above 0.9 are typing errors." in out
    code, out, _ = say("record calls_in_time --find 'TYPING loads' --json")
    assert (code, [h["kind"] for h in json.loads(out)["hits"]]) == (0, ["finding"])
    code, out, _ = say("record calls_in_time --find nowhere")
    assert (code, out) == (0, "nothing holds 'nowhere'\n")
    code, _, err = say("finding calls_in_time --by Ada --text ' '")
    assert (code, err) == (1, "sixtyforty: a finding needs a text, and a name to ask back\n")


def test_a_digest_is_shown_or_sent_once(home, tmp_path, monkeypatch, say):
    subscribed = [{"role": "decider", "cadence": "daily", "to": ["DESK_CHAT"]}]
    ws = Workspace(make_use_case(tmp_path / "use_case", subscriptions=subscribed), home, "sqlite://")
    monkeypatch.setattr(catalog, "workspace", lambda name: ws)
    decided(ws, [date(2013, 4, 2)])
    code, out, _ = say("digest calls_in_time --track replay --on 2013-04-02 --json")
    (shown,) = json.loads(out)["digests"]
    assert (code, shown["role"], shown["due"]) == (0, "decider", "2013-04-02")
    assert shown["text"].startswith("4 calls decided so far:")
    code, out, _ = say("digest calls_in_time --track replay --on 2013-04-02")
    assert (code, out.split("\n")[0]) == (0, "Fitters in time: 2 April 2013 (decider)")
    with a_desk() as desk:
        monkeypatch.setenv("DESK_CHAT", desk.address)
        line = "digest calls_in_time --track replay --on 2013-04-02 --send"
        assert say(line)[1] == "daily digest of 2013-04-02 sent to decider:DESK_CHAT\n"
        assert say(line)[1] == "nothing is due that wasn't sent\n"
        assert [body["message"] for _, body in desk.got] == [shown["text"]]
    code, _, err = say("digest calls_in_time")
    assert (code, "nothing to tell yet on the live track" in err) == (1, True)
    code, _, err = say("digest calls_in_time --role owner")
    assert (code, "declares no such subscription" in err) == (1, True)


def test_a_decision_that_never_was_is_told_with_the_way_to_find_one(small, say):
    decided(small, [date(2013, 4, 2)])
    _, out, _ = say("decisions calls_in_time --date 2013-04-02 --json")
    one = json.loads(out)["decisions"][0]["decision_id"]
    other = one[:-4] + ("0000" if one[-4:] != "0000" else "1111")
    code, out, err = say(f"explain calls_in_time {other}")
    assert (code, out) == (1, "")
    assert f"no decision {other}" in err
    assert "sixtyforty decisions calls_in_time --date 2013-04-02" in err
