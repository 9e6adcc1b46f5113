"""Commands that change what decides: the rollout's steps and the stages, each kept in a ledger."""

from __future__ import annotations

import pytest

from tests.pipelines.conftest import RunCli


def test_a_stage_is_shown_and_a_retirement_is_kept(run_cli: RunCli) -> None:
    answer = run_cli("stage flight_delays --json").answer
    assert (answer["stage"], answer["verdict"], answer["history"]) == ("poc", "continue", [])
    assert "7,500 per 1,000 by 2014-01-01" in run_cli("stage flight_delays").out
    answer = run_cli("stage flight_delays --retire --by ola --why 'we sold the airline' --json").answer
    assert (answer["stage"], [row["event"] for row in answer["history"]]) == ("retired", ["enter", "enter"])
    assert "by ola: we sold the airline" in run_cli("stage flight_delays").out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rollout flight_delays --advance", "--advance needs a reason. Add --why TEXT"),
        ("stage flight_delays --advance", "--advance needs a reason. Add --why TEXT"),
        ("stage flight_delays --advance --retire --why x", "--advance and --retire exclude each other."),
        ("rollout flight_delays --advance --step-back --why x", "--advance and --step-back exclude each other."),
        ("stage flight_delays --advance --why because", "0 partitions"),
        ("stage flight_delays --register --why because", "gate"),
        ("adopt flight_delays --why because", ""),
        ("approve flight_delays 0123456789abcdef --why because", "0123456789abcdef"),
        ("rollback flight_delays --to 0123456789abcdef --why because", "0123456789abcdef"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_in_one_line(line: str, message: str, run_cli: RunCli) -> None:
    finished = run_cli(line)
    assert (finished.code, finished.out) == (1, "")
    assert message in finished.err
    assert len(finished.err.splitlines()) == 1
