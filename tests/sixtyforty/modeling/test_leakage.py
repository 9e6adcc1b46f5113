"""Leakage is found: features and actions that use values from after the decision time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.leakage import count_different
from sixtyforty.workspace import Workspace
from tests.helpers import (
    VISITS,
    accept_partitions,
    csv_text,
    land_days,
    land_extract,
    make_workspace,
    publish_days,
    visits_on,
)

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(5)]  # daylight saving time begins on the second day


def find_leakage(ws: Workspace, partitions: list[str]) -> list[str]:
    with FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        return list(map(str, window.find_leakage(window.build().tables)))


def test_sound_features_are_identical_when_recomputed(workspace: Workspace) -> None:
    assert find_leakage(workspace, publish_days(workspace, DAYS, count=6)) == []


@pytest.mark.parametrize(
    ("leak", "column"),
    [
        ("select u.id, u.site, u.load, v.late as late_now from units u left join visits v using (id)", "late_now"),
        (
            """select u.id, u.site, u.load, avg(v.late) as late_before from units u left join
            (select c.site, v.late from visits v join calls c using (id)) v on v.site = u.site group by all""",
            "late_before",
        ),
        ("select u.id, u.site, u.load, (select count(*) from calls) as calls_ever from units u", "calls_ever"),
        ("select u.id, u.site, u.load, v.late as _vendor from units u left join visits v using (id)", "_vendor"),
    ],
    ids=["the unit's own outcome", "an average without a date", "a count of all rows", "a vendor's perfect score"],
)
def test_a_leak_in_features_is_found(tmp_path: Path, leak: str, column: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(leak)
    differences = find_leakage(ws, publish_days(ws, DAYS, count=6))
    assert differences
    assert all(line.startswith(column) for line in differences)
    assert all(line.endswith("use values from after that time") for line in differences)


def test_a_leak_in_the_current_process_is_found(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "current_process.sql").write_text(
        "select u.id, case when late = 1 then 'act' else 'wait' end as action from units u left join visits using (id)"
    )
    differences = find_leakage(ws, publish_days(ws, DAYS, count=6))
    assert differences
    assert all(line.startswith("current_action") for line in differences)


def test_the_check_repeats_its_sample(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, v.late as late_now from units u left join visits v using (id)"
    )
    partitions = publish_days(ws, DAYS, count=6)
    assert find_leakage(ws, partitions) == find_leakage(ws, partitions)


def test_without_features_there_is_nothing_to_check(workspace: Workspace) -> None:
    with FeatureWindow(workspace.use_case, workspace.lake, ["2013-03-20"]) as window:
        assert window.find_leakage({}) == []


VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), st.text()),
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "double": (pa.float64(), st.floats()),
    "decimal": (pa.decimal128(12, 2), st.decimals(-1000, 1000, places=2)),
    "boolean": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates()),
    "timestamp": (pa.timestamp("us"), st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1))),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_equal_columns_with_nulls_raise_no_alarm(kind: str, data: st.DataObject) -> None:
    arrow, values = VALUES[kind]
    column = pa.array(data.draw(st.lists(st.none() | values, min_size=1)), arrow)
    assert count_different(column.to_pandas(), column.to_pandas()) == 0


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_each_other_value_is_counted(kind: str, data: st.DataObject) -> None:
    arrow, values = VALUES[kind]
    before = data.draw(st.lists(st.none() | values, min_size=1))
    row = data.draw(st.integers(0, len(before) - 1))
    after = [*before]
    after[row] = data.draw(values) if before[row] is None else None
    assert count_different(_series(before, arrow), _series(after, arrow)) == int(not _is_nan(before[row], after[row]))


def _series(values: list[Any], arrow: pa.DataType) -> pd.Series[Any]:
    return pa.array(values, arrow).to_pandas()


def _is_nan(*values: Any) -> bool:
    """Whether pandas holds each of the values, null or not a number, as the same missing value."""
    return all(value is None or (isinstance(value, float) and np.isnan(value)) for value in values)


def test_a_word_for_null_is_no_null() -> None:
    words = pd.Series(["None", "nan", "", "<NA>"], dtype="str")
    assert count_different(words, pd.Series([None] * 4, dtype="str")) == 4


def test_null_text_is_no_leak(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(
        """select id, site, load, case when load > 0.3 then site end as busy_site, null::varchar as note,
        case when load > 0.3 then decided_at::date end as busy_day, case when load > 0.3 then 1 end as busy
        from units"""
    )
    assert find_leakage(ws, publish_days(ws, DAYS, count=6)) == []


RARE_LEAKS = {
    "null only for units without an outcome": """
        select u.id, u.site, u.load, case when v.id is not null then u.load end as leak from units u
        left join visits v using (id)""",
    "the outcome, for one unit in a hundred": """
        select u.id, u.site, u.load, case when hash(u.id) % 100 = 0 then v.late else 0 end as leak from units u
        left join visits v using (id)""",
    "the rate of the same day": """
        select u.id, u.site, u.load, d.rate as leak from units u
        left join (select _partition, avg(late) as rate from visits group by all) d using (_partition)""",
    "the load of a later call": """
        select u.id, u.site, u.load, n.leak from units u
        join (select id, lead(load, 5) over (order by call_hour, id) as leak from calls) n using (id)""",
    "the mean of the whole window": """
        select u.id, u.site, u.load, (select round(avg(load), 6) from calls) as leak from units u""",
}


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str]]:
    """Return a workspace with 91 accepted days, and their partitions. A single unit has no outcome."""
    ws = make_workspace(tmp_path_factory.mktemp("quarter"))
    days = [date(2013, 3, 9) + timedelta(days=i) for i in range(91)]
    partitions = land_days(ws, days, count=8)
    drop_visits(ws, days[40], keep=7)
    accept_partitions(ws, partitions)
    return ws, partitions


@pytest.mark.parametrize("leak", RARE_LEAKS)
def test_a_rare_leak_is_found_in_a_quarter(quarter: tuple[Workspace, list[str]], leak: str) -> None:
    ws, partitions = quarter
    (ws.use_case.folder / "features.sql").write_text(RARE_LEAKS[leak])
    assert any(line.startswith("leak at") for line in find_leakage(ws, partitions))


def drop_visits(ws: Workspace, day: date, keep: int) -> None:
    """Land the visits of a day again, and leave out all but the first ones."""
    land_extract(ws.landing, f"visits_{day}.csv", csv_text(VISITS, visits_on(day, 8)[:keep]))
