"""A changed key or calendar is found where there is data, and what is stored stays readable by its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.lifecycle.fixed_parts import (
    FILE,
    FixedPartError,
    declared_parts,
    find_changed_parts,
    refuse_changed_parts,
    require_fixed_parts,
    with_stored_parts,
)
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict
from tests.helpers import DECLARED, SITES, make_use_case, make_workspace


def declare(ws: Workspace, folder: Path, **changes: Any) -> Workspace:
    return replace(ws, use_case=make_use_case(folder / "declared", **changes))


def store(ws: Workspace, *datasets: str) -> None:
    """Record the parts, and write a partition of each dataset."""
    require_fixed_parts(ws)
    for dataset in datasets:
        ws.lake.write(dataset, "2013-03-10", pa.table({"x": [1]}))


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    workspace = make_workspace(tmp_path)
    store(workspace, "raw/calls", "raw/visits", "features")
    return workspace


WEEKLY = {"every": "week", "start": "2013-03-04", "end": "2013-12-31"}


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({}, []),
        ({"title": "other", "lookback_partitions": 5, "partitions": {"start": "2013-03-05", "end": None}}, []),
        ({"sources": {"sites": SITES, "calls": {"key": ["id"], "files": "c_*.csv"}}}, []),
        ({"sources": {"calls": {"partition": "local(call_hour)::date  "}}}, []),
        ({"sources": {"calls": {"columns": {"id": "BIGINT"}}}}, []),
        ({"timezone": "UTC"}, ["timezone was 'America/New_York' and is 'UTC' now"]),
        ({"partitions": WEEKLY}, ["partitions.every was 'day' and is 'week' now"]),
        ({"decision": {"key": ["site", "id"]}}, ["decision.key was [id] and is [site, id] now"]),
        ({"sources": {"calls": {"key": ["id", "site"]}}}, ["sources.calls.key was [id] and is [id, site] now"]),
        (
            {"sources": {"calls": {"columns": {"id": "VARCHAR"}}}},
            ["decision.key types was [a whole number] and is [VARCHAR] now"],
        ),
        (
            {"sources": {"calls": {"partition": "call_hour::date"}}},
            ["sources.calls.partition was 'local(call_hour)::date' and is 'call_hour::date' now"],
        ),
    ],
)
def test_only_keys_and_calendar_are_fixed(
    ws: Workspace, tmp_path: Path, changes: dict[str, Any], texts: list[str]
) -> None:
    changed = declare(ws, tmp_path, **changes)
    found_texts = [str(change) for change in find_changed_parts(changed)]
    assert [text for text in found_texts if "types" not in text] == [t for t in texts if "types" not in t]
    assert set(texts) <= set(found_texts)
    if not texts:
        require_fixed_parts(changed)
        assert with_stored_parts(changed) is changed
        return
    with pytest.raises(FixedPartError) as caught:
        require_fixed_parts(changed)
    assert texts[0] in str(caught.value) and "Restore the earlier declaration." in str(caught.value)


def test_the_weekday_of_weeks_is_fixed(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, partitions=WEEKLY)
    store(ws, "raw/calls")
    later = declare(ws, tmp_path, partitions={**WEEKLY, "start": "2013-03-11"})
    assert find_changed_parts(later) == []
    shifted = declare(ws, tmp_path, partitions={**WEEKLY, "start": "2013-03-05"})
    assert [str(c) for c in find_changed_parts(shifted)] == ["partitions.start was 'Monday' and is 'Tuesday' now"]
    readable = with_stored_parts(shifted).use_case
    assert readable.partition_at(datetime(2013, 3, 14)) == ws.use_case.partition_at(datetime(2013, 3, 14))


def test_a_check_without_a_run_records_nothing(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    refuse_changed_parts(ws)
    assert not (ws.lake.root / FILE).exists()
    store(ws, "raw/calls")
    with pytest.raises(FixedPartError, match="timezone was"):
        refuse_changed_parts(declare(ws, tmp_path, timezone="UTC"))


def test_before_there_is_data_everything_may_change(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    require_fixed_parts(ws)
    changed = declare(ws, tmp_path, timezone="UTC", decision={"key": ["id", "site"]})
    require_fixed_parts(changed)
    store(changed, "raw/calls")
    assert find_changed_parts(ws), "the newest declaration before the first data counts"
    assert declared_parts(changed.use_case).items() <= json.loads((changed.lake.root / FILE).read_bytes()).items()


def test_a_key_without_decisions_may_change(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    store(ws, "raw/calls")
    require_fixed_parts(declare(ws, tmp_path, decision={"key": ["id", "site"]}))


def test_live_decisions_fix_the_currency(ws: Workspace, tmp_path: Path) -> None:
    changed = declare(ws, tmp_path, kpi={"currency": "USD"})
    assert find_changed_parts(changed) == []
    ws.lake.write("decisions/live", "2013-03-10", pa.table({"action": ["act"], "current_action": ["wait"]}))
    assert [str(c) for c in find_changed_parts(changed)] == ["kpi.currency was 'EUR' and is 'USD' now"]
    assert with_stored_parts(changed).use_case.kpi.currency == "EUR"


@pytest.mark.parametrize(("column", "other"), [("action", "current_action"), ("current_action", "action")])
def test_live_decisions_fix_the_actions_that_they_name(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, other: str
) -> None:
    actions = DECLARED["kpi"]["actions"]
    monkeypatch.setitem(DECLARED["kpi"], "actions", {"wait": actions["wait"], "come": actions["act"]})
    renamed = declare(ws, tmp_path)
    ws.lake.write("decisions/live", "2013-03-10", pa.table({column: ["wait"], other: ["wait"]}))
    assert find_changed_parts(renamed) == [], "no live decision names act"
    ws.lake.write("decisions/live", "2013-03-11", pa.table({column: ["act"], other: ["wait"]}))
    assert [str(c) for c in find_changed_parts(renamed)] == ["kpi.actions was [act, wait] and is [come, wait] now"]
    monkeypatch.setitem(DECLARED["kpi"], "actions", actions | {"come": actions["act"]})
    require_fixed_parts(declare(ws, tmp_path))


def test_a_new_source_is_recorded_with_its_first_run(ws: Workspace, tmp_path: Path) -> None:
    with_sites = declare(ws, tmp_path, sources={"sites": SITES})
    store(with_sites, "raw/sites")
    changed = declare(ws, tmp_path, sources={"sites": {**SITES, "key": ["site", "size"]}})
    assert [str(c) for c in find_changed_parts(changed)] == ["sources.sites.key was [site] and is [site, size] now"]


def test_what_is_stored_is_read_by_its_own_parts(ws: Workspace, tmp_path: Path) -> None:
    changed = declare(ws, tmp_path, timezone="UTC", decision={"key": ["id", "site"]}, title="other")
    assert changed.use_case.zone.key == "UTC"
    readable = with_stored_parts(changed)
    assert readable.use_case.decision.key == ["id"]
    assert readable.use_case.zone.key == readable.use_case.timezone == "America/New_York"
    assert readable.use_case.title == "other"
    assert readable.refusal.startswith("calls_in_time: timezone was")


def test_the_cure_of_a_use_case_that_is_not_live_names_its_folders(ws: Workspace, tmp_path: Path) -> None:
    changed = declare(ws, tmp_path, timezone="UTC")
    assert f"move {ws.lake.root} and the models away" in with_stored_parts(changed).refusal
    append_verdict(ws, "2013-04-01", track="live")
    assert "models away" not in with_stored_parts(changed).refusal
