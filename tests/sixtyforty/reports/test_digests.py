"""Digests reach their subscribers once, through real servers; after a pause only the newest is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.reports.alerts import send_by_apprise
from sixtyforty.reports.digests import (
    DigestReceipt,
    Period,
    describe_receipt,
    has_decisions_by,
    latest_period,
    send_digests,
)
from sixtyforty.spec.people import Subscription
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.receipts import Receipts
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, write_decisions
from tests.helpers import make_use_case, make_workspace
from tests.message_servers import Mailbox, MessageServer, run_mailbox, run_message_server

SUBSCRIPTIONS = [
    {"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "OWNER_CHAT"]},
    {"role": "decider", "cadence": "daily", "to": ["DESK_MAIL"], "hour": 5},
]
MONDAY = datetime(2013, 6, 24, 16)  # noon in New York


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """A home with two days of decisions and subscriptions; its digests are composed quickly."""
    ws = make_workspace(tmp_path, subscriptions=SUBSCRIPTIONS)
    for day in ("2013-06-24", "2013-06-25"):
        write_decisions(ws, day)
    return ws


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


@pytest.fixture
def server() -> Iterator[MessageServer]:
    with run_message_server() as running:
        yield running


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with run_mailbox() as running:
        yield running


def send(
    ws: Workspace, now: datetime, environment: dict[str, str], track: Track = "replay", role: str | None = None
) -> list[DigestReceipt]:
    return send_digests(ws, track, now, environment, send_by_apprise, role)


# The period that a digest covers


@given(
    cadence=st.sampled_from(["daily", "weekly", "monthly"]),
    hour=st.integers(0, 23),
    now=st.datetimes(datetime(2013, 1, 20), datetime(2014, 12, 31)),
    pause=st.timedeltas(timedelta(0), timedelta(days=70)),
)
def test_the_newest_period_is_complete_and_the_next_follows_without_a_gap(
    cadence: Any, hour: int, now: datetime, pause: timedelta, use_case: UseCase
) -> None:
    subscription = Subscription(role="owner", cadence=cadence, to=["X"], hour=hour)
    period, later = (latest_period(use_case, subscription, time) for time in (now, now + pause))
    local = now.replace(tzinfo=UTC).astimezone(use_case.zone)
    assert (period.due_day, hour) <= (local.date(), local.hour)  # its hour has come
    assert period.first <= period.last < period.due_day
    assert period.due_day.weekday() == 0 or cadence != "weekly"
    assert period.due_day.day == 1 or cadence != "monthly"
    assert later == period or later.first >= period.due_day  # no day is covered twice
    length = timedelta(days={"daily": 1, "weekly": 7}.get(cadence, 31))
    following = latest_period(use_case, subscription, now + length)
    assert following == period or following.first == period.due_day or cadence == "monthly"


@pytest.mark.parametrize(
    ("cadence", "now", "days"),
    [
        ("daily", "2013-06-25T10:59", ("2013-06-23", "2013-06-23")),  # 6:59 in New York
        ("daily", "2013-06-25T11:00", ("2013-06-24", "2013-06-24")),
        ("weekly", "2013-06-24T10:59", ("2013-06-10", "2013-06-16")),
        ("weekly", "2013-06-24T11:00", ("2013-06-17", "2013-06-23")),
        ("weekly", "2013-06-30T11:00", ("2013-06-17", "2013-06-23")),
        ("monthly", "2013-03-01T11:59", ("2013-01-01", "2013-01-31")),  # winter time
        ("monthly", "2013-03-01T12:00", ("2013-02-01", "2013-02-28")),
        ("monthly", "2014-01-15T12:00", ("2013-12-01", "2013-12-31")),
    ],
)
def test_a_digest_is_due_at_its_hour_in_the_use_cases_time_zone(
    use_case: UseCase, cadence: Any, now: str, days: tuple[str, str]
) -> None:
    subscription = Subscription(role="owner", cadence=cadence, to=["X"])
    period = latest_period(use_case, subscription, datetime.fromisoformat(now))
    assert (str(period.first), str(period.last)) == days


def test_nothing_is_sent_before_the_first_live_decision(small: Workspace, server: MessageServer) -> None:
    environment = {"OWNER_MAIL": server.address, "DESK_MAIL": server.address}
    assert send(small, MONDAY, environment, "live") == []
    append_verdict(small, "2013-06-25", track="live", kind="adopted")  # in force from midnight on
    assert send(small, MONDAY, environment, "live") == []
    assert not has_decisions_by(small, "live", Period("weekly", date(2013, 6, 17), date(2013, 6, 23)))
    (row,) = send(small, MONDAY + timedelta(days=1), environment, "live")
    assert (row.to, row.due) == ("decider:DESK_MAIL", "2013-06-25")


# Sending


def test_each_subscriber_receives_a_digest_once_by_mail_and_web_hook(
    small: Workspace, server: MessageServer, mailbox: Mailbox
) -> None:
    environment = {"OWNER_MAIL": mailbox.address, "OWNER_CHAT": f"{server.address}/owner", "DESK_MAIL": mailbox.address}
    rows = send(small, MONDAY, environment)
    assert [(r.to, r.due, r.why) for r in rows] == [
        ("owner:OWNER_MAIL", "2013-06-24", None),
        ("owner:OWNER_CHAT", "2013-06-24", None),
        ("decider:DESK_MAIL", "2013-06-24", None),
    ]
    assert [m["Subject"] for m in mailbox.received] == [
        "Fitters in time: the week of 17 June 2013",
        "Fitters in time: 24 June 2013",
    ]
    assert mailbox.text(1).splitlines()[:2] == ["12 calls decided so far:", "- call a second fitter in: 5"]
    assert server.texts("/owner")[0].startswith("No outcome is known yet.")
    assert [r.text for r in rows] == [r.text for r in Receipts(small.digest_receipts, DigestReceipt).rows()]
    for hours in (0, 1, 12):
        assert send(small, MONDAY + timedelta(hours=hours), environment) == []
    assert (len(mailbox.received), len(server.received)) == (2, 1)
    tomorrow = send(small, MONDAY + timedelta(days=1), environment)
    assert [(r.to, r.due) for r in tomorrow] == [("decider:DESK_MAIL", "2013-06-25")]


def test_after_a_pause_only_the_newest_digest_is_sent(small: Workspace, server: MessageServer) -> None:
    environment = {"OWNER_CHAT": f"{server.address}/owner", "DESK_MAIL": f"{server.address}/desk"}
    send(small, MONDAY, environment)
    rows = [r for r in send(small, MONDAY + timedelta(days=40), environment) if r.why is None]
    assert [(r.cadence, r.due) for r in rows] == [("weekly", "2013-07-29"), ("daily", "2013-08-03")]
    assert (len(server.texts("/owner")), len(server.texts("/desk"))) == (2, 2)


def test_a_failure_is_recorded_once_and_retried(small: Workspace, mailbox: Mailbox) -> None:
    environment = {"DESK_MAIL": mailbox.address}
    mailbox.full = True
    first = send(small, MONDAY, environment)
    reason = "the server did not accept the message, or did not answer"
    assert [r.why for r in first if r.to == "decider:DESK_MAIL"] == [reason]
    assert send(small, MONDAY, environment) == []
    assert send(small, MONDAY + timedelta(days=1), environment) == []  # the same reason on the next day
    mailbox.full = False
    (row,) = send(small, MONDAY + timedelta(days=1), environment)
    assert (row.why, row.due) == (None, "2013-06-25")
    assert [m["Subject"] for m in mailbox.received] == ["Fitters in time: 25 June 2013"]


def test_a_missing_variable_is_recorded_only_once(small: Workspace, server: MessageServer) -> None:
    rows = send(small, MONDAY, {"OWNER_CHAT": f"{server.address}/owner"})
    assert {r.to: r.why for r in rows} == {
        "owner:OWNER_MAIL": "$OWNER_MAIL is not set",
        "owner:OWNER_CHAT": None,
        "decider:DESK_MAIL": "$DESK_MAIL is not set",
    }
    for days in range(1, 6):
        assert send(small, MONDAY + timedelta(days=days), {"OWNER_CHAT": f"{server.address}/owner"}) == []


def test_receipts_hold_no_address_and_survive_a_crash(small: Workspace, server: MessageServer) -> None:
    secret = f"{server.address.replace('://', '://ada:geheim@')}/desk"
    environment = {"DESK_MAIL": secret, "OWNER_MAIL": "nonsense://u:geheim@host"}
    send(small, MONDAY, environment)
    path = small.digest_receipts
    content = path.read_text()
    assert "geheim" not in content and str(server.address) not in content
    path.write_text(content + '{"at":"2013-0')
    assert send(small, MONDAY, environment) == []
    assert len(server.received) == 1


def test_digests_can_be_sent_to_one_role_only(small: Workspace, server: MessageServer) -> None:
    environment = {"OWNER_CHAT": server.address, "DESK_MAIL": f"{server.address}/desk"}
    rows = send(small, MONDAY, environment, role="decider")
    assert [describe_receipt(r) for r in rows] == ["daily digest of 2013-06-24 sent to decider:DESK_MAIL"]
    assert describe_receipt(replace(rows[0], why="x")).endswith("not sent to decider:DESK_MAIL: x")


@pytest.mark.parametrize(
    "invalid", [{"to": []}, {"to": ["a@b.org"]}, {"cadence": "hourly"}, {"role": "boss"}, {"hour": 24}]
)
def test_an_invalid_subscription_is_refused(tmp_path: Path, invalid: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"subscriptions.0.{next(iter(invalid))}"):
        make_use_case(tmp_path, subscriptions=[SUBSCRIPTIONS[0] | invalid])
