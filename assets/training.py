"""training_set, challenger, backtest, champion: from data to the model in force, one ledger row a training day.

With `as_of` set, the training day is its local day; without, a replay goes through the month starts as they were
lived. A day's models are the folds of the next one's backtest.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import dagster as dg

from assets.raw import table
from assets.stage import Published, Result, Step, stage
from sixtyforty import models
from sixtyforty.backtest import folds, metrics, promote, walk_forward
from sixtyforty.impact import lift
from sixtyforty.lake import digest
from sixtyforty.recipe import fill
from sixtyforty.use_case import SNAPSHOT, UseCase

POOL = "dvc"  # one writer at a time


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The four modelling stages of a use case."""
    return [
        stage(use_case, "training_set", _training_set, phase="modeling", kinds={"dvc", "parquet"}, pool=POOL,
              deps=["features", "outcomes"], partitioned=False,
              description="What each model learns from: the trailing window as known on its training day, recorded by"
              " DVC with the raw and validated data before anything is trained."),
        stage(use_case, "challenger", _challenger, phase="modeling", kinds={"scikitlearn", "dvc"}, pool=POOL,
              deps=["training_set"], partitioned=False,
              description="A model for each training day that has none yet, kept with skops and recorded by DVC."),
        stage(use_case, "backtest", _backtest, phase="evaluation", kinds={"scikitlearn"},
              deps=["challenger"], partitioned=False,
              description="Walk-forward: what the recipe was worth on the days after those it learned from, beside the"
              " present process, coin flip and perfect foresight."),
        stage(use_case, "champion", _champion, phase="evaluation", kinds={"dvc"}, pool=POOL,
              deps=["backtest"], partitioned=False,
              description="The gate's verdict on each challenger, in the append-only ledger; what is promoted decides"
              " from its day on."),
    ]  # fmt: skip


def _days(step: Step) -> list[date]:
    moment = step.clock.moment()
    if moment is not None:
        return [moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(step.use_case.zone).date()]
    have = sorted(step.ws.lake.entries("features"))
    return models.schedule(step.use_case, date.fromisoformat(have[-1])) if have else []


def _plans(step: Step) -> list[models.Plan]:
    return [models.plan(step.use_case, step.ws.lake, day) for day in _days(step)]


def _training_set(step: Step) -> Result:
    plans, store, made = _plans(step), step.ws.models, 0
    for plan in plans:
        if not store.has(plan.version, "training_set.parquet"):
            store.write_training_set(step.use_case, step.ws.lake, plan)
            made += 1
    root = step.ws.lake.root
    datasets = [root / kind / s for kind in ("raw", "validated") for s in step.use_case.sources]
    recorded = step.place.versions().snapshot([*datasets, *(store.folder(p.version) for p in plans)])
    step.log.info(f"training_set: {made} new of {len(plans)}, {recorded} things recorded")
    if not plans:
        return Result()
    rows = [{"model": p.version, "first day": min(p.features), "last day": max(p.features),
             "rows": store.card(p.version)["rows"], "missing days": len(p.missing)} for p in plans]  # fmt: skip
    shown = {
        "training sets": table(rows),
        "dagster/row_count": rows[-1]["rows"],
        "data version": plans[-1].data_version,
    }
    return Result({SNAPSHOT: Published(digest([p.data_version for p in plans]), shown)})


def _challenger(step: Step) -> Result:
    store, outcome, made = step.ws.models, step.use_case.kpi.outcome, []
    plans = _plans(step)
    for plan in plans:
        if not store.has(plan.version, "model.skops"):
            frame, card = store.training_frame(plan.version), store.card(plan.version)
            model = models.fit(step.use_case.model, card["features"], frame, frame[outcome].to_numpy(float))
            store.write_model(plan.version, model)
            made.append(plan.version)
            step.log.info(f"trained {plan.version} on {len(frame):,} rows")
    step.place.versions().snapshot([store.folder(p.version) for p in plans])
    if not plans:
        return Result()
    shown = {"models": ", ".join(p.version for p in plans), "newly trained": len(made)}
    return Result({SNAPSHOT: Published(digest([p.version for p in plans]), shown)})


def _backtest(step: Step) -> Result:
    rows, days, recipe = [], _days(step), models.recipe_of(step.use_case)
    if not days:
        return Result()
    for day in days:
        found = walk_forward(step.use_case, step.ws.lake, step.ws.models, recipe, day)
        if found:
            gained = lift(found[-92:])
            rows.append({"as of": day.isoformat(), "days": len(found), **metrics(found),
                         "lift, last 92 days": round(gained.value), "low": round(gained.low),
                         "high": round(gained.high)})  # fmt: skip
    shown = {"walk-forward, per 1,000": table(rows)} if rows else {}
    step.log.info(f"backtest: {len(rows)} training days with out-of-sample days before them")
    return Result({SNAPSHOT: Published(digest(rows), shown)})


def _champion(step: Step) -> Result:
    days = [d for d in _days(step) if d >= step.use_case.replay.first]
    if not days:
        step.log.info("champion: no training day yet to judge")
        return Result()
    ws = step.ws
    judged = promote(step.use_case, ws.lake, ws.models, ws.ledger, step.clock.track, days)
    for row in judged:
        step.log.info(f"{row.as_of} {row.verdict} {row.version}: {'; '.join(row.reasons)}")
    newest, versions = judged[-1], step.place.versions()
    before = folds(step.use_case, ws.lake, ws.models, ws.models.card(newest.version)["recipe_version"], days[-1])
    folder = ws.home / "data" / "recipe" / step.use_case.name
    if before and (ws.home / "dvc.yaml").exists():
        fill(step.use_case, ws.models, newest.version, before[-1][0], folder)
        versions.snapshot([folder / n for n in ("training_set.parquet", "recipe.json", "fold.skops")])
        versions.commit([f"{s}@{step.use_case.name}" for s in ("train", "evaluate")])
    pushed = versions.publish()
    step.log.info(f"{pushed} objects pushed to the DVC remote")
    rows = [{"as of": r.as_of, "verdict": r.verdict, "model": r.version, "why": "; ".join(r.reasons)} for r in judged]
    champion = ws.ledger.champions(step.clock.track)
    shown = {"judgements": table(rows), "in force": champion[-1].version if champion else "none: the present process"}
    return Result({SNAPSHOT: Published(digest([r.hash for r in ws.ledger.rows()]), shown)})
