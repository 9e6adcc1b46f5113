"""Models: what they learn from, and a store that never unpickles.

A model version is named `<as_of>-<hash>`: the hash covers the versions of its data and its recipe, so training
again on the same data gives the same version, and the same bytes. It is a folder with `training_set.parquet`,
`model.skops` and `card.json` (recipe, features, data versions, file hashes).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.estimators import FittedModel, fit_model, restore_model
from sixtyforty.modeling.features import feature_names
from sixtyforty.modeling.skops_files import ModelError, load_skops, stable_skops
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, Lake, alone, canonical, digest, parquet, versions, write_atomic
from sixtyforty.storage.object_store import Where

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class TrainingPlan:
    """What a model of the day `as_of` would learn from: known before a row is read, so nothing is trained twice."""

    as_of: date
    features: dict[str, Entry]
    outcomes: dict[str, Entry]
    missing: list[str]  # days of the window without features or outcomes
    model: Model
    recipe: str  # hash of the declared recipe
    data_version: str

    @property
    def version(self) -> str:
        """`<as_of>-<hash of data and recipe>`: the same data and recipe, the same version."""
        return f"{self.as_of}-{digest({'data': self.data_version, 'recipe': self.recipe})[:8]}"


def training_days(use_case: UseCase, until: date) -> list[date]:
    """The local days on which a replay trains, up to `until`, as `replay.retrain` says; after its warm-up."""
    first = use_case.partitions.start + timedelta(days=use_case.replay.warm_up_days)
    if use_case.replay.retrain == "decision":
        held = use_case.decision_partitions(use_case.starting_between(first, until + timedelta(days=1)))
        return sorted({use_case.first_day(p) for p in held})
    days = [first + timedelta(days=n) for n in range((until - first).days + 1)]
    begins = {"day": lambda d: True, "week": lambda d: d.weekday() == 0, "month": lambda d: d.day == 1}
    return [d for d in days if begins[use_case.replay.retrain](d)]


def recipe_fields(model: Model) -> dict[str, Any]:
    """What of a declared model makes its recipe: not the words it is explained in, nor what nothing is said of."""
    said = model.model_dump(exclude={"reasons", "candidates"})
    return {k: v for k, v in said.items() if v or k not in ("monotone_constraints", "vetoes", "target")}


def hash_recipe(use_case: UseCase, model: Model | None = None) -> str:
    """Hash of what makes a recipe: the model (None: the declared one) and the SQL of its features."""
    return digest({"model": recipe_fields(model or use_case.model), "features": use_case.sql("features")})


def declared_recipes(use_case: UseCase) -> dict[str, Model]:
    """Hash to model of each recipe that is declared: the model itself first, then its candidates."""
    every = [use_case.model, *map(use_case.model.with_alternative, use_case.model.alternatives)]
    return {hash_recipe(use_case, m): m for m in every}


def plan_training(use_case: UseCase, lake: Lake, as_of: date, model: Model | None = None) -> TrainingPlan:
    """The trailing window before the local day `as_of`. Raises ModelError when there is nothing to learn from."""
    model = model or use_case.model
    first = max(as_of - timedelta(days=model.training_days), use_case.partitions.start)
    window = use_case.partitions_with_units(use_case.starting_between(first, as_of))
    features, outcomes = lake.entries("features", window), lake.entries("outcomes", window)
    missing = [p for p in window if p not in features or p not in outcomes]
    if len(missing) == len(window):
        raise ModelError(f"{use_case.name}: nothing to learn from between {first} and {as_of}: materialize features")
    data = {"features": versions(features), "outcomes": versions(outcomes)}
    return TrainingPlan(as_of, features, outcomes, missing, model, hash_recipe(use_case, model), digest(data))


def read_training_rows(
    use_case: UseCase, lake: Lake, features: dict[str, Entry], outcomes: dict[str, Entry], known: str
) -> pa.Table:
    """Feature rows joined with their outcomes known by a UTC moment, sorted by decided_at and key.

    Of a treatment: those it was dealt to, with the action they got.
    """
    key = ", ".join(f'"{c}"' for c in use_case.decision.key)
    became = ", ".join(f'o."{c}"' for c in use_case.kpi.outcome_columns)
    known_all = " and ".join(f'o."{c}" is not null' for c in use_case.kpi.outcome_columns)
    with connect(use_case.timezone) as db:
        return db.sql(
            f"""select f.*, {became} from {lake.rows(features.values())} f
            join {lake.rows(outcomes.values())} o using (_partition, {key})
            where {known_all} and o.known_at <= timestamp '{known}'
            order by _partition, f.decided_at, {key}"""
        ).to_arrow_table()


class ModelStore:
    """Model versions of one use case, a folder each."""

    def __init__(self, root: Where) -> None:
        self.root = root

    def _cards(self) -> AbstractContextManager[None]:
        """Two retrains at once lose nothing of each other's on a card."""
        return alone(self.root / "cards.lock")

    def folder(self, version: str) -> Where:
        """Where a version lies."""
        return self.root / version

    def card(self, version: str) -> dict[str, Any]:
        """What is known of a version. Raises ModelError when there is none."""
        try:
            return dict(json.loads((self.folder(version) / "card.json").read_bytes()))
        except FileNotFoundError as error:
            have = ", ".join(sorted(p.parent.name for p in self.root.glob("*/card.json"))) or "none"
            raise ModelError(f"there is no model {version}; there are: {have}") from error

    def write_training_set(self, use_case: UseCase, lake: Lake, plan: TrainingPlan) -> None:
        """Keeps the rows a model of this plan learns from, all known at the start of `as_of`, and begins its card.

        Raises ModelError where the declaration speaks of a feature that there isn't.
        """
        table = read_training_rows(use_case, lake, plan.features, plan.outcomes, str(use_case.day_start(plan.as_of)))
        blob = parquet(table)
        names_ = [c for c in feature_names(use_case, table.column_names) if c != use_case.kpi.outcome]
        unknown = sorted((plan.model.monotone_constraints.keys() | plan.model.reasons.keys()) - set(names_))
        if unknown:
            raise ModelError(f"{use_case.name}: model.monotone or model.words name what is no feature: {unknown}")
        _fits(use_case.kpi, table)
        card = {
            "version": plan.version,
            "use_case": use_case.name,
            "as_of": plan.as_of.isoformat(),
            "rows": table.num_rows,
            "first": min(plan.features),
            "last": max(plan.features),
            "missing_days": plan.missing,
            "features": names_,
            "recipe": recipe_fields(plan.model),
            **(
                {"treatment": use_case.kpi.treatment.column, "actions": use_case.kpi.actions_by_cost}
                if use_case.kpi.treatment
                else {}
            ),
            "recipe_version": plan.recipe,
            "data": {"features": versions(plan.features), "outcomes": versions(plan.outcomes)},
            "data_version": plan.data_version,
            "files": {"training_set.parquet": hashlib.sha256(blob).hexdigest()},
        }
        with self._cards():
            if not self.has(plan.version, "training_set.parquet"):  # by another, since we looked: it may have its model
                write_atomic(self.folder(plan.version) / "training_set.parquet", blob)
                write_atomic(self.folder(plan.version) / "card.json", canonical(card).encode())

    def has(self, version: str, file: str) -> bool:
        """Whether the version's card vouches for the file (`training_set.parquet`, `model.skops`) and it is there."""
        card = self.folder(version) / "card.json"
        return (
            card.exists() and file in json.loads(card.read_bytes())["files"] and (self.folder(version) / file).exists()
        )

    def versions(self) -> list[str]:
        """All versions with a card, oldest training day first."""
        return sorted(p.parent.name for p in self.root.glob("*/card.json"))

    def training_frame(self, version: str) -> pd.DataFrame:
        """The very rows a version learned from."""
        import pandas as pd

        return pd.read_parquet(io.BytesIO((self.folder(version) / "training_set.parquet").read_bytes()))

    def write_model(self, version: str, model: FittedModel) -> None:
        """Keeps a fitted model and puts its hash and categories on the card.

        Raises ModelError for an estimator that `load` would refuse.
        """
        from skops.io import dumps

        blob = stable_skops(dumps(model.estimator))
        sha = hashlib.sha256(blob).hexdigest()
        load_skops(blob, sha)
        with self._cards():
            card = self.card(version)
            card["files"]["model.skops"] = sha
            card["levels"] = model.levels
            write_atomic(self.folder(version) / "model.skops", blob)
            write_atomic(self.folder(version) / "card.json", canonical(card).encode())

    def load(self, version: str) -> FittedModel:
        """The fitted model. Raises ModelError when its bytes aren't those on the card, or hold foreign types."""
        card = self.card(version)
        blob = (self.folder(version) / "model.skops").read_bytes()
        return restore_model(load_skops(blob, card["files"].get("model.skops")), card)


def _fits(kpi: Kpi, table: pa.Table) -> None:
    """Raises ModelError where outcomes or dealt actions aren't what the declaration says of them."""
    if kpi.outcome_type == "binary":
        wrong = int((~table[kpi.outcome].to_pandas().isin([0, 1])).sum())
        if wrong:
            raise ModelError(
                f"{wrong} values of {kpi.outcome} are neither 0 nor 1: mend outcomes.sql, or say"
                " kpi.outcome_type: number"
            )
    if kpi.treatment:
        strange = set(table[kpi.treatment.column].to_pylist()) - kpi.actions.keys()
        if strange:
            raise ModelError(
                f"kpi.treatment.column '{kpi.treatment.column}' holds what is no action: {sorted(strange)}"
            )


def train_models(store: ModelStore, kpi: Kpi, versions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Fits and keeps a model for each version's training set; yields version and rows as each is done.

    Several are fitted side by side, a thread a core: estimators work outside of Python's lock, and a fit killed with
    its run leaves whole files or none.
    """
    from joblib import Parallel, delayed

    longest_first = sorted(versions, key=lambda v: -store.card(v)["rows"])  # then the cores end at about the same time
    fits = (delayed(_train)(store, kpi, v) for v in longest_first)
    yield from Parallel(n_jobs=-1, prefer="threads", return_as="generator")(fits)


def _train(store: ModelStore, kpi: Kpi, version: str) -> tuple[str, int]:
    card, frame = store.card(version), store.training_frame(version)
    store.write_model(version, fit_model(Model(**card["recipe"]), kpi, card["features"], frame))
    return version, len(frame)
