"""A model's version and card name the libraries it was trained with, so an upgrade retrains."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from sixtyforty.modeling import training_plan
from sixtyforty.modeling.library_versions import LIBRARIES, library_versions
from sixtyforty.modeling.training_plan import plan_training
from tests.helpers import make_workspace, publish_days

FIRST = date(2013, 3, 10)
AS_OF = FIRST + timedelta(days=10)


def test_the_installed_versions_are_read() -> None:
    assert set(LIBRARIES) == {"duckdb", "great-expectations", "pandas", "scikit-learn", "skops"}
    assert library_versions() == {library: version(library) for library in LIBRARIES}


def test_an_upgrade_of_a_library_gives_another_model_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, [FIRST + timedelta(days=day) for day in range(10)], count=20)
    plan = plan_training(ws.use_case, ws.lake, AS_OF)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    assert ws.models.card(plan.version).libraries == library_versions()
    before = plan.version
    monkeypatch.setattr(training_plan, "library_versions", lambda: library_versions() | {"scikit-learn": "99"})
    assert replace(plan).version != before
