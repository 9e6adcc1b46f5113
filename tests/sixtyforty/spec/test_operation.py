"""Operation has safe defaults, and limits in their ranges."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.operation import Automation, Governance, Rollout


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
