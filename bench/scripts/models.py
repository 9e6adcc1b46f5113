"""Fit, store and apply the models of the plain scripts. Models are files `<out>/models/<local day>.skops`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the chain, because two threads per fit were slower

import numpy as np
import pandas as pd

from bench.scripts.decisions import decide
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


def read_newest_model(out: Path, today: date) -> tuple[str, Model]:
    """Return the newest model up to `today`, as a pair: the ISO date of the model's day, and the model."""
    file = max(file for file in (out / "models").glob("*.skops") if file.stem <= f"{today}")
    import_module(ESTIMATOR_MODULE)
    with model_file_access():
        return file.stem, Model(**import_module("skops.io").load(file, trusted=TRUSTED_TYPES))


def decide_by_newest_model(rows: pd.DataFrame, out: Path, today: date) -> tuple[str, pd.DataFrame]:
    """Decide the rows by the newest model up to `today`.

    Return a pair: the ISO date of the model's day, and the rows with their actions.
    """
    trained_on, model = read_newest_model(out, today)
    return trained_on, decide(rows, score(model, rows))


def decide_by_monthly_models(rows: pd.DataFrame, first: date, out: Path) -> tuple[pd.DataFrame, int]:
    """Return the decisions since the day `first`, and the number of models. One model is fitted per month."""
    months = _months_to_fit(rows)
    with step("import the estimator"):
        import_module(ESTIMATOR_MODULE)
    # One thread per core, with the longest fit first, is as fast as the chain's processes. Fitting the models one after
    # the other took 1.8 times as long.
    with step("fit monthly"), ThreadPoolExecutor(os.cpu_count()) as threads:
        models = dict(zip(months[::-1], threads.map(partial(fit, rows), months[::-1]), strict=True))
    parts = []
    with step("score"):
        due = rows[rows["_partition"] >= np.datetime64(first)]
        for day, end in zip(months, [*months[1:], None], strict=True):
            write_model(models[day], day, out)
            is_due = due["decided_at"] >= start_of_day(day)
            if end is not None:
                is_due &= due["decided_at"] < start_of_day(end)
            if day >= first and is_due.any():
                parts.append(decide(due[is_due], score(models[day], due[is_due])))
    return (pd.concat(parts) if parts else decide(due[:0], np.empty(0))), len(months)


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
