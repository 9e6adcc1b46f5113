"""Training several versions stores a model for each, the largest training set first."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from sixtyforty.modeling.model_store import MODEL
from sixtyforty.modeling.skops_files import ModelError
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


def test_an_error_names_the_model_version(workspace: Workspace) -> None:
    model = workspace.use_case.model.model_copy(update={"target": "null"})
    use_case = workspace.use_case.model_copy(update={"model": model})
    publish_days(workspace, MARCH, count=8)
    plan = plan_training(use_case, workspace.lake, date(2013, 3, 4))
    workspace.models.write_training_set(use_case, workspace.lake, plan)
    expected = rf"^The model {plan.version} can't be trained: model\.target 'null' is null"
    with pytest.raises(ModelError, match=expected):
        list(train_models(workspace.models, use_case.kpi, [plan.version]))
