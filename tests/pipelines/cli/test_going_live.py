"""Commands that change what decides: the rollout's steps and the stages, each kept in a ledger."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.cli.options import current_user
from pipelines.settings import load_settings
from sixtyforty.accounting.kpi_ledger import write_accounts
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.lifecycle import rollout
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.spec.clock import now
from sixtyforty.storage.security_log import open_security_log
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_accounts as write_daily_values
from tests.experiment_home import KEYS, LIVE_DAYS, RANDOMIZED, make_experiment_home
from tests.helpers import make_use_case, merge, publish_days, put_champion_in_force
from tests.pipelines.cli.conftest import use_workspace
from tests.pipelines.conftest import RunCli
from tests.stage_declarations import GOOD, STAGES, make_days


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


@pytest.fixture
def in_shadow(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Use a use case with five live days in shadow, to which nobody objects."""
    experiment = make_experiment_home(tmp_path / "experiment")
    shutil.copytree(experiment.home, home, ignore=shutil.ignore_patterns("decisions", "kpi"))
    declared = {field: part for field, part in RANDOMIZED.items() if field != "kpi"}
    rollout_fields = {"automation": {"rollout": {"holdout_share": 0.5, "min_days": 2}}}
    use_case = make_use_case(home / "use_case", **merge(declared, rollout_fields))
    ws = Workspace(use_case, home, f"sqlite:///{tmp_path}/deliveries.db")
    take_decisions(ws, KEYS[:5], "live", None)
    write_accounts(ws, KEYS[:5], "live")
    use_workspace(monkeypatch, ws)
    monkeypatch.setattr(rollout, "list_objections_of_people", lambda ws: [])
    now = ws.use_case.day_start(LIVE_DAYS[5]) + timedelta(minutes=1)
    monkeypatch.setattr("sixtyforty.spec.clock.now", lambda: now)
    return ws


def test_a_rollout_goes_a_step_forward_and_back(
    in_shadow: Workspace, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    monkeypatch.setattr("sixtyforty.value.blocks.MINIMUM_BLOCKS", 5)  # the home has five equal days
    answer = run_cli("rollout calls_in_time --json").answer
    assert (answer["step"], answer["obstacles"]) == ("shadow", [])
    monkeypatch.setattr(rollout, "list_objections_of_people", lambda ws: ["nobody comes"])
    finished = run_cli("rollout calls_in_time --advance --why 'let us'")
    assert (finished.code, finished.out, "nobody comes" in finished.err) == (1, "", True)
    assert "Blocks the next step: nobody comes" in run_cli("rollout calls_in_time").out
    monkeypatch.setattr(rollout, "list_objections_of_people", lambda ws: [])
    finished = run_cli("rollout calls_in_time --advance --by Ada --why 'shadow paid'")
    assert finished.out == f"holdout from {KEYS[5]}T04:01:00 UTC, by Ada: shadow paid\n"
    lines = run_cli("rollout calls_in_time").out.splitlines()
    assert lines[1] == f"In force: holdout, since {KEYS[5]} 04:01 UTC. Complete days with known outcomes: 0."
    assert any(line.startswith("Blocks the next step:") for line in lines)
    assert lines[2].startswith("Evidence in shadow: 5 complete days with known outcomes, gain ")
    assert lines[3] == "Evidence in holdout: 0 complete days with known outcomes"
    assert run_cli("rollout calls_in_time --step-back --why complaints --json").answer["step"] == "shadow"
    assert [step.step for step in in_shadow.rollout_ledger.rows()] == ["holdout", "shadow"]


@pytest.fixture
def two_champions(small_workspace: Workspace) -> Workspace:
    """Use the small use case, live with two champions of one recipe."""
    publish_days(small_workspace, [date(2013, 3, 1) + timedelta(days=i) for i in range(12)], count=20)
    for track in ("replay", "live"):
        for day in (date(2013, 3, 9), date(2013, 3, 11)):
            put_champion_in_force(small_workspace, day, track)
    return small_workspace


def test_a_withdrawn_model_is_out_of_force_and_shown(two_champions: Workspace, run_cli: RunCli) -> None:
    first, second = (row.version for row in two_champions.champion_ledger.promotions("live"))
    finished = run_cli(f"withdraw calls_in_time --model {second} --why 'it knew the future' --by Ada")
    assert finished.code == 0
    assert finished.out.startswith(f"WITHDRAW {second} from ")
    assert finished.out.endswith(f", by Ada: it knew the future\n{first} decides from now on.\n")
    for track in ("replay", "live"):
        assert run_cli(f"champion calls_in_time --track {track} --json").answer["champion"] == first
        history = run_cli(f"champion calls_in_time --track {track} --history").out
        assert f"WITHDRAW {second}  it knew the future" in history
    finished = run_cli(f"rollback calls_in_time --to {second} --why 'it was fine'")
    assert (finished.code, finished.out) == (1, "")
    assert "it knew the future. This version never decides again." in finished.err
    finished = run_cli(f"withdraw calls_in_time --model {second} --why again")
    assert (finished.code, "There is nothing more to withdraw." in finished.err) == (1, True)
    answer = run_cli(f"withdraw calls_in_time --model {second} --why 'all of it' --recipe --json").answer
    assert (answer["verdict"], answer["kind"], answer["evidence"]["versions"]) == (
        "WITHDRAW",
        "withdrawn",
        sorted([first, second]),
    )
    answer = run_cli("champion calls_in_time --track live --json").answer
    assert answer["champion"] is None
    assert "all of it: the current process decides" in " ".join(answer["why"])
    with open_security_log(load_settings().database_url) as log:
        events = [(event.kind, event.person) for event in log.read(10)]
    assert events == [("withdrawal", current_user()), ("withdrawal", "Ada")]  # refused ones change nothing


def test_a_version_that_was_never_judged_is_not_withdrawn(run_cli: RunCli) -> None:
    finished = run_cli("withdraw flight_delays --model 2013-01-01-00000000 --why 'a guess'")
    assert (finished.code, "the gate never judged the model" in finished.err) == (1, True)


@pytest.mark.parametrize("line", ["rollback calls_in_time --to {0}", "approve calls_in_time {0}"])
def test_a_retired_use_case_refuses_another_model(line: str, two_champions: Workspace, run_cli: RunCli) -> None:
    version = two_champions.champion_ledger.promotions("live")[0].version
    retire_use_case(two_champions, "Ada", "the route was closed", now())
    finished = run_cli(f"{line.format(version)} --why again")
    assert (
        finished.code,
        "no model can be put in force, because the use case has ended: retired." in finished.err,
    ) == (1, True)


def test_a_gate_changed_after_its_figures_shows_both_targets(
    home: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    def declare(**changes: object) -> None:
        use_case = make_use_case(home / "use_case", **merge(STAGES, changes))
        use_workspace(monkeypatch, Workspace(use_case, home, ""))

    declare()
    write_daily_values(Workspace(make_use_case(home / "use_case", **STAGES), home, ""), make_days(GOOD))
    declare(stages={"poc": {"target": 150}})
    assert run_cli("stage calls_in_time --register --why 'the crew got cheaper'").code == 1, "it is registered first"
    declare(stages={"poc": {"target": 120}})
    assert run_cli("stage calls_in_time --register --why 'and cheaper'").code == 0
    shown = run_cli("stage calls_in_time").out
    assert "Before: target EUR 150 per 1,000 units by " in shown
    assert "Now: target EUR 120 per 1,000 units by " in shown
    assert "The gate was declared after its figures were known: " in shown
    remarks = run_cli("stage calls_in_time --json").answer["remarks"]
    assert len(remarks) == 2
