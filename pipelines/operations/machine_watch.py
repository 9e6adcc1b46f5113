"""Find problems of the machine to alert about: a full disk, missing backups, and a clock that was set back.

They concern every use case, so every use case alerts about them.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from pipelines.operations.backup_receipt import read_receipt
from pipelines.operations.service_health import find_unhealthy
from pipelines.operations.supervisor import is_running, list_restarted, read_addresses, services_folder
from pipelines.settings import Settings
from sixtyforty.reports.alerts import Alert, AlertKind

if TYPE_CHECKING:
    import dagster as dg

ENOUGH_BYTES = 2_000_000_000
STARTED_BY_SUPERVISOR = "SUPERVISOR_ENABLED"  # Supervisor sets this variable in its programs.
MACHINE = "this machine"  # the subject of these alerts
CLOCK_TOLERANCE = 60.0  # seconds; a time that lies further in the future shows that the clock was set back
MACHINE_KINDS: set[AlertKind] = {"disk nearly full", "no backup", "lost supervisor", "service fails"}


def find_machine_alerts(settings: Settings, now: float) -> list[Alert]:
    """Return an alert for each problem of the machine that is seen without Dagster. `now`: seconds since 1970."""
    problems: dict[AlertKind, str | None] = {
        "disk nearly full": describe_full_disk(settings),
        "no backup": describe_missing_backup(settings, now),
        "lost supervisor": describe_lost_supervisor(settings),
        "service fails": describe_failing_services(settings),
    }
    return [Alert(kind, MACHINE, text) for kind, text in problems.items() if text]


def find_clock_set_back(instance: dg.DagsterInstance, now: float) -> list[Alert]:
    """Return an alert if the clock was set back. `now`: seconds since 1970."""
    text = describe_clock(instance, now)
    return [Alert("clock set back", MACHINE, text)] if text else []


def describe_full_disk(settings: Settings) -> str | None:
    """Return a sentence if less than ENOUGH_BYTES are free on the disk of the home."""
    free = shutil.disk_usage(settings.home).free
    if free >= ENOUGH_BYTES:
        return None
    return (
        f"Only {free / 1e9:.1f} GB are free on the disk of {settings.home}. Runs fail when it is full. Free at least"
        f" {ENOUGH_BYTES / 1e9:.0f} GB."
    )


def describe_missing_backup(settings: Settings, now: float) -> str | None:
    """Return a sentence if the newest backup is older than SIXTYFORTY_BACKUP_HOURS, or none was ever made."""
    if settings.backup_hours is None:
        return None
    receipt = read_receipt(settings)
    if receipt and receipt.age_hours(now) <= settings.backup_hours:
        return None
    newest = f"The newest backup is of {receipt.made}, in {receipt.folder}" if receipt else "No backup was ever made"
    return (
        f"{newest} (limit: {settings.backup_hours:.0f} hours). Run: sixtyforty backup --to FOLDER, and see why the"
        " nightly one failed."
    )


def describe_lost_supervisor(settings: Settings) -> str | None:
    """Return a sentence if this process was started by Supervisor, and Supervisor has ended since."""
    if not os.environ.get(STARTED_BY_SUPERVISOR) or is_running(settings):
        return None
    return (
        "Supervisor was killed. The services still run, but one that ends is not started again. Run: make up. It ends"
        " what is left, and starts all services."
    )


def list_failing_services(settings: Settings) -> list[str]:
    """Return as clauses which services of Supervisor don't work now; none if Supervisor didn't start this process."""
    if not os.environ.get(STARTED_BY_SUPERVISOR):
        return []
    if not is_running(settings):
        return ["Supervisor was killed, so a service that ends isn't started again"]
    return [f"the service {name} doesn't work" for name in find_unhealthy(settings, read_addresses(settings))]


def describe_failing_services(settings: Settings) -> str | None:
    """Return a sentence if services that Supervisor runs, such as the desk, ended since the last look."""
    if not os.environ.get(STARTED_BY_SUPERVISOR):
        return None
    failing = list_restarted(settings)
    if not failing:
        return None
    return (
        f"The service {', '.join(failing)} ended, and Supervisor starts it again. If this alert stays open, the service"
        f" ends each time. Read its log in {services_folder(settings) / 'logs'}, and run: sixtyforty doctor."
    )


def describe_clock(instance: dg.DagsterInstance, now: float) -> str | None:
    """Return a sentence if the daemon wrote a heartbeat or a sensor's tick at a time that is still to come."""
    heartbeats = [heartbeat.timestamp for heartbeat in instance.get_daemon_heartbeats().values()]
    newest = max(heartbeats, default=now)
    if newest - now <= CLOCK_TOLERANCE:
        return None
    return (
        f"The clock of this machine was set back by about {(newest - now) / 60:.0f} minutes. Sensors go on, but"
        " decisions may be taken late. Set the clock right, and let a time service (chrony) keep it."
    )
