"""Alerts: messages to people about problems of a use case, or about decisions that are due.

Each role receives an alert once, and a receipt records it.

A receipt is a line of `data/alerts/<use case>.jsonl`. It records that an alert was sent, that sending failed, or that
the problem was resolved. An alert is sent again if sending failed, or if its problem returns. The use case names the
environment variables with the addresses (Apprise URLs). Alerts and receipts contain no addresses and no data rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sixtyforty.storage.files import digest
from sixtyforty.storage.receipts import Receipt, Receipts

AlertKind = Literal[
    "failed run",
    "invalid declaration",
    "source unreachable",
    "refused extract",
    "quarantined rows",
    "silent feed",
    "disk nearly full",
    "disk budget exceeded",
    "no backup",
    "clock set back",
    "lost supervisor",
    "service fails",
    "rejected batch",
    "leakage",
    "ledger differs",
    "champion revoked",
    "champion can't score",
    "key or calendar changed",
    "late arrivals",
    "fallback in force",
    "webhook fails",
    "automation silent",
    "retrain overdue",
    "decay",
    "no user",
    "rubber stamp",
    "low uptake",
    "stopped",
    "decisions due",
]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
FOR_DECIDERS: frozenset[AlertKind] = frozenset({"decisions due"})
DECIDER = "decider"  # the role that alone receives the alerts FOR_DECIDERS, if a use case declares it
CONSOLE = "console"  # receives the alerts of a use case that names no roles
MAX_ALERTS_IN_MESSAGE = 20
NEVER_SENT = "never sent"
SendMessage = Callable[[str, str, str], str | None]  # (address, title, text) -> reason for a failure, or None


@dataclass(frozen=True)
class Alert:
    """A problem that a person should know about.

    `subject`: identifies the problem among those of its kind, such as a source and partition. `text`: for people.
    """

    kind: AlertKind
    subject: str
    text: str

    @property
    def key(self) -> str:
        """Hash of the alert's kind and subject. A problem that returns after it was resolved has the same key again."""
        return digest([self.kind, self.subject])


@dataclass(frozen=True, kw_only=True)
class AlertReceipt(Receipt):
    """A record that an alert was sent to a recipient, or that sending it failed.

    `why`: why sending failed; None if the alert was sent. `key`: the alert's key. `id`: the key with the occurrence
    number of the problem. `to`: the role, with the name of the environment variable that holds the address. The other
    fields are those of the alert.
    """

    key: str
    id: str
    kind: AlertKind
    subject: str
    text: str
    to: str
    why: str | None


@dataclass(frozen=True, kw_only=True)
class ResolvedAlert(Receipt):
    """A record that a problem was resolved. `key` and `kind` are those of the alert about the problem."""

    key: str
    kind: AlertKind
    resolved: bool = True


def parse_receipt(**fields: Any) -> AlertReceipt | ResolvedAlert:
    """Return the receipt in a line (`fields`) of the receipts file: of an alert, or of a resolved problem."""
    return ResolvedAlert(**fields) if fields.get("resolved") else AlertReceipt(**fields)


@dataclass
class AlertHistory:
    """The history of a use case's alerts: which problems are open or resolved, and which messages failed.

    resolved: how often each problem was resolved, by alert key.
    open_kinds: the kind of each open problem, by alert key.
    failures: why the last attempt to send failed, by alert id and recipient; None if the alert was sent.
    """

    resolved: dict[str, int] = field(default_factory=dict)
    open_kinds: dict[str, AlertKind] = field(default_factory=dict)
    failures: dict[tuple[str, str], str | None] = field(default_factory=dict)

    @classmethod
    def from_receipts(cls, receipts: Sequence[AlertReceipt | ResolvedAlert]) -> AlertHistory:
        """Return the history of a use case's alerts from all its alert receipts.

        The receipts must be ordered from oldest to newest.
        """
        history = cls()
        for receipt in receipts:
            if isinstance(receipt, ResolvedAlert):
                history.resolved[receipt.key] = history.resolved.get(receipt.key, 0) + 1
                history.open_kinds.pop(receipt.key, None)
            else:
                history.open_kinds[receipt.key] = receipt.kind
                history.failures[receipt.id, receipt.to] = receipt.why
        return history

    def alert_id(self, alert: Alert) -> str:
        """Return the id of an alert: its key and the occurrence number of its problem, such as `<key>-2`."""
        return f"{alert.key}-{self.resolved.get(alert.key, 0) + 1}"

    def last_failure(self, alert: Alert, recipient: str) -> str | None:
        """Return why an alert wasn't sent to a recipient; None if the alert was sent."""
        return self.failures.get((self.alert_id(alert), recipient), NEVER_SENT)

    def unsent_alerts(self, alerts: Sequence[Alert], recipient: str) -> list[Alert]:
        """Return the alerts that weren't sent to the recipient yet."""
        return [a for a in alerts if self.last_failure(a, recipient) is not None]


def send_alerts(
    use_case: str,
    receipts: Receipts[AlertReceipt | ResolvedAlert],
    alerts: Sequence[Alert],
    checked: Set[AlertKind],
    roles: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    send: SendMessage,
) -> list[AlertReceipt | ResolvedAlert]:
    """Send each role the alerts that it hasn't received yet, in one message; return the new receipts.

    checked: the kinds of alerts that were looked for. An open problem of these kinds counts as resolved if the alerts
    don't include it. roles: for each role, the names of the environment variables with its addresses. Without roles,
    alerts go to the console. environment: the environment variables. send: the function that sends one message.

    A failed message is sent again at the next call. The same failure is recorded only once.
    """
    alerts = list({a.key: a for a in alerts}.values())
    with receipts.lock():
        history = AlertHistory.from_receipts(receipts.rows())
        current = {a.key for a in alerts}
        new_receipts = [
            receipts.append(ResolvedAlert(key=key, kind=kind))
            for key, kind in history.open_kinds.items()
            if kind in checked and key not in current
        ]
        for role, variables in (roles or {CONSOLE: [CONSOLE]}).items():
            for variable in variables:
                own = [a for a in alerts if a.kind not in FOR_DECIDERS or role == DECIDER or DECIDER not in roles]
                unsent = history.unsent_alerts(own, f"{role}:{variable}")
                why = _send_message(use_case, unsent, variable, environment, send) if unsent else None
                news = _new_receipts(history, unsent, f"{role}:{variable}", why)
                new_receipts += [receipts.append(receipt) for receipt in news]
    return new_receipts


def _new_receipts(
    history: AlertHistory, alerts: Sequence[Alert], recipient: str, why: str | None
) -> Iterator[AlertReceipt]:
    for alert in alerts:
        if history.last_failure(alert, recipient) != why:
            yield AlertReceipt(
                key=alert.key,
                id=history.alert_id(alert),
                kind=alert.kind,
                subject=alert.subject,
                text=alert.text,
                to=recipient,
                why=why,
            )


def _send_message(
    use_case: str, alerts: Sequence[Alert], variable: str, environment: Mapping[str, str], send: SendMessage
) -> str | None:
    """Send some alerts in one message. Return why the message wasn't sent; None if it was sent."""
    if variable == CONSOLE:
        return None  # the caller prints the receipts to the console
    address = environment.get(variable)
    if not address:
        return f"${variable} is not set"
    return send(address, *compose_message(use_case, alerts))


def compose_message(use_case: str, alerts: Sequence[Alert]) -> tuple[str, str]:
    """Return the title and the text of one message that reports some alerts of a use case."""
    if len(alerts) == 1:
        return f"{use_case}: {alerts[0].kind}", alerts[0].text
    lines = [f"{a.kind}: {a.text}" for a in alerts[:MAX_ALERTS_IN_MESSAGE]]
    left_out = len(alerts) - MAX_ALERTS_IN_MESSAGE
    if left_out > 0:
        lines.append(f"and {left_out} more alerts. `sixtyforty watch --once` lists all alerts.")
    return f"{use_case}: {len(alerts)} alerts", "\n".join(lines)


def send_by_apprise(address: str, title: str, text: str) -> str | None:
    """Send a message with Apprise. Return why sending failed, without the address; None if the message was sent."""
    import apprise

    client = apprise.Apprise()
    if not client.add(address):
        return "Apprise doesn't understand the address"
    try:
        # Without this format, an e-mail would show all lines as one line.
        accepted = client.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a failure must not keep the alert from other addresses
        return type(error).__name__
    return None if accepted else "the server did not accept the message, or did not answer"
