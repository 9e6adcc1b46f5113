"""Digests: regular messages that tell each role how a use case is doing. Each digest is sent once, with a receipt.

A digest is due at a declared hour of a local day. It covers the previous day, week or month. Only the daily digests of
deciders and experts cover the day on which they are sent. If several digests of a subscription are due, only the newest
is sent.

A receipt is a line of `data/digests/<use case>.jsonl`. It records that a digest was sent, or why it wasn't. A failed
digest is sent again at each check until the next digest is due. Digests contain figures, days and names of sources, but
no personal data and no addresses. The module `digest_sections` writes their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.reports.alerts import SendMessage
from sixtyforty.reports.digest_sections import SECTIONS
from sixtyforty.spec.people import Subscription
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date
from sixtyforty.storage.receipts import Receipt, Receipts
from sixtyforty.workspace import Workspace

REPLAY_NOTE = "This is a replay of past decisions."


@dataclass(frozen=True)
class Period:
    """The local days from `first` to `last` that a digest covers. `cadence`: daily, weekly or monthly."""

    cadence: str
    first: date
    last: date

    @property
    def due_day(self) -> date:
        """The local day on which the digest is sent."""
        return self.last + timedelta(days=1)

    @property
    def name(self) -> str:
        """The period's name for people, such as `the week of 3 June 2013`."""
        if self.cadence == "monthly":
            return f"{self.first:%B %Y}"
        day = format_date(self.first)
        return f"the week of {day}" if self.cadence == "weekly" else day


@dataclass(frozen=True)
class Digest:
    """The message of a digest. `role`: who receives it. `due`: the ISO date of the local day on which it is sent."""

    role: str
    cadence: str
    due: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DigestReceipt(Receipt):
    """A record that a digest was sent to a recipient, or that sending it failed.

    `why`: why sending failed; None if the digest was sent. `to`: the role, with the name of the environment variable
    that holds the address. `due`: see `Digest`. `text`: the text that was sent; None if sending failed.
    """

    track: Track
    cadence: str
    to: str
    due: str
    why: str | None
    text: str | None


def latest_period(use_case: UseCase, subscription: Subscription, now: datetime) -> Period:
    """Return the period of a subscription's newest digest that is due. now: the current time (UTC, naive)."""
    cadence = subscription.cadence
    local = now.replace(tzinfo=UTC).astimezone(use_case.zone)
    due = _first_day(cadence, local.date())
    if local.hour < subscription.hour and due == local.date():
        due = _first_day(cadence, due - timedelta(days=1))
    last = due - timedelta(days=1)
    return Period(cadence, _first_day(cadence, last), last)


def _first_day(cadence: str, day: date) -> date:
    """Return the first day of the day, week or month (depending on the cadence) that contains `day`."""
    if cadence == "monthly":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if cadence == "weekly" else day


def has_decisions_by(ws: Workspace, track: Track, period: Period) -> bool:
    """Return whether any decision exists before the end of the day on which a period's digest is due."""
    start = live_since(ws, track)
    return start is not None and start < ws.use_case.day_start(period.due_day + timedelta(days=1))


def compose_digest(ws: Workspace, track: Track, role: str, period: Period) -> Digest:
    """Return the message of the digest that a role receives about a period."""
    covers_due_day = period.cadence == "daily" and role in ("decider", "expert")
    if covers_due_day:
        name, first, last = format_date(period.due_day), period.due_day, period.due_day
    else:
        name, first, last = period.name, period.first, period.last
    lines = SECTIONS[role](ws, track, ws.use_case.covering_days(first, last))
    if track == "replay":
        lines += ["", REPLAY_NOTE]
    title = f"{ws.use_case.title}: {name}"
    return Digest(role, period.cadence, str(period.due_day), title, "\n".join(lines))


def send_digests(
    ws: Workspace,
    track: Track,
    now: datetime,
    environment: Mapping[str, str],
    send: SendMessage,
    role: str | None = None,
) -> list[DigestReceipt]:
    """Send each digest that is due and wasn't sent yet; return the new receipts.

    now: the current time (UTC, naive). environment: the environment variables, which hold the addresses.
    send: the function that sends one message. role: send only this role's digests; None sends the digests of all roles.

    A failed digest is sent again at the next call. The same failure is recorded only once.
    """
    new_receipts = []
    receipts = Receipts(ws.digest_receipts, DigestReceipt)
    with receipts.lock():
        outbox = _Outbox(receipts.rows())
        for subscription in ws.use_case.subscriptions:
            if role not in (None, subscription.role):
                continue
            period = latest_period(ws.use_case, subscription, now)
            if not has_decisions_by(ws, track, period):
                continue
            for receipt in _send_to_subscribers(ws, track, subscription, period, environment, send, outbox):
                new_receipts.append(receipts.append(receipt))
    return new_receipts


class _Outbox:
    """The earlier attempts to send digests, read from the receipts.

    `sent`: the digests that were sent. `last_reason`: by recipient, why the last attempt failed; None if it succeeded.
    """

    def __init__(self, receipts: Sequence[DigestReceipt]) -> None:
        self.sent = {(r.track, r.cadence, r.to, r.due) for r in receipts if r.why is None}
        self.last_reason = {(r.track, r.cadence, r.to): r.why for r in receipts}


def _send_to_subscribers(
    ws: Workspace,
    track: Track,
    subscription: Subscription,
    period: Period,
    environment: Mapping[str, str],
    send: SendMessage,
    outbox: _Outbox,
) -> Iterator[DigestReceipt]:
    """Send one subscription's digest to each of its addresses; yield the receipts to record."""
    digest: Digest | None = None  # composed only if an address is set
    for variable in subscription.to:
        recipient = (track, subscription.cadence, f"{subscription.role}:{variable}")
        if (*recipient, str(period.due_day)) in outbox.sent:
            continue
        why: str | None = f"${variable} is not set"
        if environment.get(variable):
            digest = digest or compose_digest(ws, track, subscription.role, period)
            why = send(environment[variable], digest.title, digest.text)
        if why is None:
            outbox.sent.add((*recipient, str(period.due_day)))
        if why is None or outbox.last_reason.get(recipient) != why:
            yield DigestReceipt(
                track=track,
                cadence=subscription.cadence,
                to=recipient[2],
                due=str(period.due_day),
                why=why,
                text=digest.text if digest and why is None else None,
            )


def describe_receipt(receipt: DigestReceipt) -> str:
    """Return one line for people about a digest's receipt: that the digest was sent, or why it wasn't."""
    name = f"{receipt.cadence} digest of {receipt.due}"
    return f"{name} not sent to {receipt.to}: {receipt.why}" if receipt.why else f"{name} sent to {receipt.to}"
