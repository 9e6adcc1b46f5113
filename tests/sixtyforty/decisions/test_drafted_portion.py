"""Portions of one decision time wait for each other, without their features."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from sixtyforty.decisions.decision_draft import DecisionDraft
from sixtyforty.decisions.drafted_portion import DraftedPortion, join_times
from sixtyforty.storage.stored_tables import StoredTable, TableStore
from tests.small_portions import use_small_portions

NOON = datetime(2013, 3, 13, 12)


def make_portion(*hours: int, partition: str = "a") -> DraftedPortion:
    units = pd.DataFrame({"_partition": partition, "decided_at": [NOON + timedelta(hours=h) for h in hours]})
    draft = DecisionDraft.by_current_process(units.assign(current_action="wait"))
    return DraftedPortion(pa.Table.from_pandas(units), draft, [], {}, None)


def test_portions_of_one_decision_time_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_portions(monkeypatch)
    portions = [
        make_portion(0, 1),
        make_portion(1, 1),
        make_portion(1, 2),
        make_portion(3),
        make_portion(3, partition="b"),
    ]
    groups = list(join_times(portions, TableStore(tmp_path)))
    assert [len(group) for group in groups] == [3, 1, 1]
    assert [portion.units.num_rows for portion in groups[0]] == [2, 2, 2]
    waited = [isinstance(portion.units, StoredTable) for portion in groups[0]]
    assert waited == [True, True, False]
