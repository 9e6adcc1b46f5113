"""People read a text instead of a code: in reasons, in lists and in the owner's next steps."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sixtyforty.decisions.column_labels import label_entries, read_labels
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.listed_units import list_inputs, read_listed_units
from sixtyforty.modeling.sql_check import check_sql
from sixtyforty.spec.errors import ConflictingFields
from sixtyforty.workspace import Workspace
from tests.helpers import SITES, csv_text, land_extract, make_use_case, make_workspace, publish_days

DAY = date(2013, 3, 5)
LABELS = {"site": {"source": "sites", "text": "'Site ' || upper(site) || ', ' || (100 / size)::integer || ' calls'"}}
LIST = {"show": {"place": "site", "load": "load"}}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a home with a decided day, in which the text of the site `south` is unknown."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), sources={"sites": SITES}, labels=LABELS, decision_list=LIST)
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 4), ("south", "")]))
    publish_days(ws, [DAY])
    take_decisions(ws, [f"{DAY}"], "replay", None)
    return ws


def test_a_code_has_its_text_and_a_code_without_text_stays(ws: Workspace) -> None:
    labels = read_labels(ws)
    assert labels.text("site", "north") == "Site NORTH, 25 calls"
    assert [labels.text("site", code) for code in ("south", "west", None)] == ["south", "west", None]
    assert labels.text("load", 0.5) == 0.5
    assert len(label_entries(ws)) == 1


def test_a_source_without_an_accepted_version_has_no_labels(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES}, labels=LABELS)
    assert read_labels(ws).text("site", "north") == "north"
    assert label_entries(ws) == []


def test_a_fact_that_is_a_labelled_column_has_the_text(ws: Workspace) -> None:
    units = read_listed_units(ws, f"{DAY}", "replay", list_inputs(ws, f"{DAY}"))
    assert {unit.facts["place"] for unit in units.values()} == {"Site NORTH, 25 calls", "south"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"source": "places", "text": "size"}, "there is no source 'places'"),
        ({"source": "calls", "text": "load"}, "the source 'calls' is no reference of codes"),
    ],
)
def test_labels_come_from_a_reference_source(labels: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConflictingFields, match=message):
        make_use_case(tmp_path, sources={"sites": SITES}, labels={"site": labels})


def test_the_text_reads_the_columns_of_its_source(tmp_path: Path) -> None:
    text = {"site": {"source": "sites", "text": "load"}}
    use_case = make_use_case(tmp_path, sources={"sites": SITES}, labels=text)
    problems, _ = check_sql(use_case, ["sources", "labels"], [])
    assert [problem.field for problem in problems] == ["labels.site.text"]
