"""A feature that keeps its name and means something else is found by its values; late rows are no redefinition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.built_by import FACT, declared_parts
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.redefined_features import find_redefined
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.workspace import Workspace
from tests.helpers import CREWS, SQL, make_workspace, publish_days
from tests.trained_models import train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(8)]
AS_OF = date(2013, 3, 8)
NEWEST = [str(day) for day in DAYS[4:7]]  # of the training set
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_changed_workspace(tmp_path)


def make_changed_workspace(folder: Path, **changes: Any) -> Workspace:
    """Eight days, a model that learned from seven of them, and another features.sql since."""
    workspace = make_workspace(folder, **changes)
    publish_days(workspace, DAYS, count=10)
    train_on(workspace, AS_OF)
    (workspace.use_case.folder / "features.sql").write_text(workspace.use_case.sql("features") + " -- changed")
    return workspace


def build_again(ws: Workspace, change: Change, *partitions: str) -> None:
    """Write the features of partitions again, as today's features.sql would have built them."""
    for partition in partitions:
        entry = ws.lake.entry("features", partition)
        assert entry
        rows = pq.read_table(ws.lake.local_file(entry))
        changed = pa.Table.from_pandas(change(rows.to_pandas()), schema=rows.schema, preserve_index=False)
        facts = {**entry.facts, FACT: declared_parts(ws.use_case, "features")}
        ws.lake.write("features", partition, changed, inputs=entry.inputs, code="test", facts=facts)


def problem(ws: Workspace) -> str | None:
    card = ws.models.card(ws.models.versions()[0])
    return find_redefined(ws.use_case, ws.lake, ws.models, card)


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(load=rows["load"] * 2 + 1)


def with_one_late_row(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(load=[rows["load"].iloc[0] + 1, *rows["load"].iloc[1:]])


def test_equal_values_are_no_redefinition(ws: Workspace) -> None:
    build_again(ws, lambda rows: rows, *NEWEST)
    assert problem(ws) is None


def test_other_values_are_named_with_their_share(ws: Workspace) -> None:
    build_again(ws, doubled, *NEWEST)
    assert problem(ws) == "features have other values since features.sql changed: load (100% of the units)"


def test_text_is_compared_too(ws: Workspace) -> None:
    build_again(ws, lambda rows: rows.assign(site="all"), *NEWEST)
    assert "site (" in str(problem(ws))


def test_a_few_restated_rows_are_no_redefinition(ws: Workspace) -> None:
    build_again(ws, with_one_late_row, *NEWEST)
    assert problem(ws) is None, "one of ten rows a day"


def test_before_a_day_was_built_again_nothing_can_be_said(ws: Workspace) -> None:
    build_again(ws, doubled, str(DAYS[7]))  # the model didn't learn from it
    assert problem(ws) is None


def test_the_same_sql_is_not_compared(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ws.use_case.sql("features").removesuffix(" -- changed")
    (ws.use_case.folder / "features.sql").write_text(text)
    monkeypatch.setattr(ModelStore, "training_frame", lambda *_: pytest.fail("the training set was read"))
    assert problem(ws) is None


def test_the_comparison_is_made_once(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    build_again(ws, doubled, *NEWEST)
    first = problem(ws)
    monkeypatch.setattr(ModelStore, "training_frame", lambda *_: pytest.fail("the training set was read again"))
    assert problem(ws) == first


def test_a_missing_training_set_is_a_reason(ws: Workspace) -> None:
    build_again(ws, doubled, *NEWEST)
    Path(str(ws.models.folder(ws.models.versions()[0])), "training_set.parquet").unlink()
    with pytest.raises(ModelError, match="the model's training set can't be read"):
        problem(ws)


def test_units_are_matched_by_a_date_in_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SQL, "units", "select *, local(call_hour)::date as day from calls")
    for stage in ("features", "outcomes"):
        monkeypatch.setitem(SQL, stage, SQL[stage].replace("select u.id,", "select u._partition, u.id, u.day,"))
    current_process = SQL["current_process"].replace("select id,", "select _partition, id, day,")
    monkeypatch.setitem(SQL, "current_process", current_process)
    decision = {"unit_source": None, "key": ["id", "day"]}
    changed = make_changed_workspace(tmp_path, sources={"crews": CREWS}, decision=decision)
    build_again(changed, doubled, *NEWEST)
    assert problem(changed) == "features have other values since features.sql changed: load (100% of the units)"


def test_the_card_of_an_early_version_is_not_compared(ws: Workspace) -> None:
    build_again(ws, doubled, *NEWEST)
    card: Any = ws.models.card(ws.models.versions()[0])

    assert find_redefined(ws.use_case, ws.lake, ws.models, replace(card, features_sql="")) is None
