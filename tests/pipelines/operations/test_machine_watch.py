"""Alerts about the machine: a full disk, missing backups, and a clock that was set back."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.operations import machine_watch, service_health, supervisor
from pipelines.operations.backup_receipt import write_receipt
from pipelines.operations.machine_watch import (
    describe_failing_services,
    describe_lost_supervisor,
    describe_missing_backup,
    find_clock_set_back,
    find_machine_alerts,
    list_failing_services,
)
from pipelines.operations.supervisor import ADDRESSES, services_folder
from pipelines.settings import Settings, SettingsError, load_settings
from tests.homes import use_home

MADE = "2024-05-01T02:00:00+00:00"
MADE_AT = 1714528800.0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a home whose backups may be 30 hours old."""
    monkeypatch.setenv("SIXTYFORTY_BACKUP_HOURS", "30")
    use_home(monkeypatch, tmp_path)
    (tmp_path / "data").mkdir()
    return load_settings()


def instance_with(heartbeat: float) -> Any:
    """Return an instance of Dagster whose daemon wrote its newest heartbeat at a time."""
    return SimpleNamespace(get_daemon_heartbeats=lambda: {"SENSOR": SimpleNamespace(timestamp=heartbeat)})


def test_a_backup_that_is_too_old_or_missing_is_an_alert(settings: Settings) -> None:
    assert "No backup was ever made (limit: 30 hours)" in str(describe_missing_backup(settings, MADE_AT))
    write_receipt(settings, settings.home / "copy", MADE, 7)
    assert describe_missing_backup(settings, MADE_AT + 29 * 3600) is None
    text = describe_missing_backup(settings, MADE_AT + 31 * 3600)
    assert text and f"The newest backup is of {MADE}, in {settings.home / 'copy'}" in text
    assert describe_missing_backup(replace(settings, backup_hours=None), MADE_AT + 31 * 3600) is None


def test_production_expects_backups_and_the_profile_embedded_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert use_home(monkeypatch, tmp_path).backup_hours is None
    assert use_home(monkeypatch, tmp_path, "postgresql+psycopg2://u@127.0.0.1/d").backup_hours == 30
    monkeypatch.setenv("SIXTYFORTY_BACKUP_HOURS", "soon")
    with pytest.raises(SettingsError, match="SIXTYFORTY_BACKUP_HOURS is not a number of hours"):
        load_settings()


def test_each_problem_of_the_machine_is_one_alert(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    kinds = [alert.kind for alert in find_machine_alerts(settings, now)]
    assert kinds == ["no backup"]
    monkeypatch.setattr(machine_watch, "ENOUGH_BYTES", 10**18)
    alerts = {alert.kind: alert.text for alert in find_machine_alerts(settings, now)}
    assert alerts.keys() == {"disk nearly full", "no backup"}


def test_a_record_of_the_daemon_in_the_future_shows_that_the_clock_was_set_back() -> None:
    now = time.time()
    assert find_clock_set_back(instance_with(now + 30), now) == []
    (alert,) = find_clock_set_back(instance_with(now + 3600), now)
    assert "was set back by about 60 minutes" in alert.text


def test_a_service_that_ends_again_and_again_is_an_alert(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, nobody heard of a desk that couldn't start."""
    ages = {"watch": ("RUNNING", 600), "daemon": ("RUNNING", 600), "desk": ("RUNNING", 4), "code": ("BACKOFF", 600)}

    def processes() -> list[dict[str, Any]]:
        return [{"name": n, "statename": s, "start": 0, "now": a} for n, (s, a) in ages.items()]

    control = SimpleNamespace(supervisor=SimpleNamespace(getAllProcessInfo=processes))
    monkeypatch.setattr(supervisor, "control", lambda settings: control)
    assert describe_failing_services(settings) is None  # no Supervisor started this process
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    text = describe_failing_services(settings)
    assert text and text.startswith("The service desk, code ended")
    assert str(settings.home / "data" / "services" / "logs") in text
    ages["watch"] = ("RUNNING", 60)  # all services started just now
    assert describe_failing_services(settings) is None


def test_the_health_of_the_whole_names_each_service_that_does_not_work(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, `/healthz` of the watch was ok while the desk answered nobody."""
    assert list_failing_services(settings) == []  # no Supervisor started this process
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    assert list_failing_services(settings) == ["Supervisor was killed, so a service that ends isn't started again"]
    states = {program.name: "RUNNING" for program in supervisor.PROGRAMS} | {"code": "BACKOFF"}
    monkeypatch.setattr(service_health, "program_states", lambda settings: states)
    monkeypatch.setattr(machine_watch, "is_running", lambda settings: True)
    services_folder(settings).mkdir(parents=True)
    (services_folder(settings) / ADDRESSES).write_text(json.dumps({"desk": "http://127.0.0.1:1"}))
    assert list_failing_services(settings) == [
        "the service code doesn't work",
        "the service desk (http://127.0.0.1:1) doesn't work",
    ]


def test_a_killed_supervisor_is_an_alert_of_the_watch_that_it_started(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, the services went on without anybody to start them again, and nobody was told."""
    assert describe_lost_supervisor(settings) is None
    monkeypatch.setenv("SUPERVISOR_ENABLED", "1")
    assert "Supervisor was killed" in str(describe_lost_supervisor(settings))
    monkeypatch.setattr(machine_watch, "is_running", lambda settings: True)
    assert describe_lost_supervisor(settings) is None
