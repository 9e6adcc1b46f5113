"""The checks of `sixtyforty doctor` on the installation: storage, databases, services, broker and workers."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from pipelines.operations.backup_receipt import read_receipt
from pipelines.operations.examination import Check, NotAvailableError
from pipelines.operations.heartbeat import LONGEST_PAUSE, seconds_since_look
from pipelines.operations.machine_watch import describe_clock, describe_full_disk, describe_missing_backup
from pipelines.operations.permissions import describe_hard_links, describe_permissions
from pipelines.operations.timezone_comparison import describe_rules
from pipelines.settings import load_settings
from sixtyforty.spec.shown_url import hide_passwords
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.databases import open_engine, parse_database_url
from sixtyforty.storage.files import create_folder
from sixtyforty.storage.timezone_rules import CURE

THIS_MACHINE = ("127.", "localhost", "::1", "/")  # starts of the names of this machine, and of a socket's folder
ANSWER_SECONDS = 3.0  # A worker has this time to answer.


def installation_checks() -> list[Check]:
    """Return the checks of storage, disk, databases and time zones."""
    return [
        Check("storage", True, _storage, "Make the folder writable, or set SIXTYFORTY_HOME to another folder."),
        Check("permissions", False, describe_permissions, "Take the rights of other users away: chmod -R go-rwx PATH"),
        Check("hard_links", False, describe_hard_links, "Run as root: sysctl -w fs.protected_hardlinks=1"),
        Check("disk", True, _disk, "Free at least 2 GB, or set SIXTYFORTY_HOME to a larger disk."),
        Check("database", True, _database, "Check SIXTYFORTY_DATABASE_URL, and that the database server runs."),
        Check("tls", False, _tls, "Add ?sslmode=verify-full&sslrootcert=FILE to SIXTYFORTY_DATABASE_URL."),
        Check("dvc_remote", True, _dvc_remote, "Check SIXTYFORTY_DVC_REMOTE, and that the remote is writable."),
        Check("time_zones", False, describe_rules, CURE),
        Check("clock", False, _clock, "Set the clock right, and let a time service keep it: apt-get install chrony"),
        Check("backup", False, _backup, "Back up: sixtyforty backup --to FOLDER, and do so every night."),
    ]


def service_checks() -> list[Check]:
    """Return the checks of the services that the profile needs."""
    profile = load_settings().profile
    if profile == "embedded":
        return [Check("daemon", False, _daemon, "Start the daemon: make ui")]
    checks = [
        Check("services", False, _services, "Start the services: make up"),
        Check("watch", False, _watch, "Start the services: make up. Read data/services/logs/watch.log."),
    ]
    if profile == "cluster":
        start = "Start a worker: celery -A pipelines.runtime.celery_worker worker -Q dagster"
        checks.append(Check("broker", True, _broker, "Check SIXTYFORTY_BROKER_URL, and that the broker runs."))
        checks.append(Check("workers", True, _workers, start))
    return checks


def _storage() -> str:
    folder = load_settings().home / "data"
    create_folder(folder)
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} is writable"


def _disk() -> str:
    settings = load_settings()
    if problem := describe_full_disk(settings):
        raise NotAvailableError(problem)
    return f"{shutil.disk_usage(settings.home).free / 1e9:.0f} GB free"


def _clock() -> str:
    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        if problem := describe_clock(instance, time.time()):
            raise NotAvailableError(problem)
    return "no record of the daemon lies in the future"


def _backup() -> str:
    settings = load_settings()
    if problem := describe_missing_backup(settings, time.time()):
        raise NotAvailableError(problem)
    receipt = read_receipt(settings)
    return f"newest: {receipt.made}, in {receipt.folder}" if receipt else "none, and SIXTYFORTY_BACKUP_HOURS is not set"


def _watch() -> str:
    seconds = seconds_since_look(load_settings(), time.time())
    if seconds is None or abs(seconds) > LONGEST_PAUSE:
        last = "never" if seconds is None else f"{seconds:.0f} s ago"
        raise NotAvailableError(f"the watch looked {last}, so nobody would hear of a problem")
    return f"looked {seconds:.0f} s ago"


def _database() -> str:
    settings = load_settings()
    url = parse_database_url(settings.database_url)
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
    finally:
        engine.dispose()
    contents = "" if settings.profile == "embedded" else ", with Dagster's storage"
    return f"{url.get_backend_name()} {version} at {hide_passwords(str(url))}{contents}"


def _tls() -> str:
    if problem := describe_unverified_connection(load_settings().database_url):
        raise NotAvailableError(problem)
    return "no connection to a database on another machine is unverified"


def describe_unverified_connection(database_url: str) -> str:
    """Return why the connection to a database could be read or answered by somebody else; empty if it can't be.

    A connection on this machine needs no TLS. One to another machine needs the check of the server's name.
    """
    url = parse_database_url(database_url)
    host = str(url.host or url.query.get("host") or "")
    if url.get_backend_name() != "postgresql" or not host or host.startswith(THIS_MACHINE):
        return ""
    mode = url.query.get("sslmode", "prefer")
    return "" if mode == "verify-full" else f"the certificate of {host} isn't checked (sslmode={mode})"


def _dvc_remote() -> str:
    remote = load_settings().dvc_remote
    if "://" in remote:
        return f"{hide_passwords(remote)} (not tested; the next training writes to this remote)"
    create_folder(Path(remote))
    with tempfile.TemporaryFile(dir=remote):
        return f"{remote} is writable"


def _services() -> str:
    from pipelines.operations.supervisor import program_states

    states = program_states(load_settings())
    faults = [f"{name} is {state}" for name, state in states.items() if state != "RUNNING"]
    if faults or not states:
        raise NotAvailableError(
            f"not all services of `make up` are running ({', '.join(faults) or 'none was started'})"
        )
    return ", ".join(f"{name} {state}" for name, state in states.items())


def _daemon() -> str:
    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    import dagster as dg

    from pipelines.runtime.dagster_internals import are_daemons_live

    with dg.DagsterInstance.get() as instance:
        if are_daemons_live(instance):
            return "running"
        automation = [state.name for state in instance.all_instigator_state() if state.status.name == "RUNNING"]
    if automation:
        raise NotAvailableError(f"the daemon is not running, so {', '.join(sorted(automation))} start no runs")
    return "not running, and no sensor or schedule is switched on"


def _broker() -> str:
    from kombu.connection import Connection

    with Connection(load_settings().broker_url, connect_timeout=ANSWER_SECONDS) as connection:
        connection.ensure_connection(max_retries=1)
        return f"{connection.as_uri()} answers"


def _workers() -> str:
    from celery import Celery

    answers = Celery(broker=load_settings().broker_url).control.ping(timeout=ANSWER_SECONDS)
    if not answers:
        raise NotAvailableError("no worker answers, so runs wait in the queue")
    names = sorted(name for answer in answers for name in answer)
    return f"{format_plural(len(names), 'worker')}: {', '.join(names)}"
