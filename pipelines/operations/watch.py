"""`sixtyforty watch`: check Dagster and the lake in a separate process, and alert people about problems.

Open-source Dagster alerts nobody when a sensor fails, and a dead daemon cannot alert. The watch is therefore a separate
process. It looks for failed runs, for sensors and schedules that are silent or fail, for a missing heartbeat of the
daemon, and at the machine. The rules of `sixtyforty.reports.alert_rules` find problems in the lake. A check that cannot
run raises an alert too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.authoring import catalog
from pipelines.operations.dagster_watch import Automation, failed_runs, is_switched_on, silent_automation
from pipelines.operations.heartbeat import report_look
from pipelines.operations.machine_watch import MACHINE_KINDS, find_clock_set_back, find_machine_alerts
from pipelines.settings import Settings, load_settings, prepare_dagster_home
from sixtyforty.decisions.webhook import WebhookError, send_due
from sixtyforty.reports.alert_rules import RULES
from sixtyforty.reports.alerts import (
    Alert,
    AlertKind,
    AlertReceipt,
    ResolvedAlert,
    SendMessage,
    parse_receipt,
    send_alerts,
    send_by_apprise,
)
from sixtyforty.reports.feed_alerts import find_silent_feeds
from sixtyforty.reports.webhook_alerts import find_failing_webhook
from sixtyforty.spec.clock import now as current_time
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.damaged_files import describe_damage
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.receipts import Receipts
from sixtyforty.workspace import Workspace, alerts_file

LAKE = "the lake"
DAGSTER_KINDS: set[AlertKind] = {"failed run", "automation silent", "clock set back"}


@dataclass(frozen=True)
class ShownReceipt:
    """The receipt of an alert with the name of its use case, as `sixtyforty watch` shows it."""

    use_case: str
    receipt: AlertReceipt | ResolvedAlert

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt for JSON."""
        return {"use_case": self.use_case, **asdict(self.receipt)}


def watch_all(
    track: Track,
    interval_seconds: float | None,
    show: Callable[[ShownReceipt], None],
    send: SendMessage = send_by_apprise,
) -> None:
    """Check every use case, once (interval None) or at an interval in seconds, and show the receipt of each alert."""
    settings = prepare_dagster_home(during_move=True)  # each look reports an unfinished move or an unreachable lake
    automation = Automation.declared()
    while True:
        loaded = catalog.load_workspaces_to_watch()
        opened = {name: (ws, None) for name, ws in loaded.complete.items()} | loaded.unread
        for name, (ws, error) in opened.items():
            for receipt in watch_use_case(ws, track, send, automation, time.time(), opening_error=error):
                show(ShownReceipt(name, receipt))
        for name, problem in loaded.invalid.items():
            for receipt in report_invalid_declaration(settings, name, problem, send):
                show(ShownReceipt(name, receipt))
        report_look(settings)
        if interval_seconds is None:
            return
        time.sleep(interval_seconds)


def watch_use_case(
    ws: Workspace,
    track: Track,
    send: SendMessage,
    automation: Automation,
    now: float,
    *,
    opening_error: Exception | None = None,
) -> list[AlertReceipt | ResolvedAlert]:
    """Check one use case, send new alerts, and return the receipts of these alerts.

    now: seconds since 1970. opening_error: why the use case's data couldn't be read; None if they could.
    """
    alerts: list[Alert] = []
    failures = [(LAKE, opening_error)] if opening_error else []
    examined: set[AlertKind] = {"invalid declaration"}  # the declaration of a workspace is valid

    def look_for(kinds: set[AlertKind], place: str, find_alerts: Callable[[], list[Alert]]) -> None:
        try:
            alerts.extend(find_alerts())
            examined.update(kinds)
        except Exception as error:  # A check that fails is an alert itself, and must not stop the other checks.
            failures.append((place, error))

    for kind, rule in RULES.items():
        look_for({kind}, LAKE, lambda rule=rule: rule(ws, track))  # type: ignore[misc]
    look_for(MACHINE_KINDS, "this machine", lambda: find_machine_alerts(load_settings(), now))
    look_for(DAGSTER_KINDS, "Dagster", lambda: _dagster_alerts(ws, automation, now))
    look_for({"silent feed"}, "the feeds", lambda: _feed_alerts(ws))
    look_for({"webhook fails"}, "the webhook", lambda: _send_to_webhook(ws))
    if any(alert.kind == "ledger differs" for alert in alerts):  # this alert names the ledger, once
        failures = [(place, error) for place, error in failures if not isinstance(error, LedgerError)]
    texts = " ".join(alert.text for alert in alerts)
    alerts += describe_failed_looks([(place, error) for place, error in failures if _explain(error) not in texts])
    receipts = Receipts(ws.alert_receipts, parse_receipt)
    return send_alerts(ws.use_case.name, receipts, alerts, examined, ws.use_case.alerts, os.environ, send)


def describe_failed_looks(failures: Iterable[tuple[str, Exception]]) -> list[Alert]:
    """Return one alert for each type of error that kept the watch from examining something.

    failures: the place that couldn't be examined, and the error.
    """
    failures_by_type: dict[str, list[tuple[str, Exception]]] = {}
    for place, error in failures:
        failures_by_type.setdefault(type(error).__name__, []).append((place, error))
    alerts = []
    for name, alike in failures_by_type.items():
        places = list(dict.fromkeys(place for place, _ in alike))
        text = f"The watch cannot examine {' and '.join(places)}: {_explain(alike[0][1])} Run: sixtyforty doctor."
        alerts.append(Alert("automation silent", f"{' and '.join(places)} {name}", text))
    return alerts


def _explain(error: Exception) -> str:
    """Return the text of an error as sentences, or only its type if its text may quote data.

    Errors of the project say what happened and what to do. Errors of a database about its connection or its file hold
    no data.
    """
    import duckdb
    import sqlalchemy as sa

    if isinstance(error, SixtyfortyError):
        return f"{str(error).rstrip('.')}."
    if isinstance(error, duckdb.Error) and (damage := describe_damage(str(error))):
        return damage
    if type(error) in (sa.exc.OperationalError, sa.exc.DatabaseError):
        return f"{(str(error.orig).splitlines() or [''])[0]}."  # type: ignore[attr-defined]
    return f"{type(error).__name__}."


def report_invalid_declaration(
    settings: Settings, use_case: str, problem: str, send: SendMessage
) -> list[AlertReceipt | ResolvedAlert]:
    """Tell the roles that an invalid declaration still names that no run can start. Return the new receipts."""
    text = f"No run can start, and nothing else is examined, because the declaration is invalid: {problem}"
    receipts = Receipts(alerts_file(settings.home, use_case), parse_receipt)
    alert = Alert("invalid declaration", use_case, text)
    return send_alerts(use_case, receipts, [alert], set(), catalog.read_alert_roles(use_case), os.environ, send)


def _send_to_webhook(ws: Workspace) -> list[Alert]:
    """Send the decisions that the webhook still has to get. Return an alert if it doesn't take them."""
    try:
        return find_failing_webhook(ws.use_case.name, send_due(ws, current_time()))
    except WebhookError as error:
        return [Alert("webhook fails", "settings", str(error))]


def _dagster_alerts(ws: Workspace, automation: Automation, now: float) -> list[Alert]:
    """Return the alerts about runs, sensors and the clock, without a look at the lake."""
    import dagster as dg

    name, max_silent = ws.use_case.name, ws.use_case.watch.max_silent_intervals
    with dg.DagsterInstance.get() as instance:
        return [
            *failed_runs(instance, name, now),
            *silent_automation(instance, name, now, automation, max_silent),
            *find_clock_set_back(instance, now),
        ]


def _feed_alerts(ws: Workspace) -> list[Alert]:
    """Return the alerts about silent feeds.

    A feed counts as silent only while the sensor for new data is on, because otherwise nobody expects extracts.
    """
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        is_expected = is_switched_on(instance, f"{ws.use_case.name}_new_data")
    return find_silent_feeds(ws, current_time()) if is_expected else []


def describe_receipt(shown: ShownReceipt) -> str:
    """Return the receipt of an alert as one line for the console."""
    receipt, subject = shown.receipt, f"{shown.use_case}: {shown.receipt.kind}"
    if isinstance(receipt, ResolvedAlert):
        return f"{subject}: resolved"
    delivery = f"not sent to {receipt.to}: {receipt.why}" if receipt.why else f"sent to {receipt.to}"
    return f"{subject}: {receipt.text} ({delivery})"
