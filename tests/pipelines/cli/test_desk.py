"""`sixtyforty desk-account`: accounts are created, changed and removed; the password comes from a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipelines.cli.app import main
from pipelines.settings import load_settings
from sixtyforty.storage.security_log import open_security_log
from tests.pipelines.conftest import RunCli

PASSWORD = "correct horse battery staple"


def test_an_account_is_created_changed_and_removed(
    run_cli: RunCli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "data").mkdir(parents=True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    answer = run_cli("desk-account ann --role decider --json").answer
    assert answer == {"account": "ann", "role": "decider", "new": True, "removed": False}
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD} again\n"))
    changed = "Changed the account ann (owner) and logged it out. The next log-in asks for a new password.\n"
    assert run_cli("desk-account ann --role owner").out == changed
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD} forgotten\n"))
    assert run_cli("desk-account ann").out == changed  # the roles stay
    answer = run_cli("desk-account ann --remove --json").answer
    assert (answer["removed"], answer["role"]) == (True, None)
    assert run_cli("desk-account ann --remove").code == 1


def test_roles_count_in_a_use_case_or_a_team(run_cli: RunCli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    roles = ["--role", "decider:flight_delays", "--role", "auditor:team=Duty managers"]
    assert main(["desk-account", "ann", *roles]) == 0
    with open_security_log(load_settings().database_url) as log:
        event = log.read(1)[0]
    assert (event.kind, event.address) == ("account changed", "command line")
    assert event.detail == "account ann, roles: auditor:team=Duty managers, decider:flight_delays, new password"
    finished = run_cli("desk-account ann --role decider:nowhere")
    assert (finished.code, "The use case nowhere doesn't exist" in finished.err) == (1, True)


def test_an_account_that_does_not_exist_needs_a_role(run_cli: RunCli) -> None:
    finished = run_cli("desk-account ann")
    assert (finished.code, "The desk has no account 'ann'" in finished.err) == (1, True)
    finished = run_cli("desk-account ann --role decider --remove")
    assert (finished.code, "exclude each other" in finished.err) == (1, True)
