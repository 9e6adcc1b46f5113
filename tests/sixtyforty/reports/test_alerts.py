"""Alerts reach each role once, through a real server; failures are retried, and returning conditions sent again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.reports.alerts import (
    ALERT_KINDS,
    MAX_ALERTS_IN_MESSAGE,
    Alert,
    AlertHistory,
    AlertReceipt,
    ResolvedAlert,
    compose_message,
    parse_receipt,
    send_alerts,
    send_by_apprise,
)
from sixtyforty.storage.receipts import Receipts
from tests.message_servers import MessageServer, run_mailbox, run_message_server

DEAD = Alert("automation silent", "daemon", "The daemon has no heartbeat.")
FAILED = Alert("failed run", "4711", "Run 4711 failed.")
ALL = set(ALERT_KINDS)
AlertReceipts = Receipts[AlertReceipt | ResolvedAlert]


@pytest.fixture
def desk() -> Iterator[MessageServer]:
    with run_message_server() as server:
        yield server


@pytest.fixture
def receipts(tmp_path: Path) -> AlertReceipts:
    return Receipts(tmp_path / "alerts" / "calls_in_time.jsonl", parse_receipt)


ROLES = {"owner": ["OWNER"], "duty_desk": ["DESK"]}


def send(receipts: AlertReceipts, desk: MessageServer, *alerts: Alert, **changes: Any) -> list[Any]:
    """Send the alerts of one look to two roles."""
    environment = {"OWNER": f"{desk.address}/owner", "DESK": f"{desk.address}/desk"}
    options = {"checked": ALL, "roles": ROLES, "environment": environment, "send": send_by_apprise} | changes
    return send_alerts("calls_in_time", receipts, alerts, **options)


def test_each_role_receives_an_alert_once_with_a_receipt(receipts: AlertReceipts, desk: MessageServer) -> None:
    first = send(receipts, desk, DEAD)
    assert [(r.to, r.why, r.kind) for r in first] == [
        ("owner:OWNER", None, "automation silent"),
        ("duty_desk:DESK", None, "automation silent"),
    ]
    assert send(receipts, desk, DEAD) == []
    assert desk.texts("/owner") == desk.texts("/desk") == [DEAD.text]
    assert desk.received[0][1]["title"] == "calls_in_time: automation silent"
    assert Receipts(receipts.path, parse_receipt).rows() == first


def test_only_new_alerts_are_sent_and_several_share_a_message(receipts: AlertReceipts, desk: MessageServer) -> None:
    send(receipts, desk, DEAD)
    more = [Alert("failed run", str(i), f"Run {i} failed.") for i in range(MAX_ALERTS_IN_MESSAGE + 1)]
    send(receipts, desk, DEAD, *more)
    assert len(desk.texts("/owner")) == 2
    assert DEAD.text not in desk.texts("/owner")[1]
    assert "failed run: Run 0 failed." in desk.texts("/owner")[1]
    assert "and 1 more" in desk.texts("/owner")[1]
    assert desk.received[-1][1]["title"] == f"calls_in_time: {MAX_ALERTS_IN_MESSAGE + 1} alerts"


def test_a_failure_is_recorded_once_and_retried(receipts: AlertReceipts, desk: MessageServer) -> None:
    desk.status = 500
    assert [r.why is None for r in send(receipts, desk, DEAD)] == [False, False]
    assert send(receipts, desk, DEAD) == []
    desk.status = 200
    assert [r.why for r in send(receipts, desk, DEAD)] == [None, None]
    assert desk.texts("/owner") == [DEAD.text]
    assert send(receipts, desk, DEAD) == []
    assert len(receipts.rows()) == 4


def test_one_failing_address_sends_nobody_an_alert_twice(receipts: AlertReceipts, desk: MessageServer) -> None:
    environment = {"OWNER": f"{desk.address}/owner"}
    rows = send(receipts, desk, DEAD, environment=environment)
    assert [(r.to, r.why) for r in rows] == [("owner:OWNER", None), ("duty_desk:DESK", "$DESK is not set")]
    send(receipts, desk, DEAD)
    assert desk.texts("/owner") == desk.texts("/desk") == [DEAD.text]


def test_a_resolved_condition_that_returns_is_sent_again(receipts: AlertReceipts, desk: MessageServer) -> None:
    first = send(receipts, desk, DEAD)
    (resolved,) = send(receipts, desk)
    assert isinstance(resolved, ResolvedAlert) and resolved.kind == "automation silent"
    assert send(receipts, desk) == []
    again = send(receipts, desk, DEAD)
    assert desk.texts("/owner") == [DEAD.text] * 2
    assert {r.id for r in first}.isdisjoint(r.id for r in again)


def test_an_unchecked_condition_is_not_resolved(receipts: AlertReceipts, desk: MessageServer) -> None:
    send(receipts, desk, DEAD, FAILED)
    assert [r.kind for r in send(receipts, desk, checked={"failed run"})] == ["failed run"]
    assert [r.kind for r in send(receipts, desk)] == ["automation silent"]


def test_without_addresses_alerts_go_to_the_console_once(receipts: AlertReceipts, desk: MessageServer) -> None:
    (row,) = send(receipts, desk, DEAD, roles={}, environment={})
    assert (row.to, row.why, row.text) == ("console:console", None, DEAD.text)
    assert send(receipts, desk, DEAD, roles={}, environment={}) == []


def test_a_mail_keeps_its_lines_and_is_plain_text() -> None:
    with run_mailbox() as box:
        assert send_by_apprise(box.address, "two", "one line\nand <b>another</b>") is None
        assert box.received[0]["Subject"] == "two"
        assert box.text(0).splitlines()[:2] == ["one line", "and <b>another</b>"]


def test_a_line_break_in_a_subject_adds_no_header() -> None:
    with run_mailbox() as box:
        problem = send_by_apprise(box.address, "two\r\nBcc: eve@example.org", "text")
        assert problem or (box.received[0]["Bcc"] is None and "\n" not in box.received[0]["Subject"])


@pytest.mark.parametrize("address", ["nonsense", "nonsense://u:geheim@host", "json://u:geheim@127.0.0.1:1"])
def test_a_broken_address_is_recorded_without_being_shown(receipts: AlertReceipts, address: str) -> None:
    (row,) = send_alerts("x", receipts, [DEAD], ALL, {"owner": ["OWNER"]}, {"OWNER": address}, send_by_apprise)
    assert row.why
    assert address not in receipts.path.read_text()
    assert "geheim" not in receipts.path.read_text()


def test_a_line_cut_off_by_a_crash_is_repaired(receipts: AlertReceipts, desk: MessageServer) -> None:
    send(receipts, desk, DEAD)
    complete = receipts.path.read_bytes()
    receipts.path.write_bytes(complete + b'{"at":"2013-0')
    assert send(receipts, desk, DEAD) == []
    (resolved,) = send(receipts, desk)
    assert receipts.path.read_bytes().startswith(complete)
    assert receipts.rows()[-1] == resolved


def test_a_message_has_the_alert_or_the_count_as_title() -> None:
    assert compose_message("x", [DEAD]) == ("x: automation silent", DEAD.text)
    title, text = compose_message("x", [DEAD, FAILED])
    assert (title, text.splitlines()) == (
        "x: 2 alerts",
        [f"automation silent: {DEAD.text}", f"failed run: {FAILED.text}"],
    )


@given(st.lists(st.lists(st.sampled_from([DEAD, FAILED]), unique=True), max_size=8))
def test_each_occurrence_of_a_condition_has_one_receipt(looks: list[list[Alert]]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        receipts = Receipts(Path(folder) / "x.jsonl", parse_receipt)
        for alerts in looks:
            send_alerts("x", receipts, alerts, ALL, {"owner": ["OWNER"]}, {"OWNER": "y"}, lambda *_: None)
        sent_keys = [r.key for r in receipts.rows() if isinstance(r, AlertReceipt)]
        for alert in (DEAD, FAILED):
            present = [False, *(alert in alerts for alerts in looks)]
            assert sent_keys.count(alert.key) == sum(now and not before for before, now in pairwise(present))
        history = AlertHistory.from_receipts(receipts.rows())
        assert history.open_kinds.keys() == {a.key for a in (looks[-1] if looks else [])}
