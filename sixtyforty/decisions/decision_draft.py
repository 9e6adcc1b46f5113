"""Collect decisions while they are being taken: one array for each column, filled in step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.value.policy import POLICY_VERSION
from sixtyforty.value.shared_texts import share_texts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NO_CHAMPION_REASON = "no model has been promoted yet: the current process decides"


@dataclass
class DecisionDraft:
    """Columns of decisions that are being taken. Each array has the shape (units,) and is changed in place.

    `expected` is the expected outcome, NaN without a model. The other columns hold text or None.
    """

    action: NDArray[Any]
    expected: NDArray[np.float64]
    decided_by: NDArray[Any]
    reason: NDArray[Any]
    champion_version: NDArray[Any]
    policy: NDArray[Any]

    @classmethod
    def by_current_process(cls, units: pd.DataFrame, reason: str = NO_CHAMPION_REASON) -> DecisionDraft:
        """Return a draft of decisions in which the current process decides on all units.

        units: must have the column `current_action`. reason: the reason for each of these decisions.
        """
        import numpy as np

        count = len(units)
        return cls(
            action=share_texts(units["current_action"]),
            expected=np.full(count, np.nan),
            decided_by=np.full(count, "current_process", object),
            reason=np.full(count, reason, object),
            champion_version=np.full(count, None, object),
            policy=np.full(count, POLICY_VERSION, object),
        )
