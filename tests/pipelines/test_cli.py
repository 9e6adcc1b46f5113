"""The command line: help for every word, answers that parse, and problems told in a line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from expectations.serving import check_features
from expectations.suites import Suite
from expectations.validate import validate
from pipelines import catalog, cli
from pipelines.cli import main
from pipelines.demos import DEMOS
from pipelines.doctor import _settings
from pipelines.profiles import ROOT
from sixtyforty.decisions import decide
from sixtyforty.delivery import deliver
from sixtyforty.features import build, outcomes
from sixtyforty.kpi import account
from sixtyforty.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import land_days, make_use_case
from tests.post import a_desk

WORDS = ["demo", "new", "land", "run", "decisions", "impact", "explain", "champion", "adopt", "approve", "rollback",
         "holdout", "rollout", "record", "finding", "restore", "doctor", "watch", "digest", "drill", "ui", "up",
         "down", "backup", "recover", "acceptance", "simulate", "desk", "desk-account", "stage", "trained", "vendor",
         "portfolio", "knowledge", "replay"]  # fmt: skip
DAY = date(2013, 6, 12)
Said = tuple[int, str, str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path / "home"))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "unused"))
    return tmp_path / "home"


@pytest.fixture
def say(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Said]:
    """Says a line to the command; returns exit code, stdout and stderr."""

    def run(line: str) -> Said:
        capsys.readouterr()
        try:
            code = main(shlex.split(line))
        except SystemExit as left:  # argparse: help, or words it doesn't know
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


# Help


def test_all_words_are_here(say):
    code, out, _ = say("--help")
    assert code == 0
    assert set(re.findall(r"^    ([\w-]+)", out, re.M)) == set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_help(word, say):
    code, out, err = say(f"{word} --help")
    assert (code, err) == (0, "")
    assert f"sixtyforty {word}" in out
    assert "--json" in out
    described = out.split("\n\n")[1]
    assert len(described.split()) > 3


@pytest.mark.parametrize(
    "line", ["", "impcat", "impact", "impact flight_delays --tarck live", "impact flight_delays --track past",
             "decisions flight_delays", "decisions flight_delays --date christmas", "run flight_delays"]
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_with_the_usage(line, say):
    code, out, err = say(line)
    assert (code, out) == (2, "")
    assert err.startswith("usage: sixtyforty")


# Problems


NEEDS_A_USE_CASE = {
    "run": "--from 2013-06-01 --to 2013-06-02",
    "decisions": "--date 2013-06-01",
    "impact": "",
    "explain": "replay-2013-06-01-0123456789abcdef",
    "champion": "",
    "record": "",
    "digest": "",
    "finding": "--text x",
    "holdout": "",
    "rollout": "",
    "stage": "",
    "trained": "",
    "vendor": "",
    "replay": "--from 2013-06-01 --to 2013-06-02",
    "restore": "",
}


@pytest.mark.parametrize("word", NEEDS_A_USE_CASE)
def test_an_unknown_use_case_is_told_with_the_nearest_one(word, say):
    code, out, err = say(f"{word} flight_delay {NEEDS_A_USE_CASE[word]}")
    assert (code, out) == (1, "")
    assert err == "sixtyforty: there is no use case 'flight_delay'; did you mean flight_delays?\n"


def test_where_nothing_is_near_all_are_listed(say):
    code, _, err = say("impact churn")
    assert code == 1
    assert "there are: flight_delays" in err


PROBLEMS = {
    "impact flight_delays": "nothing decided and known yet on the replay track: run the chain",
    "impact flight_delays --track live": "nothing decided and known yet on the live track",
    "decisions flight_delays --date 2013-06-01": "no decisions on 2013-06-01 (replay): run the chain on that day",
    "explain flight_delays tomorrow": "tomorrow",
    "explain flight_delays ''": "",
    "explain flight_delays replay-2013-06-01-0123456789abcdef": "2013-06-01",
    "restore flight_delays --model 0123456789abcdef": "--model needs --to FOLDER",
    "land flight_delays --from 2012-01-01 --to 2012-01-02": "no demo data for 2012-01-01..2012-01-02",
    "land flight_delays --from 2013-06-02 --to 2013-06-01": "choose days within",
    "holdout flight_delays": "kpi.label is exact: its action doesn't change the outcome, none is held back",
    "holdout flight_delays --effect -3": "a difference above zero",
    "rollout flight_delays --up": "--why TEXT is needed",
    "stage flight_delays --up": "--why TEXT is needed",
    "stage flight_delays --up --why because": "it stays in poc: 0 partitions of this stage have outcomes",
    "stage flight_delays --register --why because": "declares no other gate than the one registered",
    "replay flight_delays --from 2013-06-01 --to 2013-06-02": "nothing was decided from 2013-06-01 to 2013-06-02 (repl",
    "replay flight_delays --from 2013-06-02 --to 2013-06-01": "--to is before --from",
    "vendor flight_delays": "nothing is known yet on the replay track: run the chain",
    "vendor flight_delays --extract there": "--extract needs --from, --to, --to-vendor NAME and --why TEXT",
    "vendor flight_delays --extract x --from 2013-06-01 --to 2013-06-01 --to-vendor y --why x": "'y' is no vendor of",
    "trained flight_delays swimming": "no training 'swimming' is planned; there are: read_the_list",
    "land household_offers --hourly": "its extracts land weekly, not hour by hour",
    "land churn": "there is demo data for flight_delays, household_offers, not for 'churn'",
    "champion flight_delays --on 2013-13-01": "",
}


@pytest.mark.parametrize("line", PROBLEMS)
def test_a_problem_is_one_line_and_no_traceback(line, say):
    code, out, err = say(line)
    assert code in (1, 2)
    assert out == ""
    assert PROBLEMS[line] in err
    assert "Traceback" not in err
    if code == 1:
        assert err.startswith("sixtyforty: ")
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("line", [line for line in PROBLEMS if "--on" not in line])
def test_with_json_the_problem_is_json_too(line, say):
    code, out, err = say(f"{line} --json")
    assert code == 1
    assert json.loads(out)["error"] == err.removeprefix("sixtyforty: ").rstrip("\n")


def test_a_wrong_profile_names_the_variable(say, monkeypatch):
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "prod")
    code, _, err = say("impact flight_delays")
    assert code == 1
    assert "SIXTYFORTY_PROFILE is 'prod'; it can be embedded, production or cluster" in err


def test_a_forged_ledger_is_told(say, home):
    ledger = home / "data" / "models" / "flight_delays" / "champion.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text('{"seq": 1}\n')
    code, _, err = say("champion flight_delays --history")
    assert code == 1
    assert "champion.jsonl, row 1" in err


def installed(line: str) -> Said:
    """The command in a process of its own, as people start it."""
    program = str(Path(sys.executable).with_name("sixtyforty"))
    done = subprocess.run([program, *shlex.split(line)], capture_output=True, text=True, cwd=ROOT, env=os.environ)
    return done.returncode, done.stdout, done.stderr


def test_the_installed_command_ends_likewise(home):
    said = "sixtyforty: there is no use case 'flight_delay'; did you mean flight_delays?\n"
    assert installed("impact flight_delay") == (1, "", said)


@pytest.mark.e2e
def test_a_run_ends_with_what_it_has_to_say(home):
    """And not with sixty lines on what DuckDB leaked, as it did where Great Expectations was loaded beside it."""
    code, _, _ = installed("land flight_delays --from 2013-06-12 --to 2013-06-12")
    assert code == 0
    line = "run flight_delays --from 2013-06-12 --to 2013-06-12 --select raw/airlines validated/airlines"
    code, out, err = installed(line)
    assert code == 0
    assert re.fullmatch(r"run [0-9a-f-]{36} done", out.splitlines()[-1])
    assert "leaked" not in err


@pytest.mark.parametrize("more", ["", f"--model {'0' * 16} --to there"])
def test_there_is_nothing_to_restore_before_anything_was_published(more, home):
    code, out, err = installed(f"restore flight_delays {more} --json")
    assert code == 1
    assert "nothing was published to the remote" in json.loads(out)["error"]
    assert "Traceback" not in err


def test_a_remote_that_is_gone_is_a_problem_and_no_traceback(home, tmp_path, monkeypatch):
    pointers = tmp_path / "remote" / "sixtyforty" / "pointers.json"
    pointers.parent.mkdir(parents=True)
    lost = "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 1\n  hash: md5\n  path: recipe.json\n"
    pointers.write_text(json.dumps({"data/recipe/flight_delays/recipe.json.dvc": lost}))
    monkeypatch.setenv("SIXTYFORTY_DVC_REMOTE", str(tmp_path / "remote"))
    code, out, err = installed("restore flight_delays --json")
    assert code == 1
    assert json.loads(out)["error"]
    assert "Traceback" not in err


# Answers


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


def test_champion_of_a_young_home_is_the_present_process(say, home):
    code, out, _ = say("champion flight_delays --json")
    assert (code, json.loads(out)["champion"]) == (0, None)
    code, out, _ = say("champion flight_delays --history --json")
    answer = json.loads(out)
    assert (code, answer["history"]) == (0, [])
    assert Path(answer["ledger"]) == home / "data" / "models" / "flight_delays" / "champion.jsonl"
    code, out, _ = say("champion flight_delays --on 2013-06-01")
    assert (code, "present process decides" in out) == (0, True)


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


def test_doctor_on_an_empty_home_tells_what_is_there_and_the_cure(say, home, monkeypatch):
    monkeypatch.setattr("pipelines.doctor.ENOUGH", 0)
    code, out, _ = say("doctor --json")
    answer = json.loads(out)
    things = {t["thing"]: t for t in answer["things"]}
    assert {"storage", "disk", "database", "dvc_remote", "daemon", "landing zone of flight_delays",
            "champion ledger of flight_delays", "rollout ledger of flight_delays",
            "findings of flight_delays"} <= set(things)  # fmt: skip
    assert (code, answer["ok"]) == (0, True)  # what it can't run without is there
    for thing in things.values():
        assert thing["ok"] == (thing["cure"] is None)
        assert thing["ok"] or not thing["needed"]
    assert not things["landing zone of flight_delays"]["ok"]
    assert "sixtyforty land flight_delays" in things["landing zone of flight_delays"]["cure"]
    assert not things["daemon"]["ok"]
    assert things["daemon"]["cure"] == "start it: make ui"


def test_doctor_names_the_variables_that_are_not_set(tmp_path, monkeypatch):
    declared = make_use_case(tmp_path, alerts={"owner": ["OWNER_MAIL", "OWNER_CHAT"]})
    monkeypatch.setattr(catalog, "load", lambda _: declared)
    monkeypatch.setenv("OWNER_MAIL", "mailto://u:geheim@host")
    with pytest.raises(LookupError, match=r"not set: OWNER_CHAT$"):
        _settings("calls_in_time")
    monkeypatch.setenv("OWNER_CHAT", "x")
    assert _settings("calls_in_time") == "2 variables it names are set; alerts go to owner"
    subscribed = [{"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "NOBODY"]}]
    monkeypatch.setattr(catalog, "load", lambda _: make_use_case(tmp_path, subscriptions=subscribed))
    assert _settings("calls_in_time").endswith("; no digests yet for owner ($NOBODY is not set)")


def test_doctor_fails_where_something_needed_is_missing(say, home, monkeypatch):
    monkeypatch.setattr("pipelines.doctor.ENOUGH", 10**18)
    code, out, _ = say("doctor")
    assert code == 1
    assert re.search(r"^NOT  disk: .* GB free$", out, re.M)
    assert "cure: free at least 2 GB" in out
    monkeypatch.setattr("pipelines.doctor.ENOUGH", 0)
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "sqlite:////nowhere/at/all.sqlite")
    code, out, _ = say("doctor --json")
    database = next(t for t in json.loads(out)["things"] if t["thing"] == "database")
    assert (code, database["ok"]) == (1, False)
    assert "SIXTYFORTY_DATABASE_URL" in database["cure"]


def test_doctor_hides_the_password(say, home, monkeypatch):
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "postgresql+psycopg2://me:open-sesame@127.0.0.1:1/db")
    code, out, err = say("doctor")
    assert code == 1
    assert "open-sesame" not in out + err


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
    built = build(use_case, lake, partitions)
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
    assert {"decisions", "per_1000", "lift_vs_present", "total", "unit", "from", "to"} <= found.keys()
    assert {"model", "present_process", "coin_flip", "perfect_foresight"} <= found["per_1000"].keys()
    assert {"value", "low", "high"} <= found["lift_vs_present"].keys()
    assert {"target", "target_by", "terms", "coming_month"} <= found["forecast"].keys()
    assert (found["decisions"], found["unit"], found["from"], found["to"]) == (8, "EUR", "2013-04-02", "2013-04-03")
    code, out, _ = say("impact calls_in_time")
    assert code == 0
    assert "Net value of second fitters, EUR (exact), 2013-04-02 to 2013-04-03, 8 calls" in out
    assert "gain over the present process" in out

    code, out, _ = say(f"explain calls_in_time {ids[0]} --json")
    thread = json.loads(out)
    assert code == 0
    assert {"decision", "features", "verdicts", "inputs", "champion", "policy", "code_version", "delivery",
            "outcome"} <= thread.keys()  # fmt: skip
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


def test_a_run_that_fails_is_exit_code_1(say, monkeypatch):
    def failed(*_: object, **__: object) -> str:
        from pipelines.run import RunFailed

        raise RunFailed("run 1 failed: flight_delays__features: out of paper")

    monkeypatch.setattr("pipelines.run.run_range", failed)
    code, out, err = say("run flight_delays --from 2013-06-01 --to 2013-06-02")
    assert (code, out, err) == (1, "", "sixtyforty: run 1 failed: flight_delays__features: out of paper\n")


def test_run_asks_for_the_days_and_stages_it_was_told(say, monkeypatch):
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "pipelines.run.run_range", lambda *given, select: asked.append((*given, select)) or "the run's id"
    )
    code, out, _ = say(
        "run flight_delays --from 2013-06-01 --to 2013-06-02 --as-of 2013-06-02T10:00 "
        "--select raw/weather features --json"
    )
    assert (code, json.loads(out)) == (0, {"run_id": "the run's id"})
    assert asked == [
        ("flight_delays", date(2013, 6, 1), date(2013, 6, 2), "2013-06-02T10:00", "replay", ["raw/weather", "features"])
    ]


@pytest.mark.parametrize(("line", "relived"), [("demo", list(DEMOS)), ("demo household_offers", ["household_offers"])])
def test_the_demo_relives_each_and_ends_with_the_money_of_all_and_what_to_open(say, monkeypatch, line, relived):
    done: list[str] = []
    monkeypatch.setattr("pipelines.cli.work._relive", lambda name: done.append(name) or f" [{name}]")
    monkeypatch.setattr("pipelines.cli.work.impact", lambda given: ({}, f"the money of {given.use_case}"))
    monkeypatch.setattr("pipelines.run.run_across", lambda: done.append("across"))
    code, out, _ = say(line)
    assert (code, done) == (0, [*relived, "across"])
    for name in relived:
        assert f"the money of {name}\n" in out
        assert f"{name}/impact.html for what it was worth [{name}]" in out
    assert "portfolio.html" in out


def test_everything_the_parser_knows_is_tested_here():
    assert set(cli.parser()._subparsers._group_actions[0].choices) == set(WORDS)  # type: ignore[union-attr]
    assert list(DEMOS) == ["flight_delays", "household_offers"]
