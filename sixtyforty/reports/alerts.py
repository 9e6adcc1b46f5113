"""Alerts: what is wrong with a use case, sent to each role once, with a receipt.

A receipt is a line of `data/alerts/<use case>.jsonl`. It records an alert sent to an address, a failure to send (which
is retried at the next look), or a condition that was resolved. A condition that returns is sent again. Addresses are
Apprise URLs in environment variables that the use case names. Neither addresses nor data rows appear in an alert or
a receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sixtyforty.storage.files import digest
from sixtyforty.storage.receipts import Receipts

AlertKind = Literal[
    "failed run",
    "rejected batch",
    "leakage",
    "champion revoked",
    "fallback in force",
    "automation silent",
    "retrain overdue",
    "decay",
    "no user",
    "rubber stamp",
    "low uptake",
    "stopped",
]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
CONSOLE = "console"  # receives the alerts of a use case that names no roles
MAX_ALERTS_IN_MESSAGE = 20
NEVER_SENT = "never sent"
SendMessage = Callable[[str, str, str], str | None]  # (address, title, text) -> why it failed, or None


@dataclass(frozen=True)
class Alert:
    """A condition that a person should know about. `subject` separates alerts of one kind; `text` is for people."""

    kind: AlertKind
    subject: str
    text: str

    @property
    def key(self) -> str:
        """Hash of kind and subject: identifies the condition, however often it occurs."""
        return digest([self.kind, self.subject])


@dataclass
class AlertHistory:
    """What the receipts of a use case say.

    resolved: how often each condition (by key) was resolved. open_kinds: the kind of each open condition (by key).
    failures: for each (alert id, recipient), why the last sending failed; None means that it was sent.
    """

    resolved: dict[str, int] = field(default_factory=dict)
    open_kinds: dict[str, AlertKind] = field(default_factory=dict)
    failures: dict[tuple[str, str], str | None] = field(default_factory=dict)

    @classmethod
    def from_receipts(cls, receipts: Sequence[Mapping[str, Any]]) -> AlertHistory:
        """Return the history that all receipts of a use case tell, oldest first."""
        history = cls()
        for receipt in receipts:
            key = receipt["key"]
            if receipt.get("resolved"):
                history.resolved[key] = history.resolved.get(key, 0) + 1
                history.open_kinds.pop(key, None)
            else:
                history.open_kinds[key] = receipt["kind"]
                history.failures[receipt["id"], receipt["to"]] = receipt["why"]
        return history

    def alert_id(self, alert: Alert) -> str:
        """Return the alert's key with the occurrence number of its condition."""
        return f"{alert.key}-{self.resolved.get(alert.key, 0) + 1}"

    def last_failure(self, alert: Alert, recipient: str) -> str | None:
        """Return why an alert didn't reach a recipient; None if it did."""
        return self.failures.get((self.alert_id(alert), recipient), NEVER_SENT)

    def unsent_alerts(self, alerts: Sequence[Alert], recipient: str) -> list[Alert]:
        """Return the alerts that a recipient hasn't received yet."""
        return [a for a in alerts if self.last_failure(a, recipient) is not None]


def send_alerts(
    use_case: str,
    receipts: Receipts,
    alerts: Sequence[Alert],
    checked: Set[AlertKind],
    roles: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    send: SendMessage,
) -> list[dict[str, Any]]:
    """Send each role the alerts that it hasn't received yet, in one message; return the new receipts.

    checked: the kinds that were checked. An open condition of these kinds that isn't among the alerts is resolved.
    roles: names of address variables by role; without roles, alerts go to the console.
    A failure is recorded once, until its reason changes, and retried at the next call.
    """
    alerts = list({a.key: a for a in alerts}.values())
    with receipts.lock():
        history = AlertHistory.from_receipts(receipts.rows())
        current = {a.key for a in alerts}
        new_receipts = [
            receipts.append(key=key, kind=kind, resolved=True)
            for key, kind in history.open_kinds.items()
            if kind in checked and key not in current
        ]
        for role, variables in (roles or {CONSOLE: [CONSOLE]}).items():
            for variable in variables:
                unsent = history.unsent_alerts(alerts, f"{role}:{variable}")
                why = _send_message(use_case, unsent, variable, environment, send) if unsent else None
                rows = _receipt_rows(history, unsent, f"{role}:{variable}", why)
                new_receipts += [receipts.append(**row) for row in rows]
    return new_receipts


def _receipt_rows(
    history: AlertHistory, alerts: Sequence[Alert], recipient: str, why: str | None
) -> Iterator[dict[str, Any]]:
    for alert in alerts:
        if history.last_failure(alert, recipient) != why:
            yield {
                "key": alert.key,
                "id": history.alert_id(alert),
                "kind": alert.kind,
                "subject": alert.subject,
                "text": alert.text,
                "to": recipient,
                "why": why,
            }


def _send_message(
    use_case: str, alerts: Sequence[Alert], variable: str, environment: Mapping[str, str], send: SendMessage
) -> str | None:
    """Return why the message wasn't sent, or None."""
    if variable == CONSOLE:
        return None  # the caller prints the receipts
    address = environment.get(variable)
    if not address:
        return f"${variable} is not set"
    return send(address, *compose_message(use_case, alerts))


def compose_message(use_case: str, alerts: Sequence[Alert]) -> tuple[str, str]:
    """Return the title and the text of one message about some alerts."""
    if len(alerts) == 1:
        return f"{use_case}: {alerts[0].kind}", alerts[0].text
    lines = [f"{a.kind}: {a.text}" for a in alerts[:MAX_ALERTS_IN_MESSAGE]]
    left_out = len(alerts) - MAX_ALERTS_IN_MESSAGE
    if left_out > 0:
        lines.append(f"and {left_out} more. `sixtyforty watch --once` lists all.")
    return f"{use_case}: {len(alerts)} alerts", "\n".join(lines)


def send_by_apprise(address: str, title: str, text: str) -> str | None:
    """Send a message with Apprise; return why it failed (never with the address), or None."""
    import apprise

    client = apprise.Apprise()
    if not client.add(address):
        return "Apprise doesn't understand the address"
    try:
        # Without the format, mail would join the lines.
        accepted = client.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a failure of any kind must not keep the alert from the other addresses
        return type(error).__name__
    return None if accepted else "the server did not accept it, or did not answer"
