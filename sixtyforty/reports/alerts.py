"""Alerts: what is wrong, in plain words, told to each role once, with a receipt.

A receipt is a line of `data/alerts/<use case>.jsonl`: an alert sent to an address (or why not: it is tried again at
the next look), or a condition resolved. What comes back after it was resolved is told again. Addresses are Apprise
URLs in environment variables that the use case names; neither they nor data are ever in an alert or a receipt.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sixtyforty.storage.lake import canonical, digest

Kind = Literal[
    "failed run",
    "rejected batch",
    "fallback in force",
    "not ticking",
    "retrain overdue",
    "decay",
    "no user",
    "rubber stamp",
    "low uptake",
    "stopped",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
CONSOLE = "console"  # the role that stands in where a use case names none
SHOWN = 20  # alerts in one message
Send = Callable[[str, str, str], str | None]  # address, title, text; returns why it failed


@dataclass(frozen=True)
class Alert:
    """Something a person should know. `subject` tells one from another of its kind; `text` is for people."""

    kind: Kind
    subject: str
    text: str

    @property
    def key(self) -> str:
        """Hash of kind and subject: the condition, however often it comes back."""
        return digest([self.kind, self.subject])


class Receipts:
    """What was told to whom, one file a use case. Append-only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        """All receipts, oldest first; a last line that was cut off by a crash is left out."""
        if not self.path.exists():
            return []
        return [json.loads(x) for x in self.path.read_text().splitlines(keepends=True) if x.endswith("\n")]

    def append(self, **said: Any) -> dict[str, Any]:
        """Adds a receipt with the wall clock's UTC time, and returns it."""
        row = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **said}
        with self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash cut the last line off: it goes, for it says nothing whole
                    kept = self.path.read_bytes()
                    file.truncate(kept.rfind(b"\n") + 1)
            file.write(canonical(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return row

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One teller at a time, so that nobody is told twice."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass
class Told:
    """What the receipts say: `resolved` counts, `open` conditions with their kind, and what became of each sending."""

    resolved: dict[str, int]
    open: dict[str, Kind]
    sent: dict[tuple[str, str], str | None]  # (alert id, address name): why it failed, or None

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Told:
        """From all receipts, oldest first."""
        told = cls({}, {}, {})
        for row in rows:
            if row.get("resolved"):
                told.resolved[row["key"]] = told.resolved.get(row["key"], 0) + 1
                told.open.pop(row["key"], None)
            else:
                told.open[row["key"]] = row["kind"]
                told.sent[row["id"], row["to"]] = row["why"]
        return told

    def id(self, alert: Alert) -> str:
        """The alert's id: its key, and the how manieth time the condition is there."""
        return f"{alert.key}-{self.resolved.get(alert.key, 0) + 1}"

    def due(self, alerts: Sequence[Alert], to: str) -> list[Alert]:
        """Those that an address hasn't had yet."""
        return [a for a in alerts if self.sent.get((self.id(a), to), "not yet") is not None]


def tell(
    use_case: str,
    receipts: Receipts,
    alerts: Sequence[Alert],
    looked: Set[Kind],
    roles: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    send: Send,
) -> list[dict[str, Any]]:
    """Tells each role what it hasn't been told, in one message, and returns the new receipts.

    looked: the kinds that were looked at: of those, what isn't among the alerts any more is resolved. roles: variable
    names by role; none at all: the console. A failure is written down once, until its reason changes, and tried again.
    """
    alerts = list({a.key: a for a in alerts}.values())
    with receipts.alone():
        told = Told.of(receipts.rows())
        now = {a.key for a in alerts}
        found = [
            receipts.append(key=key, kind=kind, resolved=True)
            for key, kind in told.open.items()
            if kind in looked and key not in now
        ]
        for role, names in (roles or {CONSOLE: [CONSOLE]}).items():
            for name in names:
                due = told.due(alerts, f"{role}:{name}")
                why = _sent(use_case, due, name, environment, send) if due else None
                found += [
                    receipts.append(
                        key=a.key,
                        id=told.id(a),
                        kind=a.kind,
                        subject=a.subject,
                        text=a.text,
                        to=f"{role}:{name}",
                        why=why,
                    )
                    for a in due
                    if told.sent.get((told.id(a), f"{role}:{name}"), "not yet") != why
                ]
    return found


def _sent(use_case: str, alerts: Sequence[Alert], name: str, environment: Mapping[str, str], send: Send) -> str | None:
    if name == CONSOLE:
        return None  # whoever called shows the receipts
    address = environment.get(name)
    if not address:
        return f"${name} is not set"
    return send(address, *message(use_case, alerts))


def message(use_case: str, alerts: Sequence[Alert]) -> tuple[str, str]:
    """Title and text of one message."""
    title = f"{use_case}: {alerts[0].kind}" if len(alerts) == 1 else f"{use_case}: {len(alerts)} alerts"
    lines = [a.text if len(alerts) == 1 else f"{a.kind}: {a.text}" for a in alerts[:SHOWN]]
    more = len(alerts) - SHOWN
    return title, "\n".join([*lines, *([f"and {more} more: sixtyforty watch --once"] if more > 0 else [])])


def by_apprise(address: str, title: str, text: str) -> str | None:
    """Sends through Apprise; returns why it failed, never with the address."""
    import apprise

    box = apprise.Apprise()
    if not box.add(address):
        return "the address is not one that Apprise understands"
    try:
        taken = box.notify(
            title=title, body=text, body_format=apprise.NotifyFormat.TEXT
        )  # else mail runs lines together
        return None if taken else "it was not accepted, or nobody answered"
    except Exception as error:  # whatever it is, the others are still to be told
        return type(error).__name__
