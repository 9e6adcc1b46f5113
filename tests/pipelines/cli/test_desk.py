"""`sixtyforty desk-account`: accounts are created, changed and removed; the password comes from a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

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
    assert run_cli("desk-account ann --role owner").out == "Changed the account ann (owner) and logged it out.\n"
    answer = run_cli("desk-account ann --remove --json").answer
    assert (answer["removed"], answer["role"]) == (True, None)
    assert run_cli("desk-account ann --remove").code == 1


@pytest.mark.parametrize("options", ["", "--role decider --remove"])
def test_an_account_needs_one_of_role_and_remove(options: str, run_cli: RunCli) -> None:
    finished = run_cli(f"desk-account ann {options}")
    assert (finished.code, "Give either --role ROLE" in finished.err) == (1, True)
