"""Alerts reach each role once, by a real server; what fails is tried again, what comes back is told again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.reports.alerts import KINDS, SHOWN, Alert, Told, by_apprise, message, tell
from sixtyforty.storage.receipts import Receipts
from tests.message_servers import MessageServer, run_mailbox, run_message_server

DEAD = Alert("automation silent", "daemon", "The daemon has no heartbeat.")
FAILED = Alert("failed run", "4711", "Run 4711 failed.")
ALL = set(KINDS)


@pytest.fixture
def desk() -> Iterator[MessageServer]:
    with run_message_server() as found:
        yield found


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path / "alerts" / "calls_in_time.jsonl")


ROLES = {"owner": ["OWNER"], "duty_desk": ["DESK"]}


def say(receipts: Receipts, desk: MessageServer, *alerts: Alert, **more: Any) -> list[dict[str, Any]]:
    """One look's alerts, to two roles at the desk."""
    environment = {"OWNER": f"{desk.address}/owner", "DESK": f"{desk.address}/desk"}
    given = {"looked": ALL, "roles": ROLES, "environment": environment, "send": by_apprise} | more
    return tell("calls_in_time", receipts, alerts, **given)


def test_each_role_is_told_once_with_a_receipt(receipts: Receipts, desk: MessageServer) -> None:
    first = say(receipts, desk, DEAD)
    assert [(r["to"], r["why"], r["kind"]) for r in first] == [
        ("owner:OWNER", None, "automation silent"),
        ("duty_desk:DESK", None, "automation silent"),
    ]
    assert say(receipts, desk, DEAD) == []
    assert desk.texts("/owner") == desk.texts("/desk") == [DEAD.text]
    assert desk.received[0][1]["title"] == "calls_in_time: automation silent"
    assert Receipts(receipts.path).rows() == first


def test_what_is_new_is_told_alone_and_several_in_one_message(receipts: Receipts, desk: MessageServer) -> None:
    say(receipts, desk, DEAD)
    more = [Alert("failed run", str(i), f"Run {i} failed.") for i in range(SHOWN + 1)]
    say(receipts, desk, DEAD, *more)
    assert len(desk.texts("/owner")) == 2
    assert DEAD.text not in desk.texts("/owner")[1]
    assert "failed run: Run 0 failed." in desk.texts("/owner")[1]
    assert "and 1 more" in desk.texts("/owner")[1]
    assert desk.received[-1][1]["title"] == f"calls_in_time: {SHOWN + 1} alerts"


def test_a_failed_sending_is_written_down_once_and_tried_again(receipts: Receipts, desk: MessageServer) -> None:
    desk.status = 500
    assert [r["why"] is None for r in say(receipts, desk, DEAD)] == [False, False]
    assert say(receipts, desk, DEAD) == []
    desk.status = 200
    assert [r["why"] for r in say(receipts, desk, DEAD)] == [None, None]
    assert desk.texts("/owner") == [DEAD.text]
    assert say(receipts, desk, DEAD) == []
    assert len(receipts.rows()) == 4


def test_one_address_that_fails_has_nobody_told_twice(receipts: Receipts, desk: MessageServer) -> None:
    environment = {"OWNER": f"{desk.address}/owner"}
    found = say(receipts, desk, DEAD, environment=environment)
    assert [(r["to"], r["why"]) for r in found] == [("owner:OWNER", None), ("duty_desk:DESK", "$DESK is not set")]
    say(receipts, desk, DEAD)
    assert desk.texts("/owner") == desk.texts("/desk") == [DEAD.text]


def test_what_was_resolved_and_comes_back_is_told_again(receipts: Receipts, desk: MessageServer) -> None:
    first = say(receipts, desk, DEAD)
    (gone,) = say(receipts, desk)
    assert (gone["resolved"], gone["kind"]) == (True, "automation silent")
    assert say(receipts, desk) == []
    again = say(receipts, desk, DEAD)
    assert desk.texts("/owner") == [DEAD.text] * 2
    assert {r["id"] for r in first}.isdisjoint(r["id"] for r in again)


def test_what_was_not_looked_at_is_not_resolved(receipts: Receipts, desk: MessageServer) -> None:
    say(receipts, desk, DEAD, FAILED)
    assert [r["kind"] for r in say(receipts, desk, looked={"failed run"})] == ["failed run"]
    assert [r["kind"] for r in say(receipts, desk)] == ["automation silent"]


def test_without_addresses_the_console_is_told_once(receipts: Receipts, desk: MessageServer) -> None:
    (row,) = say(receipts, desk, DEAD, roles={}, environment={})
    assert (row["to"], row["why"], row["text"]) == ("console:console", None, DEAD.text)
    assert say(receipts, desk, DEAD, roles={}, environment={}) == []


def test_a_mail_keeps_its_lines_and_is_no_html() -> None:
    with run_mailbox() as box:
        assert by_apprise(box.address, "two", "one line\nand <b>another</b>") is None
        assert box.received[0]["Subject"] == "two"
        assert box.text(0).splitlines()[:2] == ["one line", "and <b>another</b>"]


@pytest.mark.parametrize("address", ["nonsense", "nonsense://u:geheim@host", "json://u:geheim@127.0.0.1:1"])
def test_an_address_that_does_not_work_is_told_without_being_shown(receipts: Receipts, address: str) -> None:
    (row,) = tell("x", receipts, [DEAD], ALL, {"owner": ["OWNER"]}, {"OWNER": address}, by_apprise)
    assert row["why"]
    assert address not in receipts.path.read_text()
    assert "geheim" not in receipts.path.read_text()


def test_a_line_cut_off_by_a_crash_spoils_nothing(receipts: Receipts, desk: MessageServer) -> None:
    say(receipts, desk, DEAD)
    whole = receipts.path.read_bytes()
    receipts.path.write_bytes(whole + b'{"at":"2013-0')
    assert say(receipts, desk, DEAD) == []
    (gone,) = say(receipts, desk)
    assert receipts.path.read_bytes().startswith(whole)
    assert receipts.rows()[-1] == gone


def test_a_title_of_one_and_of_several() -> None:
    assert message("x", [DEAD]) == ("x: automation silent", DEAD.text)
    title, text = message("x", [DEAD, FAILED])
    assert (title, text.splitlines()) == ("x: 2 alerts", [f"automation silent: {DEAD.text}", f"failed run: {FAILED.text}"])


@given(st.lists(st.lists(st.sampled_from([DEAD, FAILED]), unique=True), max_size=8))
def test_one_receipt_for_each_time_a_condition_begins(looks: list[list[Alert]]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        receipts = Receipts(Path(folder) / "x.jsonl")
        for alerts in looks:
            tell("x", receipts, alerts, ALL, {"owner": ["OWNER"]}, {"OWNER": "y"}, lambda *_: None)
        told = [r["key"] for r in receipts.rows() if not r.get("resolved")]
        for alert in (DEAD, FAILED):
            there = [False, *(alert in alerts for alerts in looks)]
            assert told.count(alert.key) == sum(b and not a for a, b in pairwise(there))
        assert Told.of(receipts.rows()).open.keys() == {a.key for a in (looks[-1] if looks else [])}
