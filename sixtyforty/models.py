"""Models: what they learn from, fitting, scoring, and a store that never unpickles.

A model version is named `<as_of>-<hash>`: the hash covers the versions of its data and its recipe, so training
again on the same data gives the same version, and the same bytes. It is a folder with `training_set.parquet`,
`model.skops` and `card.json` (recipe, features, data versions, file hashes).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.features import names
from sixtyforty.lake import Entry, Lake, alone, canonical, connect, digest, versions, write_atomic
from sixtyforty.modeling import Model
from sixtyforty.use_case import UseCase

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

# What a model file may hold beside scikit-learn's and NumPy's plain types: our list, never the file's own.
# (partial and check_array: what gradient boosting wraps its categories in; skops audits what a partial holds.)
TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]

PARALLEL_ROWS = 200_000  # from here on, a fit takes longer than starting a process for it


class ModelError(ValueError):
    """A model that can't be trained or trusted."""


@dataclass(frozen=True)
class Plan:
    """What a model of the day `as_of` would learn from: known before a row is read, so nothing is trained twice."""

    as_of: date
    features: dict[str, Entry]
    outcomes: dict[str, Entry]
    missing: list[str]  # days of the window without features or outcomes
    recipe: str  # hash of the declared recipe
    data_version: str

    @property
    def version(self) -> str:
        """`<as_of>-<hash of data and recipe>`: the same data and recipe, the same version."""
        return f"{self.as_of}-{digest({'data': self.data_version, 'recipe': self.recipe})[:8]}"


def schedule(use_case: UseCase, until: date) -> list[date]:
    """The local days on which a replay trains, up to `until`, as `replay.retrain` says; after its warm-up."""
    first = use_case.partitions.start + timedelta(days=use_case.replay.warm_up)
    if use_case.replay.retrain == "decision":
        held = use_case.deciding(use_case.between(first, until + timedelta(days=1)))
        return sorted({use_case.day_of(p) for p in held})
    days = [first + timedelta(days=n) for n in range((until - first).days + 1)]
    begins = {"day": lambda d: True, "week": lambda d: d.weekday() == 0, "month": lambda d: d.day == 1}
    return [d for d in days if begins[use_case.replay.retrain](d)]


def declared(model: Model) -> dict[str, Any]:
    """What of a declared model makes its recipe: not the words it is explained in, nor what nothing is said of."""
    return {k: v for k, v in model.model_dump(exclude={"words"}).items() if v or k not in ("monotone", "vetoes")}


def recipe_of(use_case: UseCase) -> str:
    """Hash of what makes a recipe: the declared model and the SQL of its features."""
    return digest({"model": declared(use_case.model), "features": use_case.sql("features")})


def plan(use_case: UseCase, lake: Lake, as_of: date) -> Plan:
    """The trailing window before the local day `as_of`. Raises ModelError when there is nothing to learn from."""
    first = max(as_of - timedelta(days=use_case.model.training_days), use_case.partitions.start)
    window = use_case.with_units(use_case.between(first, as_of))
    features, outcomes = lake.entries("features", window), lake.entries("outcomes", window)
    missing = [p for p in window if p not in features or p not in outcomes]
    if len(missing) == len(window):
        raise ModelError(f"{use_case.name}: nothing to learn from between {first} and {as_of}: materialize features")
    data = {"features": versions(features), "outcomes": versions(outcomes)}
    return Plan(as_of, features, outcomes, missing, recipe_of(use_case), digest(data))


def rows(use_case: UseCase, lake: Lake, features: dict[str, Entry], outcomes: dict[str, Entry], known: str) -> pa.Table:
    """Feature rows joined with their outcomes known by a UTC moment, sorted by decided_at and key."""
    key = ", ".join(f'"{c}"' for c in use_case.decision.key)
    with connect(use_case.timezone) as db:
        return db.sql(
            f"""select f.*, o."{use_case.kpi.outcome}" from {lake.rows(features.values())} f
            join {lake.rows(outcomes.values())} o using (_partition, {key})
            where o."{use_case.kpi.outcome}" is not null and o.known_at <= timestamp '{known}'
            order by _partition, f.decided_at, {key}"""
        ).to_arrow_table()


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator and how rows become its matrix: `levels` maps a category to the values it learned."""

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]

    def matrix(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Shape (n, features), float32; a category is its number, one never seen is missing."""
        import numpy as np

        columns = [
            frame[f].map({v: i for i, v in enumerate(self.levels[f])}) if f in self.levels else frame[f]
            for f in self.features
        ]
        return np.column_stack([c.to_numpy(dtype="float32", na_value=np.nan) for c in columns])

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The expected outcome of each row, shape (n,): the probability of 1."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="openmp"):
            result: NDArray[np.float64] = self.estimator.predict_proba(self.matrix(frame))[:, 1]
        return result


def fit(recipe: Model, features: Sequence[str], frame: pd.DataFrame, outcome: NDArray[np.float64]) -> Fitted:
    """Fits the declared estimator; deterministic. One OpenMP thread: two were measured slower, even alone."""
    from threadpoolctl import threadpool_limits

    module, _, name = recipe.estimator.rpartition(".")
    estimator = getattr(importlib.import_module(module), name)(**recipe.params)
    settings = {
        "random_state": recipe.seed,
        "categorical_features": [i for i, f in enumerate(features) if f in recipe.categorical],
    }
    if recipe.monotone:
        settings["monotonic_cst"] = [recipe.monotone.get(f, 0) for f in features]
    accepted = estimator.get_params()
    estimator.set_params(**{k: v for k, v in settings.items() if k in accepted})
    levels = {f: sorted(frame[f].dropna().unique().tolist()) for f in features if f in recipe.categorical}
    model = Fitted(estimator, list(features), levels)
    with threadpool_limits(limits=1, user_api="openmp"):
        estimator.fit(model.matrix(frame), outcome)
    return model


class ModelStore:
    """Model versions of one use case, a folder each."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _cards(self) -> AbstractContextManager[None]:
        """Two retrains at once lose nothing of each other's on a card."""
        return alone(self.root / "cards.lock")

    def folder(self, version: str) -> Path:
        """Where a version lies."""
        return self.root / version

    def card(self, version: str) -> dict[str, Any]:
        """What is known of a version. Raises ModelError when there is none."""
        try:
            return dict(json.loads((self.folder(version) / "card.json").read_bytes()))
        except FileNotFoundError as error:
            have = ", ".join(sorted(p.parent.name for p in self.root.glob("*/card.json"))) or "none"
            raise ModelError(f"there is no model {version}; there are: {have}") from error

    def write_training_set(self, use_case: UseCase, lake: Lake, plan: Plan) -> None:
        """Keeps the rows a model of this plan learns from, all known at the start of `as_of`, and begins its card.

        Raises ModelError where the declaration speaks of a feature that there isn't.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = rows(use_case, lake, plan.features, plan.outcomes, str(use_case.starts(plan.as_of)))
        sink = pa.BufferOutputStream()
        pq.write_table(table.combine_chunks(), sink, compression="zstd")
        blob = sink.getvalue().to_pybytes()
        names_ = [c for c in names(use_case, table.column_names) if c != use_case.kpi.outcome]
        unknown = sorted((use_case.model.monotone.keys() | use_case.model.words.keys()) - set(names_))
        if unknown:
            raise ModelError(f"{use_case.name}: model.monotone or model.words name what is no feature: {unknown}")
        card = {
            "version": plan.version,
            "use_case": use_case.name,
            "as_of": plan.as_of.isoformat(),
            "rows": table.num_rows,
            "first": min(plan.features),
            "last": max(plan.features),
            "missing_days": plan.missing,
            "features": names_,
            "recipe": declared(use_case.model),
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

        return pd.read_parquet(self.folder(version) / "training_set.parquet")

    def write_model(self, version: str, model: Fitted) -> None:
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

    def load(self, version: str) -> Fitted:
        """The fitted model. Raises ModelError when its bytes aren't those on the card, or hold foreign types."""
        card = self.card(version)
        blob = (self.folder(version) / "model.skops").read_bytes()
        return Fitted(load_skops(blob, card["files"].get("model.skops")), card["features"], card["levels"])


def train(store: ModelStore, recipe: Model, outcome: str, versions: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Fits and keeps a model for each version's training set; yields version and rows as each is done.

    Several large ones are fitted side by side, a process a core: one killed with its run leaves whole files or none.
    """
    from joblib import Parallel, delayed

    work = {v: store.card(v)["rows"] for v in versions}
    jobs = min(len(work), os.cpu_count() or 1) if sum(work.values()) > PARALLEL_ROWS else 1
    longest_first = sorted(work, key=lambda v: -work[v])  # then the cores end at about the same time
    fits = (delayed(_train)(store, recipe, outcome, v) for v in longest_first)
    yield from Parallel(n_jobs=jobs, return_as="generator")(fits)


def _train(store: ModelStore, recipe: Model, outcome: str, version: str) -> tuple[str, int]:
    frame = store.training_frame(version)
    store.write_model(version, fit(recipe, store.card(version)["features"], frame, frame[outcome].to_numpy(float)))
    return version, len(frame)


def load_skops(blob: bytes, sha256: str | None) -> Any:
    """Loads a model file whose hash is known, with our allow-list. Raises ModelError."""
    from zipfile import BadZipFile

    from skops.io import loads
    from skops.io.exceptions import UntrustedTypesFoundException

    if hashlib.sha256(blob).hexdigest() != sha256:
        raise ModelError("the model file is not the one that was trained: its hash differs; restore it")
    try:
        return loads(blob, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"the model file holds types we don't trust: {error}") from error
    except BadZipFile as error:
        raise ModelError("not a model file as skops writes it; train again") from error


def stable_skops(blob: bytes) -> bytes:
    """A skops file whose object ids are counted instead of memory addresses: the same model, the same bytes."""
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(blob)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    schema = json.loads(members.pop("schema.json"))
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}

    def renumber(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            if key == "__id__":
                node[key] = numbers.setdefault(value, len(numbers))
            elif key == "file" and isinstance(value, str) and value in members:
                node[key] = files.setdefault(value, f"{len(files)}{Path(value).suffix}")
            else:
                renumber(value)
        for value in node if isinstance(node, list) else ():
            renumber(value)

    renumber(schema)
    renamed = {"schema.json": json.dumps(schema, indent=1).encode()} | {files[n]: m for n, m in members.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in sorted(renamed):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            new.writestr(info, renamed[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()
