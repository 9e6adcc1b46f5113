"""Delays in seconds that come as far as the features: noticed at the moment of serving, and not on a sound day."""

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
    """The day's feature rows under each fault, with what the gate says of them."""
    ws = workspace(with_days)
    made = rebuild_with_faults(ws.use_case, ws.lake, DAY, {SOUND: [], **build_fault_statements(ws.use_case, DAY, NOON)})
    tables: dict[Fault, pa.Table] = {fault: table for fault, table in made if table is not None}
    return {f: check_features(ws.use_case, SUITE, {DAY: t})[DAY][0].to_pandas() for f, t in tables.items()}


def test_a_sound_day_fits(rows):
    assert (rows[SOUND]["_misfit"] == 0).all()
    assert rows[SOUND]["suspect"].isna().all()


def test_delays_in_seconds_are_left_to_the_current_process(rows):
    found = rows["movements", "wrong unit"]
    flying = (found["decided_at"] > pd.Timestamp(f"{DAY} 11:00")) & (found["hour"] < 23)
    assert flying.sum() > 500
    assert found.loc[flying, "suspect"].str.contains(WHY).all()


def test_before_the_days_first_message_nothing_is_wrong_yet(rows):
    found = rows["movements", "wrong unit"]
    assert found.loc[found["decided_at"] < pd.Timestamp(f"{DAY} 08:00"), "suspect"].isna().all()


def test_a_dead_weather_feed_is_borne(rows):
    assert rows["weather", "missing"]["suspect"].isna().all()
    assert rows["weather", "missing"]["temp"].isna().any()


def test_a_feed_that_stops_is_noticed_from_then_on(rows):
    found = rows["movements", "stale"]
    later = (found["decided_at"] > pd.Timestamp(NOON)) & (found["hour"] < 23)
    assert found.loc[later, "suspect"].str.contains("the feed has stopped").all()
    assert found.loc[found["decided_at"] <= pd.Timestamp(NOON), "suspect"].isna().all()


def test_the_model_does_not_see_it(rows):
    assert "_misfit" not in feature_names(flight_delays(), list(rows[SOUND]))
