"""What is known, whichever use case it was learned in, what failed, and the past walked through as it looked then."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.stage_steps import record_verdict
from sixtyforty.reports import replay_report
from sixtyforty.reports.findings import add
from sixtyforty.reports.knowledge import failed, search
from tests.accounted_home import append_verdict, make_accounted_home, write_accounts
from tests.helpers import UNJUDGED, make_workspace, publish_days, put_champion_in_force
from tests.sixtyforty.lifecycle.test_stage_gate import GATE, days

ASKED = {"day": "2013-01-05", "asked": "two dispatchers", "found": "They want a reason beside each line"}


def test_a_word_is_found_in_whichever_use_case_it_was_learned(tmp_path):
    one = make_workspace(tmp_path, name="one", people={"research": [ASKED], "illustrative": True})
    two = make_workspace(tmp_path, name="two")
    add(one, "ann", "Reasons win people.", "What wins")
    add(two, "bo", "No reason was ever read.")
    found = search([one, two], "REASON")
    assert [(k.use_case, k.where.split(" of ")[0], k.title) for k in found] == [
        ("one", "finding 1", "What wins"),
        ("one", "user research", "two dispatchers"),
        ("two", "finding 1", "No reason was ever read."),
    ]
    assert "made up for a demonstration" in found[1].where
    assert search([one, two], "reason nobody said") == []
    with pytest.raises(ValueError, match="say what to look for"):
        search([one], " ")


def test_what_was_tried_and_failed_is_remembered(tmp_path):
    ws = make_accounted_home(tmp_path / "a")
    null = make_workspace(tmp_path / "b", name="null", stages={"poc": GATE})
    write_accounts(null, days(0.0, count=100))
    record(null, datetime(2014, 1, 1))
    found = failed([ws, null])
    assert [k.title.split(" ", 1)[1] for k in found] == ["was not better by enough", "was refused", "poc was stopped"]
    assert found[1].text == "it lost money on past days"
    assert "surely less than" in found[2].text or "hadn't passed" in found[2].text
    assert failed([make_workspace(tmp_path / "c")]) == []
    append_verdict(null, "2013-04-01")
    assert len(failed([null])) == 1


DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(16)]
LAST = [d.isoformat() for d in DAYS[-3:]]


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """Three days decided by a model, of which two are accounted for, and one whose features came anew afterwards."""
    ws = make_workspace(tmp_path_factory.mktemp("past"))
    publish_days(ws, DAYS, count=30)
    put_champion_in_force(ws, DAYS[-3])
    take_decisions(ws, LAST, "replay", None)
    kpi_ledger.write_accounts(ws, LAST[:2], "replay")
    entry = ws.lake.entry("features", LAST[1])
    rows = pq.read_table(ws.lake.local_file(entry))
    facts = UNJUDGED | {"again": True}
    ws.lake.write("features", LAST[1], rows.slice(0, 29), inputs=entry.inputs, code="later", facts=facts)
    return ws


def test_the_past_is_walked_through_as_it_looked_then(past):
    one, two, three, four = replay_report.walk(past, [*LAST, "2013-04-01"], "replay")
    rows = read_decisions(past, LAST[0], "replay")
    assert one["decided"]["decisions"] == 30 == sum(one["decided"]["actions"].values())
    assert one["decided"]["differ"] == sum(r["action"] != r["current_action"] for r in rows)
    assert one["decided"]["by"] == {"model": 30}
    assert one["decided"]["models"][0]["learned_to"] < LAST[0]
    seen = one["seen"]["sources"]
    lookback = past.lake.entry("features", LAST[0]).inputs["validated/calls"]
    assert seen["calls"]["rows"] == sum(past.lake.entry("validated/calls", p).rows for p in lookback)
    assert seen["calls"]["to"] == LAST[0]
    assert one["happened"]["worth"] == kpi_ledger.read_daily_values(past, "replay")[0].model
    assert [x["seen"]["restated"] for x in (one, two, three)] == [False, True, False]
    assert two["decided"]["decisions"] == 30  # as it looked then, not as it does now
    assert two["seen"]["sources"] == two["seen"]["sources"] | {"calls": {**two["seen"]["sources"]["calls"], "gone": 0}}
    assert three["happened"] is None
    assert four == {"partition": "2013-04-01", "seen": None, "decided": None, "happened": None}
    json.dumps([one, two, three, four], allow_nan=False)


def test_it_is_told_in_a_few_lines(past):
    one, two, three, four = map(replay_report.told, replay_report.walk(past, [*LAST, "2013-04-01"], "replay"))
    assert one.startswith(f"{LAST[0]}  decided {LAST[0]} ")
    assert "the current process" in one and "had learned up to" in one
    assert "(restated since)" in two and "(restated since)" not in one
    assert three.endswith("happened  not known yet")
    assert four == "2013-04-01  nothing was decided"


def test_what_is_gone_is_counted_and_not_made_up(past, tmp_path):
    inputs = {"validated/calls": {LAST[0]: "0" * 16}}
    past.lake.write("features", "2013-03-20", pa.table({"id": [1]}), inputs=inputs, facts=UNJUDGED)
    version = past.lake.entry("features", "2013-03-20").version
    seen = replay_report._seen(past, "2013-03-20", [version])
    assert seen["sources"]["calls"] == {"partitions": 1, "to": LAST[0], "rows": 0, "set_aside": 0, "gone": 1}
    past.lake.drop("features", "2013-03-20")
