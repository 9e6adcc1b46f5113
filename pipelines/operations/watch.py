"""`sixtyforty watch`: check Dagster and the lake in a separate process, and alert people about problems.

Open-source Dagster alerts nobody when a sensor fails, and a dead daemon cannot alert. The watch is therefore a separate
process. It looks for failed runs, for sensors and schedules that are silent or fail, for a missing heartbeat of the
daemon, and at the machine. The rules of `sixtyforty.reports.alert_rules` find problems in the lake. A check that cannot
run raises an alert too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.authoring import catalog
from pipelines.operations.dagster_watch import Automation, failed_runs, is_switched_on, silent_automation
from pipelines.operations.heartbeat import report_look
from pipelines.operations.machine_watch import MACHINE_KINDS, find_machine_alerts
from pipelines.settings import load_settings, prepare_dagster_home
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
from sixtyforty.spec.track import Track
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.receipts import Receipts
from sixtyforty.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class BrokenDeclaration:
    """A message about an invalid declaration, for the console only: it is sent to nobody, so no receipt is stored."""

    kind: str = "broken declaration"
    text: str
    to: str = "the console"
    why: str | None = None


@dataclass(frozen=True)
class ShownReceipt:
    """The receipt of an alert with the name of its use case, as `sixtyforty watch` shows it."""

    use_case: str
    receipt: AlertReceipt | ResolvedAlert | BrokenDeclaration

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
    settings = prepare_dagster_home()
    automation = Automation.declared()
    reported: dict[str, str] = {}
    while True:
        loaded = catalog.load_workspaces()
        for name, ws in loaded.complete.items():
            for receipt in watch_use_case(ws, track, send, automation, time.time()):
                show(ShownReceipt(name, receipt))
        for name, problem in loaded.invalid.items():
            # A broken declaration also hides the addresses to alert, so the console shows the problem.
            if reported.get(name) != problem:
                show(ShownReceipt(name, BrokenDeclaration(text=problem)))
        reported = loaded.invalid
        report_look(settings)
        if interval_seconds is None:
            return
        time.sleep(interval_seconds)


def watch_use_case(
    ws: Workspace, track: Track, send: SendMessage, automation: Automation, now: float
) -> list[AlertReceipt | ResolvedAlert]:
    """Check one use case, send new alerts, and return the receipts of these alerts. `now`: seconds since 1970."""
    alerts: list[Alert] = []
    broken_ledgers: list[Alert] = []
    examined: set[AlertKind] = set()

    def look_for(kinds: set[AlertKind], subject: str, find_alerts: Callable[[], list[Alert]]) -> None:
        try:
            alerts.extend(find_alerts())
            examined.update(kinds)
        except Exception as error:  # A check that fails is an alert itself, and must not stop the other checks.
            text = f"The watch cannot examine {subject} ({type(error).__name__}). Run: sixtyforty doctor."
            failed = broken_ledgers if isinstance(error, LedgerError) else alerts
            failed.append(Alert("automation silent", subject, text))

    for kind, rule in RULES.items():
        look_for({kind}, f"the lake for the alert '{kind}'", lambda rule=rule: rule(ws, track))  # type: ignore[misc]
    look_for(
        {"failed run", "automation silent", "silent feed", *MACHINE_KINDS},
        "Dagster",
        lambda: _dagster_alerts(ws, automation, now),
    )
    look_for({"webhook fails"}, "the webhook", lambda: _send_to_webhook(ws))
    if not any(alert.kind == "ledger differs" for alert in alerts):  # this alert names the ledger, once
        alerts += broken_ledgers
    receipts = Receipts(ws.alert_receipts, parse_receipt)
    return send_alerts(ws.use_case.name, receipts, alerts, examined, ws.use_case.alerts, os.environ, send)


def _send_to_webhook(ws: Workspace) -> list[Alert]:
    """Send the decisions that the webhook still has to get. Return an alert if it doesn't take them."""
    try:
        return find_failing_webhook(ws.use_case.name, send_due(ws, current_time()))
    except WebhookError as error:
        return [Alert("webhook fails", "settings", str(error))]


def _dagster_alerts(ws: Workspace, automation: Automation, now: float) -> list[Alert]:
    """Return the alerts about runs, sensors and the machine.

    A feed counts as silent only while the sensor for new data is on, because otherwise nobody expects extracts.
    """
    import dagster as dg

    name, max_silent = ws.use_case.name, ws.use_case.watch.max_silent_intervals
    with dg.DagsterInstance.get() as instance:
        return [
            *failed_runs(instance, name, now),
            *silent_automation(instance, name, now, automation, max_silent),
            *(find_silent_feeds(ws, current_time()) if is_switched_on(instance, f"{name}_new_data") else []),
            *find_machine_alerts(load_settings(), instance, now),
        ]


def describe_receipt(shown: ShownReceipt) -> str:
    """Return the receipt of an alert as one line for the console."""
    receipt, subject = shown.receipt, f"{shown.use_case}: {shown.receipt.kind}"
    if isinstance(receipt, ResolvedAlert):
        return f"{subject}: resolved"
    delivery = f"not sent to {receipt.to}: {receipt.why}" if receipt.why else f"sent to {receipt.to}"
    return f"{subject}: {receipt.text} ({delivery})"
