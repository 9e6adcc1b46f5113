"""The current state: the data, related data elsewhere, and the value of today's process."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines.authoring import loader
from sixtyforty.ingest.quarantine import export_quarantine
from sixtyforty.reports.current_state import describe_current_state, value_of_current_process, write_report
from sixtyforty.reports.model_record import record_finding
from sixtyforty.workspace import Workspace
from tests.full_declaration import FULL
from tests.full_declaration import write as declare
from tests.helpers import (
    CALLS,
    VISITS,
    accept_partitions,
    csv_text,
    land_extract,
    make_workspace,
    publish_days,
    visits_on,
)
from tests.sixtyforty.ingest.test_quarantine import DAY, HEADER
from tests.sixtyforty.ingest.test_quarantine import land as land_rows

DAYS = [date(2013, 4, d) for d in (1, 2, 3, 5)]
NOW = datetime(2013, 4, 10)


@pytest.fixture(scope="module")
def four_days(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four days of data, with a day in between on which nothing arrived."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), sources={"calls": {"personal": ["site"]}})
    publish_days(ws, DAYS)
    return ws


def test_sources_are_counted_with_the_gap_in_their_history(four_days: Workspace) -> None:
    calls, visits = describe_current_state(four_days, [], NOW).sources
    assert (calls.extracts, calls.landed, calls.accepted, calls.accepted_share) == (4, 16, 16, 1.0)
    assert (calls.first, calls.last, calls.gaps, calls.days_stale) == ("2013-04-01", "2013-04-05", 1, 3)
    assert [(c.name, c.kind, c.nulls) for c in calls.columns] == [
        ("id", "INTEGER", 0),
        ("site", "VARCHAR", 0),
        ("call_hour", "TIMESTAMP", 0),
        ("load", "DOUBLE", 0),
    ]
    assert visits.profiled == 16 and visits.duplicates == 0


def test_resubmitted_rows_are_counted(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    land_rows(ws, "calls_1.csv", f"{HEADER}1,north,{DAY} 12:00:00,lots\n2,north,{DAY} 12:00:00,0.2\n")
    export_quarantine(ws.landing, "calls", tmp_path / "calls_corrections.csv", "code")
    land_rows(ws, "calls_2.csv", f"{HEADER}1,north,{DAY} 12:00:00,0.1\n")
    state = describe_current_state(ws, [], NOW)
    calls = next(source for source in state.sources if source.name == "calls")
    assert (calls.landed, calls.accepted, calls.quarantined, calls.resubmitted) == (3, 2, 0, 1)
    assert "accepted (66.7%), 0 quarantined, 1 corrected and resubmitted" in write_report(ws, state, NOW).read_text()


def test_todays_process_is_valued_on_the_outcomes_without_any_model(four_days: Workspace) -> None:
    """By hand: it acts above a load of 0.7, and calls are late above 0.5. Acting costs 3 and gains 10 if late."""
    today = describe_current_state(four_days, [], NOW).today
    assert today is not None and (today.decisions, today.label, today.currency) == (16, "exact", "EUR")
    loads = [round((i * 37 % 100) / 100, 2) for i in range(4)]
    acts, late = [load > 0.7 for load in loads], [load > 0.5 for load in loads]
    per_call = sum(a * (10 * w - 3) for a, w in zip(acts, late, strict=True)) / 4
    assert today.per_1000["current_process"] == pytest.approx(1000 * per_call)
    assert today.per_1000["perfect_foresight"] == pytest.approx(1000 * sum(7 * w for w in late) / 4)
    action_rate, late_rate = sum(acts) / 4, sum(late) / 4
    assert today.per_1000["random_choice"] == pytest.approx(1000 * action_rate * (10 * late_rate - 3))
    assert not list((four_days.models.root).glob("*/model.skops"))


def test_only_units_with_a_known_outcome_count(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS[:1])
    land_extract(ws.landing, "visits_2013-04-01.csv", csv_text(VISITS, visits_on(DAYS[0])[:1]))
    today = value_of_current_process(ws)
    assert today is not None and today.decisions == 4
    assert value_of_current_process(make_workspace(tmp_path / "other")) is None


def test_similar_sources_of_other_use_cases_come_with_their_findings(four_days: Workspace, tmp_path: Path) -> None:
    other = make_workspace(tmp_path, name="visits_in_time", title="Visits in time")
    record_finding(other, "ann", "Loads above 1 are typing errors.", "Loads")
    similar = describe_current_state(four_days, [other], NOW).similar
    assert [(s.source, s.use_case, s.other_source) for s in similar] == [
        ("calls", "visits_in_time", "calls"),
        ("visits", "visits_in_time", "visits"),
    ]
    assert similar[0].shared == tuple(CALLS["columns"]) and similar[0].why == "4 columns in common"
    assert similar[0].findings == ("Loads: Loads above 1 are typing errors.",)


def test_the_page_shows_everything_except_personal_data(four_days: Workspace) -> None:
    text = write_report(four_days, describe_current_state(four_days, [], NOW), NOW).read_text()
    assert "4 extracts with 16 rows." in text
    assert "1 partition in this range without rows" in text and "The newest data is 3 days old" in text
    assert "Random choice, with as many actions as the current process" in text
    assert "No other use case reads similar data." in text
    assert "north" not in text and "south" not in text


def test_a_draft_shows_its_data_and_what_to_fill_in(tmp_path: Path) -> None:
    folder, rules = declare(tmp_path / "declared", {**FULL, "kpi": "TODO"})
    draft = loader.load_declaration(folder, rules)
    ws = Workspace(draft, tmp_path, f"sqlite:///{tmp_path / 'x.db'}")
    land_extract(ws.landing, "visits_2013-04-01.csv", csv_text(VISITS, visits_on(DAYS[0])))
    accept_partitions(ws, ["2013-04-01"])
    state = describe_current_state(ws, [], NOW)
    assert {s.name: s.accepted for s in state.sources} == {"calls": 0, "visits": 4, "sites": 0}
    assert state.today is None and state.why == "the declaration is still a draft"
    text = write_report(ws, state, NOW).read_text()
    assert "still to fill in" in text and "<td>kpi</td>" in text and draft.blanks[0].purpose in text


def test_a_column_name_with_a_quote_is_profiled(tmp_path: Path) -> None:
    """Column names come from extracts and may hold any character."""
    columns = {'site "old"': "VARCHAR", "id": "INTEGER"}
    sites = {"description": "Sites.", "files": "sites.csv", "columns": columns, "key": ["id"]}
    ws = make_workspace(tmp_path, sources={"sites": sites})
    land_extract(ws.landing, "sites.csv", '"site ""old""",id\nnorth,1\nsouth,2\n')
    accept_partitions(ws, ["2013-04-01"])
    profile = next(s for s in describe_current_state(ws, [], NOW).sources if s.name == "sites")
    assert [(c.name, c.distinct) for c in profile.columns] == [('site "old"', 2), ("id", 2)]
