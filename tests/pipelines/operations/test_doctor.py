"""`sixtyforty doctor`: what is available, what is missing, and the cure."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from pipelines.authoring import catalog
from pipelines.operations import installation_checks, machine_watch, use_case_checks
from pipelines.operations.examination import Check, NotAvailableError, examine_check
from pipelines.runtime.dagster_internals_daemon import running_sensor
from pipelines.settings import prepare_dagster_home
from sixtyforty.accounting import row_accounts
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case
from tests.pipelines.conftest import RunCli

INSTALLATION = {"storage", "disk", "database", "dvc_remote", "daemon"}
OF_A_USE_CASE = {"landing zone", "verification"}


def test_an_empty_home_is_examined_with_cures(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_watch, "ENOUGH_BYTES", 0)
    finished = run_cli("doctor --json")
    things = {thing["thing"]: thing for thing in finished.answer["things"]}
    assert INSTALLATION | {f"{thing} of flight_delays" for thing in OF_A_USE_CASE} <= set(things)
    assert (finished.code, finished.answer["ok"]) == (1, False)  # Nothing has landed, so no line may pass for all.
    for thing in things.values():
        assert thing["ok"] == (thing["cure"] is None)
        assert thing["ok"] or not thing["needed"]
    assert not things["landing zone of flight_delays"]["ok"]
    assert "sixtyforty land-demo-data flight_delays" in things["landing zone of flight_delays"]["cure"]
    assert "no sensor or schedule is switched on" in things["daemon"]["found"]
    assert things["verification of flight_delays"]["found"] == "9 ledgers"


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
        use_case_checks._variables("calls_in_time")
    monkeypatch.setenv("OWNER_CHAT", "x")
    assert use_case_checks._variables("calls_in_time") == "environment variables set: 2 of 2; alerts go to owner"
    subscriptions = [{"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "NOBODY"]}]
    with_digests = make_use_case(tmp_path, subscriptions=subscriptions)
    monkeypatch.setattr(catalog, "load_use_case", lambda *_, **__: with_digests)
    assert use_case_checks._variables("calls_in_time").endswith("; no digests yet for owner ($NOBODY is not set)")


def test_something_needed_that_is_missing_is_exit_code_1(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_watch, "ENOUGH_BYTES", 10**18)
    finished = run_cli("doctor")
    assert finished.code == 1
    assert re.search(r"^NOT  disk: Only .* GB are free on the disk", finished.out, re.M)
    assert "cure: Free at least 2 GB" in finished.out
    monkeypatch.setattr(machine_watch, "ENOUGH_BYTES", 0)
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "sqlite:////dev/null/all.sqlite")
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


def thing_of(run_cli: RunCli, name: str) -> dict[str, Any]:
    """Return the result of one check. Its exit code is 1 exactly if the check of any thing failed."""
    finished = run_cli("doctor --json")
    things = {thing["thing"]: thing for thing in finished.answer["things"]}
    assert finished.code == (0 if all(thing["ok"] for thing in things.values()) else 1)
    return dict(things[name])


def test_any_failed_line_is_exit_code_1(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, a ledger that everybody could write left the exit code at 0."""

    def look() -> str:
        raise NotAvailableError("other users may read x")

    for ok, code in ((True, 0), (False, 1)):
        check = Check("permissions", False, (lambda: "private") if ok else look, "chmod")
        monkeypatch.setattr("pipelines.operations.doctor.installation_checks", lambda check=check: [check])
        monkeypatch.setattr("pipelines.operations.doctor.use_case_checks", lambda name: [])
        monkeypatch.setattr("pipelines.operations.doctor.service_checks", list)
        assert run_cli("doctor").code == code


def test_sensors_that_are_on_need_the_daemon(run_cli: RunCli, home: Path) -> None:
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        instance.add_instigator_state(running_sensor("flight_delays_new_data"))
    daemon = thing_of(run_cli, "daemon")
    assert not daemon["ok"] and "so flight_delays_new_data start no runs" in daemon["found"]
    assert daemon["cure"] == "Start the daemon: make ui"


def test_a_location_that_cannot_be_read_is_named(
    run_cli: RunCli, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = workspace.use_case.sources["calls"].model_copy(update={"location": "/dev/null/calls"})
    declared = workspace.use_case.model_copy(update={"sources": workspace.use_case.sources | {"calls": calls}})
    landing = LandingZone(workspace.landing.folder, workspace.lake, declared)
    monkeypatch.setattr(use_case_checks.catalog, "open_workspace", lambda name: SimpleNamespace(landing=landing))
    with pytest.raises(NotAvailableError, match=r"calls: the location /dev/null/calls can't be read"):
        use_case_checks._locations("x")


def test_a_broker_without_workers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(profile="cluster", broker_url="memory://")
    monkeypatch.setattr(installation_checks, "load_settings", lambda: settings)
    monkeypatch.setattr(installation_checks, "ANSWER_SECONDS", 0.1)
    results = {check.thing: examine_check(check) for check in installation_checks.service_checks()[2:]}
    assert results["broker"].ok and not results["workers"].ok
    assert "no worker answers" in results["workers"].found
    settings.broker_url = "redis://:open-sesame@127.0.0.1:1"
    broker = examine_check(installation_checks.service_checks()[2])
    assert not broker.ok and "open-sesame" not in broker.found
