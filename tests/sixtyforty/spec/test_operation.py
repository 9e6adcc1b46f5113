"""Operation has safe defaults, and limits in their ranges."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.operation import Automation, Governance, Rollout, Watch


def test_nothing_is_automatic_unless_declared() -> None:
    automation = Automation()
    assert (automation.retrain_cron, automation.approval, automation.rollout) == (None, "none", None)


def test_not_all_rows_may_be_quarantined() -> None:
    with pytest.raises(ValidationError, match="max_quarantined_share"):
        Governance(max_quarantined_share=1)


@pytest.mark.parametrize("share", [0, 1])
def test_the_holdout_step_keeps_some_units_and_not_all(share: float) -> None:
    with pytest.raises(ValidationError, match="holdout_share"):
        Rollout(holdout_share=share)


def test_a_schedule_may_be_silent_for_more_than_one_interval() -> None:
    with pytest.raises(ValidationError, match="max_silent_intervals"):
        Watch(max_silent_intervals=1)
