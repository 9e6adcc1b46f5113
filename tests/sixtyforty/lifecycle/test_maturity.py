"""Maturity: how far the use cases are, how long their stages took, their skills and next steps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sixtyforty.lifecycle.maturity import Skill, assess_maturity, list_next_steps, list_skills
from sixtyforty.lifecycle.stage_steps import enter_next_stage, record_verdict, retire_use_case
from sixtyforty.lifecycle.training import record_completion
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_accounts
from tests.helpers import make_workspace, merge
from tests.stage_declarations import BAD, GATE, GOOD, STAGES, make_days
from tests.words import assert_plain

NOW = datetime(2013, 6, 1)
TASK = {"title": "Reads the list", "role": "dispatcher", "headcount": 2, "skill": "reading"}
TRAINING = {"people": {"change": {"training": {"lists": TASK}}}}


@pytest.fixture
def workspaces(tmp_path: Path) -> list[Workspace]:
    """One ad hoc, one retired and one in its pilot; two of them train the same skill."""
    ad_hoc = make_workspace(tmp_path, name="adhoc", **TRAINING)
    pilot = make_workspace(tmp_path, name="pilot", title="The pilot", **merge(STAGES, TRAINING))
    retired = make_workspace(tmp_path, name="over", stages={"poc": GATE})
    write_accounts(pilot, make_days(GOOD, count=40))
    record_verdict(pilot, datetime(2013, 5, 1))
    enter_next_stage(pilot, "Ada", "it pays", datetime(2013, 5, 11))
    record_verdict(retired, datetime(2013, 5, 1))
    retire_use_case(retired, "Ada", "gone", datetime(2013, 5, 21))
    return [ad_hoc, retired, pilot]


def test_the_furthest_use_case_comes_first_and_the_retired_last(workspaces: list[Workspace]) -> None:
    report = assess_maturity(workspaces, NOW)
    levels = [("pilot", "pilot"), ("adhoc", "ad hoc"), ("over", "retired")]
    assert [(use_case.name, use_case.level) for use_case in report.use_cases] == levels
    assert {level: count for level, count in report.levels.items() if count} == {"ad hoc": 1, "pilot": 1, "retired": 1}


def test_the_next_steps_begin_with_the_gate(workspaces: list[Workspace]) -> None:
    pilot, ad_hoc, retired = (use_case.next_steps for use_case in assess_maturity(workspaces, NOW).use_cases)
    assert pilot[0] == "This stage has 0 partitions with known outcomes; its gate needs 14."
    assert (
        ad_hoc[0]
        == "Declare stages in defs.yaml, each with a target and a stop date, before anybody looks at the figures."
    )
    assert retired == ["Nothing to do: the use case is retired. Its model record holds what was learned."]


def test_the_next_steps_go_on_with_the_people(tmp_path: Path) -> None:
    steps = list_next_steps(make_workspace(tmp_path), NOW)
    assert steps[1:] == [
        "Ask the dispatchers what they need, and declare their answers in people.research of defs.yaml.",
        "Ask the executive and the operating manager what they expect. Declare their statements in people.executive"
        " and people.manager of defs.yaml.",
        "Plan the training that people need, and ask who has concerns. Declare both in people.change of defs.yaml.",
    ]
    trained = make_workspace(tmp_path / "trained", **TRAINING)
    record_completion(trained, "lists", "ann")
    assert list_next_steps(trained, NOW)[-1] == "Train the people: 50% of their planned training is completed."


def test_after_a_passed_gate_the_next_stage_starts_or_needs_a_gate(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path / "a", **STAGES)
    write_accounts(ws, make_days(GOOD))
    assert list_next_steps(ws, NOW)[0] == "The gate of this stage has passed: start the pilot (north)."
    alone = make_workspace(tmp_path / "b", stages={"poc": GATE})
    write_accounts(alone, make_days(GOOD))
    assert list_next_steps(alone, NOW)[0] == "The gate of this stage has passed: declare a gate for pilot."


def test_after_a_stop_the_team_writes_down_what_was_learned(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    write_accounts(ws, make_days(BAD, count=60))
    record_verdict(ws, NOW)
    assert list_next_steps(ws, NOW)[0].startswith("The stage gate stopped the use case. Write down what was learned")


def test_lead_times_are_those_of_the_stages_that_were_left(workspaces: list[Workspace]) -> None:
    lead_times = {lead_time.stage: lead_time for lead_time in assess_maturity(workspaces, NOW).lead_times}
    assert (lead_times["poc"].left, lead_times["poc"].median_days) == (2, 15.0)
    assert (lead_times["pilot"].in_it, lead_times["pilot"].median_days) == (1, None)
    assert lead_times["idea"].left == 1


def test_a_person_has_a_skill_once_however_many_use_cases_teach_it(workspaces: list[Workspace]) -> None:
    ad_hoc, _, pilot = workspaces
    for ws, person in ((ad_hoc, "ann"), (pilot, "ann"), (pilot, "bo")):
        record_completion(ws, "lists", person)
    assert list_skills(workspaces) == [Skill("reading", ["Fitters in time", "The pilot"], trained=2, planned=4)]


def test_the_page_shows_every_use_case_in_plain_words(workspaces: list[Workspace]) -> None:
    page = page_environment().get_template("maturity.html").render(maturity=assess_maturity(workspaces, NOW))
    assert "The pilot" in page and "reading" in page
    assert_plain(page)
