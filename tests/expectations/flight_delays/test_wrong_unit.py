"""Delays in seconds that reach the features are noticed before the model reads them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from expectations import suites
from expectations.serving_gate import check_features
from sixtyforty.accounting.feed_faults import SOUND, Fault, build_fault_statements
from sixtyforty.modeling.fault_injection import rebuild_with_faults
from sixtyforty.modeling.features import feature_names
from tests.flights import DAY, flight_delays, workspace

SUITE = suites.load_suite("flight_delays", "features")
NOON = datetime.fromisoformat(f"{DAY}T16:00:00")  # UTC
WHY = "seconds or another unit"


@pytest.fixture(scope="module")
def rows(with_days: Path) -> dict[Fault, pd.DataFrame]:
    """Return the day's feature rows with each fault, after the gate."""
    ws = workspace(with_days)
    rebuilt = rebuild_with_faults(
        ws.use_case, ws.lake, DAY, {SOUND: [], **build_fault_statements(ws.use_case, DAY, NOON)}
    )
    tables: dict[Fault, pa.Table] = {fault: table for fault, table in rebuilt if table is not None}
    return {f: check_features(ws.use_case, SUITE, {DAY: t})[DAY][0].to_pandas() for f, t in tables.items()}


def test_a_sound_day_is_not_suspect(rows):
    assert (rows[SOUND]["_misfit"] == 0).all()
    assert rows[SOUND]["suspect"].isna().all()


def test_with_delays_in_seconds_the_current_process_decides(rows):
    wrong_rows = rows["movements", "wrong unit"]
    flying = (wrong_rows["decided_at"] > pd.Timestamp(f"{DAY} 11:00")) & (wrong_rows["hour"] < 23)
    assert flying.sum() > 500
    assert wrong_rows.loc[flying, "suspect"].str.contains(WHY).all()


def test_before_the_first_message_of_the_day_no_row_is_suspect(rows):
    wrong_rows = rows["movements", "wrong unit"]
    assert wrong_rows.loc[wrong_rows["decided_at"] < pd.Timestamp(f"{DAY} 08:00"), "suspect"].isna().all()


def test_a_missing_weather_feed_makes_no_row_suspect(rows):
    assert rows["weather", "missing"]["suspect"].isna().all()
    assert rows["weather", "missing"]["temp"].isna().any()


def test_rows_after_a_feed_stops_are_suspect(rows):
    wrong_rows = rows["movements", "stale"]
    later = (wrong_rows["decided_at"] > pd.Timestamp(NOON)) & (wrong_rows["hour"] < 23)
    assert wrong_rows.loc[later, "suspect"].str.contains("the feed has stopped").all()
    assert wrong_rows.loc[wrong_rows["decided_at"] <= pd.Timestamp(NOON), "suspect"].isna().all()


def test_the_model_does_not_see_the_check_column(rows):
    assert "_misfit" not in feature_names(flight_delays(), list(rows[SOUND]))
