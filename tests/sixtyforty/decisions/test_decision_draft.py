"""A draft starts with the current process's actions, and changing it leaves the units unchanged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sixtyforty.decisions.decision_draft import NO_CHAMPION_REASON, DecisionDraft
from sixtyforty.value.policy import POLICY_VERSION


def test_a_draft_is_the_current_process() -> None:
    units = pd.DataFrame({"current_action": pd.Series(["wait", "act"], dtype=object)})
    draft = DecisionDraft.by_current_process(units)
    assert draft.action.tolist() == ["wait", "act"]
    assert np.isnan(draft.expected).all()
    assert set(draft.decided_by) == {"current_process"}
    assert set(draft.reason) == {NO_CHAMPION_REASON}
    assert set(draft.champion_version) == {None}
    assert set(draft.policy) == {POLICY_VERSION}
    draft.action[:] = "act"
    assert units["current_action"].tolist() == ["wait", "act"]
