"""A verdict states its figures so that they agree with its decision."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from expectations.judgement import different_percentages
from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract, make_workspace

DAY = "2013-03-10"


def judge_calls(ws: Workspace) -> Verdict:
    """Ingest and validate the calls of DAY without rules."""
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "test")
    return validate(ws.use_case, "calls", Suite(description="no rules"), ws.lake, [DAY], None, "test")[DAY]


def test_a_partition_without_an_accepted_row_is_rejected_with_a_reason(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"full": True}}, governance={"max_quarantined_share": 0.6})
    land_extract(ws.landing, "calls_1.csv", csv_text(CALLS, calls_on(date.fromisoformat(DAY), 4)))
    assert judge_calls(ws).accepted
    land_extract(ws.landing, "calls_2.csv", csv_text(CALLS, [(1, "north", f"{DAY} 12:00:00", "much")]))
    verdict = judge_calls(ws)
    assert (verdict.accepted, verdict.quarantined, verdict.superseded) == (False, 1, 4)
    assert verdict.reasons == ["none of the 5 rows is accepted. The quarantine says why."]


@pytest.mark.parametrize(
    ("share", "other", "texts"),
    [
        (1.0, 0.1, ("100%", "10%")),
        (21 / 200, 0.1, ("10.5%", "10.0%")),
        (0.1004, 0.1, ("10.04%", "10.00%")),
        (1.0, 0.999, ("100.0%", "99.9%")),
        (100_001 / 1_000_000, 0.1, ("10.0001%", "10.0000%")),
    ],
)
def test_shares_that_differ_have_different_texts(share: float, other: float, texts: tuple[str, str]) -> None:
    assert different_percentages(share, other) == texts
