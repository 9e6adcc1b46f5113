"""Rebuild the features, outcomes and models that an edit of SQL or of a recipe changes, in a copy of the data.

The stages of the chain build features and outcomes, and the trainer trains the models. DVC doesn't record the
copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from assets import data
from assets.resources import BusinessClock, ProjectHome
from assets.stage import StageRun
from sixtyforty.lifecycle.plan_edit import PlanError
from sixtyforty.lifecycle.plan_models import reuse_models
from sixtyforty.modeling import taint
from sixtyforty.modeling.model_store import TRAINING_SET
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import TrainingPlan
from sixtyforty.progress import track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

ShowProgress = Callable[[str], None]


class _ProgressHandler(logging.Handler):
    """Log handler that shows the log lines of a stage as progress of `sixtyforty plan`."""

    def __init__(self, show_progress: ShowProgress) -> None:
        super().__init__()
        self.show_progress = show_progress

    def emit(self, record: logging.LogRecord) -> None:
        """Show one log line as progress of `sixtyforty plan`."""
        self.show_progress(f"plan: {record.getMessage()}")


def rebuild_inputs(scratch: Workspace, datasets: Sequence[str], show_progress: ShowProgress) -> None:
    """Rebuild the datasets that an edited declaration changes, in a copy of the data, and train the missing models.

    scratch: the workspace of the copy. datasets: names of the datasets to rebuild, as `list_remade` returns
    them. Raises PlanError if validated data would have to be made again, TaintedDataError if the features have leakage,
    and ModelError if a model can't be trained.
    """
    if contracts := [name for name in datasets if name.startswith("validated/")]:
        raise PlanError(
            f"{scratch.use_case.name}: the edited declaration changes the data contract of {', '.join(contracts)}."
            " A plan doesn't read extracts again, so it can't show the changed decisions and their value."
            " Run the chain to see them."
        )
    for stage, dataset in ((data.build_features, "features"), (data.record_outcomes, "outcomes")):
        if dataset in datasets:
            stage(_stage_run(scratch, scratch.lake.partitions(dataset), show_progress))
    taint.require_sound(
        taint.find_tainted(scratch.lake), f"{scratch.use_case.name}: the value of the edit can't be shown"
    )
    _train(scratch, reuse_models(scratch), show_progress)


def _stage_run(scratch: Workspace, partitions: list[str], show_progress: ShowProgress) -> StageRun:
    log = logging.Logger("plan")
    log.addHandler(_ProgressHandler(show_progress))
    home = ProjectHome(scratch.home, scratch.database_url, str(scratch.home / "dvc"))
    return StageRun(scratch.use_case, scratch, home, BusinessClock(), partitions, log)


def _train(scratch: Workspace, missing: Sequence[TrainingPlan], show_progress: ShowProgress) -> None:
    store = scratch.models
    for plan in missing:
        if not store.has(plan.version, TRAINING_SET):
            store.write_training_set(scratch.use_case, scratch.lake, plan)
    due = [plan.version for plan in missing if store.card(plan.version).rows]
    show_progress(f"plan: training {format_plural(len(due), 'model')}")
    models = train_models(store, scratch.use_case.kpi, due)
    for version, rows in track(models, "plan: training", "model", total=len(due)):
        show_progress(f"plan: trained the model {version} ({format_plural(rows, 'row')})")
