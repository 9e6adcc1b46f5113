"""The models of the plain scripts: what they see, and when they learn."""

from datetime import date

import numpy as np
import pandas as pd

from bench.scripts import models


def test_the_model_sees_no_keys_outcomes_or_hidden_columns_but_its_categories() -> None:
    rows = pd.DataFrame(columns=["_partition", "carrier", "flight", "decided_at", "hour", "_silent", "disrupted"])
    assert models.feature_names(rows) == ["carrier", "hour"]


def test_the_training_window_starts_with_the_data() -> None:
    assert models.training_window_start(date(2013, 2, 1)) == date(2013, 1, 1)
    assert models.training_window_start(date(2013, 12, 1)) == date(2013, 6, 4)  # 180 days before


def test_a_local_day_starts_at_its_utc_time() -> None:
    assert models.start_of_day(date(2013, 1, 15)) == np.datetime64("2013-01-15T05:00")
    assert models.start_of_day(date(2013, 7, 15)) == np.datetime64("2013-07-15T04:00")
