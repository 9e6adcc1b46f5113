"""challenger: a model for each training day."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.training_set import POOL, plans_of
from sixtyforty.modeling import model_store
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The challenger of a use case."""
    return [
        stage(
            use_case,
            "challenger",
            _challenger,
            phase="modeling",
            kinds={"scikitlearn", "dvc"},
            pool=POOL,
            deps=["training_set"],
            partitioned=False,
            description="A model of each recipe for each training day that has none yet, kept with skops, recorded by"
            " DVC.",
        )
    ]


def _challenger(step: Step) -> Result:
    store, made = step.ws.models, []
    plans = plans_of(step)
    due = [p.version for p in plans if not store.has(p.version, "model.skops")]
    for version, rows in model_store.train(store, step.use_case.kpi, due):
        made.append(version)
        step.log.info(f"trained {version} on {rows:,} rows")
    step.place.versions().snapshot([store.folder(p.version) for p in plans])
    if not plans:
        return Result()
    shown = {"models": ", ".join(p.version for p in plans), "newly trained": len(made)}
    return Result({SNAPSHOT: Published(digest([p.version for p in plans]), shown)})
