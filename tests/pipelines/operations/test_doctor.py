"""`sixtyforty doctor`: what is available, what is missing, and the cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.authoring import catalog
from pipelines.operations import doctor
from pipelines.operations.doctor import NotAvailableError
from sixtyforty.accounting import row_accounts
from tests.helpers import make_use_case
from tests.pipelines.conftest import RunCli

INSTALLATION = {"storage", "disk", "database", "dvc_remote", "daemon"}
OF_A_USE_CASE = {"landing zone", "verification"}


def test_an_empty_home_is_examined_with_cures(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ENOUGH_BYTES", 0)
    finished = run_cli("doctor --json")
    things = {thing["thing"]: thing for thing in finished.answer["things"]}
    assert INSTALLATION | {f"{thing} of flight_delays" for thing in OF_A_USE_CASE} <= set(things)
    assert (finished.code, finished.answer["ok"]) == (0, True)  # Everything that the chain needs is available.
    for thing in things.values():
        assert thing["ok"] == (thing["cure"] is None)
        assert thing["ok"] or not thing["needed"]
    assert not things["landing zone of flight_delays"]["ok"]
    assert "sixtyforty land-demo-data flight_delays" in things["landing zone of flight_delays"]["cure"]
    assert (things["daemon"]["ok"], things["daemon"]["cure"]) == (False, "Start the daemon: make ui")
    assert things["verification of flight_delays"]["found"] == "7 ledgers"


def test_a_row_that_no_verdict_counts_is_reported(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_accounts, "describe_differences", lambda ws: "flights 2013-04-01: 1 row is lost")
    finished = run_cli("doctor --json")
    units = next(thing for thing in finished.answer["things"] if thing["thing"] == "units of flight_delays")
    assert (units["ok"], units["found"]) == (False, "flights 2013-04-01: 1 row is lost")


def test_a_stage_other_than_declared_is_reported(run_cli: RunCli) -> None:
    run_cli("stage flight_delays --retire --why 'we sold the airline'")
    things = {thing["thing"]: thing for thing in run_cli("doctor --json").answer["things"]}
    assert "poc" in things["stage of flight_delays"]["found"]
    assert "retired" in things["stage of flight_delays"]["found"]
    assert "sixtyforty stage flight_delays --register" in things["stage of flight_delays"]["cure"]


def test_variables_that_are_not_set_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case = make_use_case(tmp_path, alerts={"owner": ["OWNER_MAIL", "OWNER_CHAT"]})
    monkeypatch.setattr(catalog, "load_use_case", lambda *_, **__: use_case)
    monkeypatch.setenv("OWNER_MAIL", "mailto://u:secret@host")
    with pytest.raises(NotAvailableError, match=r"^environment variables not set: OWNER_CHAT$"):
        doctor._variables("calls_in_time")
    monkeypatch.setenv("OWNER_CHAT", "x")
    assert doctor._variables("calls_in_time") == "environment variables set: 2 of 2; alerts go to owner"
    subscriptions = [{"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "NOBODY"]}]
    with_digests = make_use_case(tmp_path, subscriptions=subscriptions)
    monkeypatch.setattr(catalog, "load_use_case", lambda *_, **__: with_digests)
    assert doctor._variables("calls_in_time").endswith("; no digests yet for owner ($NOBODY is not set)")


def test_something_needed_that_is_missing_is_exit_code_1(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ENOUGH_BYTES", 10**18)
    finished = run_cli("doctor")
    assert finished.code == 1
    assert re.search(r"^NOT  disk: only .* GB of disk space are free$", finished.out, re.M)
    assert "cure: Free at least 2 GB" in finished.out
    monkeypatch.setattr(doctor, "ENOUGH_BYTES", 0)
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "sqlite:////nowhere/at/all.sqlite")
    finished = run_cli("doctor --json")
    database = next(thing for thing in finished.answer["things"] if thing["thing"] == "database")
    assert (finished.code, database["ok"]) == (1, False)
    assert "SIXTYFORTY_DATABASE_URL" in database["cure"]


def test_the_password_is_hidden(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "postgresql+psycopg2://me:open-sesame@127.0.0.1:1/db")
    finished = run_cli("doctor")
    assert finished.code == 1
    assert "open-sesame" not in finished.out + finished.err


def test_a_changed_ledger_is_reported_with_where_to_restore_it_from(run_cli: RunCli, home: Path) -> None:
    ledger = home / "data" / "models" / "flight_delays" / "champion.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text('{"seq": 1}\n')
    finished = run_cli("doctor --json")
    things = {thing["thing"]: thing for thing in finished.answer["things"]}
    thing = things["verification of flight_delays"]
    assert (finished.code, thing["ok"]) == (1, False)
    assert "champion.jsonl, row 1" in thing["found"]
    assert "Restore champion.jsonl and champion.head from a backup." in thing["found"]
    assert "sixtyforty verify flight_delays" in thing["cure"]
