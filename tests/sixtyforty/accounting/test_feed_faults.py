"""The statements of a fault damage the newest rows of one feed, and nothing else."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from sixtyforty.accounting.feed_faults import SOUND, build_fault_statements
from sixtyforty.modeling.fault_injection import rebuild_with_faults
from sixtyforty.modeling.features import FeatureWindow
from tests.helpers import make_workspace, publish_days

DAYS = [date(2013, 3, 15) + timedelta(days=i) for i in range(5)]
LAST = f"{DAYS[-1]}"
NOON = datetime(2013, 3, 19, 12)


def test_each_feed_has_each_fault_that_leaves_something_to_decide(tmp_path: Path) -> None:
    faults = build_fault_statements(make_workspace(tmp_path).use_case, LAST, NOON)
    assert set(faults) == {
        *(("calls", fault) for fault in ("stale", "duplicated", "wrong unit")),
        *(("visits", fault) for fault in ("missing", "stale", "duplicated", "wrong unit")),
    }


def test_only_the_newest_rows_are_damaged(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS, count=20)
    faults = build_fault_statements(ws.use_case, LAST, NOON)
    rebuilt = dict(rebuild_with_faults(ws.use_case, ws.lake, LAST, {SOUND: [], **faults, ("again", "none"): []}))
    sound = rebuilt.pop(SOUND)
    assert sound is not None
    assert rebuilt.pop(("again", "none")).equals(sound), "a fault leaves the tables as they were"  # type: ignore[union-attr]
    tables = {fault: table for fault, table in rebuilt.items() if table is not None}
    assert tables.keys() == faults.keys()
    assert tables["calls", "wrong unit"]["load"].to_pylist() == [60 * x for x in sound["load"].to_pylist()]
    assert tables["visits", "missing"]["late_before"].null_count == 0, "the history before is sound"
    for table in tables.values():
        assert table.select(["id", "decided_at"]).equals(sound.select(["id", "decided_at"]))
    ws.lake.drop("validated/visits", LAST)
    assert tables["visits", "missing"].equals(FeatureWindow(ws.use_case, ws.lake, [LAST]).build().tables[LAST])


def test_a_fault_that_features_sql_cannot_take_gives_no_features(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, c.load as again from units u join calls c using (id)"
    )
    publish_days(ws, DAYS)
    rebuilt = dict(rebuild_with_faults(ws.use_case, ws.lake, LAST, build_fault_statements(ws.use_case, LAST, NOON)))
    assert rebuilt["calls", "duplicated"] is None
    assert rebuilt["visits", "duplicated"] is not None
