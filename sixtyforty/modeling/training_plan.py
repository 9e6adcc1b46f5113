"""Plan the training of models: the recipe, the window of partitions, and the training days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sixtyforty.modeling import built_by
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import require_sound, select_tainted
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.recipe import Model
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.unit_groups import GROUP_COLUMN, group_sql

if TYPE_CHECKING:
    import pyarrow as pa


class TooEarlyError(ModelError):
    """A model can't be trained yet, because its training window contains no features with outcomes."""


@dataclass(frozen=True)
class TrainingPlan:
    """The data and the recipe of a model that is trained on the local day `as_of`.

    `features` and `outcomes` are the manifests of the training data, by partition. The model version is computed
    without reading rows, so an existing version is recognized early. `missing` lists the partitions of the training
    window without features or outcomes, except for those of closed days. `outdated` lists the partitions of the window
    that are left out because an earlier features.sql built their features.
    `recipe` is the hash of the declared recipe.
    """

    as_of: date
    features: dict[str, Entry]
    outcomes: dict[str, Entry]
    missing: list[str]
    model: Model
    recipe: str
    data_version: str
    outdated: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The model version, `<as_of>-<hash>`. The hash covers data, recipe and libraries."""
        return version_name(self.as_of, self.data_version, self.recipe, library_versions())


def version_name(as_of: date, data_version: str, recipe: str, libraries: Mapping[str, str]) -> str:
    """Return the name of a model version: `<as_of>-<hash of data, recipe and libraries>`."""
    identity = {"data": data_version, "recipe": recipe, "libraries": dict(libraries)}
    return f"{as_of}-{digest(identity)[:8]}"


def training_days(use_case: DecisionChain, until: date) -> list[date]:
    """Return the local days on which a replay trains a model, oldest first, up to and including `until`.

    `replay.warm_up_days` sets the first day, and `replay.retrain` sets the interval.
    """
    first = use_case.partitions.start + timedelta(days=use_case.replay.warm_up_days)
    if use_case.replay.retrain == "decision":
        partitions = use_case.decision_partitions(use_case.starting_between(first, until + timedelta(days=1)))
        return sorted({use_case.first_day(partition) for partition in partitions})
    days = [first + timedelta(days=n) for n in range((until - first).days + 1)]
    if use_case.replay.retrain == "week":
        return [day for day in days if day.weekday() == 0]
    if use_case.replay.retrain == "month":
        return [day for day in days if day.day == 1]
    return days


def hash_recipe(use_case: DecisionChain, model: Model | None = None) -> str:
    """Return the hash of a recipe, which covers the declared model and the SQL of its features.

    model: a declared alternative. None stands for the declared model.
    """
    return digest({"model": (model or use_case.model).to_recipe(), "features": use_case.sql("features")})


def declared_recipes(use_case: DecisionChain) -> dict[str, Model]:
    """Return each declared recipe by its hash: the model first, then its alternatives."""
    alternatives = [use_case.model.with_alternative(name) for name in use_case.model.alternatives]
    return {hash_recipe(use_case, model): model for model in [use_case.model, *alternatives]}


def plan_training(use_case: DecisionChain, lake: Lake, as_of: date, model: Model | None = None) -> TrainingPlan:
    """Plan a model that learns from the last `model.training_days` days before the local day `as_of`.

    Raises TooEarlyError if the window has no features with outcomes, and TaintedDataError if features have leakage.
    """
    model = model or use_case.model
    first = max(as_of - timedelta(days=model.training_days), use_case.partitions.start)
    window = use_case.partitions_with_units(use_case.starting_between(first, as_of))
    entries, outcomes = lake.entries("features", window), lake.entries("outcomes", window)
    outdated = built_by.select_outdated(use_case, entries)
    features = {partition: entry for partition, entry in entries.items() if partition not in outdated}
    without_rows = [partition for partition in window if partition not in features or partition not in outcomes]
    missing = [partition for partition in without_rows if not use_case.is_on_closed_day(partition)]
    if len(without_rows) == len(window):
        raise TooEarlyError(
            f"{use_case.name}: no features with outcomes exist between {first} and {as_of}."
            f" {describe_outdated(outdated) or 'Materialize the assets `features` and `outcomes` of these days first.'}"
        )
    require_sound(select_tainted(features.values()), f"{use_case.name}: no model can be trained as of {as_of}")
    versions = {"features": versions_by_partition(features), "outcomes": versions_by_partition(outcomes)}
    recipe = hash_recipe(use_case, model)
    return TrainingPlan(as_of, features, outcomes, missing, model, recipe, digest(versions), outdated)


def describe_outdated(outdated: Sequence[str]) -> str:
    """Return two sentences about the partitions that the training leaves out as outdated.

    An earlier features.sql built their features. Without outdated partitions, return an empty text.
    """
    if not outdated:
        return ""
    partitions = format_plural(len(outdated), "partition")
    return (
        f"The training leaves out {partitions} from {outdated[0]} to {outdated[-1]}, whose features an earlier"
        " features.sql built. Build these features again."
    )


def read_training_rows(
    use_case: DecisionChain,
    lake: Lake,
    features: dict[str, Entry],
    outcomes: dict[str, Entry],
    known_at: str,
    with_groups: bool = False,
) -> pa.Table:
    """Return feature rows joined with their outcomes, sorted by partition, decided_at and key.

    Only units whose outcome was known at `known_at` (UTC) are returned. If a treatment is declared, each unit must have
    received an action, which is returned too. with_groups: if units recur, also return the group of each unit as
    GROUP_COLUMN. Raises TaintedDataError if features have leakage.
    """
    require_sound(select_tainted(features.values()), f"{use_case.name}: no model can be trained or valued")
    key, columns = identifiers(use_case.decision.key), use_case.kpi.outcome_columns
    all_known = " and ".join(f"o.{identifier(column)} is not null" for column in columns)
    group = (
        f", {group_sql(use_case.decision.key, 'f')} as {GROUP_COLUMN}" if with_groups and use_case.units_recur else ""
    )
    with lake.open_session(use_case.timezone) as db:
        return db.sql(
            f"""select f.*, {identifiers(columns, "o.")}{group} from {lake.select_rows(features.values())} f
            join {lake.select_rows(outcomes.values())} o using (_partition, {key})
            where {all_known} and o.known_at <= timestamp '{known_at}'
            order by _partition, f.decided_at, {key}"""
        ).to_arrow_table()
