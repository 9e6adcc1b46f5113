"""Do the work of the model stages: training_set, challenger, backtest, degradation, champion and break_even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from functools import partial

from assets.metadata import Metadata, TableRow, image, table
from assets.stage import REFUSED, CheckResult, StageCheck, StageResult, StageRun, refusal_check
from assets.training import check_training_data, plan_trainings, training_days
from expectations.serving_gate import check_features
from expectations.suites import load_suite
from sixtyforty.accounting import break_even, degradation, exactness
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.lifecycle import champions, replay_rebuild
from sixtyforty.lifecycle.revocation import revoke_tainted_champions
from sixtyforty.modeling import trainer, training_plan
from sixtyforty.modeling.backtest import find_trained_version, list_folds, run_walk_forward, value_metrics
from sixtyforty.modeling.challengers import recipe_name
from sixtyforty.modeling.dvc_recipe import write_recipe_folder
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.model_files import find_file_problem
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import TaintedDataError
from sixtyforty.modeling.treatment_shares import describe_share_mismatch
from sixtyforty.progress import track
from sixtyforty.reports import charts
from sixtyforty.spec.money import format_money
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import digest
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import NO_INTERVAL, Interval, estimate_lift
from sixtyforty.workspace import Workspace

DVC_POOL = "dvc"  # DVC allows one writer at a time
RECENT_DAYS = 182  # the backtest shows the lift of this many newest days
PARALLEL_TRAINING_SETS = 2  # training sets written at the same time, each of which is then in memory

WALK_FORWARD_SOUND = StageCheck(
    "walk_forward_sound",
    "The files of every model in the backtest are unchanged since training, and the units of a past experiment were"
    " assigned by the declared shares.",
)
MODEL_FILES_SOUND = StageCheck(
    "model_files_sound",
    "Card, model file and training set of each challenger match their hashes, and the model gives the scores that its"
    " card recorded at training. The models and the experiment that the gate uses as evidence are sound, too.",
)
FEED_FAULTS_CONTAINED = StageCheck(
    "feed_faults_contained",
    "No fault of a feed makes the decisions worse than the current process. A fault either costs nothing, or the"
    " serving gate detects it.",
)


def record_training_sets(run: StageRun) -> StageResult:
    """Write each training set, and record it in DVC with the raw and validated data, before any model is trained."""
    planned, store = plan_trainings(run), run.ws.models
    plans = planned.plans
    missing = [plan for plan in plans if not store.has(plan.version, "training_set.parquet")]
    with ThreadPoolExecutor(PARALLEL_TRAINING_SETS) as pool:  # threads suffice: DuckDB and Parquet release the GIL
        list(pool.map(partial(store.write_training_set, run.use_case, run.ws.lake), missing))
    root = run.ws.lake.root
    datasets = [root / kind / source for kind in ("raw", "validated") for source in run.use_case.inputs]
    folders = [store.folder(plan.version) for plan in plans]
    recorded = run.project_home.dvc_versions().snapshot([*datasets, *folders])
    run.log.info(
        f"training_set: recorded ({len(missing)} of {format_plural(len(plans), 'training set')} written now,"
        f" {format_plural(recorded, 'folder')} of data added to DVC)"
    )
    check = check_training_data(run, planned.refusals)
    if not plans:
        return StageResult(checks=[check])
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
    metadata: Metadata = {
        "training sets": table(rows),
        "dagster/row_count": store.card(plans[-1].version).rows,
        "data version": plans[-1].data_version,
    }
    return StageResult.snapshot(digest([plan.data_version for plan in plans]), metadata, [check])


def train_challengers(run: StageRun) -> StageResult:
    """Train a model for each recipe and training day that has no model yet, and record the models in DVC."""
    store, plans = run.ws.models, plan_trainings(run).plans
    plans = [plan for plan in plans if store.card(plan.version).rows]  # no rows: no outcome is known yet
    due = [plan.version for plan in plans if not store.has(plan.version, "model.skops")]
    for version, rows in track(trainer.train_models(store, run.use_case.kpi, due), "", "model", total=len(due)):
        run.log.info(f"challenger {version}: trained ({format_plural(rows, 'row')})")
    run.project_home.dvc_versions().snapshot([store.folder(plan.version) for plan in plans])
    if not plans:
        return StageResult()
    metadata: Metadata = {"models": ", ".join(plan.version for plan in plans), "models trained in this run": len(due)}
    return StageResult.snapshot(digest([plan.version for plan in plans]), metadata)


def run_backtest(run: StageRun) -> StageResult:
    """For each training day, measure the value of each recipe on days that its models were not trained on."""
    days = training_days(run)
    if not days:
        return StageResult()
    if mismatch := describe_share_mismatch(run.use_case, run.ws.lake):
        run.log.error(f"backtest: recipes not valued, because the data can't be trusted ({mismatch})")
        check = refusal_check(WALK_FORWARD_SOUND.name, [mismatch], "")
        return StageResult.snapshot(digest([mismatch]), {REFUSED: mismatch}, [check])
    rows: list[TableRow] = []
    problems: list[str] = []
    valued_days: set[date] = set()
    for day in days:
        for recipe in training_plan.declared_recipes(run.use_case):
            try:
                daily_values = run_walk_forward(run.use_case, run.ws.lake, run.ws.models, recipe, day)
            except ModelError as error:
                problems.append(str(error))
                continue
            if daily_values:
                rows.append(_backtest_row(run, day, recipe, daily_values))
                valued_days.add(day)
    training_days_text = format_plural(len(days), "training day")
    run.log.info(
        f"backtest: recipes valued on days that they weren't trained on (results for {len(valued_days)} of"
        f" {training_days_text})"
    )
    metadata: Metadata = {"value of each recipe, per 1,000 decisions": table(rows)} if rows else {}
    check = refusal_check(WALK_FORWARD_SOUND.name, problems, "the files of every model in the backtest are sound")
    return StageResult.snapshot(digest([rows, problems]), metadata, [check])


def _backtest_row(run: StageRun, day: date, recipe: str, daily_values: Sequence[DailyValue]) -> TableRow:
    recent = estimate_lift(daily_values[-RECENT_DAYS:], block_days=run.use_case.kpi.block_days)
    return {
        "training day": day.isoformat(),
        "recipe": recipe_name(run.use_case, recipe),
        "label": exactness.label_figures(run.ws, "replay"),
        "days": len(daily_values),
        **asdict(value_metrics(daily_values)),
        f"lift, last {RECENT_DAYS} days": _rounded(recent.value),
        "95% low": _rounded(recent.low),
        "95% high": _rounded(recent.high),
    }


def _rounded(bound: float) -> int | None:
    """Return the bound of an interval as a whole number; None if the bound isn't known (NaN)."""
    return None if math.isnan(bound) else round(bound)


def run_degradation_drill(run: StageRun) -> StageResult:
    """Measure on a sample of past days what the decisions are worth when a feed has a fault, for each feed and fault.

    A fault makes a feed missing, stale or duplicated, or gives its values in a wrong unit.
    """
    days, suite = training_days(run), load_suite(run.use_case.name, "features")
    if mismatch := describe_share_mismatch(run.use_case, run.ws.lake):
        run.log.error(f"degradation: not measured, because the data can't be trusted ({mismatch})")
        return StageResult(checks=[refusal_check(FEED_FAULTS_CONTAINED.name, [mismatch], "")])
    try:
        impacts = degradation.run_drill(run.ws, days[-1], partial(check_features, run.use_case, suite)) if days else []
    except TaintedDataError as error:
        run.log.error(f"degradation: not measured, because the data can't be trusted ({error})")
        return StageResult(checks=[refusal_check(FEED_FAULTS_CONTAINED.name, [str(error)], "")])
    if not impacts:
        run.log.info("degradation: skipped (too early: fewer than 2 sampled days have known outcomes)")
        return StageResult()
    margin = run.use_case.gate.margin
    uncontained = [impact for impact in impacts if not impact.is_guarded(margin)]
    summary = "; ".join(
        f"{impact.feed or 'sound feeds'}, {impact.fault}:"
        f" {format_money(impact.gated.value, run.use_case.kpi.currency, signed=True)} per 1,000 decisions"
        for impact in uncontained
    )
    metadata: Metadata = {
        "lift under each feed fault, per 1,000 decisions": table([_fault_row(impact) for impact in impacts]),
        "label": exactness.label_figures(run.ws, "replay"),
    }
    entry = run.ws.lake.entry(degradation.DATASET, SNAPSHOT)
    faults = format_plural(len(impacts) - 1, "feed fault")  # the first impact is that of sound feeds
    run.log.info(f"degradation: measured ({faults}, {len(uncontained)} cause a loss that no check detects)")
    check = CheckResult(
        FEED_FAULTS_CONTAINED.name,
        not uncontained,
        {"lift under faults that cause a loss and that no check detects": summary},
        description=summary or "each fault of a feed costs nothing, or a check detects it before the model decides",
    )
    return StageResult.snapshot(entry.version if entry else "", metadata, [check])


def _fault_row(impact: degradation.FaultImpact) -> TableRow:
    return {
        "feed": impact.feed or "no fault: all feeds are sound",
        "fault": impact.fault,
        "lift without the check": _rounded(impact.ungated.value),
        "95% interval without the check": _interval(impact.ungated),
        "lift with the check": _rounded(impact.gated.value),
        "95% interval with the check": _interval(impact.gated),
        "share left to the current process": round(impact.fallback, 3),
        "what the chain does": impact.chain_response,
    }


def _interval(interval: Interval) -> str:
    if math.isnan(interval.low):
        return interval.problem or NO_INTERVAL
    return f"{interval.low:+,.0f} to {interval.high:+,.0f}"


def judge_challengers(run: StageRun) -> StageResult:
    """Judge each challenger by the gate, record the verdicts in the champion ledger, and push the models to DVC."""
    ws, live, time_limit = run.ws, run.track == "live", run.clock.time_limit()
    for row in revoke_tainted_champions(ws, run.clock.current_time()):
        run.log.error(f"champion {row.version}: may no longer decide ({row.withdrawal_text})")
    promoted = champions.promote_approved(ws, time_limit) if live and time_limit else []
    planned = plan_trainings(run)
    training_check = check_training_data(run, planned.refusals)
    unjudged = planned.refusals.keys() | planned.too_early | _days_without_rows(ws, planned.plans)
    days = [day for day in _days_to_judge(run) if day not in unjudged]
    rows = [*promoted, *_judge_days(run, days)]
    if not rows:
        run.log.info("champion: skipped (no challenger for the gate to judge)")
        return StageResult(checks=[training_check])
    for row in rows:
        run.log.info(f"champion {row.version}: verdict {row.verdict} as of {row.as_of} ({'; '.join(row.reasons)})")
    refused = [row for row in rows if row.is_refused and _is_still_refused(run, row)]
    problems = [f"{row.version}: {row.reasons[0]}" for row in refused]
    if not problems:
        _record_reproducible_recipe(run, rows[-1])
    run.project_home.dvc_versions().snapshot([ws.models.folder(row.twin) for row in rows if row.twin])
    pushed = run.project_home.dvc_versions().publish()
    run.log.info(f"champion: models pushed to the DVC remote ({format_plural(pushed, 'new object')})")
    in_force = ws.champion_ledger.sound_promotions(run.track)
    metadata: Metadata = {
        "verdicts": table(
            [{"as of": r.as_of, "verdict": r.verdict, "model": r.version, "why": "; ".join(r.reasons)} for r in rows]
        ),
        "champion in force": in_force[-1].version if in_force else "none: the current process decides",
    }
    sound = refusal_check(MODEL_FILES_SOUND.name, problems, "every challenger's files and evidence are sound")
    checks = [sound, training_check]
    return StageResult.snapshot(digest([row.hash for row in ws.champion_ledger.rows()]), metadata, checks)


def _days_without_rows(ws: Workspace, plans: Sequence[training_plan.TrainingPlan]) -> set[date]:
    """Return the training days whose training sets are empty, because no outcome was known yet."""
    has_rows = {
        plan.as_of
        for plan in plans
        if not ws.models.has(plan.version, "training_set.parquet") or ws.models.card(plan.version).rows
    }
    return {plan.as_of for plan in plans} - has_rows


def _is_still_refused(run: StageRun, row: ChampionRow) -> bool:
    """Return whether changed files, or wrongly assigned units of an experiment, still block a challenger."""
    ws = run.ws
    problem = find_file_problem(run.use_case.first_name, ws.lake, ws.models, row.version)
    return problem is not None or describe_share_mismatch(run.use_case, ws.lake) is not None


def _judge_days(run: StageRun, days: Sequence[date]) -> list[ChampionRow]:
    """Return the gate's verdicts on the challengers of some training days.

    In a replay, the gate judges each training day only once, unless the replay is rebuilt.
    """
    ws, rebuild_from = run.ws, run.clock.rebuild_replay_from
    stores = (run.use_case, ws.lake, ws.models, ws.champion_ledger)
    if run.track == "live":
        return promote_challengers(*stores, run.track, days, run.clock.time_limit())
    if rebuild_from is not None:
        run.log.info(f"champion: replay's challengers judged again (from {ws.use_case.opens_at(rebuild_from)} UTC)")
        return replay_rebuild.judge_rebuild(ws, days, rebuild_from)
    new = replay_rebuild.days_to_judge(ws, days)
    standing = {day.isoformat() for day in days} - {day.isoformat() for day in new}
    rows = [row for row in ws.champion_ledger.verdicts(run.track) if row.as_of in standing]
    return [*rows, *promote_challengers(*stores, run.track, new)]


def _days_to_judge(run: StageRun) -> list[date]:
    """Return the training days whose challengers the gate may judge: on the live track, only days with a model."""
    days = [day for day in training_days(run) if day >= run.use_case.replay.first_day]
    if run.track == "replay":
        return days
    has_model = partial(find_trained_version, run.use_case, run.ws.lake, run.ws.models)
    recipes = training_plan.declared_recipes(run.use_case)
    return [day for day in days if any(has_model(recipe, day) for recipe in recipes)]


def _record_reproducible_recipe(run: StageRun, newest: ChampionRow) -> None:
    """Write the files from which `dvc repro` trains the newest model again. Do nothing in a home without `dvc.yaml`."""
    ws = run.ws
    recipe = ws.models.card(newest.version).recipe_version
    folds = list_folds(run.use_case, ws.lake, ws.models, recipe, date.fromisoformat(newest.as_of))
    if not folds or not (ws.home / "dvc.yaml").exists():
        return
    folder = ws.recipe
    write_recipe_folder(run.use_case, ws.models, newest.version, folds[-1].version, folder)
    versions = run.project_home.dvc_versions()
    versions.snapshot([folder / name for name in ("training_set.parquet", "recipe.json", "fold.skops")])
    versions.commit([f"{stage}@{run.use_case.name}" for stage in ("train", "evaluate")])


def draw_break_even(run: StageRun) -> StageResult:
    """Calculate how much information the model may lose, or how many decisions a fault may hit, until the gain is 0."""
    try:
        points = break_even.write_curve(run.ws, run.track)
    except RefusedFiguresError as error:
        run.log.error(f"break_even: margin of safety not calculated, because the figures can't be trusted ({error})")
        return StageResult()
    if not points:
        run.log.info("break_even: skipped (too early: the model decided fewer than 2 days whose outcomes are known)")
        return StageResult()
    entry, sentences = break_even.read_curve(run.ws)[0], break_even.explain_break_even(run.ws)
    metadata: Metadata = {
        "summary": "\n\n".join(sentences),
        "label": exactness.label_figures(run.ws, "replay"),
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
    run.log.info(f"break_even: margin of safety calculated ({sentences[0]})")
    return StageResult.snapshot(entry.version if entry else "", metadata)


def _break_even_row(point: break_even.CurvePoint) -> TableRow:
    return {
        "information lost": f"{point.share_lost:.0%}",
        "over the current process": _rounded(point.over_current_process.value),
        "over random choice": _rounded(point.over_random_choice.value),
    }
