"""What acceptance says to people: alarms when they are due, objections, and sentences for the owner."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from sixtyforty.accounting.acceptance import Acceptance, UsageCounts, summarize_acceptance
from sixtyforty.accounting.acceptance_messages import (
    NO_ANSWER,
    describe_gain_per_override,
    explain_acceptance,
    find_alarms,
    list_objections,
)
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_decisions, write_usage
from tests.helpers import WITH_RESPONSES, make_workspace

DAYS = ("2013-06-24", "2013-06-25")


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Two days of decisions with answers."""
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    for day in DAYS:
        write_decisions(ws, day)
        write_usage(ws, day)
    return ws


@pytest.fixture
def used(ws: Workspace) -> Acceptance:
    return summarize_acceptance(ws, "replay")


def test_used_decisions_raise_no_alarm(ws: Workspace, used: Acceptance) -> None:
    assert find_alarms(ws.use_case, used) == {}
    assert list_objections(ws.use_case, used) == []


def test_where_nobody_ever_disagrees_it_is_a_rubber_stamp(ws: Workspace, used: Acceptance) -> None:
    few = replace(used, recent=UsageCounts(seen=300, accepted=300, overridden=0))
    many = replace(used, recent=UsageCounts(seen=400, accepted=400, overridden=0))
    assert find_alarms(ws.use_case, few) == {}, "with 300 answers it may be chance"
    ((kind, sentence),) = find_alarms(ws.use_case, many).items()
    assert kind == "rubber stamp"
    assert sentence.startswith(
        "Of 400 answers, 0 overrode the decision: the 95% confidence interval of the override rate lies below"
    )
    assert list_objections(ws.use_case, many) == [sentence]


def test_where_few_people_follow_the_uptake_is_low(ws: Workspace, used: Acceptance) -> None:
    ignored = replace(used, recent=UsageCounts(seen=1000, accepted=300, overridden=500))
    assert find_alarms(ws.use_case, ignored) == {
        "low uptake": "People followed 30% of the decisions that they saw. The declared minimum is 50%."
    }


@pytest.mark.parametrize(("idle", "days"), [(1, "the newest day"), (2, "the newest 2 days")])
def test_where_nobody_comes_there_is_no_user(ws: Workspace, used: Acceptance, idle: int, days: str) -> None:
    watch = ws.use_case.watch.model_copy(update={"no_user_days": 1})
    use_case: UseCase = ws.use_case.model_copy(update={"watch": watch})
    assert find_alarms(use_case, replace(used, idle=idle)) == {"no user": f"Nobody looked at the decisions of {days}."}


def test_without_answers_there_is_one_objection(ws: Workspace, used: Acceptance) -> None:
    unanswered = replace(used, accepted=0, overridden=0, responses=0)
    assert list_objections(ws.use_case, unanswered) == explain_acceptance(ws.use_case, unanswered) == [NO_ANSWER]


def test_simulated_responses_are_no_evidence_and_say_so(ws: Workspace, used: Acceptance) -> None:
    simulated = replace(used, simulated=30)
    assert simulated.label == "simulated: 30 of 38 responses"
    assert list_objections(ws.use_case, simulated) == [
        "Simulated responses are no evidence of use (simulated: 30 of 38 responses)."
    ]
    assert explain_acceptance(ws.use_case, simulated)[0] == "Simulated: 30 of 38 responses."


def test_owners_read_what_people_did(ws: Workspace, used: Acceptance) -> None:
    assert explain_acceptance(ws.use_case, replace(used, gain_per_1000=Interval(15000.0, -2000.0, 40000.0))) == [
        "People looked at 20 decisions, followed 12 and overrode 4.",
        "The outcome of 4 overrides is known: 2 of them were right. Compared with following the"
        " decisions, they gained EUR 60,"
        " EUR 15 each (95% confidence interval: -EUR 2 to EUR 40).",
        "The mean rating is 4.5 of 5.",
    ]


def test_the_gain_of_an_override_without_an_interval_is_left_out() -> None:
    assert describe_gain_per_override(Interval(5.0, math.nan, math.nan), "USD") == ""
