"""A row is superseded only by a row that is published. Otherwise it stays in force where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.rules import PartitionRules, Rule
from expectations.suites import Suite
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace
from tests.sixtyforty.ingest.test_moved_keys import (
    DAYS,
    Call,
    full_workspace,
    in_force,
    land_calls,
    validate_pending,
)


def rule(kind: str, column: str, **arguments: Any) -> Rule:
    return Rule(type=kind, severity="critical", kwargs={"column": column} | arguments, why="x")


def few_rows(most: int) -> Suite:
    """A suite that rejects a partition with more rows, and quarantines negative loads and repeated ids."""
    checks = PartitionRules(
        metrics={"row_count": "count(*)"},
        rules=[rule("expect_column_values_to_be_between", "row_count", max_value=most)],
    )
    rows = [
        rule("expect_column_values_to_be_between", "load", min_value=0),
        rule("expect_column_values_to_be_unique", "id"),
    ]
    return Suite(description="few rows", rows=rows, partition=checks)


def land_full_day(ws: Workspace, name: str, day: str, *more: Call) -> None:
    """Land a day with good rows, so that one bad row doesn't reject the day, and the rows `more` after them."""
    land_calls(ws, name, *((number, day, 0.5) for number in range(100, 130)), *more)


@pytest.mark.parametrize("runs", [1, 2])
def test_a_row_stays_where_it_was_if_the_receiving_partition_is_rejected(workspace: Workspace, runs: int) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    if runs == 2:
        validate_pending(workspace, few_rows(2))
    land_calls(workspace, "b", (1, DAYS[1], 0.3), (5, DAYS[1], 0.5), (6, DAYS[1], 0.6))
    judged = validate_pending(workspace, few_rows(2))
    assert not judged[DAYS[1]].accepted
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1), (2, 0.2)]}
    assert all(verdict.conserved for verdict in judged.values())
    land_calls(workspace, "b", (1, DAYS[1], 0.3), (5, DAYS[1], 0.5))
    validate_pending(workspace, few_rows(2))
    assert in_force(workspace) == {DAYS[0]: [(2, 0.2)], DAYS[1]: [(1, 0.3), (5, 0.5)]}


def test_a_row_that_moved_earlier_stays_in_the_version_in_force_of_a_rejected_partition(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    land_calls(workspace, "b", (1, DAYS[1], 0.3))
    validate_pending(workspace, few_rows(2))
    land_calls(workspace, "c", (7, DAYS[1], 0.7), (8, DAYS[1], 0.8), (3, DAYS[0], 0.3))
    assert not validate_pending(workspace, few_rows(2))[DAYS[1]].accepted
    assert in_force(workspace) == {DAYS[0]: [(2, 0.2), (3, 0.3)], DAYS[1]: [(1, 0.3)]}


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("day", DAYS[:2])
def test_a_row_stays_if_its_correction_fails_a_critical_rule(workspace: Workspace, day: str, runs: int) -> None:
    land_full_day(workspace, "a", DAYS[0], (1, DAYS[0], 0.1))
    if runs == 2:
        validate_pending(workspace, few_rows(99))
    land_calls(workspace, "b", (1, day, -1.0), *((n, DAYS[1], 0.5) for n in range(200, 230)))
    judged = validate_pending(workspace, few_rows(99))
    assert in_force(workspace)[DAYS[0]][0] == (1, 0.1)
    assert judged[day].quarantined == 1
    assert all(verdict.conserved for verdict in judged.values())


def test_a_failing_correction_of_a_failing_correction_restores_the_first_row(workspace: Workspace) -> None:
    land_full_day(workspace, "a", DAYS[0], (1, DAYS[0], 0.1))
    land_full_day(workspace, "b", DAYS[0], (1, DAYS[0], -2.0))
    land_full_day(workspace, "c", DAYS[0], (1, DAYS[0], -1.0))
    verdict = validate_pending(workspace, few_rows(99))[DAYS[0]]
    assert (verdict.landed, verdict.quarantined, verdict.duplicates, verdict.superseded) == (93, 1, 60, 1)
    assert in_force(workspace)[DAYS[0]][0] == (1, 0.1)


def test_a_copy_of_a_failing_row_doesnt_become_valid(workspace: Workspace) -> None:
    land_full_day(workspace, "a", DAYS[0], (1, DAYS[0], 0.1))
    land_full_day(workspace, "b", DAYS[0], (1, DAYS[0], -1.0), (1, DAYS[0], -1.0))
    verdict = validate_pending(workspace, few_rows(99))[DAYS[0]]
    assert (verdict.quarantined, verdict.duplicates, verdict.superseded) == (1, 31, 0)
    assert in_force(workspace)[DAYS[0]][0] == (1, 0.1)


def test_a_compared_partition_that_was_rejected_takes_no_row(workspace: Workspace) -> None:
    """The last day is only compared: it shares a key with the second day, which shares another with the first."""
    suite = few_rows(3)
    land_calls(workspace, "a", (1, DAYS[1], 0.1), (2, DAYS[1], 0.2))
    land_calls(workspace, "b", (2, DAYS[3], 0.9), *((n, DAYS[3], 0.5) for n in range(10, 13)))
    assert not validate_pending(workspace, suite)[DAYS[3]].accepted
    land_calls(workspace, "c", (1, DAYS[0], 0.1))
    assert DAYS[3] not in validate_pending(workspace, suite)
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1)], DAYS[1]: [(2, 0.2)]}


def test_a_partition_that_only_lost_rows_to_a_rejected_one_is_judged_with_them(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1))
    land_calls(workspace, "b", *((n, DAYS[1], 0.5) for n in range(1, 5)))
    suite = few_rows(2)
    suite.partition.rules[0].kwargs["min_value"] = 1
    judged = validate_pending(workspace, suite)
    assert [judged[day].accepted for day in DAYS[:2]] == [True, False]
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1)]}


def test_a_row_that_left_a_full_extract_stays_if_the_receiving_partition_is_rejected(tmp_path: Path) -> None:
    ws = full_workspace(tmp_path)
    land_calls(ws, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    validate_pending(ws, few_rows(2))
    land_calls(ws, "b", (2, DAYS[0], 0.2), *((n, DAYS[1], 0.5) for n in (1, 5, 6)))
    validate_pending(ws, few_rows(2))
    assert in_force(ws) == {DAYS[0]: [(1, 0.1), (2, 0.2)]}


CALL = st.tuples(st.integers(1, 4), st.sampled_from(DAYS), st.sampled_from([0.1, 0.2, -1.0]))


@settings(max_examples=15)
@given(extracts=st.lists(st.lists(CALL, min_size=1, max_size=5), min_size=1, max_size=4))
def test_no_key_with_a_valid_row_in_an_accepted_partition_disappears(
    tmp_path_factory: pytest.TempPathFactory, extracts: list[list[Call]]
) -> None:
    ws = make_workspace(tmp_path_factory.mktemp("home"), governance={"max_quarantined_share": 0.9})
    suite = few_rows(2)
    suite.rows.pop()
    for number, calls in enumerate(extracts):
        land_calls(ws, str(number), *calls)
    judged = validate_pending(ws, suite)
    accepted = {day for day, verdict in judged.items() if verdict.accepted}
    expected = {
        number
        for calls in extracts
        for number, day, load in calls
        if load >= 0 and day in accepted and len({call for call in calls if call[0] == number}) == 1
    }
    published = [(number, day) for day, rows in in_force(ws).items() for number in {number for number, _ in rows}]
    assert sorted(number for number, _ in published) == sorted(expected), "each in one partition"
    assert all(verdict.conserved for verdict in judged.values())
