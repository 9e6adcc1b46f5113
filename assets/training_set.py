"""training_set: what each model learns from, recorded before anything is trained.

With `as_of` set, the training day is its local day; without, a replay goes through them as they were
lived. A day's models are the folds of the next one's backtest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import table
from sixtyforty.modeling import model_store
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest

POOL = "dvc"  # one writer at a time


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The training_set of a use case."""
    return [
        stage(
            use_case,
            "training_set",
            _training_set,
            phase="modeling",
            kinds={"dvc", "parquet"},
            pool=POOL,
            deps=["features", "outcomes"],
            partitioned=False,
            description="What each model learns from: the trailing window as known on its training day, recorded by"
            " DVC with the raw and validated data before anything is trained.",
        )
    ]


def training_days(step: Step) -> list[date]:
    """The days this run trains as of: its own, or, in a replay of everything, all of `replay.retrain`."""
    moment = step.clock.moment()
    if moment is not None:
        return [step.use_case.local_day(moment)]
    have = step.ws.lake.partitions("features")
    return model_store.schedule(step.use_case, step.use_case.day_of(have[-1])) if have else []


def plans_of(step: Step) -> list[model_store.Plan]:
    """What the models of each of those days would learn from, one of each recipe."""
    recipes = model_store.recipes(step.use_case).values()
    return [model_store.plan(step.use_case, step.ws.lake, day, m) for day in training_days(step) for m in recipes]


def _training_set(step: Step) -> Result:
    plans, store = plans_of(step), step.ws.models
    missing = [p for p in plans if not store.has(p.version, "training_set.parquet")]
    with ThreadPoolExecutor(2) as pool:  # DuckDB and Parquet work outside of Python's lock; two sets are in memory
        list(pool.map(partial(store.write_training_set, step.use_case, step.ws.lake), missing))
    root = step.ws.lake.root
    datasets = [root / kind / s for kind in ("raw", "validated") for s in step.use_case.inputs]
    recorded = step.place.versions().snapshot([*datasets, *(store.folder(p.version) for p in plans)])
    step.log.info(f"training_set: {len(missing)} new of {len(plans)}, {recorded} things recorded")
    if not plans:
        return Result()
    rows = [
        {
            "model": p.version,
            "first day": min(p.features),
            "last day": max(p.features),
            "rows": store.card(p.version)["rows"],
            "missing days": len(p.missing),
        }
        for p in plans
    ]
    shown = {
        "training sets": table(rows),
        "dagster/row_count": rows[-1]["rows"],
        "data version": plans[-1].data_version,
    }
    return Result({SNAPSHOT: Published(digest([p.data_version for p in plans]), shown)})
