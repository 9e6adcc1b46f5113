"""The flights' own SQL where a feed failed: what isn't known is neither late nor on time."""

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
    """A day's feature rows with what the gate says of each, by key."""
    tables = check_features(ws.use_case, SUITE, FeatureWindow(ws.use_case, ws.lake, [day]).build().tables)
    return tables[day][0].to_pandas().sort_values(ws.use_case.decision.key, ignore_index=True)


def silence(ws: Workspace, until: pd.Timestamp | None) -> None:
    """The day's movements are in force up to a moment only, or not at all."""
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


def test_a_rejected_day_counts_in_nobodys_rates(lived):
    """The next day's rates and the current process are those of a history without the day."""
    silence(lived, None)
    found = features(lived, AFTER)
    lived.lake.drop("validated/timetable", DAY)
    expected = features(lived, AFTER)
    pd.testing.assert_frame_equal(found[rates(found)], expected[rates(expected)])
    assert found["current_action"].tolist() == expected["current_action"].tolist()


def test_what_came_before_a_feed_died_still_counts(lived):
    sound = features(lived, AFTER)
    silence(lived, NOON)
    found = features(lived, AFTER)
    assert not found[rates(found)].equals(sound[rates(sound)])
    gap = (found["r_all_7"] - sound["r_all_7"]).abs()
    assert gap.max() < 0.02, "an afternoon unheard of isn't an afternoon of delays"


@pytest.mark.parametrize("until", [None, NOON])
def test_while_the_feed_is_dead_the_current_process_decides(lived, until):
    silence(lived, until)
    found = features(lived, DAY)
    flying = (found["decided_at"] > max(until or NOON, pd.Timestamp(f"{DAY} 11:00"))) & (found["hour"] < 23)
    assert found.loc[flying, "suspect"].str.contains("no movement was reported").all()
    if until is not None:
        assert found.loc[found["decided_at"] <= until, "suspect"].isna().all()
    assert (found["current_action"] == "none").any(), "the rule still sees its own history"


def test_the_model_does_not_see_the_gates_own_columns(lived):
    assert "_silent" in features(lived, DAY)
    assert "_silent" not in feature_names(lived.use_case, list(features(lived, DAY)))
