"""How far use cases have come, how long that took, what people can do, and what is next."""

from __future__ import annotations

from datetime import datetime

import pytest

from sixtyforty.lifecycle import maturity, training
from sixtyforty.lifecycle.stage_steps import enter_next_stage, record_verdict, retire_use_case
from sixtyforty.reports.impact_report import pages
from tests.accounted_home import write_accounts
from tests.helpers import make_workspace, merge
from tests.sixtyforty.lifecycle.test_stage_gate import GATE, STAGES_, days
from tests.words import assert_plain

NOW = datetime(2013, 6, 1)
READS = {"title": "Reads the list", "role": "dispatcher", "headcount": 2, "skill": "reading"}


@pytest.fixture
def some(tmp_path):
    """One ad hoc, one in its pilot, one retired; two of them train the same skill."""
    learns = {"people": {"change": {"training": {"lists": READS}}}}
    adhoc = make_workspace(tmp_path, name="adhoc", **learns)
    pilot = make_workspace(tmp_path, name="pilot", title="The pilot", **merge(STAGES_, learns))
    over = make_workspace(tmp_path, name="over", stages={"poc": GATE})
    write_accounts(pilot, days(20.0, count=40))
    record(pilot, datetime(2013, 5, 1))
    up(pilot, "Ada", "it pays", datetime(2013, 5, 11))
    record(over, datetime(2013, 5, 1))
    retire(over, "Ada", "gone", datetime(2013, 5, 21))
    return [adhoc, over, pilot]


def test_the_furthest_first_with_what_is_next(some):
    found = maturity.standings(some, NOW)
    assert [(s.name, s.level) for s in found] == [("pilot", "pilot"), ("adhoc", "ad hoc"), ("over", "retired")]
    assert found[0].next_steps[0] == "0 partitions of this stage have outcomes, 14 are needed."
    assert found[1].next_steps[0].startswith("Say by what it is to be judged")
    assert found[2].next_steps == ["Retired: what was learned is in its record."]


def test_a_poc_that_has_passed_is_told_where_its_pilot_begins(tmp_path):
    ws = make_workspace(tmp_path, **STAGES_)
    write_accounts(ws, days(20.0))
    assert maturity.next_steps(ws, NOW)[0] == "Its gate has passed: begin the pilot (north)."
    alone = make_workspace(tmp_path, stages={"poc": GATE})
    assert maturity.next_steps(alone, NOW)[0] == "Its gate has passed: say what the pilot must show."


def test_lead_times_are_of_those_who_have_left_a_stage(some):
    found = {r["stage"]: r for r in maturity.assess_maturity(some, NOW)["lead_times"]}
    assert (found["poc"]["left"], found["poc"]["median_days"]) == (2, 15.0)
    assert (found["pilot"]["in_it"], found["pilot"]["median_days"]) == (1, None)
    assert found["idea"]["left"] == 1


def test_a_person_has_a_skill_once_however_many_use_cases_teach_it(some):
    adhoc, _, pilot = some
    for ws, who in ((adhoc, "ann"), (pilot, "ann"), (pilot, "bo")):
        training.record_completion(ws, "lists", who)
    (skill,) = maturity.skills(some)
    assert (skill.name, skill.have, skill.wanted, skill.use_cases) == (
        "reading",
        2,
        4,
        ["Fitters in time", "The pilot"],
    )


def test_the_page_is_plain(some):
    assert_plain(pages().get_template("maturity.html").render(**maturity.assess_maturity(some, NOW)))
