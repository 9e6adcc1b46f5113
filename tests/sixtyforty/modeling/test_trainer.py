"""Training several versions stores a model for each, the largest training set first."""

from __future__ import annotations

from datetime import date, timedelta

from sixtyforty.modeling.model_store import MODEL
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import plan_training
from sixtyforty.workspace import Workspace
from tests.helpers import publish_days

MARCH = [date(2013, 3, 1) + timedelta(days=i) for i in range(6)]


def test_each_version_gets_a_model(workspace: Workspace) -> None:
    publish_days(workspace, MARCH, count=8)
    plans = [plan_training(workspace.use_case, workspace.lake, day) for day in (date(2013, 3, 4), date(2013, 3, 7))]
    for plan in plans:
        workspace.models.write_training_set(workspace.use_case, workspace.lake, plan)
    small, large = (plan.version for plan in plans)
    rows = dict(train_models(workspace.models, workspace.use_case.kpi, [small, large]))
    assert rows == {large: 48, small: 24}
    assert all(workspace.models.has(version, MODEL) for version in (small, large))
    assert list(train_models(workspace.models, workspace.use_case.kpi, [])) == []
