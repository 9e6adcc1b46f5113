"""Commands that show single decisions and what decided."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from sixtyforty.workspace import Workspace
from tests.pipelines.cli.conftest import decide_days
from tests.pipelines.conftest import RunCli

DAY = date(2013, 4, 2)
UNKNOWN_ID = "replay-2013-06-01-0123456789abcdef"


def test_decisions_and_their_threads_as_json_and_text(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [DAY, date(2013, 4, 3)])
    answer = run_cli(f"decisions calls_in_time --date {DAY} --json").answer
    assert (answer["date"], answer["track"], len(answer["decisions"])) == ("2013-04-02", "replay", 4)
    assert {"decision_id", "action", "decided_by", "champion_version", "verdict_id"} <= answer["decisions"][0].keys()
    ids = [decision["decision_id"] for decision in answer["decisions"]]
    finished = run_cli(f"decisions calls_in_time --date {DAY}")
    assert (finished.code, [line.split()[0] for line in finished.out.splitlines()]) == (0, ids)

    thread = run_cli(f"explain calls_in_time {ids[0]} --json").answer
    assert thread["decision"]["decision_id"] == ids[0]
    assert {extract["file"] for extract in thread["inputs"]} >= {"calls_2013-04-02.csv"}
    assert all(re.fullmatch("[0-9a-f]{64}", extract["sha256"]) for extract in thread["inputs"])


def test_an_answer_is_in_force_until_it_is_withdrawn(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [DAY])
    decision = run_cli(f"decisions calls_in_time --date {DAY} --json").answer["decisions"][0]
    other = {"act": "wait", "wait": "act"}[decision["action"]]
    line = f"answer calls_in_time {decision['decision_id']} --by ann"
    finished = run_cli(f"{line} --action {other} --why 'the road is closed'")
    text = f"overridden (effect of the answer: in force). Decided: {decision['action']}. Done: {other}."
    assert (finished.code, finished.out) == (0, f"{decision['decision_id']}: {text}\n")
    thread = run_cli(f"explain calls_in_time {decision['decision_id']} --json").answer
    assert (thread["decision"]["action"], thread["answer"]["action"]) == (decision["action"], other)
    assert (thread["delivery"]["action"], thread["delivery"]["revision"]) == (other, 1)
    assert "value_done" in thread["outcome"] and "ann" not in str(thread)
    second = run_cli(f"answer calls_in_time {decision['decision_id']} --by bob")
    assert second.code == 1 and "was already overridden" in second.err
    assert run_cli(f"{line} --withdraw --json").answer["action"] == decision["action"]
    row = run_cli(f"explain calls_in_time {decision['decision_id']} --json").answer["delivery"]
    assert (row["action"], row["decided_action"], row["revision"]) == (decision["action"], None, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--action dance --why x", "can't override the decision"),
        ("--withdraw", "there is no answer to withdraw"),
        ("--withdraw --action wait", "--withdraw and --action exclude each other."),
        ("--role owner", "The role 'owner' is unknown."),
    ],
)
def test_an_answer_that_has_no_rule_is_refused(
    options: str, message: str, small_workspace: Workspace, run_cli: RunCli
) -> None:
    decide_days(small_workspace, [DAY])
    decision = run_cli(f"decisions calls_in_time --date {DAY} --json").answer["decisions"][0]
    finished = run_cli(f"answer calls_in_time {decision['decision_id']} {options}")
    assert (finished.code, finished.out) == (1, "")
    assert message in finished.err


def test_an_unknown_decision_is_answered_with_the_command_that_lists_them(
    small_workspace: Workspace, run_cli: RunCli
) -> None:
    decide_days(small_workspace, [DAY])
    known = run_cli(f"decisions calls_in_time --date {DAY} --json").answer["decisions"][0]["decision_id"]
    unknown = known[:-4] + ("0000" if known[-4:] != "0000" else "1111")
    finished = run_cli(f"explain calls_in_time {unknown}")
    assert (finished.code, finished.out) == (1, "")
    assert unknown in finished.err
    assert "sixtyforty decisions calls_in_time --date 2013-04-02" in finished.err


def test_a_replay_walks_through_the_partitions(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [DAY])
    line = f"replay calls_in_time --from {DAY} --to {DAY}"
    answer = run_cli(f"{line} --json").answer
    assert [partition["partition"] for partition in answer["partitions"]] == [f"{DAY}"]
    finished = run_cli(line)
    assert (finished.code, f"{DAY}" in finished.out) == (0, True)


def test_the_champion_of_an_empty_home_is_the_current_process(run_cli: RunCli, home: Path) -> None:
    answer = run_cli("champion flight_delays --json").answer
    assert (answer["champion"], answer["history"]) == (None, [])
    assert Path(answer["ledger"]) == home / "data" / "models" / "flight_delays" / "champion.jsonl"
    assert run_cli("champion flight_delays --history").out == "No challenger has been judged yet.\n"
    finished = run_cli("champion flight_delays --date 2013-06-01")
    assert (finished.code, "the current process decides" in finished.out) == (0, True)


def test_a_changed_ledger_is_reported(run_cli: RunCli, home: Path) -> None:
    ledger = home / "data" / "models" / "flight_delays" / "champion.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text('{"seq": 1}\n')
    finished = run_cli("champion flight_delays --history")
    assert (finished.code, "champion.jsonl, row 1" in finished.err) == (1, True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("decisions flight_delays --date 2013-06-01", "flight_delays has no decisions on 2013-06-01 (replay track)"),
        ("explain flight_delays tomorrow", "tomorrow"),
        ("explain flight_delays ''", ""),
        (f"explain flight_delays {UNKNOWN_ID}", "2013-06-01"),
        ("replay flight_delays --from 2013-06-01 --to 2013-06-02", "no decisions from 2013-06-01 to 2013-06-02"),
        ("replay flight_delays --from 2013-06-02 --to 2013-06-01", "--to 2013-06-01 is before --from 2013-06-02"),
    ],
)
def test_what_is_missing_is_an_error_of_one_line(line: str, message: str, run_cli: RunCli) -> None:
    finished = run_cli(line)
    assert (finished.code, finished.out) == (1, "")
    assert message in finished.err
    assert len(finished.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["decisions --date 2013-06-01", "champion", "impact", "stage", "model-record"])
def test_an_unknown_use_case_is_answered_with_the_nearest_one(command: str, run_cli: RunCli) -> None:
    name, _, options = command.partition(" ")
    finished = run_cli(f"{name} flight_delay {options}")
    assert (finished.code, "flight_delays" in finished.err) == (1, True)
    assert "flight_delays" in run_cli("impact churn").err


def test_a_wrong_profile_names_the_variable(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "prod")
    finished = run_cli("impact flight_delays")
    assert (finished.code, "SIXTYFORTY_PROFILE" in finished.err) == (1, True)
    assert "embedded, production or cluster" in finished.err
