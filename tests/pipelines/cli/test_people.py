"""Commands about people: acceptance, training, findings, digests, simulated responses."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case
from tests.message_servers import run_message_server
from tests.pipelines.cli.conftest import decide_days, use_workspace
from tests.pipelines.conftest import RunCli


def test_training_is_recorded_and_listed(run_cli: RunCli) -> None:
    answer = run_cli("training flight_delays --done override --by dora --json").answer
    assert answer["done"]["override"] == ["dora"]
    assert 0 < answer["share"] < 1
    assert "1 of 6 duty managers: override" in run_cli("training flight_delays").out


def test_an_unknown_training_is_answered_with_the_planned_ones(run_cli: RunCli) -> None:
    finished = run_cli("training flight_delays --done swimming")
    assert (finished.code, "read_the_list" in finished.err) == (1, True)


def test_an_empty_finding_is_refused(small_workspace: Workspace, run_cli: RunCli) -> None:
    finished = run_cli("add-finding calls_in_time --by Ada --text ' '")
    assert (finished.code, finished.out, len(finished.err.splitlines())) == (1, "", 1)


def test_acceptance_and_simulation_need_responses(small_workspace: Workspace, run_cli: RunCli) -> None:
    finished = run_cli("acceptance calls_in_time")
    assert (finished.code, "nobody's responses to replay decisions are known" in finished.err) == (1, True)
    finished = run_cli("simulate-responses calls_in_time")
    assert (finished.code, "Declare one in people.responses" in finished.err) == (1, True)


def test_a_digest_is_shown_or_sent_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    subscriptions = [{"role": "decider", "cadence": "daily", "to": ["DESK_CHAT"]}]
    ws = Workspace(make_use_case(tmp_path / "use_case", subscriptions=subscriptions), home, "sqlite://")
    use_workspace(monkeypatch, ws)
    decide_days(ws, [date(2013, 4, 2)])
    line = "digest calls_in_time --track replay --date 2013-04-02"
    (shown,) = run_cli(f"{line} --json").answer["digests"]
    assert (shown["role"], shown["due"]) == ("decider", "2013-04-02")
    assert "4 calls" in shown["text"]
    assert run_cli(line).out.split("\n")[0] == "Fitters in time: 2 April 2013 (decider)"
    with run_message_server() as server:
        monkeypatch.setenv("DESK_CHAT", server.address)
        assert "decider" in run_cli(f"{line} --send").out
        assert run_cli(f"{line} --send").out == "No digest is due.\n"
        assert [body["message"] for _, body in server.received] == [shown["text"]]
    finished = run_cli("digest calls_in_time")
    assert (finished.code, "no decisions on the live track yet" in finished.err) == (1, True)
    finished = run_cli("digest calls_in_time --role owner")
    assert (finished.code, "declares no subscription of the role owner" in finished.err) == (1, True)
