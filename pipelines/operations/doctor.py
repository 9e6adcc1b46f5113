"""`sixtyforty doctor`: check everything that the chain needs, and name a cure for each problem."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.operations.permissions import describe_permissions
from pipelines.operations.timezone_comparison import describe_rules
from pipelines.settings import load_settings
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError, SixtyfortyError
from sixtyforty.spec.shown_url import hide_passwords
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.databases import open_engine, parse_database_url
from sixtyforty.storage.files import create_folder
from sixtyforty.storage.timezone_rules import CURE

ENOUGH_BYTES = 2_000_000_000


class NotAvailableError(SixtyfortyError):
    """Something that the chain needs is not available. The message says what is missing."""


@dataclass(frozen=True)
class Check:
    """A check of the installation. `look` describes the state of `thing`, or raises an error for a problem."""

    thing: str
    needed: bool  # Whether the chain cannot run if this check fails.
    look: Callable[[], str]
    cure: str


@dataclass(frozen=True)
class Examination:
    """The result of a check. `found` describes the state of the thing checked. `cure` is None if the check passed."""

    thing: str
    ok: bool
    needed: bool
    found: str
    cure: str | None


def examine() -> list[Examination]:
    """Run all checks and return their results: of the installation, then of each use case, then of the services."""
    checks = [
        Check("storage", True, _storage, "Make the folder writable, or set SIXTYFORTY_HOME to another folder."),
        Check("permissions", False, describe_permissions, "Take the rights of other users away: chmod -R go-rwx PATH"),
        Check("disk", True, _disk, "Free at least 2 GB, or set SIXTYFORTY_HOME to a larger disk."),
        Check("database", True, _database, "Check SIXTYFORTY_DATABASE_URL, and that the database server runs."),
        Check("dvc_remote", True, _dvc_remote, "Check SIXTYFORTY_DVC_REMOTE, and that the remote is writable."),
        Check("time_zones", False, describe_rules, CURE),
    ]
    checks += [check for name in catalog.list_use_cases() for check in _use_case_checks(name)]
    if load_settings().profile == "embedded":
        checks.append(Check("daemon", False, _daemon, "Start the daemon: make ui"))
    else:
        checks.append(Check("services", False, _services, "Start the services: make up"))
    return [_examine(check) for check in checks]


def _use_case_checks(name: str) -> list[Check]:
    """Return the checks of a use case. A broken declaration gets only the first check, a draft no checks of ledgers."""
    checks = [Check(f"declaration of {name}", True, partial(_declaration, name), "Correct the reported fields.")]
    try:
        use_case = catalog.load_use_case(name)
    except DeclarationError:
        return checks
    checks += [
        Check(
            f"landing zone of {name}",
            False,
            partial(_landing_zone, name),
            f"Copy extracts into the landing zone. For the demo: sixtyforty land-demo-data {name}",
        ),
        Check(f"settings of {name}", False, partial(_variables, name), "Set the reported environment variables."),
    ]
    return checks if isinstance(use_case, Draft) else checks + _ledger_checks(name)


def _ledger_checks(name: str) -> list[Check]:
    run = f"sixtyforty run {name} --from DATE --to DATE"
    return [
        Check(
            f"verification of {name}",
            True,
            partial(_verification, name),
            "Find out who changed the reported thing, then restore it from a backup. To verify the whole use case, run:"
            f" sixtyforty verify {name}",
        ),
        Check(
            f"stage of {name}",
            False,
            partial(_stage, name),
            "Declare the stage that the stage ledger records, or register the changed gate:"
            f" sixtyforty stage {name} --register",
        ),
        Check(
            f"features of {name}",
            False,
            partial(_features, name),
            f"Correct features.sql or the declared known_at. Then recalculate the days with leakage: {run}",
        ),
        Check(
            f"keys and calendar of {name}",
            True,
            partial(_fixed_parts, name),
            "Put the earlier keys, time zone and partitions back into defs.yaml.",
        ),
        Check(
            f"champion of {name}",
            False,
            partial(_champion, name),
            "Restore the model's folder from a backup, or delete the folder and train again. If features.sql lacks a"
            " feature of the champion, add the feature again, or let the next training replace the champion.",
        ),
        Check(
            f"arrival times of {name}",
            False,
            partial(_arrivals, name),
            f"Declare the suggested known_at in defs.yaml. Then make the replay again: {run} --rebuild-replay",
        ),
        Check(
            f"units of {name}",
            False,
            partial(_units, name),
            f"Recalculate the days with lost units: {run}. If the days are live, add --track live.",
        ),
    ]


def _examine(check: Check) -> Examination:
    try:
        return Examination(check.thing, True, check.needed, check.look(), None)
    except Exception as error:  # Any error is a result to report, and must not stop the other checks.
        return Examination(check.thing, False, check.needed, _summary(error), check.cure)


def _summary(error: Exception) -> str:
    """Return the first line of an error message, or all lines of a DeclarationError, which lists fields."""
    lines = str(error).splitlines() or [type(error).__name__]
    return str(error) if isinstance(error, DeclarationError) else lines[0]


def _declaration(name: str) -> str:
    use_case = catalog.load_use_case(name, sql=True)
    if not isinstance(use_case, Draft):
        return f"{use_case.title}, stage {use_case.stage}: complete"
    blanks = "\n       ".join(map(str, use_case.blanks))
    return f"a draft: its extracts are ingested, checked and profiled. Fields to fill in:\n       {blanks}"


def _storage() -> str:
    folder = load_settings().home / "data"
    create_folder(folder)
    with tempfile.TemporaryFile(dir=folder):
        return f"{folder} is writable"


def _disk() -> str:
    free = shutil.disk_usage(load_settings().home).free
    if free < ENOUGH_BYTES:
        raise NotAvailableError(f"only {free / 1e9:.1f} GB of disk space are free")
    return f"{free / 1e9:.0f} GB free"


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


def _dvc_remote() -> str:
    remote = load_settings().dvc_remote
    if "://" in remote:
        return f"{hide_passwords(remote)} (not tested; the next training writes to this remote)"
    create_folder(Path(remote))
    with tempfile.TemporaryFile(dir=remote):
        return f"{remote} is writable"


def _landing_zone(name: str) -> str:
    landing = catalog.open_workspace(name).landing
    count = sum(len(landing.list_files(source)) for source in landing.use_case.sources)
    if not count:
        raise NotAvailableError(f"the landing zone {landing.folder} has no extracts")
    return f"{landing.folder}, {format_plural(count, 'extract')}"


def _variables(name: str) -> str:
    use_case = catalog.load_use_case(name)
    variables = {source.database for source in use_case.sources.values() if source.database}
    variables |= {variable for addresses in use_case.alerts.values() for variable in addresses}
    missing = sorted(variable for variable in variables if not os.environ.get(variable))
    if missing:
        raise NotAvailableError(f"environment variables not set: {', '.join(missing)}")
    receivers = ", ".join(use_case.alerts) or "the console"
    summary = f"environment variables set: {len(variables)} of {len(variables)}; alerts go to {receivers}"
    # A digest without an address is mentioned, but the chain runs without it, so the check passes.
    without_digest = [
        f"{subscription.role} (${variable} is not set)"
        for subscription in use_case.subscriptions
        for variable in subscription.to
        if not os.environ.get(variable)
    ]
    return f"{summary}; no digests yet for {', '.join(without_digest)}" if without_digest else summary


def _verification(name: str) -> str:
    from sixtyforty.reports.verification import verify_use_case

    verification = verify_use_case(catalog.open_workspace(name), quick=True)
    if verification.differences:
        raise NotAvailableError(" ".join(verification.differences))
    return verification.summary


def _stage(name: str) -> str:
    from sixtyforty.lifecycle.stage_history import current_stage
    from sixtyforty.lifecycle.stage_steps import find_declaration_differences

    ws = catalog.open_workspace(name)
    if differences := find_declaration_differences(ws):
        raise NotAvailableError(f"the declaration and the stage ledger differ: {'; '.join(differences)}")
    return f"{current_stage(ws)}, as declared" + ("" if ws.use_case.stages else "; no gates are declared")


def _features(name: str) -> str:
    from sixtyforty.modeling.taint import describe, find_tainted

    lake = catalog.open_workspace(name).lake
    if tainted := find_tainted(lake):
        raise NotAvailableError(f"leakage in features: the {describe(tainted)}")
    return f"{format_plural(len(lake.partitions('features')), 'partition')}, none with leakage"


def _fixed_parts(name: str) -> str:
    from sixtyforty.lifecycle.fixed_parts import refuse_changed_parts

    refuse_changed_parts(catalog.open_declared_workspace(name))
    return "unchanged since the data was stored"


def _champion(name: str) -> str:
    from sixtyforty.decisions.unscored import current_outage, describe_outlook
    from sixtyforty.modeling.gate_evidence import describe_unfit_champion
    from sixtyforty.spec.clock import now

    ws = catalog.open_workspace(name)
    champion = ws.champion_ledger.champion_at("live", now())
    if champion is None:
        return "no live champion: the current process decides"
    if problem := describe_unfit_champion(ws.use_case, ws.lake, ws.models, "live", champion.version):
        raise NotAvailableError(problem)
    if outage := current_outage(ws, "live", now()):
        raise NotAvailableError(f"{outage.text} {describe_outlook(ws)}")
    return f"the champion {champion.version} can score the newest features"


def _arrivals(name: str) -> str:
    from sixtyforty.reports.arrival_notes import list_late_arrivals, summarize_arrivals

    ws = catalog.open_workspace(name)
    if late := list_late_arrivals(ws):
        raise NotAvailableError(f"rows arrive later than declared: {' '.join(late)}")
    return summarize_arrivals(ws)


def _units(name: str) -> str:
    from sixtyforty.accounting.row_accounts import describe_losses
    from sixtyforty.spec.clock import now

    if differences := describe_losses(catalog.open_workspace(name), now()):
        raise NotAvailableError(differences)
    return "no row or unit is lost: each row has a verdict; each unit has features, a decision if due, and an account"


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
        if not are_daemons_live(instance):
            raise NotAvailableError("the daemon is not running, so no schedule or sensor starts runs")
    return "running"
