"""Define `Payoffs`, the interface of the payoffs of both named and numeric actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sixtyforty.spec.errors import SixtyfortyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Barred = Mapping[str, NDArray[np.bool_]]  # for each action, a mask of the rows on which the action is forbidden

# For each partition and decision time, how often each action was already taken. A time of None stands for actions that
# count towards the limits of the day at each of its decision times.
ActionCounts = Mapping[tuple[str, Any], Mapping[str, int]]
TakenActions = dict[tuple[str, Any], Counter[str]]  # the same, while decisions are being taken


class PayoffError(SixtyfortyError):
    """An action is unknown, or rows lack a column that a payoff needs."""


class Payoffs(Protocol):
    """The payoffs of actions on n rows, one row per unit.

    Outcomes and scores have shape (n,). A score is an expected outcome. Actions are text, one for each row. With a
    treatment, a score may also have shape (actions, n): the expected outcome under each action.
    """

    def is_priced(self, actions: Sequence[str]) -> NDArray[np.bool_]:
        """Return, for each row, whether the payoff of its action can be computed once the outcome is known."""

    def realized(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return the payoff of each row's action given its outcome, in the KPI's currency, shape (n,).

        Raises PayoffError if an action is unknown, or if the rows lack a column.
        """

    def best_possible(self, outcome: Floats) -> Floats:
        """Return the payoff of perfect foresight on each row, in the KPI's currency, shape (n,). NaN means unknown."""

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """Return the action with the highest expected payoff for each row; of equal actions, the cheapest.

        An action whose gain or cost is unknown on a row isn't taken there. Without any allowed action, return the
        cheapest action that has no limit. That action is then barred, or its gain or cost is unknown.

        barred: the rows on which each action is forbidden.
        taken: the actions already taken, which count towards the limits.
        """

    def expected_outcomes(self, score: Floats, actions: Sequence[str]) -> Floats:
        """Return the expected outcome of each row under its action in `actions`, shape (n,)."""
