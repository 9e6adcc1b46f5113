"""Store model versions: training set, fitted model and card. Files are verified by hash and never unpickled.

A version is named `<as_of>-<hash>`. The hash covers the versions of data, recipe and libraries. So training again on
the same data gives the same version and the same bytes. A version is a folder with `training_set.parquet`,
`model.skops` and `card.json` (recipe, features, data versions, file hashes).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sixtyforty.modeling.built_by import FEATURES_SQL, declared_parts
from sixtyforty.modeling.estimators import FittedModel, restore_model
from sixtyforty.modeling.feature_fit import feature_kinds, find_unusable_features, kind_of
from sixtyforty.modeling.features import feature_names
from sixtyforty.modeling.library_versions import library_versions
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.skops_files import ModelError, load_skops, stable_skops
from sixtyforty.modeling.training_plan import TrainingPlan, read_training_rows
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import canonical_json, parquet_bytes, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.partition_columns import columns_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

TRAINING_SET = "training_set.parquet"
MODEL = "model.skops"
CARD = "card.json"
SAMPLE_ROWS = 20  # rows of the training set whose scores the model card records


class ModelStore:
    """The model versions of one use case, one folder each."""

    def __init__(self, root: StoragePath) -> None:
        self.root = root

    def _cards_lock(self) -> AbstractContextManager[None]:
        """Lock all model cards, so that two trainings at the same time don't overwrite each other's changes."""
        return exclusive_lock(self.root / "cards.lock", "write a model card")

    def folder(self, version: str) -> StoragePath:
        """Return the folder of a model version."""
        return self.root / version

    def card(self, version: str) -> ModelCard:
        """Return the model card of a version. Raises ModelError if the card doesn't exist or can't be read."""
        try:
            return ModelCard.from_json((self.folder(version) / CARD).read_bytes())
        except FileNotFoundError as error:
            versions = ", ".join(self.versions()) or "none"
            raise ModelError(
                f"There is no model version {version}. Choose one of the stored versions: {versions}."
            ) from error
        except ModelError as error:
            raise ModelError(
                f"{version}: {error} Restore the folder {self.folder(version)} from a backup, or delete it and run the"
                " chain again: the version is then trained on the same data."
            ) from error

    def read_file(self, version: str, file: str) -> bytes:
        """Return the bytes of a file of a model version. Raises ModelError if the file doesn't exist."""
        try:
            return (self.folder(version) / file).read_bytes()
        except FileNotFoundError as error:
            raise ModelError(
                f"{version}: the file {self.folder(version) / file} is missing. Restore the file from a backup, or"
                " delete the folder and run the chain again."
            ) from error

    def has(self, version: str, file: str) -> bool:
        """Return whether a file of a model version exists and is listed on the version's model card.

        file: `training_set.parquet` or `model.skops`.
        """
        card = self.folder(version) / CARD
        listed = card.exists() and file in self.card(version).files
        return listed and (self.folder(version) / file).exists()

    def versions(self) -> list[str]:
        """Return all model versions that have a model card, sorted by training day, oldest first."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{CARD}"))

    def readable_cards(self, file: str) -> list[ModelCard]:
        """Return the cards of the versions that have the file `file`, sorted by training day, oldest first.

        A version whose card can't be read is left out, because it can neither decide nor be compared.
        """
        cards = []
        for version in self.versions():
            with suppress(ModelError):
                if self.has(version, file):
                    cards.append(self.card(version))
        return cards

    def write_training_set(self, use_case: DecisionChain, lake: Lake, plan: TrainingPlan) -> None:
        """Store the training set of a training plan, and create the model card of its version.

        Only outcomes known at the start of `plan.as_of` are included. Raises ModelError if the declaration names an
        unknown feature, or if no model can learn from a feature's type. Raises it, too, if the declaration doesn't
        allow an outcome or a received action.
        """
        table = read_training_rows(use_case, lake, plan.features, plan.outcomes, str(use_case.day_start(plan.as_of)))
        unseen = use_case.kpi.unseen_columns
        features = [name for name in feature_names(use_case, table.column_names) if name not in unseen]
        _check_declared_features(use_case.name, plan, features)
        _check_feature_types(use_case, plan, table.schema, features)
        _check_outcomes(use_case.kpi, table)
        blob = parquet_bytes(table)
        kinds = {name: kind for name, kind in feature_kinds(table.schema).items() if name in features}
        card = _new_card(use_case, plan, table.num_rows, kinds, hashlib.sha256(blob).hexdigest())
        with self._cards_lock():
            if not self.has(plan.version, TRAINING_SET):  # another process may have just stored the same version
                write_atomic(self.folder(plan.version) / TRAINING_SET, blob)
                write_atomic(self.folder(plan.version) / CARD, card.to_json())

    def hash_version(self, version: str) -> dict[str, str]:
        """Return the SHA-256 of a version's card, model, training set and data versions, by name; empty without a card.

        The hashes of model and training set are those on the card; `verify` compares them with the files.
        """
        try:
            content = (self.folder(version) / CARD).read_bytes()
            card = ModelCard.from_json(content)
        except (FileNotFoundError, ModelError):
            return {}
        data = hashlib.sha256(canonical_json(card.data).encode()).hexdigest()
        return {CARD: hashlib.sha256(content).hexdigest(), **card.files, "data": data}

    def require_bound(self, version: str, bound: Mapping[str, str]) -> None:
        """Raise ModelError if a version's card or files were exchanged since a row of the champion ledger was written.

        bound: the hashes in the row, see `hash_version`; empty in a row of an early release. A version without a card
        can't be loaded, and loading it says why.
        """
        current = self.hash_version(version) if bound else {}
        if exchanged := describe_exchanged(version, current, bound):
            raise ModelError(f"{exchanged}. Restore the folder {self.folder(version)} from a backup.")

    def training_frame(self, version: str) -> pd.DataFrame:
        """Return the training set of a model version."""
        import pandas as pd

        return pd.read_parquet(io.BytesIO((self.folder(version) / TRAINING_SET).read_bytes()))

    def sample_rows(self, card: ModelCard, version: str) -> pd.DataFrame:
        """Return the first SAMPLE_ROWS rows of a version's training set, with the features on its model card.

        Raises ModelError if the training set is missing, or if its hash differs from the one on the model card.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        blob = self.read_file(version, TRAINING_SET)
        if hashlib.sha256(blob).hexdigest() != card.files.get(TRAINING_SET):
            raise ModelError("The training set was changed after the training: the model card records another hash.")
        batches = pq.ParquetFile(pa.BufferReader(blob)).iter_batches(SAMPLE_ROWS, columns=card.features)
        return pa.Table.from_batches([next(batches)]).to_pandas()

    def write_model(self, version: str, model: FittedModel) -> None:
        """Store a fitted model. Add the file's hash, the categories and sample scores to the model card.

        The sample scores are those of the first rows of the training set. Raises ModelError if the estimator contains
        types that `load` refuses.
        """
        from skops.io import dumps

        blob = stable_skops(dumps(model.estimator))
        sha256 = hashlib.sha256(blob).hexdigest()
        stored = load_skops(blob, sha256)
        with self._cards_lock():
            card = self.card(version)
            card = replace(
                card,
                files={**card.files, MODEL: sha256},
                levels=model.levels,
                ignored_features=list(model.ignored),
            )
            scores = score_rows(restore_model(stored, card), self.sample_rows(card, version))
            card = replace(card, sample_scores=scores.tolist())
            write_atomic(self.folder(version) / MODEL, blob)
            write_atomic(self.folder(version) / CARD, card.to_json())

    def load(self, version: str) -> FittedModel:
        """Return the fitted model of a version.

        Raises ModelError if the file's hash differs from the one on the model card, or for untrusted types in the file.
        """
        card, blob = self.card(version), self.read_file(version, MODEL)
        try:
            return restore_model(load_skops(blob, card.files.get(MODEL)), card)
        except ModelError as error:
            raise ModelError(f"The model {version} can't be loaded: {error}") from error


def describe_exchanged(version: str, current: Mapping[str, str], bound: Mapping[str, str]) -> str:
    """Return which parts of a version aren't those of the champion ledger, without full stop; empty if all are.

    current: the hashes of the version, see `ModelStore.hash_version`; empty without a card. bound: those in the ledger.
    """
    exchanged = sorted(name for name, sha256 in bound.items() if current and current.get(name) != sha256)
    return f"{version}: {', '.join(exchanged)} isn't the one that the champion ledger recorded" if exchanged else ""


def score_rows(model: FittedModel, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the model's scores of rows, as `FittedModel.predict` does. Raises ModelError if the model can't score."""
    try:
        return model.predict(rows)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ModelError(f"The model can't score the first rows of its training set: {error}.") from error


def _new_card(use_case: DecisionChain, plan: TrainingPlan, rows: int, kinds: dict[str, str], sha256: str) -> ModelCard:
    """Return the model card of a new training set. kinds: the kind of each feature, in the order of the features."""
    treatment = use_case.kpi.treatment
    return ModelCard(
        version=plan.version,
        use_case=use_case.first_name,
        as_of=plan.as_of,
        rows=rows,
        first=min(plan.features),
        last=max(plan.features),
        missing_days=plan.missing,
        features=list(kinds),
        recipe=Model(**plan.model.to_recipe()),
        recipe_version=plan.recipe,
        data={
            "features": versions_by_partition(plan.features),
            "outcomes": versions_by_partition(plan.outcomes),
        },
        data_version=plan.data_version,
        libraries=library_versions(),
        files={TRAINING_SET: sha256},
        treatment=treatment.column if treatment else None,
        actions=use_case.kpi.actions_by_cost if treatment else [],
        feature_kinds=kinds,
        features_sql=declared_parts(use_case, "features")[FEATURES_SQL],
    )


def _check_declared_features(name: str, plan: TrainingPlan, features: list[str]) -> None:
    for field, declared in (
        ("monotone_constraints", plan.model.monotone_constraints),
        ("reasons", plan.model.reasons),
    ):
        unknown = sorted(declared.keys() - set(features))
        if unknown:
            raise ModelError(
                f"{name}: model.{field} names {', '.join(unknown)}, which features.sql doesn't return."
                f" Choose from the features that features.sql returns: {', '.join(features)}."
            )


def _check_feature_types(use_case: DecisionChain, plan: TrainingPlan, schema: pa.Schema, features: list[str]) -> None:
    treatment = use_case.kpi.treatment.column if use_case.kpi.treatment else None
    columns = {name: kind for name, kind in columns_of(schema).items() if name in features and name != treatment}
    problems = find_unusable_features(columns, plan.model.categorical)
    if problems:
        listed = "; ".join(f"the feature '{feature}' {problem}" for feature, problem in problems.items())
        raise ModelError(f"{use_case.name}: no model can learn from features.sql: {listed}.")


def _check_outcomes(kpi: Kpi, table: pa.Table) -> None:
    """Raise ModelError if a binary outcome isn't 0 or 1, if a number isn't finite, or if an action isn't declared."""
    import numpy as np

    outcome_type = str(table.schema.field(kpi.outcome).type)
    if kind_of(outcome_type) != "number":
        raise ModelError(
            f"outcomes.sql: {kpi.outcome} is of the type {outcome_type}. Return a number, or true and false."
        )
    if kpi.outcome_type == "binary":
        invalid = int((~table[kpi.outcome].to_pandas().isin([0, 1])).sum())
        if invalid:
            count = format_plural(invalid, "row")
            raise ModelError(
                f"outcomes.sql: {kpi.outcome} is neither 0 nor 1 in {count}."
                " Correct outcomes.sql, or declare kpi.outcome_type: number."
            )
    elif invalid := int((~np.isfinite(table[kpi.outcome].to_pandas().to_numpy(float))).sum()):
        raise ModelError(
            f"outcomes.sql: {kpi.outcome} is not a finite number in {format_plural(invalid, 'row')}. Materialize the"
            " asset `outcomes` of the training window again, which makes such outcomes unknown."
        )
    if kpi.treatment:
        unknown = set(table[kpi.treatment.column].to_pylist()) - kpi.actions.keys()
        if unknown:
            raise ModelError(
                f"outcomes.sql: the column '{kpi.treatment.column}' (kpi.treatment.column) holds {sorted(unknown)},"
                f" expected one of the declared actions: {', '.join(kpi.actions)}."
            )
