"""Run the walk-forward backtest: measure the value of each model on the days after its training window.

A fold consists of the daily values of one model version, from its training day to the day before the next training
day. The lake caches the values of each fold under a hash of its model, features, outcomes and policy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from sixtyforty.modeling.built_by import select_outdated
from sixtyforty.modeling.feature_fit import find_feature_problem
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import MODEL, ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import require_sound, select_tainted
from sixtyforty.modeling.training_plan import declared_recipes, plan_training, read_training_rows, training_days
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import canonical_json, digest, run_in_parallel, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.value.daily_value import POLICIES, DailyValue, value_of_day
from sixtyforty.value.daily_values import deal_over_period
from sixtyforty.value.policy import Policy
from sixtyforty.value.unit_groups import GROUPS

LAST_KNOWN_ENTRIES = 5000
# The key is the version of a partition's outcomes. The list holds the UTC time at which the last of these outcomes
# became known. It is empty if no outcome is known.
_LAST_KNOWN: BoundedCache[str, list[datetime]] = BoundedCache(LAST_KNOWN_ENTRIES)


class BacktestError(SixtyfortyError):
    """The backtest would value a model on days that the model may have learned from."""


@dataclass(frozen=True)
class Fold:
    """A backtest fold: a model version, and the local days on which it is valued: `first` to the day before `end`."""

    version: str
    first: date
    end: date


def score_days(
    use_case: DecisionChain,
    lake: Lake,
    store: ModelStore,
    version: str,
    first: date,
    end: date,
    known_on: date | None = None,
) -> list[DailyValue]:
    """Return what a model version's decisions are worth on each local day from `first` to the day before `end`.

    Only outcomes known at the start of the local day `known_on` count; None stands for `end`. Raises BacktestError if
    the model may have learned from one of the days, and TaintedDataError if the features of one of the days have
    leakage.
    """
    card = store.card(version)
    if first < card.as_of:
        raise BacktestError(
            f"The model {version} may have learned from the day {first}, so the backtest can't value it on that day."
            f" Choose {card.as_of} or a later day as the first day."
        )
    window = use_case.decision_partitions(use_case.starting_between(first, end))
    features = _select_scorable(use_case, lake, card, lake.entries("features", window))
    outcomes = lake.entries("outcomes", window)
    refusal = f"{use_case.name}: the backtest can't value the model {version} on the days from {first}"
    require_sound(select_tainted(features.values()), refusal)
    policy = Policy.from_use_case(use_case)
    inputs = {
        "model": card.files[MODEL],
        "features": versions_by_partition(features),
        "outcomes": versions_by_partition(outcomes),
        "policy": policy.to_dict(),
        "figures": list(DailyValue.__dataclass_fields__),
    }
    inputs_hash = digest(inputs | {"groups": GROUPS} if use_case.units_recur else inputs)
    if not features or not outcomes:
        return []
    last_known = _last_known(lake, outcomes)
    if last_known is None:
        return []
    # The values of a fold change until its last outcome is known. So the name of the fold's file in the cache
    # contains the time until which outcomes count.
    known_at = min(use_case.day_start(known_on or end), last_known)
    cached = lake.root / "backtest" / version / f"{first}_{end}_{known_at:%Y%m%dT%H%M%S%f}_{inputs_hash}.json"
    if cached.exists():
        return [DailyValue.from_dict(day) for day in json.loads(cached.read_bytes())]
    days = _value_days(use_case, lake, store, version, policy, features, outcomes, known_at)
    write_atomic(cached, canonical_json([day.to_dict() for day in days]).encode())
    return days


def _last_known(lake: Lake, outcomes: dict[str, Entry]) -> datetime | None:
    """Return the UTC time at which the last outcome of some partitions became known, or will become known.

    Return None if none of the outcomes is known.
    """
    times = {entry.version: _LAST_KNOWN.get(entry.version) for entry in outcomes.values()}
    unread = [entry for entry in outcomes.values() if times[entry.version] is None]
    if unread:
        with lake.open_session("UTC") as db:
            rows = db.execute(
                f"select _partition, max(known_at)::timestamp from {lake.select_rows(unread)} group by all"
            ).fetchall()
        by_partition = {partition: [time] for partition, time in rows if time is not None}
        for entry in unread:
            times[entry.version] = by_partition.get(entry.partition, [])
            _LAST_KNOWN.put(entry.version, by_partition.get(entry.partition, []))
    return max((time for known in times.values() for time in known or ()), default=None)


def _select_scorable(
    use_case: DecisionChain, lake: Lake, card: ModelCard, features: dict[str, Entry]
) -> dict[str, Entry]:
    """Return the manifests of the partitions whose features the model can score, by partition.

    If the model's recipe is declared, partitions whose features an earlier features.sql built are left out, too.
    """
    outdated = select_outdated(use_case, features) if card.recipe_version in declared_recipes(use_case) else []
    candidates = [entry for partition, entry in features.items() if partition not in outdated]
    payoffs = use_case.kpi.payoff_sql
    scorable = {
        entry.partition
        for group in lake.group_by_columns(candidates)
        if find_feature_problem(card, lake.columns(group[0]), payoffs) is None
        for entry in group
    }
    return {partition: entry for partition, entry in features.items() if partition in scorable}


def _value_days(
    use_case: DecisionChain,
    lake: Lake,
    store: ModelStore,
    version: str,
    policy: Policy,
    features: dict[str, Entry],
    outcomes: dict[str, Entry],
    known_at: datetime,
) -> list[DailyValue]:
    rows = read_training_rows(use_case, lake, features, outcomes, str(known_at), with_groups=True).to_pandas()
    if rows.empty:  # outcomes may take longer to become known than the time between two training days
        return []
    rows["action"] = policy.choose_actions(rows, store.load(version).predict(rows)).action
    return [
        value_of_day(use_case.kpi, str(partition), day, day[use_case.kpi.outcome].to_numpy(float))
        for partition, day in rows.groupby("_partition", sort=True)
    ]


def list_folds(use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date) -> list[Fold]:
    """Return the backtest folds of a recipe up to the day before the local day `as_of`, oldest first.

    recipe: the hash of the recipe. Each fold is the model of one training day, which is valued until the next training
    day. A training day has no fold without a model, or if the model learned from fewer than `gate.min_training_rows`
    rows. Such a model says little about the recipe.
    """
    starts = [day for day in training_days(use_case, as_of) if day < as_of]
    folds = []
    for first, end in pairwise([*starts, as_of]):
        version = find_trained_version(use_case, lake, store, recipe, first)
        if version and store.card(version).rows >= use_case.gate.min_training_rows:
            folds.append(Fold(version, first, end))
    return folds


def find_trained_version(
    use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date
) -> str | None:
    """Return the version of a recipe's model that was trained on the local day `as_of`, or None if there is no model.

    recipe: the hash of the recipe. If the recipe is declared, the model must be trained on the current versions of
    features and outcomes. For any other recipe, return the version whose name sorts last.
    """
    model = declared_recipes(use_case).get(recipe)
    if model is not None:
        try:
            version = plan_training(use_case, lake, as_of, model).version
        except ModelError:  # no training data existed yet on that day, or the features have leakage
            return None
        return version if store.has(version, MODEL) else None
    trained = [v for v in store.versions() if v.startswith(f"{as_of}-") and store.has(v, MODEL)]
    return next((v for v in reversed(trained) if store.card(v).recipe_version == recipe), None)


def run_walk_forward(
    use_case: DecisionChain, lake: Lake, store: ModelStore, recipe: str, as_of: date
) -> list[DailyValue]:
    """Return what a recipe's decisions are worth on each day of the backtest before the local day `as_of`.

    recipe: the hash of the recipe. The oldest day comes first. Each day is decided by the newest model of the recipe
    that never saw that day. All outcomes known at the start of `as_of` count, also those that became known after the
    end of their fold.
    """
    folds = list_folds(use_case, lake, store, recipe, as_of)
    values_of_folds = run_in_parallel(
        lambda fold: score_days(use_case, lake, store, fold.version, fold.first, fold.end, as_of), folds
    )
    return [day for values in values_of_folds for day in values]


@dataclass(frozen=True)
class ValueMetrics:
    """The number of decisions, and the value per 1,000 decisions of the model and of each other way of deciding.

    Money is in the KPI's currency, and None if there are no decisions.
    """

    decisions: int
    model: float | None
    current_process: float | None
    random_choice: float | None
    perfect_foresight: float | None


def value_metrics(days: Sequence[DailyValue]) -> ValueMetrics:
    """Return the number of decisions on some days, and the value per 1,000 decisions of each way of deciding."""
    decisions, days = sum(day.decisions for day in days), deal_over_period(days)

    def per_1000(policy: str) -> float | None:
        total = sum(getattr(day, policy) for day in days)
        return round(1000 * total / decisions, 4) if decisions else None

    return ValueMetrics(decisions, *map(per_1000, POLICIES))
