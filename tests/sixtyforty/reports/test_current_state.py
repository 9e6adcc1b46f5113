"""What is said of the current state is so: the data, what is alike elsewhere, what today's process is worth."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines.authoring import loader
from sixtyforty.reports.current_state import look, present, write
from sixtyforty.reports.model_record import note
from sixtyforty.workspace import Workspace
from tests.full_declaration import FULL
from tests.full_declaration import write as declare
from tests.helpers import CALLS, VISITS, accept, csv, land, make_workspace, publish, visits_of

DAYS = [date(2013, 4, d) for d in (1, 2, 3, 5)]
MOMENT = datetime(2013, 4, 10)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four days, with one between them on which nothing came."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), sources={"calls": {"personal": ["site"]}})
    publish(ws, DAYS)
    return ws


def test_sources_are_counted_and_their_history_has_its_gap(lived: Workspace) -> None:
    calls, visits = look(lived, [], MOMENT).feeds
    assert (calls.extracts, calls.landed, calls.accepted, calls.quality) == (4, 16, 16, 1.0)
    assert (calls.first, calls.last, calls.gaps, calls.behind) == ("2013-04-01", "2013-04-05", 1, 3)
    assert [(c.name, c.kind, c.nulls) for c in calls.columns] == [
        ("id", "INTEGER", 0),
        ("site", "VARCHAR", 0),
        ("call_hour", "TIMESTAMP", 0),
        ("load", "DOUBLE", 0),
    ]
    assert visits.profiled == 16 and visits.duplicates == 0


def test_todays_process_is_paid_on_the_outcomes_without_any_model(lived: Workspace) -> None:
    """By hand: it acts above a load of 0.7, calls are late above 0.5; acting pays 10 for a late one and costs 3."""
    today = look(lived, [], MOMENT).today
    assert today and today["decisions"] == 16 and today["label"] == "exact"
    loads = [round((i * 37 % 100) / 100, 2) for i in range(4)]
    acts, late = [load > 0.7 for load in loads], [load > 0.5 for load in loads]
    per_call = sum(a * (10 * w - 3) for a, w in zip(acts, late, strict=True)) / 4
    assert today["per_1000"]["current_process"] == pytest.approx(1000 * per_call)
    assert today["per_1000"]["perfect_foresight"] == pytest.approx(1000 * sum(7 * w for w in late) / 4)
    share, base = sum(acts) / 4, sum(late) / 4
    assert today["per_1000"]["random_choice"] == pytest.approx(1000 * share * (10 * base - 3))
    assert not list((lived.models.root).glob("*/model.skops"))


def test_units_whose_outcome_is_not_known_count_for_nothing(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish(ws, DAYS[:1])
    land(ws.landing, "visits_2013-04-01.csv", csv(VISITS, visits_of(DAYS[0])[:1]))
    found = present(ws)
    assert found and found["decisions"] == 4
    assert present(make_workspace(tmp_path / "other")) is None


def test_what_others_read_alike_comes_with_what_they_found(lived: Workspace, tmp_path: Path) -> None:
    other = make_workspace(tmp_path, name="visits_in_time", title="Visits in time")
    note(other, "ann", "Loads above 1 are typing errors.", "Loads")
    found = look(lived, [other], MOMENT).alike
    assert [(a.source, a.use_case, a.theirs) for a in found] == [
        ("calls", "visits_in_time", "calls"),
        ("visits", "visits_in_time", "visits"),
    ]
    assert found[0].shared == tuple(CALLS["columns"]) and "4 columns alike" in found[0].why
    assert found[0].findings == ("Loads: Loads above 1 are typing errors.",)


def test_the_page_tells_all_of_it_and_nothing_personal(lived: Workspace) -> None:
    text = write(lived, look(lived, [], MOMENT), MOMENT).read_text()
    assert "1 partitions between without a row" in text and "3 days behind" in text
    assert "the toss of a coin" in text and "No other use case reads anything like it" in text
    assert "north" not in text and "south" not in text


def test_a_draft_has_its_data_looked_at_and_says_what_is_missing(tmp_path: Path) -> None:
    place, rules = declare(tmp_path / "declared", {**FULL, "kpi": "TODO"})
    draft = loader.load_declaration(place, rules)
    ws = Workspace(draft, tmp_path, f"sqlite:///{tmp_path / 'x.db'}")
    land(ws.landing, "visits_2013-04-01.csv", csv(VISITS, visits_of(DAYS[0])))
    accept(ws, ["2013-04-01"])
    state = look(ws, [], MOMENT)
    assert {f.name: f.accepted for f in state.feeds} == {"calls": 0, "visits": 4, "sites": 0}
    assert state.today is None and state.why == "it is a draft"
    text = write(ws, state, MOMENT).read_text()
    assert "Still to be filled in" in text and "<td>kpi</td>" in text and "without it no decision can be valued" in text
