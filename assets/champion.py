"""champion: the gate, the ledger, and what goes to the DVC remote."""

from __future__ import annotations

from datetime import date
from functools import partial

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import table
from assets.training_set import POOL, training_days
from sixtyforty.lifecycle import champions
from sixtyforty.modeling.backtest import folds, promote, trained
from sixtyforty.modeling.dvc_recipe import fill
from sixtyforty.modeling.model_store import recipes
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The champion of a use case."""
    return [
        stage(
            use_case,
            "champion",
            _champion,
            phase="evaluation",
            kinds={"dvc"},
            pool=POOL,
            deps=["backtest"],
            partitioned=False,
            description="The gate's verdict on each challenger, in the append-only ledger; what is promoted decides"
            " from its day on.",
        )
    ]


def _champion(step: Step) -> Result:
    ws, live, moment = step.ws, step.clock.track == "live", step.clock.moment()
    promoted = champions.promote_approved(ws, moment) if live and moment else []
    days = [d for d in training_days(step) if d >= step.use_case.replay.first_day]
    if live:  # an approval's run trains nothing
        have = partial(trained, step.use_case, ws.lake, ws.models)
        days = [d for d in days if any(have(recipe, d) for recipe in recipes(step.use_case))]
    judged = [*promoted, *promote(step.use_case, ws.lake, ws.models, ws.ledger, step.clock.track, days, moment)]
    if not judged:
        step.log.info("champion: no training day yet to judge")
        return Result()
    for row in judged:
        step.log.info(f"{row.as_of} {row.verdict} {row.version}: {'; '.join(row.reasons)}")
    newest, versions = judged[-1], step.place.versions()
    before = folds(
        step.use_case,
        ws.lake,
        ws.models,
        ws.models.card(newest.version)["recipe_version"],
        date.fromisoformat(newest.as_of),
    )
    folder = ws.home / "data" / "recipe" / step.use_case.name
    if before and (ws.home / "dvc.yaml").exists():
        fill(step.use_case, ws.models, newest.version, before[-1][0], folder)
        versions.snapshot([folder / n for n in ("training_set.parquet", "recipe.json", "fold.skops")])
        versions.commit([f"{s}@{step.use_case.name}" for s in ("train", "evaluate")])
    pushed = versions.publish()
    step.log.info(f"{pushed} objects pushed to the DVC remote")
    rows = [{"as of": r.as_of, "verdict": r.verdict, "model": r.version, "why": "; ".join(r.reasons)} for r in judged]
    in_force = ws.ledger.champions(step.clock.track)
    shown = {"judgements": table(rows), "in force": in_force[-1].version if in_force else "none: the current process"}
    return Result({SNAPSHOT: Published(digest([r.hash for r in ws.ledger.rows()]), shown)})
