"""Run the walk-forward backtest: the money of each model on the days after those it learned from.

A block is the money of one model version on the days until the next one was trained. Blocks are cached by the versions
of model, features, outcomes and policy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from sixtyforty.modeling.model_store import MODEL, ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import require_sound, select_tainted
from sixtyforty.modeling.training_plan import declared_recipes, plan_training, read_training_rows, training_days
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import canonical_json, digest, run_in_parallel, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.value.daily_value import POLICIES, DailyValue, value_of_day
from sixtyforty.value.policy import Policy


class BacktestError(SixtyfortyError):
    """A model that would be valued on rows that it learned from."""


@dataclass(frozen=True)
class Fold:
    """A model version and the local days [first, end) on which it is valued."""

    version: str
    first: date
    end: date


def score_block(
    use_case: DecisionChain, lake: Lake, store: ModelStore, version: str, first: date, end: date
) -> list[DailyValue]:
    """Return the money of a model version on the local days [first, end), none of which it learned from.

    Only outcomes known at the start of `end` count. Raises BacktestError for a day that the model learned from, and
    TaintedDataError for a day whose features know the future.
    """
    card = store.card(version)
    if first < card.as_of:
        raise BacktestError(
            f"{version} learned from days after {first}. Value a model only on days from {card.as_of} on."
        )
    window = use_case.decision_partitions(use_case.starting_between(first, end))
    features, outcomes = lake.entries("features", window), lake.entries("outcomes", window)
    require_sound(select_tainted(features.values()), f"{version}: no value on the days from {first}")
    policy = Policy.from_use_case(use_case)
    inputs_hash = digest(
        {
            "model": card.files[MODEL],
            "features": versions_by_partition(features),
            "outcomes": versions_by_partition(outcomes),
            "policy": policy.to_dict(),
        }
    )
    cached = lake.root / "backtest" / version / f"{first}_{end}_{inputs_hash}.json"
    if cached.exists():
        return [DailyValue(**day) for day in json.loads(cached.read_bytes())]
    if not features or not outcomes:
        return []
    days = _value_days(use_case, lake, store, version, policy, features, outcomes, end)
    write_atomic(cached, canonical_json([day.__dict__ for day in days]).encode())
    return days


def _value_days(
    use_case: DecisionChain,
    lake: Lake,
    store: ModelStore,
    version: str,
    policy: Policy,
    features: dict[str, Entry],
    outcomes: dict[str, Entry],
    end: date,
) -> list[DailyValue]:
    rows = read_training_rows(use_case, lake, features, outcomes, str(use_case.day_start(end))).to_pandas()
    if rows.empty:  # no outcome was known by then: it takes longer than the time between two trainings
        return []
    rows["action"] = policy.choose_actions(rows, store.load(version).predict(rows)).action
    return [
        value_of_day(use_case.kpi, str(partition), day, day[use_case.kpi.outcome].to_numpy(float))
        for partition, day in rows.groupby("_partition", sort=True)
    ]


def list_folds(use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> list[Fold]:
    """Return the folds before a local day: each training day's model, valued until the next training day."""
    starts = [day for day in training_days(use_case, as_of) if day < as_of]
    folds = []
    for first, end in pairwise([*starts, as_of]):
        version = find_trained_version(use_case, lake, store, recipe, first)
        if version:
            folds.append(Fold(version, first, end))
    return folds


def find_trained_version(
    use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date
) -> str | None:
    """Return the recipe's model of a training day, or None.

    For a declared recipe it is the model trained on the data in force; for any other recipe, the last one trained.
    """
    model = declared_recipes(use_case).get(recipe)
    if model is not None:
        try:
            version = plan_training(use_case, lake, as_of, model).version
        except ModelError:  # no features with outcomes existed yet on that day
            return None
        return version if store.has(version, MODEL) else None
    trained = [v for v in store.versions() if v.startswith(f"{as_of}-") and store.has(v, MODEL)]
    return next((v for v in reversed(trained) if store.card(v).recipe_version == recipe), None)


def run_walk_forward(
    use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date
) -> list[DailyValue]:
    """Return the money of the days before `as_of`, each decided by the recipe's model that was trained before it."""
    folds = list_folds(use_case, lake, store, recipe, as_of)
    blocks = run_in_parallel(lambda fold: score_block(use_case, lake, store, fold.version, fold.first, fold.end), folds)
    return [day for block in blocks for day in block]


def value_metrics(days: Sequence[DailyValue]) -> dict[str, Any]:
    """Return the money of each policy per 1,000 decisions, as `dvc.yaml` records it; null without decisions."""
    decisions = sum(day.decisions for day in days)
    metrics: dict[str, Any] = {"decisions": decisions}
    for policy in POLICIES:
        total = sum(getattr(day, policy) for day in days)
        metrics[policy] = round(1000 * total / decisions, 4) if decisions else None
    return metrics
