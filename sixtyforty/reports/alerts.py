"""Alerts: what is wrong with a use case, sent to each role once, with a receipt.

A receipt is a line of `data/alerts/<use case>.jsonl`. It records that an alert was sent, that sending failed, or that
the condition was resolved. A failed alert is sent again at the next check, and so is an alert whose condition returns.
Addresses are Apprise URLs in environment variables that the use case names. Alerts and receipts hold no addresses and
no data rows.
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
SendMessage = Callable[[str, str, str], str | None]  # (address, title, text) -> reason of the failure, None if sent


@dataclass(frozen=True)
class Alert:
    """A condition that a person should know about. `subject` identifies it among its kind; `text` is for people."""

    kind: AlertKind
    subject: str
    text: str

    @property
    def key(self) -> str:
        """Hash of kind and subject. It identifies the condition, and stays the same if the condition returns."""
        return digest([self.kind, self.subject])


@dataclass
class AlertHistory:
    """The history of a use case's alerts, from its receipts.

    resolved: how often each condition (by key) was resolved. open_kinds: the kind of each open condition (by key).
    failures: by (alert id, recipient), why the last attempt to send failed; None means that the alert was sent.
    """

    resolved: dict[str, int] = field(default_factory=dict)
    open_kinds: dict[str, AlertKind] = field(default_factory=dict)
    failures: dict[tuple[str, str], str | None] = field(default_factory=dict)

    @classmethod
    def from_receipts(cls, receipts: Sequence[Mapping[str, Any]]) -> AlertHistory:
        """Return the history from all receipts of a use case, which must be ordered from oldest to newest."""
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
        """Return why an alert wasn't sent to a recipient; None if it was."""
        return self.failures.get((self.alert_id(alert), recipient), NEVER_SENT)

    def unsent_alerts(self, alerts: Sequence[Alert], recipient: str) -> list[Alert]:
        """Return the alerts that weren't sent to a recipient yet."""
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

    checked: the kinds that were checked. An open condition of these kinds counts as resolved if it isn't among the
    alerts. roles: for each role, the environment variables that hold its addresses. Without roles, alerts go to the
    console. environment: the environment variables. send: sends one message.

    A failed message is sent again at the next call. A failure is recorded again only if its reason changes.
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
    """Send one message; return why it wasn't sent, or None if it was."""
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
        lines.append(f"and {left_out} more. `sixtyforty watch --once` lists all alerts.")
    return f"{use_case}: {len(alerts)} alerts", "\n".join(lines)


def send_by_apprise(address: str, title: str, text: str) -> str | None:
    """Send a message with Apprise. Return why it failed, without the address, or None if it was sent."""
    import apprise

    client = apprise.Apprise()
    if not client.add(address):
        return "Apprise doesn't understand the address"
    try:
        # Without this format, an e-mail would show all lines as one.
        accepted = client.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # the other addresses must get the alert whatever fails here
        return type(error).__name__
    return None if accepted else "the server did not accept the message, or did not answer"
