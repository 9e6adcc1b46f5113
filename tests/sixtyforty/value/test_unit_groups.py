"""Groups of units: each unit is in one group, and the sums of groups add up to the account."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.daily_value import sum_values, value_of_day
from sixtyforty.value.unit_groups import (
    DECISIONS,
    GROUP_COLUMN,
    GROUPS,
    NOT_IN_ACCOUNTS,
    add_groups,
    group_sql,
    subtract_groups,
)
from tests.sixtyforty.value.kpis import TWO, day_worth

UNITS = st.lists(
    st.tuples(st.integers(0, GROUPS - 1), st.sampled_from(["act", "wait"]), st.sampled_from([0.0, 1.0])), max_size=60
)


def make_rows(units: list[tuple[int, str, float]]) -> tuple[pd.DataFrame, np.ndarray]:
    columns = {"action": [a for _, a, _ in units], "current_action": ["wait"] * len(units)}
    rows = pd.DataFrame(columns, dtype=object).assign(**{GROUP_COLUMN: np.array([g for g, *_ in units], int)})
    return rows, np.array([outcome for *_, outcome in units], float)


def groups_of(query: str, key: list[str]) -> list[int]:
    return [row[0] for row in duckdb.sql(f"select {group_sql(key)} from ({query})").fetchall()]


def test_the_group_depends_on_the_key_alone_and_is_the_same_on_every_machine() -> None:
    keys = "select * from (values (1, 'a'), (2, 'b'), (1, 'a')) t(household, shop)"
    expected = [int(hashlib.md5(key).hexdigest()[:4], 16) % GROUPS for key in (b"1|a", b"2|b", b"1|a")]
    assert groups_of(keys, ["household", "shop"]) == expected
    assert groups_of('select 1 as "a ""b""", 2 as x', ['a "b"']) == groups_of("select 1 as y, 3 as x", ["y"])


def test_units_are_spread_over_all_groups() -> None:
    groups = groups_of("select i as household from range(6400) t(i)", ["household"])
    counts = np.bincount(groups, minlength=GROUPS)
    assert len(counts) == GROUPS
    assert 60 < counts.min() <= counts.max() < 140


@given(UNITS, st.integers(0, 60))
def test_the_groups_add_up_to_the_day_in_any_portions(units: list[tuple[int, str, float]], cut: int) -> None:
    rows, outcome = make_rows(units)
    proposed = rows["current_action"].tolist()
    day = value_of_day(TWO, "2024-01-01", rows, outcome, {"rule": proposed})
    assert day.unit_groups is not None
    sums = {name: sum(amounts) for name, amounts in day.unit_groups.items()}
    assert sums == pytest.approx(
        {
            DECISIONS: day.decisions,
            "model": day.model,
            "current_process": day.current_process,
            "candidate rule": day.candidates["rule"],
        }
    )
    parts = [sum_values(TWO, rows[part], outcome[part]) for part in (slice(0, cut), slice(cut, None))]
    undivided = sum_values(TWO, rows, outcome)
    together = (parts[0] + parts[1]).unit_groups
    assert together is not None and undivided.unit_groups is not None
    assert all(together[name] == pytest.approx(undivided.unit_groups[name]) for name in undivided.unit_groups)


def test_without_the_groups_of_units_there_are_no_sums() -> None:
    rows, outcome = make_rows([(1, "act", 1.0)])
    assert value_of_day(TWO, "2024-01-01", rows.drop(columns=GROUP_COLUMN), outcome).unit_groups is None
    assert add_groups(None, None) is None


def test_a_difference_needs_the_sums_of_every_day() -> None:
    day = day_worth("2024-01-01", 2, 3.0, 1.0)
    sums = {DECISIONS: [2.0], "model": [3.0], "current_process": [1.0]}
    grouped, unknown = replace(day, unit_groups=sums), replace(day, unit_groups={})

    def subtract(*days: object) -> object:
        pairs = [(d.unit_groups, "model", d.unit_groups, "current_process") for d in days]  # type: ignore[attr-defined]
        return subtract_groups(pairs)

    assert subtract(day, day) is None
    known = subtract_groups([(sums, "model", sums, "current_process")] * 2)
    assert known is not None and known.totals is not None and known.counts is not None
    assert (known.totals.tolist(), known.counts.tolist()) == ([[2.0], [2.0]], [[2.0], [2.0]])
    for days in ((grouped, unknown), (grouped, day), (unknown,)):
        assert getattr(subtract(*days), "problem", "") == NOT_IN_ACCOUNTS
    missing = subtract_groups([(sums, "candidate rule", sums, "model")])
    assert missing is not None and missing.problem == NOT_IN_ACCOUNTS
