"""Stale work groups partitions into ranges, and the same work has the same key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.lifecycle.stale_work import StaleWork, join_reasons
from tests.helpers import make_use_case


@pytest.fixture
def stale(tmp_path: Path) -> StaleWork:
    """Three stale days, two of them neighbours, and a stale reference table."""
    stale = StaleWork(make_use_case(tmp_path))
    for partition in ("2013-03-01", "2013-03-02", "2013-03-05", "all"):
        stale.add_reason(partition, "why", 1)
    return stale


def test_partitions_form_ranges_without_gaps_the_newest_first(stale: StaleWork) -> None:
    assert stale.ranges() == [("2013-03-05", "2013-03-05"), ("2013-03-01", "2013-03-02")]


def test_the_reasons_of_a_range_include_those_of_snapshots(stale: StaleWork) -> None:
    assert stale.reasons_for("2013-03-05", "2013-03-05") == ["all: why", "2013-03-05: why"]


def test_each_range_and_each_state_has_its_own_key(stale: StaleWork) -> None:
    key = stale.work_key("2013-03-01", "2013-03-02")
    assert key != stale.work_key("2013-03-05", "2013-03-05")
    stale.add_reason("2013-03-01", "why", 1)
    assert stale.work_key("2013-03-01", "2013-03-02") == key
    stale.add_reason("2013-03-01", "why", 2)
    assert stale.work_key("2013-03-01", "2013-03-02") != key


def test_a_reason_may_name_its_source(stale: StaleWork) -> None:
    assert stale.sources == set()
    stale.add_reason("2013-03-05", "calls: not validated", 1, "calls")
    assert stale.sources == {"calls"}


@pytest.mark.parametrize(("limit", "line"), [(10, "one; two"), (8, "one; two"), (6, "one; …")])
def test_a_long_line_of_reasons_is_cut(limit: int, line: str) -> None:
    assert join_reasons(["one", "two"], limit) == line
