"""Plan the trainings of a run: the training days, the training data of each recipe, and days refused for leakage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from assets.stage import CheckResult, StageCheck, StageRun, refusal_check
from sixtyforty.modeling import training_plan
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import TaintedDataError
from sixtyforty.spec.wording import format_plural

LIVE_BACKTEST_DAYS = 366  # a live use case trains backtest models for the training days of at least this period
TRAINING_DATA_SOUND = StageCheck(
    "training_data_sound", "No training window contains a tainted partition, whose features have leakage."
)


def training_days(run: StageRun) -> list[date]:
    """Return the local days on which a run trains models.

    A live run, and a replay with `as_of`, trains on one day: the local day of its time. A replay without `as_of` trains
    on every day that the schedule names. The list is empty if the use case was stopped or retired.
    """
    if ended := run.ws.stage_ledger.end_reason_at(run.clock.current_time()):
        run.log.info(f"training: skipped (the use case has ended: {ended})")
        return []
    time_limit = run.clock.time_limit()
    if time_limit is not None:
        return [run.use_case.local_day(time_limit)]
    partitions = run.ws.lake.partitions("features")
    if not partitions:
        return []
    return training_plan.training_days(run.use_case, run.use_case.first_day(partitions[-1]))


@dataclass(frozen=True)
class PlannedTraining:
    """The planned trainings of each recipe and training day, and why no model may be trained on the refused days.

    `too_early`: the training days on which no data to train on exists yet.
    """

    plans: list[training_plan.TrainingPlan]
    refusals: dict[date, str]
    too_early: set[date]


def plan_trainings(run: StageRun) -> PlannedTraining:
    """Plan the training of each recipe on each training day. Refuse days whose window contains tainted partitions."""
    planned, own_days = PlannedTraining([], {}, set()), training_days(run)
    planned.plans.extend(_plan_folds(run, own_days))
    for day in own_days:
        for recipe in training_plan.declared_recipes(run.use_case).values():
            try:
                planned.plans.append(training_plan.plan_training(run.use_case, run.ws.lake, day, recipe))
            except TaintedDataError as error:
                planned.refusals[day] = str(error)
            except training_plan.TooEarlyError:
                planned.too_early.add(day)
    _log_outdated(run, planned.plans)
    if planned.too_early:
        days = format_plural(len(planned.too_early), "training day")
        run.log.info(f"training: {days} skipped (no features with outcomes to train on yet)")
    return planned


def _plan_folds(run: StageRun, own_days: Sequence[date]) -> Iterator[training_plan.TrainingPlan]:
    """Yield the trainings whose models the backtest of a live use case needs: each recipe on each past training day.

    The replay trains these models in any case. On the live track, they don't exist for a new recipe or after a change
    of features.sql. Days without training data and days with tainted data are left out.
    own_days: the training days for which the run trains challengers, oldest first.
    """
    if run.track == "replay" or not own_days:
        return
    needed_days = (run.use_case.gate.min_blocks + 1) * run.use_case.kpi.block_days  # the gate needs so many blocks
    first = own_days[-1] - timedelta(days=max(LIVE_BACKTEST_DAYS, needed_days))
    for day in training_plan.training_days(run.use_case, own_days[-1]):
        if first <= day < own_days[-1]:
            for recipe in training_plan.declared_recipes(run.use_case).values():
                with suppress(ModelError):
                    yield training_plan.plan_training(run.use_case, run.ws.lake, day, recipe)


def _log_outdated(run: StageRun, plans: Sequence[training_plan.TrainingPlan]) -> None:
    outdated = sorted({partition for plan in plans for partition in plan.outdated})
    if outdated:
        run.log.warning(f"training: some features are outdated. {training_plan.describe_outdated(outdated)}")


def check_training_data(run: StageRun, refusals: dict[date, str]) -> CheckResult:
    """Return a check that fails if training data was refused on a training day. It shows the first refusal."""
    reasons = []
    if refusals:
        others = (
            f" Also refused: {format_plural(len(refusals) - 1, 'other training day')}." if len(refusals) > 1 else ""
        )
        reasons = [f"{refusals[min(refusals)]}{others}"]
        run.log.error(
            f"training: {format_plural(len(refusals), 'training day')} skipped, no model trained"
            f" (first reason: {refusals[min(refusals)]})"
        )
    return refusal_check(TRAINING_DATA_SOUND.name, reasons, "no training window contains a tainted partition")
