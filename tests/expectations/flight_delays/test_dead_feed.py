"""The features of the flights after a feed stopped: an unknown delay is neither late nor on time."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from expectations import suites
from expectations.serving_gate import check_features
from sixtyforty.modeling.features import FeatureWindow, feature_names
from sixtyforty.workspace import Workspace
from tests.flights import AFTER, DAY

SUITE = suites.load_suite("flight_delays", "features")
NOON = pd.Timestamp(f"{DAY} 16:00")  # UTC


def features(ws: Workspace, day: str) -> pd.DataFrame:
    """Return a day's feature rows with the verdict of the gate on each, by key."""
    tables = check_features(ws.use_case, SUITE, FeatureWindow(ws.use_case, ws.lake, [day]).build().tables)
    return tables[day][0].to_pandas().sort_values(ws.use_case.decision.key, ignore_index=True)


def stop_feed(ws: Workspace, until: pd.Timestamp | None) -> None:
    """Keep the day's movements up to a UTC time only, or none of them."""
    entry = ws.lake.entry("validated/movements", DAY)
    assert entry
    if until is None:
        ws.lake.drop("validated/movements", DAY)
        return
    table = pq.read_table(ws.lake.local_file(entry))
    kept = table.filter(pc.less(table["event_hour"], pa.scalar(until.to_pydatetime(), table["event_hour"].type)))
    ws.lake.write("validated/movements", DAY, kept, inputs=entry.inputs, code=entry.code, facts=entry.facts)


def rates(frame: pd.DataFrame) -> list[str]:
    return [c for c in frame if c.startswith("r_")]


def test_sound_days_are_not_suspect(lived):
    assert features(lived, DAY)["suspect"].isna().all()


def test_a_rejected_day_does_not_count_in_the_rates(lived):
    """The rates of the next day, and the current process, are those of a history without the day."""
    stop_feed(lived, None)
    rows = features(lived, AFTER)
    lived.lake.drop("validated/timetable", DAY)
    expected = features(lived, AFTER)
    pd.testing.assert_frame_equal(rows[rates(rows)], expected[rates(expected)])
    assert rows["current_action"].tolist() == expected["current_action"].tolist()


def test_reports_from_before_the_feed_stopped_still_count(lived):
    sound = features(lived, AFTER)
    stop_feed(lived, NOON)
    rows = features(lived, AFTER)
    assert not rows[rates(rows)].equals(sound[rates(sound)])
    gap = (rows["r_all_7"] - sound["r_all_7"]).abs()
    assert gap.max() < 0.02, "a missing afternoon must not count as an afternoon of delays"


@pytest.mark.parametrize("until", [None, NOON])
def test_while_the_feed_is_stopped_the_current_process_decides(lived, until):
    stop_feed(lived, until)
    rows = features(lived, DAY)
    flying = (rows["decided_at"] > max(until or NOON, pd.Timestamp(f"{DAY} 11:00"))) & (rows["hour"] < 23)
    assert rows.loc[flying, "suspect"].str.contains("no movement was reported").all()
    if until is not None:
        assert rows.loc[rows["decided_at"] <= until, "suspect"].isna().all()
    assert (rows["current_action"] == "none").any(), "the current process still has its own history"


def test_the_model_does_not_see_the_columns_of_the_gate(lived):
    assert "_silent" in features(lived, DAY)
    assert "_silent" not in feature_names(lived.use_case, list(features(lived, DAY)))
