"""The replay report: past partitions as they looked when they were decided."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.reports import replay_report
from sixtyforty.reports.replay_report import ReplayedPartition, SeenSource, describe_partition, replay_partitions
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, make_experiment_home
from tests.helpers import UNJUDGED, make_workspace, publish_days, put_champion_in_force

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(16)]
LAST_DAYS = [d.isoformat() for d in DAYS[-3:]]
UNDECIDED = "2013-04-01"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three decided days. Two are accounted for; the features of the second were restated afterwards."""
    ws = make_workspace(tmp_path_factory.mktemp("past"))
    publish_days(ws, DAYS, count=30)
    put_champion_in_force(ws, DAYS[-3])
    take_decisions(ws, LAST_DAYS, "replay", None)
    kpi_ledger.write_accounts(ws, LAST_DAYS[:2], "replay")
    entry = ws.lake.entry("features", LAST_DAYS[1])
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry))
    facts = UNJUDGED | {"again": True}
    ws.lake.write("features", LAST_DAYS[1], rows.slice(0, 29), inputs=entry.inputs, code="later", facts=facts)
    return ws


def test_each_partition_shows_what_was_known_decided_and_what_happened(past: Workspace) -> None:
    first, second, third, fourth = replay_partitions(past, [*LAST_DAYS, UNDECIDED], "replay")
    assert first.decided and first.seen and first.outcomes and second.decided and second.seen and third.seen
    rows = read_decisions(past, LAST_DAYS[0], "replay")
    assert first.decided.decisions == 30 == sum(first.decided.actions.values())
    assert first.decided.differ == sum(r.action != r.current_action for r in rows)
    assert first.decided.decided_by == {"model": 30}
    assert first.decided.models[0].learned_to < LAST_DAYS[0]
    features = past.lake.entry("features", LAST_DAYS[0])
    assert features is not None
    entries = [past.lake.entry("validated/calls", p) for p in features.inputs["validated/calls"]]
    assert first.seen.sources["calls"].rows == sum(e.rows for e in entries if e)
    assert first.seen.sources["calls"].newest == LAST_DAYS[0]
    assert first.outcomes.value == kpi_ledger.read_daily_values(past, "replay")[0].model
    assert [p.seen.restated for p in (first, second, third)] == [False, True, False]
    assert second.decided.decisions == 30  # as it looked then, not as it looks now
    assert second.seen.sources["calls"].gone == 0
    assert third.outcomes is None
    assert fourth == ReplayedPartition(UNDECIDED)
    json.dumps([p.plain for p in (first, second, third, fourth)], allow_nan=False)


def test_a_partition_is_described_in_a_few_lines(past: Workspace) -> None:
    partitions = replay_partitions(past, [*LAST_DAYS, UNDECIDED], "replay")
    first, second, third, fourth = map(describe_partition, partitions)
    assert first.startswith(f"{LAST_DAYS[0]}  decided {LAST_DAYS[0]} ")
    assert "differ from the current process" in first and "had learned up to" in first
    assert "  outcome   value EUR " in first and "30 outcomes known" in first
    assert "(restated since)" in second and "(restated since)" not in first
    assert third.endswith("outcome   not known yet")
    assert fourth == f"{UNDECIDED}  nothing was decided"


def test_data_that_is_gone_is_counted(past: Workspace) -> None:
    inputs = {"validated/calls": {LAST_DAYS[0]: "0" * 16}}
    past.lake.write("features", "2013-03-20", pa.table({"id": [1]}), inputs=inputs, facts=UNJUDGED)
    entry = past.lake.entry("features", "2013-03-20")
    assert entry is not None
    seen = replay_report._data_seen(past, "2013-03-20", [entry.version])
    assert seen.sources == {"calls": SeenSource(1, LAST_DAYS[0], rows=0, quarantined=0, gone=1)}
    past.lake.drop("features", "2013-03-20")


def test_an_experiment_shows_the_value_of_both_arms(tmp_path: Path) -> None:
    ws = make_experiment_home(tmp_path)
    (partition,) = replay_partitions(ws, KEYS[:1], "live")
    account = ws.lake.entry(kpi_ledger.kpi_dataset("live"), KEYS[0])
    assert account is not None and partition.outcomes is not None
    assert partition.outcomes.known == account.facts["decisions"] > account.facts["held_out"] > 0
    assert partition.outcomes.value == round(account.facts["model"], 2)
    assert partition.outcomes.current_process == round(account.facts["current_process"], 2)
