"""Digests reach who subscribed, by real servers: each once, the newest alone after a silence, in plain words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions import review_queue
from sixtyforty.decisions.responses import add_responses
from sixtyforty.reports import digests
from sixtyforty.reports.alerts import by_apprise
from sixtyforty.reports.digests import Period, begun, compose, period, receipt
from sixtyforty.spec.people import Subscription
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.accounted_home import (
    append_verdict,
    make_accounted_home,
    make_daily_values,
    write_decisions,
    write_usage,
    write_verdicts,
)
from tests.helpers import WITH_RESPONSES, make_use_case, make_workspace
from tests.message_servers import Mailbox, MessageServer, run_mailbox, run_message_server
from tests.words import assert_plain

SUBSCRIBED = [
    {"role": "owner", "cadence": "weekly", "to": ["OWNER_MAIL", "OWNER_CHAT"]},
    {"role": "decider", "cadence": "daily", "to": ["DESK_MAIL"], "at": 5},
]
JUNE = Period("monthly", date(2013, 6, 1), date(2013, 6, 30))
MONDAY = datetime(2013, 6, 24, 16)  # noon in New York


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three months of figures, a day's decisions, and a queue."""
    found = make_accounted_home(tmp_path_factory.mktemp("told"), **WITH_RESPONSES)
    write_decisions(found, "2013-06-24")
    write_usage(found, "2013-06-24", simulated=4)
    response = Response(
        review_queue.read_queue(found, "2013-06-24", "replay")[0].decision_id, "ann", "expert", "accepted", "act"
    )
    add_responses(found, [replace(response, at=MONDAY)])
    return found


@pytest.fixture
def small(tmp_path: Path) -> Workspace:
    """A home with a week's decisions and subscriptions, in which messages are quickly composed."""
    found = make_workspace(tmp_path, subscriptions=SUBSCRIBED)
    for day in ("2013-06-24", "2013-06-25"):
        write_decisions(found, day)
    return found


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


@pytest.fixture
def desk() -> Iterator[MessageServer]:
    with run_message_server() as found:
        yield found


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with run_mailbox() as found:
        yield found


def tell(ws: Workspace, moment: datetime, environment: dict[str, str], track: str = "replay") -> list[dict[str, Any]]:
    return digests.tell(ws, track, moment, environment, by_apprise)


def gain(first: str, last: str) -> float:
    """Beyond the current process, over these days."""
    return sum(d.model - d.current_process for d in make_daily_values() if first <= d.partition <= last)


# When


@given(
    cadence=st.sampled_from(["daily", "weekly", "monthly"]),
    at=st.integers(0, 23),
    moment=st.datetimes(datetime(2013, 1, 20), datetime(2014, 12, 31)),
    later=st.timedeltas(timedelta(0), timedelta(days=70)),
)
def test_the_newest_due_is_whole_over_and_followed_without_a_gap(
    cadence: Any, at: int, moment: datetime, later: timedelta, use_case: UseCase
) -> None:
    one = Subscription(role="owner", cadence=cadence, to=["X"], hour=at)
    found, then = period(use_case, one, moment), period(use_case, one, moment + later)
    local = moment.replace(tzinfo=UTC).astimezone(use_case.zone)
    assert (found.due, at) <= (local.date(), local.hour), "its hour has come"
    assert found.first <= found.last < found.due
    assert found.due.weekday() == 0 or cadence != "weekly"
    assert found.due.day == 1 or cadence != "monthly"
    assert then == found or then.first >= found.due, "days are told of once"
    soon = period(use_case, one, moment + timedelta(days={"daily": 1, "weekly": 7}.get(cadence, 31)))
    assert soon == found or soon.first == found.due or cadence == "monthly"


@pytest.mark.parametrize(
    ("cadence", "moment", "days"),
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
def test_due_at_the_hour_on_the_use_cases_own_clock(
    use_case: UseCase, cadence: Any, moment: str, days: tuple[str, str]
) -> None:
    found = period(use_case, Subscription(role="owner", cadence=cadence, to=["X"]), datetime.fromisoformat(moment))
    assert (str(found.first), str(found.last)) == days


def test_before_it_is_live_nobody_is_told(small: Workspace, desk: MessageServer) -> None:
    environment = {"OWNER_MAIL": desk.address, "DESK_MAIL": desk.address}
    assert tell(small, MONDAY, environment, "live") == []
    append_verdict(small, "2013-06-25", track="live", kind="adopted")  # from midnight on
    assert tell(small, MONDAY, environment, "live") == []
    assert not begun(small, "live", Period("weekly", date(2013, 6, 17), date(2013, 6, 23)))
    (row,) = tell(small, MONDAY + timedelta(days=1), environment, "live")
    assert (row["to"], row["due"]) == ("decider:DESK_MAIL", "2013-06-25")


# What


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("role", ["decider", "expert", "owner"])
def test_who_decides_is_told_in_plain_words(ws: Workspace, role: Any, cadence: Any) -> None:
    when = period(ws.use_case, Subscription(role=role, cadence=cadence, to=["X"]), MONDAY)
    assert_plain(compose(ws, "replay", role, when).text)


def test_a_decider_hears_of_todays_calls(ws: Workspace) -> None:
    found = compose(ws, "replay", "decider", Period("daily", date(2013, 6, 23), date(2013, 6, 23)))
    assert found.title == "Fitters in time: 24 June 2013"
    assert found.text.splitlines() == [
        "12 calls decided so far:",
        "- call a second fitter in: 5",
        "- call nobody: 7",
        "2 of them were left to the current process for want of sound data or a model.",
        "3 queued for review, 2 of them wait for an answer: worth up to 823 EUR to one who knows better, about 10"
        " minutes.",
        "2 more were beyond what reviewers have time for.",
        "",
        "These are past decisions, relived with what was known then.",
    ]


def test_an_expert_hears_of_the_queue(ws: Workspace) -> None:
    busy, idle = (Period("daily", date(2013, 6, d), date(2013, 6, d)) for d in (23, 20))
    assert compose(ws, "replay", "expert", busy).text.startswith("3 queued for review, 2 of them wait")
    assert compose(ws, "replay", "expert", idle).text.startswith("Nothing waits for review.")


def test_an_owner_hears_of_money_target_people_losing_weeks_and_next_steps(ws: Workspace) -> None:
    found = compose(ws, "replay", "owner", Period("monthly", date(2013, 5, 1), date(2013, 5, 31)))
    assert found.title == "Fitters in time: May 2013"
    gained = gain("2013-05-01", "2013-05-31")
    assert f"\n- {gained:+,.0f} EUR beyond the current process, on 620 calls ({gained / 0.62:+,.0f} per" in found.text
    assert f"\n- In all, since 1 April 2013: {gain('2013-04-01', '2013-05-31'):+,.0f} EUR" in found.text
    assert "The target is +500 EUR per 1,000 calls by 30 June 2013" in found.text
    assert "Forecast for the coming month: +1,000, between +700 and +1,300." in found.text
    assert "5 of 9 weeks lost, those of 27 May 2013 (-" in found.text
    assert "- 3 dispatchers, dispatch." in found.text
    assert "- Simulated: 4 of 19 responses." in found.text
    assert "- 10 decisions were looked at, 6 followed and 2 overridden." in found.text
    assert "1 were right; they were worth +30 EUR against following." in found.text
    assert "- Find out why May 2013 brought less than was forecast." in found.text


def test_an_owners_figures_end_where_the_period_does(ws: Workspace) -> None:
    """They are the same whenever they are told."""
    april = Period("monthly", date(2013, 4, 1), date(2013, 4, 30))
    found = compose(ws, "replay", "owner", april).text
    assert f"\n- In all, since 1 April 2013: {gain('2013-04-01', '2013-04-30'):+,.0f} EUR" in found
    assert "May" not in found


def test_an_auditor_hears_of_verdicts_champions_and_what_was_restated(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-06-01")
    append_verdict(ws, "2013-06-20", "HOLD", reasons=["not better"])
    write_verdicts(ws, date(2013, 6, 10), date(2013, 6, 30), rejected=["2013-06-12"])
    lines = compose(ws, "replay", "auditor", JUNE).text.splitlines()
    assert "- visits: 20 accepted, 1 refused (2013-06-12), 40 rows set aside, 0 with warnings" in lines
    assert "- nothing that had closed" in lines
    assert "- 2013-06-20T04:00:00 UTC: HOLD 2013-06-20-0000ho by the gate: not better" in lines
    assert "- in force: 2013-06-01-0000pr" in lines

    def correct(partition: str, closed: bool, at: datetime) -> None:
        """The day is judged as it was, and then with a row more, at a UTC moment."""
        for rows, still in ((19, closed), (20, True)):
            facts = {"verdict": {"closed": still, **VERDICT, "partition": partition}, "verdict_id": f"{rows}"}
            ws.lake.write("validated/visits", partition, pa.table({"id": range(rows)}), facts=facts)
        for path in (ws.lake.root / "history").glob("*.json"):
            if json.loads(path.read_bytes())["partition"] == partition:
                os.utime(path, (at.replace(tzinfo=UTC).timestamp(),) * 2)

    correct("2013-06-11", True, datetime(2013, 6, 13))
    correct("2013-06-05", False, datetime(2013, 6, 5))  # it grew, as days do
    correct("2013-06-14", True, datetime(2013, 7, 13))  # in July
    said = compose(ws, "replay", "auditor", JUNE).text.split("Restated\n")[1].splitlines()[0]
    assert said == "- visits 2013-06-11"


VERDICT = {
    "source": "visits",
    "accepted": True,
    "landed": 20,
    "accepted_rows": 20,
    "quarantined": 0,
    "duplicates": 0,
    "superseded": 0,
    "reasons": [],
    "rules": [],
}


def test_nobodys_name_is_in_a_message(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path, sources={"calls": {"personal": ["site"]}})
    rows = pa.table({"action": ["act"], "site": ["Mrs Miller"], "reason": ["Mrs Miller"]})
    ws.lake.write("decisions/replay", "2013-06-24", rows, facts={"model": 1, "fallback": 0, "current_process": 0})
    append_verdict(ws, "2013-06-24", kind="rollback", by="Ada Miller", reasons=["Mrs Miller asked"])
    for role in digests.ROLES:
        for when in (JUNE, Period("daily", date(2013, 6, 23), date(2013, 6, 23))):
            assert "Miller" not in compose(ws, "replay", role, when).text
    assert "by hand (rollback)" in compose(ws, "replay", "auditor", JUNE).text


# To whom


def test_each_is_told_once_by_mail_and_by_a_web_hook(small: Workspace, desk: MessageServer, mailbox: Mailbox) -> None:
    environment = {"OWNER_MAIL": mailbox.address, "OWNER_CHAT": f"{desk.address}/owner", "DESK_MAIL": mailbox.address}
    rows = tell(small, MONDAY, environment)
    assert [(r["to"], r["due"], r["why"]) for r in rows] == [
        ("owner:OWNER_MAIL", "2013-06-24", None),
        ("owner:OWNER_CHAT", "2013-06-24", None),
        ("decider:DESK_MAIL", "2013-06-24", None),
    ]
    assert [m["Subject"] for m in mailbox.received] == [
        "Fitters in time: the week of 17 June 2013",
        "Fitters in time: 24 June 2013",
    ]
    assert mailbox.text(1).splitlines()[:2] == ["12 calls decided so far:", "- call a second fitter in: 5"]
    assert desk.texts("/owner")[0].startswith("No decision's outcome is known yet.")
    assert [r["text"] for r in rows] == [r["text"] for r in small.digest_receipts.rows()]
    for hours in (0, 1, 12):
        assert tell(small, MONDAY + timedelta(hours=hours), environment) == []
    assert (len(mailbox.received), len(desk.received)) == (2, 1)
    tomorrow = tell(small, MONDAY + timedelta(days=1), environment)
    assert [(r["to"], r["due"]) for r in tomorrow] == [("decider:DESK_MAIL", "2013-06-25")]


def test_after_a_silence_the_newest_is_sent_alone(small: Workspace, desk: MessageServer) -> None:
    environment = {"OWNER_CHAT": f"{desk.address}/owner", "DESK_MAIL": f"{desk.address}/desk"}
    tell(small, MONDAY, environment)
    rows = [r for r in tell(small, MONDAY + timedelta(days=40), environment) if r["why"] is None]
    assert [(r["cadence"], r["due"]) for r in rows] == [("weekly", "2013-07-29"), ("daily", "2013-08-03")]
    assert (len(desk.texts("/owner")), len(desk.texts("/desk"))) == (2, 2)


def test_what_failed_is_written_down_once_and_tried_again(small: Workspace, mailbox: Mailbox) -> None:
    environment = {"DESK_MAIL": mailbox.address}
    mailbox.full = True
    first = tell(small, MONDAY, environment)
    assert [r["why"] for r in first if r["to"] == "decider:DESK_MAIL"] == ["it was not accepted, or nobody answered"]
    assert tell(small, MONDAY, environment) == []
    assert tell(small, MONDAY + timedelta(days=1), environment) == [], "the same reason, the day after"
    mailbox.full = False
    (row,) = tell(small, MONDAY + timedelta(days=1), environment)
    assert (row["why"], row["due"]) == (None, "2013-06-25")
    assert [m["Subject"] for m in mailbox.received] == ["Fitters in time: 25 June 2013"]


def test_a_variable_that_is_not_set_is_told_once_and_for_all(small: Workspace, desk: MessageServer) -> None:
    rows = tell(small, MONDAY, {"OWNER_CHAT": f"{desk.address}/owner"})
    assert {r["to"]: r["why"] for r in rows} == {
        "owner:OWNER_MAIL": "$OWNER_MAIL is not set",
        "owner:OWNER_CHAT": None,
        "decider:DESK_MAIL": "$DESK_MAIL is not set",
    }
    for days in range(1, 6):
        assert tell(small, MONDAY + timedelta(days=days), {"OWNER_CHAT": f"{desk.address}/owner"}) == []


def test_receipts_hold_no_address_and_survive_a_crash(small: Workspace, desk: MessageServer) -> None:
    secret = f"{desk.address.replace('://', '://ada:geheim@')}/desk"
    tell(small, MONDAY, {"DESK_MAIL": secret, "OWNER_MAIL": "nonsense://u:geheim@host"})
    book = small.digest_receipts
    kept = book.path.read_text()
    assert "geheim" not in kept and str(desk.address) not in kept
    book.path.write_text(kept + '{"at":"2013-0')
    assert tell(small, MONDAY, {"DESK_MAIL": secret, "OWNER_MAIL": "nonsense://u:geheim@host"}) == []
    assert len(desk.received) == 1


def test_one_role_alone_can_be_told(small: Workspace, desk: MessageServer) -> None:
    environment = {"OWNER_CHAT": desk.address, "DESK_MAIL": f"{desk.address}/desk"}
    rows = digests.tell(small, "replay", MONDAY, environment, by_apprise, role="decider")
    assert [receipt(r) for r in rows] == ["daily digest of 2013-06-24 sent to decider:DESK_MAIL"]
    assert receipt({**rows[0], "why": "x"}).endswith("not sent to decider:DESK_MAIL: x")


@pytest.mark.parametrize(
    "wrong", [{"to": []}, {"to": ["a@b.org"]}, {"cadence": "hourly"}, {"role": "boss"}, {"at": 24}]
)
def test_a_subscription_that_makes_no_sense_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"subscriptions.0.{next(iter(wrong))}"):
        make_use_case(tmp_path, subscriptions=[SUBSCRIBED[0] | wrong])
