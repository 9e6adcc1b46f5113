"""The checks of `sixtyforty doctor` on one use case: its declaration, extracts, ledgers and figures."""

from __future__ import annotations

import os
from functools import partial

from pipelines.authoring import catalog
from pipelines.operations.examination import Check, NotAvailableError
from pipelines.settings import load_settings
from sixtyforty.decisions.webhook import read_webhook
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.wording import format_plural


def use_case_checks(name: str) -> list[Check]:
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
            "Copy extracts into the landing zone." + _demo_hint(name),
        ),
        Check(f"locations of {name}", False, partial(_locations, name), "Make the reported locations readable."),
        Check(f"disk space of {name}", False, partial(_disk_space, name), "Free space, or raise the budget."),
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


def _declaration(name: str) -> str:
    use_case = catalog.load_use_case(name, sql=True)
    if not isinstance(use_case, Draft):
        return f"{use_case.title}, stage {use_case.stage}: complete"
    blanks = "\n       ".join(map(str, use_case.blanks))
    return f"a draft: its extracts are ingested, checked and profiled. Fields to fill in:\n       {blanks}"


def _landing_zone(name: str) -> str:
    landing = catalog.open_workspace(name).landing
    count = sum(len(landing.list_files(source)) for source in landing.use_case.sources)
    if not count:
        raise NotAvailableError(f"the landing zone {landing.folder} has no extracts")
    return f"{landing.folder}, {format_plural(count, 'extract')}"


def _demo_hint(name: str) -> str:
    """Return how to land demo data. In production it must not be mixed with real extracts, so it is no cure there."""
    return f" For the demo: sixtyforty land-demo-data {name}" if load_settings().profile == "embedded" else ""


def _locations(name: str) -> str:
    from sixtyforty.ingest.reachability import find_unreachable

    landing = catalog.open_workspace(name).landing
    if problems := find_unreachable(landing):
        raise NotAvailableError("; ".join(problems.values()))
    return f"{format_plural(len(landing.use_case.sources), 'source')} can be read"


def _disk_space(name: str) -> str:
    from sixtyforty.lifecycle.disk_budget import describe_exceeded, measure_usage

    ws = catalog.open_workspace(name)
    usage, budget = measure_usage(ws), ws.use_case.retention.disk_budget_gb
    if exceeded := describe_exceeded(ws):
        raise NotAvailableError(exceeded)
    return f"{usage.describe()}, " + (f"budget {budget:g} GB" if budget else "no budget declared")


def _variables(name: str) -> str:
    use_case = catalog.load_use_case(name)
    variables = {source.database for source in use_case.sources.values() if source.database}
    variables |= {variable for addresses in use_case.alerts.values() for variable in addresses}
    webhook = None if isinstance(use_case, Draft) else use_case.webhook
    variables |= {webhook.url, webhook.secret} if webhook else set()
    missing = sorted(variable for variable in variables if not os.environ.get(variable))
    if missing:
        raise NotAvailableError(f"environment variables not set: {', '.join(missing)}")
    if webhook:
        read_webhook(webhook)
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
    if problem := describe_unfit_champion(ws.use_case, ws.lake, ws.models, "live", champion):
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
