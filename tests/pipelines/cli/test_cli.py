"""The command line: help for every word, problems told in a line, and what it asks of a run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.demo.registry import DEMOS
from pipelines.settings import ROOT

WORDS = [
    "demo",
    "new",
    "land",
    "run",
    "decisions",
    "impact",
    "explain",
    "champion",
    "adopt",
    "approve",
    "rollback",
    "holdout",
    "rollout",
    "record",
    "finding",
    "restore",
    "doctor",
    "watch",
    "digest",
    "drill",
    "ui",
    "up",
    "down",
    "backup",
    "recover",
    "acceptance",
    "simulate",
    "desk",
    "desk-account",
    "stage",
    "trained",
    "vendor",
    "portfolio",
    "knowledge",
    "replay",
]
Said = tuple[int, str, str]


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
    "line",
    [
        "",
        "impcat",
        "impact",
        "impact flight_delays --tarck live",
        "impact flight_delays --track past",
        "decisions flight_delays",
        "decisions flight_delays --date christmas",
        "run flight_delays",
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_usage(line, say):
    code, out, err = say(line)
    assert (code, out) == (2, "")
    assert err.startswith("usage: sixtyforty")


# A process of its own


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [("--help", 0, "usage: sixtyforty"), ("impcat", 2, ""), ("decisions nowhere --date 2013-06-01 --json", 1, "error")],
)
def test_it_ends_with_its_code_after_all_is_said_and_done(line, code, said):
    then = f"""
import atexit, sys, threading, time
from pipelines import cli
sys.argv, work = ["sixtyforty", *{line.split()}], cli.main
def main():
    atexit.register(print, "put away")
    threading.Thread(target=lambda: (time.sleep(0.3), print("waited for"))).start()
    return work()
cli.main = main
cli.command()
"""
    done = subprocess.run([sys.executable, "-c", then], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == code
    assert said in done.stdout
    assert done.stdout.endswith("waited for\nput away\n")


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


# Runs


def test_a_run_that_fails_is_exit_code_1(say, monkeypatch):
    def failed(*_: object, **__: object) -> str:
        from pipelines.operations.run import RunFailed

        raise RunFailed("run 1 failed: flight_delays__features: out of paper")

    monkeypatch.setattr("pipelines.operations.run.run_range", failed)
    code, out, err = say("run flight_delays --from 2013-06-01 --to 2013-06-02")
    assert (code, out, err) == (1, "", "sixtyforty: run 1 failed: flight_delays__features: out of paper\n")


def test_run_asks_for_the_days_and_stages_it_was_told(say, monkeypatch):
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "pipelines.operations.run.run_range", lambda *given, select: asked.append((*given, select)) or "the run's id"
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
    monkeypatch.setattr("pipelines.operations.run.run_across", lambda: done.append("across"))
    code, out, _ = say(line)
    assert (code, done) == (0, [*relived, "across"])
    for name in relived:
        assert f"the money of {name}\n" in out
        assert f"{name}/impact.html for what it was worth [{name}]" in out
    assert "portfolio.html" in out


def test_everything_the_parser_knows_is_tested_here():
    assert set(cli.parser()._subparsers._group_actions[0].choices) == set(WORDS)  # type: ignore[union-attr]
    assert list(DEMOS) == ["flight_delays", "household_offers"]
