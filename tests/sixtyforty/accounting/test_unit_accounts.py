"""Every accepted unit has features, an outcome or its absence, a decision when due, and a line in the accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.unit_accounts import account_units, describe_differences
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.workspace import Workspace
from tests.helpers import (
    CALLS,
    calls_on,
    csv_text,
    land_extract,
    make_workspace,
    publish_days,
    publish_landed_days,
    put_champion_in_force,
)

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(2)]
FIRST, SECOND = KEYS = [f"{day}" for day in DAYS]
NOW = datetime(2013, 5, 1)


def accounted_home(folder: Path) -> Workspace:
    ws = make_workspace(folder)
    publish_days(ws, DAYS, count=20)
    take_decisions(ws, KEYS, "replay", None)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    return ws


def differences(ws: Workspace) -> list[str]:
    return [text for account in account_units(ws, "replay", KEYS, NOW) for text in account.differences]


def lose_row(ws: Workspace, dataset: str) -> None:
    entry = ws.lake.entry(dataset, FIRST)
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry)).slice(1)
    ws.lake.write(dataset, FIRST, rows, inputs=entry.inputs, code=entry.code, facts=entry.facts)


def test_every_unit_is_accounted_for(tmp_path: Path) -> None:
    ws = accounted_home(tmp_path)
    assert (differences(ws), describe_differences(ws, NOW)) == ([], "")
    first = account_units(ws, "replay", KEYS, NOW)[0]
    assert (first.accepted, first.features, first.outcomes, first.decisions, first.lines) == (20, 20, 20, 20, 20)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda ws: lose_row(ws, "features"),
            ["20 accepted units, but features of 19 units", "features of 19 units, but"],
        ),
        (lambda ws: ws.lake.drop("features", FIRST), ["20 accepted units, but features of 0 units"]),
        (lambda ws: lose_row(ws, "outcomes"), ["features of 20 units, but outcomes of 19 units"]),
        (
            lambda ws: lose_row(ws, "decisions/replay"),
            ["no decision on 1 unit whose decision time has passed", "19 decisions, but 20 lines"],
        ),
        (lambda ws: ws.lake.drop("kpi/replay", FIRST), ["20 decisions, but 0 lines in the accounts"]),
    ],
)
def test_a_unit_that_is_lost_on_the_way_is_named(
    tmp_path: Path, spoil: Callable[[Workspace], None], expected: list[str]
) -> None:
    ws = accounted_home(tmp_path)
    spoil(ws)
    for text, start in zip(differences(ws), expected, strict=True):
        assert text.startswith(f"{FIRST}: {start}")
    assert describe_differences(ws, NOW) == "; ".join(differences(ws))


def publish_live_days(ws: Workspace, days: list[date]) -> list[str]:
    """Take live decisions on the first two of some days. Only build the features of the others, and of days before."""
    publish_days(ws, [DAYS[0] - timedelta(days=n) for n in (3, 2, 1)], count=20)
    put_champion_in_force(ws, DAYS[0], "live")
    partitions = publish_days(ws, days, count=20)
    take_decisions(ws, partitions[:2], "live", None)
    kpi_ledger.write_accounts(ws, partitions[:2], "live")
    return partitions


def test_a_due_live_day_without_any_decision_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    *_, third = publish_live_days(ws, [*DAYS, date(2013, 4, 3)])
    assert describe_differences(ws, datetime(2013, 4, 3)) == ""  # no unit of the third day is due
    assert describe_differences(ws, NOW) == f"live {third}: no decision on 20 units whose decision time has passed"
    take_decisions(ws, [third], "live", NOW)
    kpi_ledger.write_accounts(ws, [third], "live")
    assert describe_differences(ws, NOW) == ""


def test_days_before_the_first_live_champion_need_no_live_decisions(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_live_days(ws, DAYS)
    assert describe_differences(ws, NOW) == ""


def test_a_live_track_whose_decisions_were_never_taken_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_live_days(ws, DAYS)
    for partition in KEYS:
        ws.lake.drop("decisions/live", partition)
        ws.lake.drop("kpi/live", partition)
    assert describe_differences(ws, NOW).startswith(
        f"live {FIRST}: no decision on 20 units whose decision time has passed"
    )


def test_a_live_day_with_accepted_units_but_without_features_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    *_, third = publish_live_days(ws, [*DAYS, date(2013, 4, 3)])
    ws.lake.drop("features", third)
    ws.lake.drop("outcomes", third)
    assert describe_differences(ws, NOW) == f"live {third}: 20 accepted units, but features of 0 units"


def test_a_day_that_a_replay_left_out_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    days = [DAYS[0] + timedelta(days=i) for i in range(4)]
    first, second, third, _ = publish_days(ws, days, count=20)
    take_decisions(ws, [first, third], "replay", None)
    kpi_ledger.write_accounts(ws, [first, third], "replay")
    assert describe_differences(ws, NOW) == f"{second}: no decision on 20 units whose decision time has passed"


def test_units_that_are_not_due_need_no_decision(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS, count=20)
    before = datetime(2013, 4, 1)
    assert [account.differences for account in account_units(ws, "replay", KEYS, before)] == [[], []]


def test_the_decision_of_a_unit_that_was_corrected_away_stays_in_the_accounts(tmp_path: Path) -> None:
    ws = accounted_home(tmp_path)
    land_extract(ws.landing, f"calls_{FIRST}.csv", csv_text(CALLS, calls_on(DAYS[0], 20)[1:]))
    publish_landed_days(ws, KEYS)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert differences(ws) == []
    first = account_units(ws, "replay", KEYS, NOW)[0]
    assert (first.accepted, first.decisions, first.lines) == (19, 20, 20)
    entry = ws.lake.entry("kpi/replay", FIRST)
    assert entry is not None
    assert entry.facts["unknown"] == 1
