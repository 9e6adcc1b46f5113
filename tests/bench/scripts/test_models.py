"""The models of the plain scripts: what they see, and when they learn."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from bench.scripts import models
from bench.scripts.declaration import PROOF_DAYS
from pipelines.authoring import catalog


def test_the_model_sees_no_keys_outcomes_or_hidden_columns_but_its_categories() -> None:
    rows = pd.DataFrame(columns=["_partition", "carrier", "flight", "decided_at", "hour", "_silent", "disrupted"])
    assert models.feature_names(rows) == ["carrier", "hour"]


def test_the_training_window_starts_with_the_data() -> None:
    assert models.training_window_start(date(2013, 2, 1)) == date(2013, 1, 1)
    assert models.training_window_start(date(2013, 12, 1)) == date(2013, 6, 4)  # 180 days before


def test_a_local_day_starts_at_its_utc_time() -> None:
    assert models.start_of_day(date(2013, 1, 15)) == np.datetime64("2013-01-15T05:00")
    assert models.start_of_day(date(2013, 7, 15)) == np.datetime64("2013-07-15T04:00")


def test_the_days_before_a_model_are_those_of_the_chain() -> None:
    use_case = catalog.load_use_case("flight_delays")
    assert use_case.gate.min_blocks * use_case.kpi.block_days == PROOF_DAYS
    assert use_case.replay.warm_up_days == models.DAYS_BEFORE_FIRST_FIT


def test_models_decide_once_the_gate_has_enough_days() -> None:
    first_days = [date(2013, month, 1) for month in range(2, 8)]
    assert models.days_that_decide(first_days, PROOF_DAYS) == [date(2013, 6, 1), date(2013, 7, 1)]
    assert models.days_that_decide([], PROOF_DAYS) == []


def test_the_current_process_decides_without_a_model(tmp_path: Path) -> None:
    rows = pd.DataFrame({"current_action": ["standby", "none"]})
    (tmp_path / "models").mkdir()
    for day in ("2013-02-01", "2013-05-01"):
        (tmp_path / "models" / f"{day}.skops").touch()
    model, decided = models.decide_by_newest_model(rows, tmp_path, date(2013, 6, 1), PROOF_DAYS)
    assert model is None
    assert list(decided["action"]) == ["standby", "none"]
    assert decided["expected"].isna().all()
