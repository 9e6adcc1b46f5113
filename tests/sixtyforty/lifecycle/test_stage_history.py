"""The history of stages: the stage in force, and the days of each spell."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sixtyforty.lifecycle.stage_history import StageSpell, current_stage, list_stage_spells
from sixtyforty.lifecycle.stage_steps import StageEvidence, append_event, retire_use_case
from tests.helpers import make_workspace
from tests.stage_declarations import STAGES


def test_each_stage_has_a_spell_until_the_next_one(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    append_event(ws, "poc", "enter", "chain", "x", datetime(2013, 10, 1, 4), StageEvidence())
    append_event(ws, "pilot", "enter", "Ada", "x", datetime(2013, 10, 11, 4), StageEvidence())
    assert current_stage(ws) == "pilot"
    assert list_stage_spells(ws, datetime(2013, 10, 13, 16)) == [
        StageSpell("idea", "2012-12-01", "2013-10-01", 304.0),
        StageSpell("poc", "2013-10-01", "2013-10-11", 10.0),
        StageSpell("pilot", "2013-10-11", None, 2.5),
    ]


def test_retirement_ends_the_last_spell(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    append_event(ws, "poc", "enter", "chain", "x", datetime(2013, 10, 1), StageEvidence())
    retire_use_case(ws, "Ada", "it is over", datetime(2013, 10, 5))
    assert current_stage(ws) == "retired"
    *_, last = list_stage_spells(ws, datetime(2014, 1, 1))
    assert last.to_dict() == {"stage": "poc", "from": "2013-10-01", "to": "2013-10-05", "days": 4.0}


def test_without_gates_the_declared_stage_counts(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, stage="pilot")
    assert current_stage(ws) == "pilot"
    assert list_stage_spells(ws, datetime(2014, 1, 1)) == []


def test_before_the_first_verdict_it_is_a_proof_of_concept(tmp_path: Path) -> None:
    assert current_stage(make_workspace(tmp_path, stage="pilot", **STAGES)) == "poc"
