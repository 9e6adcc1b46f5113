"""A stage has a gate whose minimum gain is at most its target, and a scope in words."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from sixtyforty.spec.stages import STAGES, Scope, StageGate, Stages

DAY = date(2014, 1, 1)
GATE = StageGate(target=100, minimum_gain=50, stop_date=DAY)


def test_a_minimum_gain_above_the_target_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"minimum_gain \(200\) is above target \(100\)"):
        StageGate(target=100, minimum_gain=200, stop_date=DAY)


def test_each_stage_has_its_gate_and_the_retired_one_has_none() -> None:
    stages = Stages(poc=GATE)
    assert [stages.gate(stage) for stage in STAGES] == [GATE, None, None, None]


@pytest.mark.parametrize(
    ("scope", "description"),
    [(Scope(), "everywhere"), (Scope(team="one shift", region="New York"), "one shift, New York")],
)
def test_a_scope_is_described_in_words(scope: Scope, description: str) -> None:
    assert scope.description == description
