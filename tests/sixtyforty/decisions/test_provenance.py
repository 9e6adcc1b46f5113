"""A decision is traced to its input files, its champion, its delivery and its outcome."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.decision_trace import TracedFile, UnknownFiles
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.provenance import UnknownDecisionError, trace_decision
from sixtyforty.storage.lake import HISTORY
from sixtyforty.value.decision_ids import DecisionIdError
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import DAY, KEY, KEY_BEFORE, mark_first_unit_suspect


def test_a_decision_is_traced_to_its_files_champion_and_outcome(ready: Workspace) -> None:
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    decision = read_decisions(ready, KEY, "replay")[3]
    trace = trace_decision(ready, decision.decision_id)
    assert {file.file for file in trace.inputs if isinstance(file, TracedFile)} == {
        f"{source}_{day}.csv"
        for source in ("calls", "visits")
        for day in ("2013-03-10", "2013-03-11", "2013-03-12", DAY)
    }
    assert trace.champion and trace.champion.version == decision.champion_version
    assert trace.features and trace.features["id"] == decision.unit["id"]
    assert trace.delivery is None
    assert trace.outcome and trace.outcome.name == "late"
    late = trace.outcome.outcome
    assert late in (0, 1)
    assert trace.outcome.value == (10 * late - 3 if decision.action == "act" else 0)
    assert trace.outcome.value_current_process == (10 * late - 3 if decision.current_action == "act" else 0)
    deliver_decisions(ready, entries, "replay")
    assert trace_decision(ready, decision.decision_id).delivery
    assert json.loads(json.dumps(trace.to_dict(), default=str))["code_version"] == decision.code_version


def test_the_value_of_an_action_that_was_renamed_later_is_unknown(ready: Workspace) -> None:
    """The page about past answers, `explain` and `answer` failed for such decisions."""
    take_decisions(ready, [KEY], "replay", None)
    decisions = read_decisions(ready, KEY, "replay")
    kpi = ready.use_case.kpi
    actions = {"call" if name == "act" else name: action for name, action in kpi.actions.items()}
    renamed = ready.use_case.model_copy(update={"kpi": kpi.model_copy(update={"actions": actions})})
    later = replace(ready, use_case=renamed)
    is_known = dict[bool, set[str]]({True: set(), False: set()})
    for decision in decisions:
        outcome = trace_decision(later, decision.decision_id).outcome
        assert outcome and outcome.outcome in (0, 1)
        is_known[outcome.value is not None].add(decision.action)
        is_known[outcome.value_current_process is not None].add(decision.current_action)
    assert is_known == {True: {"wait"}, False: {"act"}}


def test_the_trace_survives_a_restatement(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decision_id = read_decisions(ready, KEY, "replay")[3].decision_id
    before = trace_decision(ready, decision_id)
    mark_first_unit_suspect(ready, KEY)
    after = trace_decision(ready, decision_id)
    assert (after.inputs, after.decision) == (before.inputs, before.decision)
    assert after.features is None
    assert after.to_dict()["features"] == {
        "note": "the features were restated after the decision; those that it used are no longer stored"
    }


def test_parts_without_a_manifest_are_named_as_unknown(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decision_id = read_decisions(ready, KEY, "replay")[3].decision_id
    before = trace_decision(ready, decision_id)
    replace_and_forget(ready, "validated/visits", KEY_BEFORE)
    without_files = trace_decision(ready, decision_id)
    assert without_files.inputs[0] == UnknownFiles("validated/visits", KEY_BEFORE)
    assert without_files.inputs[1:] == [
        file for file in before.inputs if isinstance(file, TracedFile) and file.file != f"visits_{KEY_BEFORE}.csv"
    ]
    assert len(without_files.verdicts) == len(before.verdicts) - 1
    replace_and_forget(ready, "features", KEY)
    without_features = trace_decision(ready, decision_id)
    assert (without_features.features, without_features.inputs) == (None, [])
    assert without_features.to_dict()["verdicts"] == [
        {
            "dataset": "features",
            "accepted": None,
            "note": "the manifest of the version that the decision used is no longer stored",
        }
    ]


def replace_and_forget(ws: Workspace, dataset: str, partition: str) -> None:
    """Write a partition again, and delete the manifest that this replaces."""
    entry = ws.lake.entry(dataset, partition)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write(dataset, partition, rows, inputs=entry.inputs, code="new", facts=entry.facts)
    (ws.lake.root / HISTORY / f"{entry.version}.json").unlink()


@pytest.mark.parametrize("decision_id", ["replay-2013-03-13-000000000000", "replay-1999-01-01-1a2b3c4d5e6f"])
def test_an_unknown_decision_is_an_error_that_says_how_to_find_ids(ready: Workspace, decision_id: str) -> None:
    take_decisions(ready, [KEY], "replay", None)
    with pytest.raises(UnknownDecisionError, match=r"`sixtyforty decisions calls_in_time --date \S+` lists"):
        trace_decision(ready, decision_id)
    with pytest.raises(DecisionIdError, match="is not a decision id"):
        trace_decision(ready, "nonsense")
