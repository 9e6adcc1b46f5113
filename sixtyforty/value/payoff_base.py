"""The interface of payoffs: what can be asked about n rows, whatever the kind of action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sixtyforty.spec.errors import SixtyfortyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Barred = Mapping[str, NDArray[np.bool_]]  # by action: the rows on which it may not be taken

# By partition and decision time: how often each action was already taken.
ActionCounts = Mapping[tuple[str, Any], Mapping[str, int]]


class PayoffError(SixtyfortyError):
    """An unknown action, or rows that lack a column that a payoff needs."""


class Payoffs(Protocol):
    """Payoffs of n rows. Outcomes and scores (expected outcomes) have shape (n,); actions are text."""

    def realized(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return what each row's action paid under its outcome, in the KPI's currency, (n,). Raises PayoffError."""

    def best_possible(self, outcome: Floats) -> Floats:
        """Return what perfect foresight would have earned on each row, (n,); NaN where that is unknown."""

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """Return the action with the highest expected payoff for each row; the cheapest of equal ones.

        barred: rows on which an action may not be taken; every row keeps at least one action. taken: actions already
        taken, which count towards the limits.
        """

    def expected_outcomes(self, score: Floats, actions: Sequence[str]) -> Floats:
        """Return the outcome expected on each row with its action, (n,)."""
