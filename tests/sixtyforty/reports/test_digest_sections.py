"""The digests' texts: each role reads what it needs about the days covered, in plain words and without names."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.listed_units import ListedUnit
from sixtyforty.decisions.responses import add_responses
from sixtyforty.decisions.review_queue import read_queue
from sixtyforty.reports import named_actions
from sixtyforty.reports.digest_sections import SECTIONS
from sixtyforty.reports.digests import Period, compose_digest, latest_period
from sixtyforty.spec.decision_list import DecisionList
from sixtyforty.spec.money import format_money
from sixtyforty.spec.people import Subscription
from sixtyforty.storage.response_log import Response
from sixtyforty.storage.verdicts import Verdict, verdict_facts
from sixtyforty.workspace import Workspace
from tests.accounted_home import (
    append_verdict,
    make_accounted_home,
    make_daily_values,
    write_decisions,
    write_usage,
    write_verdicts,
)
from tests.helpers import WITH_RESPONSES, make_workspace
from tests.words import assert_plain

JUNE = Period("monthly", date(2013, 6, 1), date(2013, 6, 30))
DECIDED_DAY = "2013-06-24"
BEFORE_DECIDED_DAY = Period("daily", date(2013, 6, 23), date(2013, 6, 23))  # its digests are sent on the 24th
NOON = datetime(2013, 6, 24, 16)  # in New York


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three months of figures, a day's decisions, and a review queue."""
    home = make_accounted_home(tmp_path_factory.mktemp("accounted"), **WITH_RESPONSES)
    write_decisions(home, DECIDED_DAY)
    write_usage(home, DECIDED_DAY, simulated=4)
    review = read_queue(home, DECIDED_DAY, "replay")[0]
    response = Response(review.decision_id, "ann", "expert", "accepted", "act")
    add_responses(home, [replace(response, at=NOON)])
    return home


def gain(first: str, last: str) -> float:
    """Return the gain over the current process from one day to another."""
    return sum(d.model - d.current_process for d in make_daily_values() if first <= d.partition <= last)


def money(amount: float) -> str:
    return format_money(amount, "EUR", signed=True)


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("role", ["decider", "expert", "owner"])
def test_people_who_decide_read_plain_words(ws: Workspace, role: Any, cadence: Any) -> None:
    period = latest_period(ws.use_case, Subscription(role=role, cadence=cadence, to=["X"]), NOON)
    assert_plain(compose_digest(ws, "replay", role, period).text)


def test_a_decider_reads_todays_actions(ws: Workspace) -> None:
    digest = compose_digest(ws, "replay", "decider", BEFORE_DECIDED_DAY)
    assert digest.title == "Fitters in time: 24 June 2013"
    assert digest.text.splitlines() == [
        "12 calls decided so far:",
        "- call a second fitter in: 5",
        "- call nobody: 7",
        "What to do:",
        *(f"- id {n}: call a second fitter in" for n in range(5)),
        "The current process decided 2 of them because there was no model or no sound data.",
        "3 decisions queued for review, 2 of them not answered yet.",
        "Up to EUR 823 at stake in about 10 minutes of review.",
        "The reviewers have no time for 2 more decisions.",
        "",
        "This is a replay of past decisions.",
    ]


def test_actions_have_the_label_the_time_and_the_order_of_the_list(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2013, 6, 24, 16)  # UTC; in New York it is 12:00
    due = {number: noon - timedelta(minutes=number) for number in range(12)}
    units = {f"replay-{DECIDED_DAY}-{n:016x}": ListedUnit(f"call {n}", {"decide_by": at}) for n, at in due.items()}
    monkeypatch.setattr(named_actions, "read_listed_units", lambda *_: units)
    shown = DecisionList(label="'call ' || id", show={"decide_by": "called_at"}, sort="decide_by")
    listing = replace(ws, use_case=ws.use_case.model_copy(update={"decision_list": shown}))
    lines = named_actions.name_actions(listing, "replay", [DECIDED_DAY])
    assert lines[:2] == ["What to do:", "- call 4 (decide by 11:56): call a second fitter in"]
    assert lines[-1] == "- call 0 (decide by 12:00): call a second fitter in"


def test_no_unit_with_personal_data_is_named(ws: Workspace) -> None:
    source = ws.use_case.sources["calls"].model_copy(update={"personal": ["id"]})
    use_case = ws.use_case.model_copy(update={"sources": ws.use_case.sources | {"calls": source}})
    text = compose_digest(replace(ws, use_case=use_case), "replay", "decider", BEFORE_DECIDED_DAY).text
    assert "call a second fitter in: 5" in text and "What to do" not in text


def test_an_expert_reads_the_state_of_the_queue(ws: Workspace) -> None:
    idle = Period("daily", date(2013, 6, 20), date(2013, 6, 20))
    busy_text = compose_digest(ws, "replay", "expert", BEFORE_DECIDED_DAY).text
    assert busy_text.startswith("3 decisions queued for review, 2 of them not answered yet.")
    assert compose_digest(ws, "replay", "expert", idle).text.startswith("Nothing waits for review.")


def test_an_owner_reads_money_target_people_losing_weeks_and_next_steps(ws: Workspace) -> None:
    digest = compose_digest(ws, "replay", "owner", Period("monthly", date(2013, 5, 1), date(2013, 5, 31)))
    assert digest.title == "Fitters in time: May 2013"
    gained = gain("2013-05-01", "2013-05-31")
    total = gain("2013-04-01", "2013-05-31")
    for line in (
        f"- {money(gained)} over the current process, on 620 calls ({money(gained / 0.62)} per 1,000).",
        "- The same days: 620 decisions with 186 actions, at most 6 in a day; 124 differed from the current",
        f"- In total since 1 April 2013: {money(total)} over the current process",
        "The target is EUR 500 per 1,000 calls by 30 June 2013.",
        "- Gain forecast for next month: EUR 1,000 per 1,000 calls, between EUR 700 and EUR 1,300.",
        "- 1 of 2 months came out within their forecast (90% were to be expected).",
        "- The current process did better in 5 of 9 weeks: the week of 27 May 2013 (-EUR ",
        "- 3 dispatchers, dispatch.",
        "- Simulated: 4 of 19 responses.",
        "- People looked at 10 decisions, followed 6 and overrode 2.",
        "- Find out why the models in charge since May 2013 gained less than forecast.",
    ):
        assert f"\n{line}" in digest.text or line in digest.text, line


def test_an_owners_figures_end_with_the_period(ws: Workspace) -> None:
    """The figures of a digest don't depend on when it is sent."""
    april = Period("monthly", date(2013, 4, 1), date(2013, 4, 30))
    text = compose_digest(ws, "replay", "owner", april).text
    assert f"\n- In total since 1 April 2013: {money(gain('2013-04-01', '2013-04-30'))} over" in text
    assert "May" not in text


def test_an_auditor_reads_verdicts_champions_and_restatements(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-06-01")
    append_verdict(ws, "2013-06-20", "HOLD", reasons=["not better"])
    write_verdicts(ws, date(2013, 6, 10), date(2013, 6, 30), rejected=["2013-06-12"])
    lines = compose_digest(ws, "replay", "auditor", JUNE).text.splitlines()
    assert "- visits: 20 partitions accepted, 1 rejected (2013-06-12), 0 with warnings; 40 rows quarantined" in lines
    assert "- no closed partition" in lines
    assert "- The hash chain of the ledger is intact (2 rows)" in lines
    assert "- 2013-06-20 04:00:00 UTC: HOLD 2013-06-20-0000ho by the gate: not better" in lines
    assert "- In force: 2013-06-01-0000pr" in lines
    newest = ws.champion_ledger.rows()[-1]
    assert f"- champion.jsonl:2:{newest.hash}" in lines  # the head, with which `sixtyforty verify --head` compares

    _correct(ws, "2013-06-11", was_closed=True, at=datetime(2013, 6, 13))
    _correct(ws, "2013-06-05", was_closed=False, at=datetime(2013, 6, 5))  # it only grew, as open days do
    _correct(ws, "2013-06-14", was_closed=True, at=datetime(2013, 7, 13))  # in July
    text = compose_digest(ws, "replay", "auditor", JUNE).text
    assert text.split("Restated\n")[1].splitlines()[0] == "- visits 2013-06-11"


def _correct(ws: Workspace, partition: str, was_closed: bool, at: datetime) -> None:
    """Write a partition with 19 rows, and replace it by one with 20 rows at a UTC time."""
    for rows, is_closed in ((19, was_closed), (20, True)):
        verdict = Verdict("visits", partition, True, 20, 20, 0, 0, 0, reasons=[], rules=[], closed=is_closed)
        table = pa.table({"id": range(rows)})
        ws.lake.write("validated/visits", partition, table, facts=verdict_facts(verdict))
    for path in (ws.lake.root / "history").glob("*.json"):
        if json.loads(path.read_bytes())["partition"] == partition:
            os.utime(path, (at.replace(tzinfo=UTC).timestamp(),) * 2)


def test_no_message_holds_a_persons_name(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path, sources={"calls": {"personal": ["site"]}})
    texts = {"action": ["act"], "site": ["Mrs Miller"], "reason": ["Mrs Miller"]}
    rows = pa.table({"decision_id": ["replay-1"], "id": [1], "decided_at": [NOON]} | texts)
    facts = {"model": 1, "fallback": 0, "current_process": 0}
    ws.lake.write(decisions_dataset("replay"), DECIDED_DAY, rows, facts=facts)
    append_verdict(ws, DECIDED_DAY, kind="rollback", by="Ada Miller", reasons=["Mrs Miller asked"])
    for role in SECTIONS:
        for period in (JUNE, BEFORE_DECIDED_DAY):
            assert "Miller" not in compose_digest(ws, "replay", role, period).text
    assert "by hand (rollback)" in compose_digest(ws, "replay", "auditor", JUNE).text
