"""What the plain scripts share: the use case as declared, its fits, scores, decisions and money, and the command line.

A script brings `backfill` and `day`; all that a model or money is made of is here, so that they differ in nothing else.
"""

# ruff: noqa: E402  (importing is a step like any other: it is timed)

from __future__ import annotations

import time

BEGAN = time.perf_counter() - time.process_time()  # what was imported before this counts as well

import argparse
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the chain: two threads were measured slower

import numpy as np
import pandas as pd
import yaml

FOLDER = Path(__file__).resolve().parents[1] / "pipelines" / "use_cases" / "flight_delays"
CASE = yaml.load((FOLDER / "defs.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["attributes"]
SOURCES = {n: s for n, s in CASE["sources"].items() if "partition" in s and "files" in s}
ACTIONS = {a: (x.get("gain", 0.0), x.get("cost", 0.0)) for a, x in CASE["kpi"]["actions"].items()}
ZONE, MODEL, OUTCOME = ZoneInfo(CASE["timezone"]), CASE["model"], CASE["kpi"]["outcome"]
KEYS = CASE["decision"]["key"]
# What governance would set aside: the year holds one such row, with a wind of 1,048 miles an hour.
MOST_WIND = 200
# What a model file may hold beside scikit-learn's and NumPy's plain types.
TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]
STEPS: dict[str, float] = {}
FILES = "model files"


class Model(NamedTuple):
    """A fitted estimator, what it sees, and the values of each category it knows."""

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]


@contextmanager
def step(name: str) -> Iterator[None]:
    """Times a step and says so; what isn't counted is left out."""
    begun = time.perf_counter() - STEPS.get(FILES, 0.0)
    yield
    STEPS[name] = round(time.perf_counter() - STEPS.get(FILES, 0.0) - begun, 3)
    print(f"  {name:36} {STEPS[name]:8.2f} s", flush=True)


@contextmanager
def model_files() -> Iterator[Any]:
    """Gives skops, and adds up what it takes, its import first of all: the benchmark takes that off.

    A script of this kind would pickle its models, which costs next to nothing. These don't, and must stay the floor.
    """
    import_module(MODEL["estimator"].rpartition(".")[0])  # skops brings all of scikit-learn: this much is the script's
    begun = time.perf_counter()
    yield import_module("skops.io")
    STEPS[FILES] = round(STEPS.get(FILES, 0.0) + time.perf_counter() - begun, 3)


def features_of(rows: pd.DataFrame) -> list[str]:
    """What the model sees."""
    hidden = {*CASE["decision"]["key"], "_partition", "decided_at", "current_action", OUTCOME, "outcome_known_at"}
    return [c for c in rows.columns if c not in hidden - set(MODEL["categorical"]) and not c.startswith("_")]


def starts(day: date) -> np.datetime64:
    """The UTC moment at which a local day begins."""
    moment = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
    return np.datetime64(moment.replace(tzinfo=None))


def matrix(rows: pd.DataFrame, features: list[str], levels: dict[str, list[str]]) -> np.ndarray:
    """Categories as numbers, all as float32."""
    columns = [rows[f].map({v: i for i, v in enumerate(levels[f])}) if f in levels else rows[f] for f in features]
    return np.column_stack([c.to_numpy(dtype="float32", na_value=np.nan) for c in columns])


def window(as_of: date) -> date:
    """The first day a model of the local day `as_of` learns from."""
    return max(as_of - timedelta(days=MODEL["training_days"]), CASE["partitions"]["start"])


def fit(rows: pd.DataFrame, as_of: date) -> Model:
    """Fits on the trailing window, on what was known at the start of `as_of`."""
    day, known = rows["_partition"], rows["outcome_known_at"] <= starts(as_of)
    inside = (day >= np.datetime64(window(as_of))) & (day < np.datetime64(as_of))
    learn = rows[inside & known & rows[OUTCOME].notna()]
    features = features_of(rows)
    levels = {f: sorted(learn[f].dropna().unique()) for f in features if f in MODEL["categorical"]}
    module, _, name = MODEL["estimator"].rpartition(".")
    estimator = getattr(import_module(module), name)(
        **MODEL["params"], random_state=MODEL["seed"], categorical_features=[f in levels for f in features]
    )
    estimator.fit(matrix(learn, features, levels), learn[OUTCOME].to_numpy(float))
    return Model(estimator, features, levels)


def keep(model: Model, as_of: date, out: Path) -> None:
    """Writes the model of the local day `as_of`."""
    (out / "models").mkdir(parents=True, exist_ok=True)
    with model_files() as files:
        files.dump(model._asdict(), out / "models" / f"{as_of}.skops")


def newest(out: Path, today: date) -> tuple[str, Model]:
    """The model of the newest training day up to `today`, and that day."""
    file = max(f for f in (out / "models").glob("*.skops") if f.stem <= f"{today}")
    with model_files() as files:
        return file.stem, Model(**files.load(file, trusted=TRUSTED))


def score(model: Model, rows: pd.DataFrame) -> np.ndarray:
    """The probability of the outcome."""
    return model.estimator.predict_proba(matrix(rows, model.features, model.levels))[:, 1]


def decide(rows: pd.DataFrame, expected: np.ndarray) -> pd.DataFrame:
    """The rows with the action of the highest expected payoff; of equal ones, the cheapest."""
    order = sorted(ACTIONS, key=lambda a: ACTIONS[a][1])
    values = np.stack([ACTIONS[a][0] * expected - ACTIONS[a][1] for a in order])
    return rows.assign(expected=expected, action=np.array(order, object)[values.argmax(axis=0)])


def by_newest(rows: pd.DataFrame, out: Path, today: date) -> tuple[str, pd.DataFrame]:
    """The rows with their action by the newest model up to `today`, and the day that learned up to."""
    trained, model = newest(out, today)
    return trained, decide(rows, score(model, rows))


def money(decided: pd.DataFrame) -> dict[str, Any]:
    """Value per 1,000 decisions of each policy, on the outcomes known; the random choice has the day's mix."""
    known = decided[decided[OUTCOME].notna()]
    outcome = known[OUTCOME].to_numpy(float)
    paid = {a: gain * outcome - cost for a, (gain, cost) in ACTIONS.items()}
    total = {
        "model": sum((v * (known["action"] == a)).sum() for a, v in paid.items()),
        "current_process": sum((v * (known["current_action"] == a)).sum() for a, v in paid.items()),
        "perfect_foresight": np.max(list(paid.values()), axis=0).sum() if len(known) else 0.0,
        "random_choice": 0.0,
    }
    for a, v in paid.items():
        by_day = pd.DataFrame({"took": known["action"] == a, "paid": v}).groupby(known["_partition"])
        total["random_choice"] += (by_day["took"].mean() * by_day["paid"].sum()).sum()
    per = {p: round(1000 * float(t) / len(known), 2) if len(known) else None for p, t in total.items()}
    return {"decisions": len(known), "per_1000": per}


def walked(rows: pd.DataFrame, first: date, out: Path) -> tuple[pd.DataFrame, int]:
    """Decisions from `first` on, each month's by a model fitted at its start; and how many were fitted."""
    begin, end = rows["_partition"].iloc[0].date() + timedelta(days=14), rows["_partition"].iloc[-1].date()
    months = [date(y, m, 1) for y in range(begin.year, end.year + 1) for m in range(1, 13)]
    months = [m for m in months if begin <= m <= end]
    parts = []
    with step("import the estimator"):
        import_module(MODEL["estimator"].rpartition(".")[0])
    # a thread a core, the longest first: as fast as the chain's processes; one after the other took 1.8 times as long
    with step("fit monthly"), ThreadPoolExecutor(os.cpu_count()) as side_by_side:
        models = dict(zip(months[::-1], side_by_side.map(partial(fit, rows), months[::-1]), strict=True))
    with step("score"):
        due = rows[rows["_partition"] >= np.datetime64(first)]
        for as_of, until in zip(months, [*months[1:], date.max], strict=True):
            model = models[as_of]
            keep(model, as_of, out)
            month = due["decided_at"] >= starts(as_of)
            if until != date.max:
                month &= due["decided_at"] < starts(until)
            if as_of >= first and month.any():
                parts.append(decide(due[month], score(model, due[month])))
    return (pd.concat(parts) if parts else decide(due[:0], np.empty(0))), len(months)


def afresh(out: Path) -> None:
    """Takes away what a backfill makes."""
    for kind in (*SOURCES, "features", "models", "decisions"):
        shutil.rmtree(out / kind, ignore_errors=True)


def files_of(landing: Path, source: str, day: date) -> list[str]:
    """The extracts of a local day: one of the day itself, or one a UTC hour."""
    begin, over = (datetime(d.year, d.month, d.day, tzinfo=ZONE).astimezone(UTC) for d in (day, day + timedelta(1)))
    hours = [begin + timedelta(hours=n) for n in range((over - begin) // timedelta(hours=1))]
    names = [f"{day}", f"{day}_{day}", *(f"{h:%Y-%m-%dT%H}Z" for h in hours)]
    return [str(f) for f in (landing / f"{source}_{n}.csv" for n in names) if f.exists()]


def main(
    label: str, about: str | None, backfill: Callable[..., dict[str, Any]], day: Callable[..., dict[str, Any]]
) -> None:
    """Entry point of a script."""
    STEPS["import"] = round(time.perf_counter() - BEGAN, 3)
    top = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = top.add_subparsers(dest="word", required=True)
    for word in ("backfill", "day"):
        one = words.add_parser(word)
        one.add_argument("--landing", type=Path, required=True)
        one.add_argument("--out", type=Path, required=True)
    words.choices["backfill"].add_argument("--first", type=date.fromisoformat, default=CASE["replay"]["first_day"])
    words.choices["day"].add_argument("--date", type=date.fromisoformat, required=True)
    words.choices["day"].add_argument("--retrain", action="store_true")
    given = top.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.word == "backfill":
        found = backfill(given.landing, given.out, given.first)
    else:
        found = day(given.landing, given.out, given.date, given.retrain)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    wall = round(time.perf_counter() - BEGAN, 2)
    said = {"label": f"{label} {given.word}", "wall_s": wall, "peak_rss_mb": peak, "not_counted_s": STEPS.pop(FILES)}
    print(json.dumps(said | {"steps": STEPS, **found}))
    sys.stdout.flush()
    os._exit(0)  # as the chain's command does: to take the interpreter apart takes Python a while
