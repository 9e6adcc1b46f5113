"""Fit, store and apply the models of the plain scripts. Models are files `<out>/models/<local day>.skops`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the chain, because two threads per fit were slower

import numpy as np
import pandas as pd

from bench.scripts.decisions import decide, decide_by_current_process
from bench.scripts.declaration import DECLARATION, KEY_COLUMNS, MODEL, OUTCOME, ZONE
from bench.scripts.step_times import model_file_access, step

DAYS_BEFORE_FIRST_FIT = 14
ESTIMATOR_MODULE, _, ESTIMATOR_CLASS = MODEL["estimator"].rpartition(".")
HIDDEN_COLUMNS = {*KEY_COLUMNS, "_partition", "decided_at", "current_action", OUTCOME, "outcome_known_at"}
# Types that a model file may contain besides the plain types of scikit-learn and NumPy.
TRUSTED_TYPES = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


class Model(NamedTuple):
    """A fitted estimator, the names of its features, and the known values of each categorical feature."""

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]


def feature_names(rows: pd.DataFrame) -> list[str]:
    """Return the names of the columns that are features of the model, in order."""
    hidden = HIDDEN_COLUMNS - set(MODEL["categorical"])
    return [column for column in rows.columns if column not in hidden and not column.startswith("_")]


def training_window_start(day: date) -> date:
    """Return the first day of the training window of a model for a local day."""
    return max(day - timedelta(days=MODEL["training_days"]), DECLARATION["partitions"]["start"])


def fit(rows: pd.DataFrame, day: date) -> Model:
    """Fit a model on the training window before a local day, with outcomes known at the start of that day."""
    partition, is_known = rows["_partition"], rows["outcome_known_at"] <= start_of_day(day)
    is_inside = (partition >= np.datetime64(training_window_start(day))) & (partition < np.datetime64(day))
    training_rows = rows[is_inside & is_known & rows[OUTCOME].notna()]
    features = feature_names(rows)
    levels = {name: sorted(training_rows[name].dropna().unique()) for name in features if name in MODEL["categorical"]}
    estimator_class = getattr(import_module(ESTIMATOR_MODULE), ESTIMATOR_CLASS)
    is_categorical = [name in levels for name in features]
    estimator = estimator_class(**MODEL["params"], random_state=MODEL["seed"], categorical_features=is_categorical)
    estimator.fit(_feature_matrix(training_rows, features, levels), training_rows[OUTCOME].to_numpy(float))
    return Model(estimator, features, levels)


def start_of_day(day: date) -> np.datetime64:
    """Return the UTC time at which a local day starts."""
    start = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
    return np.datetime64(start.replace(tzinfo=None))


def score(model: Model, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability of the outcome for each row."""
    return model.estimator.predict_proba(_feature_matrix(rows, model.features, model.levels))[:, 1]


def write_model(model: Model, day: date, out: Path) -> None:
    """Write the model of a local day to `<out>/models/<day>.skops`."""
    (out / "models").mkdir(parents=True, exist_ok=True)
    import_module(ESTIMATOR_MODULE)  # import before the timer: every script needs this module, with or without skops
    with model_file_access():
        import_module("skops.io").dump(model._asdict(), out / "models" / f"{day}.skops")


def read_model(out: Path, day: date) -> Model:
    """Return the model of a local day."""
    import_module(ESTIMATOR_MODULE)
    with model_file_access():
        file = out / "models" / f"{day}.skops"
        return Model(**import_module("skops.io").load(file, trusted=TRUSTED_TYPES))


def days_that_decide(model_days: Sequence[date], proof_days: int) -> list[date]:
    """Return the days whose models decide: at least `proof_days` after the first model, as the chain's gate demands."""
    return [day for day in model_days if day - min(model_days) >= timedelta(days=proof_days)]


def decide_by_newest_model(
    rows: pd.DataFrame, out: Path, today: date, proof_days: int
) -> tuple[str | None, pd.DataFrame]:
    """Decide the rows by the newest model up to `today` that may decide (see `days_that_decide`).

    Return a pair: the ISO date of the model's day, and the rows with their actions. Without a model, the date is None
    and the current process decides.
    """
    model_days = [date.fromisoformat(file.stem) for file in (out / "models").glob("*.skops")]
    deciding_days = [day for day in days_that_decide(model_days, proof_days) if day <= today]
    if not deciding_days:
        return None, decide_by_current_process(rows)
    newest = max(deciding_days)
    return f"{newest}", decide(rows, score(read_model(out, newest), rows))


def decide_by_monthly_models(rows: pd.DataFrame, first: date, out: Path, proof_days: int) -> tuple[pd.DataFrame, int]:
    """Return the decisions since the day `first`, and the number of models. One model is fitted per month.

    The current process decides until a model may decide (see `days_that_decide`).
    """
    months = _months_to_fit(rows)
    with step("import the estimator"):
        import_module(ESTIMATOR_MODULE)
    # One thread per core, with the longest fit first, is as fast as the chain's processes. Fitting the models one after
    # the other took 1.8 times as long.
    with step("fit monthly"), ThreadPoolExecutor(os.cpu_count()) as threads:
        models = dict(zip(months[::-1], threads.map(partial(fit, rows), months[::-1]), strict=True))
    with step("score"):
        due = rows[rows["_partition"] >= np.datetime64(first)]
        for day, model in models.items():
            write_model(model, day, out)
        deciding_days = days_that_decide(months, proof_days)
        starts = np.array([start_of_day(day) for day in deciding_days], "datetime64[us]")
        newest = np.searchsorted(starts, due["decided_at"].to_numpy("datetime64[us]"), side="right")
        parts = [decide_by_current_process(due[newest == 0])]
        for number, day in enumerate(deciding_days, start=1):
            if (newest == number).any():
                part = due[newest == number]
                parts.append(decide(part, score(models[day], part)))
    return pd.concat(parts), len(months)


def _months_to_fit(rows: pd.DataFrame) -> list[date]:
    """Return the first day of each month within the span of the rows, from two weeks after the first row."""
    start = rows["_partition"].iloc[0].date() + timedelta(days=DAYS_BEFORE_FIRST_FIT)
    end = rows["_partition"].iloc[-1].date()
    first_days = [date(year, month, 1) for year in range(start.year, end.year + 1) for month in range(1, 13)]
    return [day for day in first_days if start <= day <= end]


def _feature_matrix(rows: pd.DataFrame, features: list[str], levels: dict[str, list[str]]) -> np.ndarray:
    """Return the features as a float32 array (rows × features). A category becomes its index among the known values."""
    columns = []
    for name in features:
        numbers = {level: number for number, level in enumerate(levels.get(name, []))}
        column = rows[name].map(numbers) if name in levels else rows[name]
        columns.append(column.to_numpy(dtype="float32", na_value=np.nan))
    return np.column_stack(columns)
