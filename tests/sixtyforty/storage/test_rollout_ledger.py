"""The rollout ledger answers which step is in force at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.storage.rollout_ledger import RolloutLedger, RolloutStep, StepName

START = datetime(2013, 4, 1)


@pytest.fixture
def ledger(tmp_path: Path) -> RolloutLedger:
    return RolloutLedger(tmp_path / "rollout.jsonl")


def take(ledger: RolloutLedger, step: StepName, days: int) -> RolloutStep:
    effective_from = (START + timedelta(days=days)).isoformat()
    return ledger.take_step(step, by="Ada", why="It looks good.", effective_from=effective_from)


def test_before_the_first_step_none_is_in_force(ledger: RolloutLedger) -> None:
    assert ledger.step_at(START) is None
    take(ledger, "holdout", days=1)
    assert ledger.step_at(START) is None


def test_the_newest_step_by_business_time_is_in_force(ledger: RolloutLedger) -> None:
    take(ledger, "full", days=5)
    take(ledger, "holdout", days=2)
    names = [step.step if (step := ledger.step_at(START + timedelta(days=day))) else None for day in (1, 2, 4, 5, 9)]
    assert names == [None, "holdout", "holdout", "full", "full"]
    assert [row.step for row in ledger.steps()] == ["holdout", "full"]
    assert [row.step for row in ledger.rows()] == ["full", "holdout"]


def test_a_step_that_another_person_just_took_is_not_repeated(ledger: RolloutLedger) -> None:
    first = take(ledger, "holdout", days=1)
    assert take(ledger, "holdout", days=2) == first
    take(ledger, "full", days=3)
    take(ledger, "holdout", days=4)
    assert [row.step for row in ledger.rows()] == ["holdout", "full", "holdout"]
