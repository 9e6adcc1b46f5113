"""Do the work of the model stages: training_set, challenger, backtest, degradation, champion and break_even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

from assets.metadata import image, table
from assets.stage import CheckResult, StageCheck, StageResult, StageRun
from expectations.serving_gate import check_features
from expectations.suites import load_suite
from sixtyforty.accounting import break_even, degradation
from sixtyforty.lifecycle import champions
from sixtyforty.modeling import trainer, training_plan
from sixtyforty.modeling.backtest import find_trained_version, list_folds, run_walk_forward, value_metrics
from sixtyforty.modeling.challengers import recipe_name
from sixtyforty.modeling.dvc_recipe import write_recipe_folder
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.reports import charts
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import digest
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_lift

DVC_POOL = "dvc"  # DVC allows one writer at a time
RECENT_DAYS = 92  # the backtest shows the lift of this many newest days
PARALLEL_TRAINING_SETS = 2  # each is in memory while it is written

FEED_FAULTS_CONTAINED = StageCheck(
    "feed_faults_contained",
    "No fault of a feed makes the decisions worse than the current process. A fault either costs nothing, or the check"
    " before the model detects it.",
)


def training_days(run: StageRun) -> list[date]:
    """Return the training days: the local day of the run's time limit or, in a replay without one, all of them."""
    time_limit = run.clock.time_limit()
    if time_limit is not None:
        return [run.use_case.local_day(time_limit)]
    partitions = run.ws.lake.partitions("features")
    if not partitions:
        return []
    return training_plan.training_days(run.use_case, run.use_case.first_day(partitions[-1]))


def training_plans(run: StageRun) -> list[training_plan.TrainingPlan]:
    """Return the training plan of each recipe for each training day."""
    recipes = training_plan.declared_recipes(run.use_case).values()
    return [
        training_plan.plan_training(run.use_case, run.ws.lake, day, recipe)
        for day in training_days(run)
        for recipe in recipes
    ]


def record_training_sets(run: StageRun) -> StageResult:
    """Write each training set, and record it in DVC with the raw and validated data, before anything is trained."""
    plans, store = training_plans(run), run.ws.models
    missing = [plan for plan in plans if not store.has(plan.version, "training_set.parquet")]
    with ThreadPoolExecutor(PARALLEL_TRAINING_SETS) as pool:  # DuckDB and Parquet release Python's lock
        list(pool.map(partial(store.write_training_set, run.use_case, run.ws.lake), missing))
    root = run.ws.lake.root
    datasets = [root / kind / source for kind in ("raw", "validated") for source in run.use_case.inputs]
    folders = [store.folder(plan.version) for plan in plans]
    recorded = run.project_home.dvc_versions().snapshot([*datasets, *folders])
    run.log.info(
        f"training_set: recorded ({len(missing)} new of {format_plural(len(plans), 'training set')},"
        f" {format_plural(recorded, 'folder')} new in DVC)"
    )
    if not plans:
        return StageResult()
    rows = [
        {
            "model": plan.version,
            "first day": min(plan.features),
            "last day": max(plan.features),
            "rows": store.card(plan.version).rows,
            "days missing": len(plan.missing),
        }
        for plan in plans
    ]
    metadata = {
        "training sets": table(rows),
        "dagster/row_count": rows[-1]["rows"],
        "data version": plans[-1].data_version,
    }
    return StageResult.snapshot(digest([plan.data_version for plan in plans]), metadata)


def train_challengers(run: StageRun) -> StageResult:
    """Train a model of each recipe for each training day that has none yet, and record the models in DVC."""
    store, plans, trained = run.ws.models, training_plans(run), 0
    due = [plan.version for plan in plans if not store.has(plan.version, "model.skops")]
    for version, rows in trainer.train_models(store, run.use_case.kpi, due):
        trained += 1
        run.log.info(f"challenger {version}: trained ({format_plural(rows, 'row')})")
    run.project_home.dvc_versions().snapshot([store.folder(plan.version) for plan in plans])
    if not plans:
        return StageResult()
    metadata = {"models": ", ".join(plan.version for plan in plans), "newly trained": trained}
    return StageResult.snapshot(digest([plan.version for plan in plans]), metadata)


def run_backtest(run: StageRun) -> StageResult:
    """For each training day, measure the value of each recipe on days that its models didn't learn from."""
    days = training_days(run)
    if not days:
        return StageResult()
    rows = []
    for day in days:
        for recipe in training_plan.declared_recipes(run.use_case):
            daily_values = run_walk_forward(run.use_case, run.ws.lake, run.ws.models, recipe, day)
            if daily_values:
                rows.append(_backtest_row(run, day, recipe, daily_values))
    with_results = len({row["as of"] for row in rows})
    run.log.info(
        f"backtest: valued ({with_results} of {format_plural(len(days), 'training day')} have out-of-sample days)"
    )
    return StageResult.snapshot(digest(rows), {"walk-forward, per 1,000 decisions": table(rows)} if rows else {})


def _backtest_row(run: StageRun, day: date, recipe: str, daily_values: Sequence[DailyValue]) -> dict[str, Any]:
    recent = estimate_lift(daily_values[-RECENT_DAYS:])
    return {
        "as of": day.isoformat(),
        "recipe": recipe_name(run.use_case, recipe),
        "label": run.use_case.label("replay"),
        "days": len(daily_values),
        **value_metrics(daily_values),
        f"lift, last {RECENT_DAYS} days": round(recent.value),
        "95% low": _rounded(recent.low),
        "95% high": _rounded(recent.high),
    }


def _rounded(bound: float) -> int | None:
    """Return the bound of an interval, rounded to a whole number, or None if it isn't known."""
    return None if math.isnan(bound) else round(bound)


def run_degradation_drill(run: StageRun) -> StageResult:
    """Measure the value of the decisions under faults of each feed, on a sample of past days.

    A feed is made missing, stale, duplicated or given in a wrong unit.
    """
    days, suite = training_days(run), load_suite(run.use_case.name, "features")
    impacts = degradation.run_drill(run.ws, days[-1], partial(check_features, run.use_case, suite)) if days else []
    if not impacts:
        run.log.info("degradation: skipped (no out-of-sample day has known outcomes yet)")
        return StageResult()
    margin = run.use_case.gate.margin
    uncontained = [impact for impact in impacts if not impact.is_guarded(margin)]
    summary = "; ".join(
        f"{impact.feed or 'sound feeds'}, {impact.fault}: {impact.gated.value:+,.0f} per 1,000 decisions"
        for impact in uncontained
    )
    metadata = {
        "lift over the current process, per 1,000 decisions": table([_fault_row(impact) for impact in impacts]),
        "label": run.use_case.label("replay"),
    }
    entry = run.ws.lake.entry(degradation.DATASET, SNAPSHOT)
    faults = format_plural(len(impacts) - 1, "fault")  # the first row is the sound feeds
    run.log.info(f"degradation: measured ({faults}, {len(uncontained)} not contained)")
    check = CheckResult(
        FEED_FAULTS_CONTAINED.name,
        not uncontained,
        {"faults not contained": summary},
        description=summary or "every fault costs nothing or is detected before the model",
    )
    return StageResult.snapshot(entry.version if entry else "", metadata, [check])


def _fault_row(impact: degradation.FaultImpact) -> dict[str, Any]:
    return {
        "feed": impact.feed or "all sound",
        "fault": impact.fault,
        "lift without the check": round(impact.ungated.value),
        "95% interval without the check": _interval(impact.ungated),
        "lift with the check": round(impact.gated.value),
        "95% interval with the check": _interval(impact.gated),
        "share left to the current process": round(impact.fallback, 3),
        "what happens": impact.chain_response,
    }


def _interval(interval: Interval) -> str:
    return f"{interval.low:+,.0f} to {interval.high:+,.0f}"


def judge_challengers(run: StageRun) -> StageResult:
    """Judge each challenger by the gate, record the verdicts in the ledger, and push the models to the DVC remote."""
    ws, live, time_limit = run.ws, run.track == "live", run.clock.time_limit()
    promoted = champions.promote_approved(ws, time_limit) if live and time_limit else []
    days = _days_to_judge(run)
    rows = [
        *promoted,
        *promote_challengers(run.use_case, ws.lake, ws.models, ws.champion_ledger, run.track, days, time_limit),
    ]
    if not rows:
        run.log.info("champion: skipped (no challenger waits for the gate)")
        return StageResult()
    for row in rows:
        run.log.info(f"champion {row.version}: {row.verdict} as of {row.as_of} ({'; '.join(row.reasons)})")
    _record_reproducible_recipe(run, rows[-1])
    pushed = run.project_home.dvc_versions().publish()
    run.log.info(f"champion: pushed to the DVC remote ({format_plural(pushed, 'object')})")
    in_force = ws.champion_ledger.promotions(run.track)
    metadata = {
        "verdicts": table(
            [{"as of": r.as_of, "verdict": r.verdict, "model": r.version, "why": "; ".join(r.reasons)} for r in rows]
        ),
        "champion in force": in_force[-1].version if in_force else "none: the current process decides",
    }
    return StageResult.snapshot(digest([row.hash for row in ws.champion_ledger.rows()]), metadata)


def _days_to_judge(run: StageRun) -> list[date]:
    """Return the training days from the first day of the replay on. On the live track, only days with a model."""
    days = [day for day in training_days(run) if day >= run.use_case.replay.first_day]
    if run.track == "replay":
        return days
    has_model = partial(find_trained_version, run.use_case, run.ws.lake, run.ws.models)
    recipes = training_plan.declared_recipes(run.use_case)
    return [day for day in days if any(has_model(recipe, day) for recipe in recipes)]


def _record_reproducible_recipe(run: StageRun, newest: ChampionRow) -> None:
    """Write the files with which `dvc repro` trains the newest model again, if the home has a `dvc.yaml`."""
    ws = run.ws
    recipe = ws.models.card(newest.version).recipe_version
    folds = list_folds(run.use_case, ws.lake, ws.models, recipe, date.fromisoformat(newest.as_of))
    if not folds or not (ws.home / "dvc.yaml").exists():
        return
    folder = ws.home / "data" / "recipe" / run.use_case.name
    write_recipe_folder(run.use_case, ws.models, newest.version, folds[-1].version, folder)
    versions = run.project_home.dvc_versions()
    versions.snapshot([folder / name for name in ("training_set.parquet", "recipe.json", "fold.skops")])
    versions.commit([f"{stage}@{run.use_case.name}" for stage in ("train", "evaluate")])


def draw_break_even(run: StageRun) -> StageResult:
    """Calculate how much information, and how much sound data, may be lost before the gain reaches zero."""
    points = break_even.write_curve(run.ws, run.track)
    if not points:
        run.log.info("break_even: skipped (no decision of the model has a known outcome yet)")
        return StageResult()
    entry, sentences = break_even.read_curve(run.ws)[0], break_even.explain_break_even(run.ws)
    metadata: dict[str, object] = {
        "summary": "\n\n".join(sentences),
        "label": run.use_case.label("replay"),
        "curve": image(charts.draw_break_even(run.use_case.kpi, points), "break-even curve"),
        "lift by information lost, per 1,000 decisions": table([_break_even_row(point) for point in points]),
    }
    tolerable = break_even.tolerable_fault_shares(degradation.read_impacts(run.ws))
    if tolerable:
        metadata["share of decisions that an unnoticed fault may hit"] = table(
            [
                {"feed": feed, "fault": fault, "share": "all" if share is None else f"{share:.0%}"}
                for (feed, fault), share in tolerable.items()
            ]
        )
    run.log.info(f"break_even: calculated ({sentences[0]})")
    return StageResult.snapshot(entry.version if entry else "", metadata)


def _break_even_row(point: break_even.CurvePoint) -> dict[str, object]:
    return {
        "information lost": f"{point.share_lost:.0%}",
        "over the current process": round(point.over_current_process.value),
        "over random choice": round(point.over_random_choice.value),
    }
