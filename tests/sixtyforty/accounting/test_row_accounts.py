"""Every landed row is validated, quarantined, a duplicate or superseded, also when it moved to another partition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.accounting.row_accounts import account_rows, describe_differences
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract, make_workspace

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(2)]
FIRST, SECOND = KEYS = [f"{day}" for day in DAYS]
SUITE = Suite.model_validate(
    {
        "description": "Loads.",
        "rows": [
            {
                "type": "expect_column_values_to_be_between",
                "severity": "critical",
                "kwargs": {"column": "load", "min_value": 0.05},
                "why": "The load is a share.",
            }
        ],
    }
)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Return a home with a moved row, a corrected row, a repeated row, a quarantined row and a refused extract."""
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    first, second = (calls_on(day, count=10) for day in DAYS)
    land_extract(ws.landing, f"calls_{FIRST}.csv", csv_text(CALLS, [*first, first[5]]))
    land_extract(ws.landing, f"calls_{SECOND}.csv", csv_text(CALLS, second))
    moved = (first[3][0], *second[3][1:])
    land_extract(ws.landing, f"calls_{SECOND}_more.csv", csv_text(CALLS, [moved, (*second[4][:3], 0.99)]))
    land_extract(ws.landing, f"calls_{SECOND}_odd.csv", "a,b\n1,2\n3,4\n")
    ingest(ws.use_case, "calls", ws.lake, ws.landing, KEYS, "test")
    validate(ws.use_case, "calls", SUITE, ws.lake, KEYS, None, "test")
    return ws


def change_entry(ws: Workspace, dataset: str, rows_to_lose: int = 0, **counts: int) -> None:
    """Write a dataset's first partition again, without its first rows, and with other counts in its verdict."""
    entry = ws.lake.entry(dataset, SECOND)
    assert entry is not None
    facts: dict[str, Any] = {**entry.facts}
    if counts:
        facts["verdict"] = facts["verdict"] | counts
    rows = pq.read_table(ws.lake.local_file(entry)).slice(rows_to_lose)
    ws.lake.write(dataset, SECOND, rows, inputs=entry.inputs, code=entry.code, facts=facts)


def test_every_landed_row_is_accounted_for(ws: Workspace) -> None:
    (calls,) = [account for account in account_rows(ws) if account.source == "calls"]
    assert (describe_differences(ws), calls.differences) == ("", [])
    assert calls.landed == calls.accounted == 11 + 10 + 2 + 2
    entry = ws.lake.entry("validated/calls", SECOND)
    assert entry and entry.facts["verdict"]["quarantined"] == 3, "two lines of the refused extract, and a small load"


@pytest.mark.parametrize(
    ("spoil", "difference"),
    [
        (lambda ws: change_entry(ws, "validated/calls", 1), "but the dataset `validated` has 9"),
        (lambda ws: ws.lake.drop("quarantine/calls", SECOND), "counts 1 row, but the dataset `quarantine` has 0"),
        (lambda ws: change_entry(ws, "validated/calls", superseded=0), "the verdict counts 14, of which 13 are"),
        (
            lambda ws: change_entry(ws, "validated/calls", landed=13, superseded=0),
            "14 rows landed, but the verdict counts 13, of which 13 are",
        ),
    ],
)
def test_a_row_that_is_lost_is_named(ws: Workspace, spoil: Callable[[Workspace], None], difference: str) -> None:
    spoil(ws)
    differences = describe_differences(ws)
    assert differences.startswith("calls: 25 rows landed, and 2")
    assert f"; calls {SECOND}: " in differences and difference in differences


def test_a_partition_that_waits_for_its_validation_is_left_out(ws: Workspace) -> None:
    land_extract(ws.landing, f"calls_{FIRST}_late.csv", csv_text(CALLS, calls_on(DAYS[0], count=12)[10:]))
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [FIRST], "test")
    (calls,) = [account for account in account_rows(ws) if account.source == "calls"]
    assert (calls.landed, calls.differences) == (14, [])
