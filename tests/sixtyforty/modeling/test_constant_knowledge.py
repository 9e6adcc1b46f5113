"""An undeclared constant is known since features were first built with it, a declared one since its declared day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.modeling.constant_knowledge import date_constants, find_early_use, record_constants
from sixtyforty.modeling.taint import TaintedPartition, describe, describe_cure, merge_tainted
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace
from tests.leaky_world import TYPED_IN

NOW = datetime(2013, 5, 1, 12)
CONSTANT, SQL = TYPED_IN["fitted rates"]
RATES = {"south": 0.4893, "north": 0.520}


def workspace(folder: Path, *constants: dict[str, Any], sql: str = SQL) -> Workspace:
    ws = make_workspace(folder, constants=[{"why": "for the test", **constant} for constant in constants])
    (folder / "use_case" / "features.sql").write_text(sql)
    return ws


def features(*decided_at: datetime) -> pa.Table:
    return pa.table({"decided_at": pa.array(decided_at, pa.timestamp("us"))})


def test_an_undeclared_constant_is_known_since_its_first_build(tmp_path: Path) -> None:
    ws = workspace(tmp_path)
    (new,) = date_constants(ws.use_case, ws.lake, NOW)
    assert (new.constant.text, new.known_since, new.is_declared) == (CONSTANT, NOW, False)
    assert new.place == "features.sql, line 2; undeclared, known since 2013-05-01 12:00 UTC"
    record_constants(ws.lake, [new])
    later = NOW + timedelta(days=9)
    record_constants(ws.lake, date_constants(ws.use_case, ws.lake, later))
    assert date_constants(ws.use_case, ws.lake, later) == [new]
    (tmp_path / "use_case" / "features.sql").write_text(f"-- a comment\n{SQL.replace('0.52', '0.520')}")
    (moved,) = date_constants(ws.use_case, ws.lake, later)
    assert (moved.known_since, moved.constant.line) == (NOW, 3), "only the constant counts, not its place"
    (tmp_path / "use_case" / "features.sql").write_text(SQL.replace("0.52", "0.53"))
    (changed,) = date_constants(ws.use_case, ws.lake, later)
    assert changed.known_since == later


def test_a_declared_constant_is_known_since_the_start_of_its_local_day(tmp_path: Path) -> None:
    days = [{"value": RATES, "known_since": day} for day in ("2013-04-02", "2013-04-01")]
    ws = workspace(tmp_path, *days)
    (dated,) = date_constants(ws.use_case, ws.lake, NOW)
    assert dated.known_since == ws.use_case.day_start(date(2013, 4, 2)), "the later of two declarations counts"
    record_constants(ws.lake, [dated])
    assert not (ws.lake.root / "constants").exists()


def test_units_decided_before_a_constant_was_known_are_counted(tmp_path: Path) -> None:
    ws = workspace(tmp_path, {"value": RATES, "known_since": "2013-04-02"})
    constants = date_constants(ws.use_case, ws.lake, NOW)
    known = constants[0].known_since
    hour = timedelta(hours=1)
    tables = {
        "2013-04-01": features(known - 2 * hour, known - hour, known - hour, known),
        "2013-04-02": features(known, known + hour),
        "2013-04-03": features(),
    }
    tainted = find_early_use(constants, tables)
    assert list(tainted) == ["2013-04-01"]
    assert describe(list(tainted.values())) == (
        "features of 1 partition know the future (2013-04-01: the constant {north: 0.52, south: 0.4893} in"
        " features.sql, line 2; known since 2013-04-02 04:00 UTC (3 of 4 units, decided at 2013-04-02 02:00:00 UTC))"
    )
    assert "make it a source with known_at" in describe_cure(list(tainted.values()))
    assert "place" in tainted["2013-04-01"].to_facts()["taint"][0]
    assert find_early_use([], tables) == {}
    assert list(merge_tainted(tainted, {"2013-03-31": TaintedPartition("2013-03-31", [])})) == [
        "2013-03-31",
        "2013-04-01",
    ]


@pytest.mark.parametrize("sql", ["select id, load from units", "select id, load from from units"])
def test_sql_without_constants_needs_no_declaration(tmp_path: Path, sql: str) -> None:
    ws = workspace(tmp_path, {"value": RATES, "known_since": "2013-04-02"}, sql=sql)
    assert date_constants(ws.use_case, ws.lake, NOW) == []
