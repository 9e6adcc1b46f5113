"""Sums of an experiment are merged in portions: exactly, and in memory that doesn't grow with the clusters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.accounting.arm_sums import COUNTS, SUMS, build_arm, merge_sums
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage import stored_tables
from sixtyforty.storage.duckdb_session import connect
from tests.experiment_home import RANDOMIZED
from tests.helpers import make_use_case
from tests.peak_memory import measure_peak
from tests.small_portions import use_small_portions

PORTION = 4096


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("UTC") as session:
        yield session


@pytest.fixture
def use_case(tmp_path: Path) -> UseCase:
    holdout = RANDOMIZED["kpi"]["holdout"] | {"cluster_by": ["site"]}
    return make_use_case(tmp_path, kpi=RANDOMIZED["kpi"] | {"holdout": holdout})


def sums_of_clusters(count: int, shares: int = 2) -> str:
    """Return SQL of the sums of so many clusters, in two partitions."""
    numbers = ", ".join(f"((i * {n + 7}) % 11)::double as {name}" for n, name in enumerate([*SUMS, *COUNTS]))
    return f"""(select '2013-03-0' || (1 + i % 2) as _partition, (i % 3)::integer as portion, true as held_out,
        (0.1 * (1 + i % {shares}))::double as share, md5((i // 3)::varchar) as cluster, {numbers}
        from range({3 * count}) t(i))"""


@given(count=st.integers(1, 30), shares=st.integers(1, 3))
def test_an_arm_is_the_same_in_small_portions(count: int, shares: int) -> None:
    with pytest.MonkeyPatch.context() as patch, connect("UTC") as session:
        use_small_portions(patch)
        rows = sums_of_clusters(count, shares)
        by = ["cluster", "share"]
        portions = list(merge_sums(session, rows, by, SUMS, ["cluster"]))
        expected = session.sql(f"from {rows}").df().groupby(by)[SUMS].sum().reset_index()
    pd.testing.assert_frame_equal(pd.concat(portions, ignore_index=True), expected)
    clusters = [set(portion["cluster"]) for portion in portions]
    assert sum(map(len, clusters)) == len(set().union(*clusters))


def test_an_arm_of_clusters_has_the_sums_of_all_of_them(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sums_of_clusters(250)
    whole = build_arm(use_case, db, rows)
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", 1)
    in_portions = build_arm(use_case, db, rows)
    for name in ("clusters", "total", "gram", "drawn"):
        np.testing.assert_allclose(getattr(in_portions, name), getattr(whole, name), rtol=1e-12)
    assert whole.drawn == 250


def test_memory_does_not_grow_with_the_clusters(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", PORTION)
    few, many = (
        measure_peak(partial(build_arm, use_case, db, sums_of_clusters(count))) for count in (4 * PORTION, 20 * PORTION)
    )
    assert many < 1.3 * few
