"""Outcomes: unknown until a message arrives, and at most one row for each unit."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.modeling.feature_sql import FeatureError
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.workspace import Workspace
from tests.helpers import accept_partitions, land_days, make_workspace

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(2)]


def test_an_outcome_without_a_message_is_unknown(workspace: Workspace) -> None:
    partitions = land_days(workspace, DAYS)
    accept_partitions(workspace, partitions)
    workspace.lake.drop("validated/visits", partitions[0])
    table = build_outcomes(workspace.use_case, workspace.lake, partitions).tables[partitions[0]]
    assert table["late"].null_count == table.num_rows == 4


def test_the_inputs_cover_the_outcome_horizon(workspace: Workspace) -> None:
    partitions = land_days(workspace, DAYS)
    accept_partitions(workspace, partitions)
    inputs = build_outcomes(workspace.use_case, workspace.lake, partitions[:1]).inputs[partitions[0]]
    assert list(inputs["validated/visits"]) == partitions  # its own partition and one after it


def test_several_outcomes_of_a_unit_are_rejected(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    partitions = land_days(ws, DAYS)
    accept_partitions(ws, partitions)
    (ws.use_case.folder / "outcomes.sql").write_text(
        "select u.id, v.late, v.known_at from units u join visits v using (id) cross join (values (1), (2))"
    )
    with pytest.raises(FeatureError, match=r"outcomes\.sql returns 8 rows\. The query must return at most one"):
        build_outcomes(ws.use_case, ws.lake, partitions[:1])


@pytest.mark.parametrize(
    ("outcome", "unknown"),
    [
        ("v.late::double / 0", 4),  # 0 by 0 is NaN, 1 by 0 is infinite
        ("case when u.load > 0.5 then 'nan'::float else 2.5::float end", 1),
        ("v.late * 'inf'::double", 4),
        ("v.late::decimal(9,2)", 0),
        ("v.late = 1", 0),
    ],
)
def test_an_outcome_that_is_not_a_finite_number_is_unknown(tmp_path: Path, outcome: str, unknown: int) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "outcomes.sql").write_text(
        f"select u.id, {outcome} as late, v.known_at from units u left join visits v using (id)"
    )
    partitions = land_days(ws, DAYS)
    accept_partitions(ws, partitions)
    table = build_outcomes(ws.use_case, ws.lake, partitions[:1]).tables[partitions[0]]
    assert (table.num_rows, table["late"].null_count) == (4, unknown)
    assert not pa.types.is_boolean(table["late"].type), "accounts multiply an outcome with a gain"
    assert table["known_at"].null_count == 0


def test_a_propensity_that_is_no_probability_is_unknown(tmp_path: Path) -> None:
    treatment = {"column": "got", "propensity": "chance", "value_per_outcome": -10}
    ws = make_workspace(tmp_path, kpi={"measurement": "randomized", "treatment": treatment})
    (ws.use_case.folder / "outcomes.sql").write_text(
        "select u.id, v.late, v.known_at, 'act' as got, [0, 1.5, 'nan'::double, 1][1 + u.id % 100] as chance"
        " from units u left join visits v using (id)"
    )
    partitions = land_days(ws, DAYS)
    accept_partitions(ws, partitions)
    table = build_outcomes(ws.use_case, ws.lake, partitions[:1]).tables[partitions[0]]
    assert sorted(zip(table["id"].to_pylist(), table["chance"].to_pylist(), strict=True))[-1][1] == 1
    assert table["chance"].null_count == 3
