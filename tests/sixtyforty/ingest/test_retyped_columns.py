"""A column is retyped if most of its values in one extract don't fit the data contract."""

from __future__ import annotations

from datetime import date, datetime

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.retyped_columns import find_misfits
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract

DAY = date(2013, 4, 1)
KEY = DAY.isoformat()


def judge(ws: Workspace) -> dict[str, str]:
    raw = ingest(ws.use_case, "calls", ws.lake, ws.landing, [KEY], "test")
    validate(ws.use_case, "calls", Suite(description="for the test"), ws.lake, [KEY], datetime(2013, 5, 1), "test")
    return find_misfits(ws.use_case, "calls", ws.lake, raw)


def test_one_extract_of_another_type_is_enough(workspace: Workspace) -> None:
    sound, second = calls_on(DAY, 20), calls_on(DAY, 23)[20:]
    land_extract(workspace.landing, f"calls_{KEY}.csv", csv_text(CALLS, sound))
    assert judge(workspace) == {}
    changed = [(f"K{number}", site, hour, f"{load}%") for number, site, hour, load in second]
    land_extract(workspace.landing, f"calls_{KEY}b.csv", csv_text(CALLS, changed))
    assert judge(workspace) == {"id": "VARCHAR", "load": "VARCHAR"}


def test_a_few_bad_values_are_no_other_type(workspace: Workspace) -> None:
    rows = [
        (number, site, hour, "much" if n < 2 else load) for n, (number, site, hour, load) in enumerate(calls_on(DAY, 5))
    ]
    land_extract(workspace.landing, f"calls_{KEY}.csv", csv_text(CALLS, rows))
    assert judge(workspace) == {}
