"""A verdict states its figures so that they agree with its decision."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from expectations.judgement import different_percentages
from expectations.rule_catalog import BETWEEN
from expectations.rules import Rule, Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract, make_workspace
from tests.ingested_calls import DAYS, LATER
from tests.landed_calls import DAY as FIRST
from tests.landed_calls import NEXT, text

DAY = DAYS[0]


def judge_days(ws: Workspace, days: list[str]) -> dict[str, Verdict]:
    """Ingest and validate the calls of some days without rules. Return the verdicts by day."""
    ingest(ws.use_case, "calls", ws.lake, ws.landing, days, "test")
    return validate(ws.use_case, "calls", Suite(description="no rules"), ws.lake, days, None, "test")


def judge_calls(ws: Workspace) -> Verdict:
    """Ingest and validate the calls of DAY without rules."""
    return judge_days(ws, [DAY])[DAY]


def test_a_partition_without_an_accepted_row_is_rejected_with_a_reason(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"full": True}}, governance={"max_quarantined_share": 0.6})
    land_extract(ws.landing, "calls_1.csv", csv_text(CALLS, calls_on(date.fromisoformat(DAY), 4)))
    assert judge_calls(ws).accepted
    land_extract(ws.landing, "calls_2.csv", csv_text(CALLS, [(1, "north", f"{DAY} 12:00:00", "much")]))
    verdict = judge_calls(ws)
    assert (verdict.accepted, verdict.quarantined, verdict.superseded) == (False, 1, 4)
    assert verdict.reasons == ["100% of the rows are quarantined; at most 60% are allowed"]


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


@pytest.mark.parametrize("bad", ["much", "", "-5"])
@pytest.mark.parametrize(("bad_rows", "is_accepted"), [(1, True), (2, False)])
@pytest.mark.parametrize("repeats", ["good rows", "all rows", "changed good rows"])
def test_rows_that_land_again_do_not_change_whether_too_many_are_quarantined(
    tmp_path: Path, bad: str, bad_rows: int, is_accepted: bool, repeats: str
) -> None:
    """Once, a day became acceptable when its good rows landed three times."""
    ws = make_workspace(tmp_path)
    calls = calls_on(date.fromisoformat(DAY), 10)
    wrong = [(*call[:3], bad) if bad else ("", *call[1:]) for call in calls[:bad_rows]]
    land_extract(ws.landing, "calls_0.csv", csv_text(CALLS, [*wrong, *calls[bad_rows:]]))
    for number in range(4):
        assert judge_with_rule(ws).accepted == is_accepted, number
        change = (number + 1) / 100 if repeats == "changed good rows" else 0.0
        again = [(*call[:3], call[3] + change) for call in calls[bad_rows:]]
        again += wrong if repeats == "all rows" else []
        land_extract(ws.landing, f"calls_{number + 1}.csv", csv_text(CALLS, again))


def judge_with_rule(ws: Workspace) -> Verdict:
    """Ingest and validate the calls of DAY with a critical rule about their load."""
    rule = Rule(type=BETWEEN, severity="critical", kwargs={"column": "load", "min_value": 0}, why="no load is negative")
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "test")
    return validate(ws.use_case, "calls", Suite(description="one rule", rows=[rule]), ws.lake, [DAY], None, "test")[DAY]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("unusable", [b"\x00\x01garbage", "number,day\n1,2013-03-10\n", b"\x1f\x8b cut off"])
def test_an_extract_that_becomes_unusable_leaves_all_of_its_accepted_days_in_force(
    tmp_path: Path, unusable: bytes, full: bool
) -> None:
    """The days were accepted again, without a row."""
    ws = make_workspace(tmp_path, sources={"calls": {"full": full}})
    land_extract(ws.landing, "calls_a.csv", text(FIRST, NEXT))
    if not full:
        land_extract(ws.landing, "calls_2013-03-12.csv", text(LATER))
    judge_days(ws, DAYS)
    before = ws.lake.entries("validated/calls")
    for _ in range(2):  # when it is refused again, too
        land_extract(ws.landing, "calls_a.csv", unusable)
        verdicts = judge_days(ws, DAYS)
        rejected = {day: verdict.reasons for day, verdict in verdicts.items() if not verdict.accepted}
        assert list(rejected) == DAYS[:2]
        assert all("calls_a.csv: " in reasons[0] for reasons in rejected.values())
        assert ws.lake.entries("validated/calls") == before
        unusable = unusable[:-1]
    land_extract(ws.landing, "calls_a.csv", text(NEXT))
    verdicts = judge_days(ws, DAYS)
    assert verdicts[DAYS[1]].accepted


@pytest.mark.parametrize("name", ["calls_a.csv", "calls_2013-03-11.csv"])
@pytest.mark.parametrize(("lost", "accepted"), [(60, False), (5, True)])
def test_the_rows_that_an_unusable_extract_withholds_count_as_quarantined(
    tmp_path: Path, name: str, lost: int, accepted: bool
) -> None:
    """A day that lost most of its rows was accepted, because the unusable file has only one line."""
    ws = make_workspace(tmp_path)
    first, second = calls_on(FIRST, 100), calls_on(NEXT, 100)
    land_extract(ws.landing, "calls_z.csv", csv_text(CALLS, first[lost:] + second[lost:]))
    for content in (csv_text(CALLS, first[:lost] + second[:lost]), b"\x00\x01garbage", b"\x00\x01again"):
        land_extract(ws.landing, name, content)
        verdicts = judge_days(ws, DAYS[:2])
    assert [verdict.accepted for verdict in verdicts.values()] == [accepted] * 2
    assert [(verdict.landed, verdict.quarantined) for verdict in verdicts.values()] == [(100, lost)] * 2
    assert all(verdict.reasons[0].startswith(f"{name}: ") for verdict in verdicts.values())
