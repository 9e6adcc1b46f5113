"""The propensities of a past experiment are checked row by row and in their sums, also if units recur."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sixtyforty.modeling.treatment_shares import describe_share_mismatch, weigh_received
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace

TREATMENT = {"column": "got", "propensity": "chance", "value_per_outcome": -10}
DAYS = ["2013-03-30", "2013-03-31", "2013-04-01"]


def write_outcomes(ws: Workspace, day: str, rows: list[dict[str, Any]]) -> None:
    """Write the outcomes of a day. rows: id, got, chance."""
    schema = pa.schema({"id": pa.int64(), "late": pa.int64(), "got": pa.string(), "chance": pa.float64()})
    ws.lake.write("outcomes", day, pa.Table.from_pylist(rows, schema), inputs={}, code="test")


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, kpi={"measurement": "randomized", "treatment": TREATMENT})


def draw(rng: np.random.Generator, first: int, count: int, error: float = 0.0) -> list[dict[str, Any]]:
    """Return units that received `act` with their chance, plus an error."""
    rows = []
    for unit in range(first, first + count):
        chance = float(rng.uniform(0.2, 0.7))
        acts = rng.random() < chance + error
        rows.append({"id": unit, "late": 0, "got": "act" if acts else "wait", "chance": chance if acts else 1 - chance})
    return rows


def test_right_propensities_pass_overall_and_by_month(ws: Workspace) -> None:
    rng, expected = np.random.default_rng(1), []
    for n, day in enumerate(DAYS):
        rows = draw(rng, 1000 * n, 200)
        expected += rows
        write_outcomes(ws, day, rows)
    strata, invalid = weigh_received(ws.use_case, ws.lake)
    assert (invalid, [s.stratum for s in strata]) == (None, ["overall", "2013-03", "2013-04"])
    assert [s.units for s in strata] == [600, 400, 200]
    acts = strata[0].actions["act"]
    assert acts.received == sum(row["got"] == "act" for row in expected)
    assert acts.total == pytest.approx(sum(1 / row["chance"] for row in expected if row["got"] == "act"))
    assert acts.squares == pytest.approx(sum(row["chance"] ** -2 for row in expected if row["got"] == "act"))
    assert describe_share_mismatch(ws.use_case, ws.lake) is None


def test_a_unit_that_was_assigned_once_counts_once(ws: Workspace) -> None:
    rows = draw(np.random.default_rng(2), 0, 200)
    for day in DAYS:
        write_outcomes(ws, day, rows)
    strata, _ = weigh_received(ws.use_case, ws.lake)
    assert [(s.stratum, s.units) for s in strata] == [("overall", 200), ("2013-03", 200), ("2013-04", 200)]


def test_a_unit_that_was_assigned_each_day_counts_each_day(ws: Workspace) -> None:
    for n, day in enumerate(DAYS):
        write_outcomes(ws, day, draw(np.random.default_rng(n), 0, 200))
    strata, _ = weigh_received(ws.use_case, ws.lake)
    assert [s.units for s in strata] == [600, 400, 200]


def test_wrong_propensities_are_described(ws: Workspace) -> None:
    write_outcomes(ws, DAYS[0], draw(np.random.default_rng(3), 0, 1500, error=0.25))
    text = describe_share_mismatch(ws.use_case, ws.lake)
    assert text is not None and "don't fit the received actions" in text and "the weights of act add up to" in text


def test_a_unit_without_a_valid_propensity_is_named(ws: Workspace) -> None:
    rows = draw(np.random.default_rng(4), 0, 100)
    rows[7]["chance"] = rows[9]["chance"] = None
    rows[5] |= {"got": None, "chance": None}  # not in the experiment
    write_outcomes(ws, DAYS[0], rows)
    text = describe_share_mismatch(ws.use_case, ws.lake)
    assert text is not None
    assert text.startswith("2 units of the experiment have no valid propensity in 'chance' (kpi.treatment.propensity).")
    assert "The first is the unit 7 in the partition 2013-03-30." in text


def test_without_outcomes_there_is_nothing_to_compare(ws: Workspace) -> None:
    assert describe_share_mismatch(ws.use_case, ws.lake) is None
