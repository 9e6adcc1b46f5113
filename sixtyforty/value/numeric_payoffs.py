"""Payoffs of a numeric action, such as how many people to staff: each unit too few or too many has a cost.

The best amount is the quantile shortage_cost / (shortage_cost + excess_cost) of the outcome (the newsvendor model:
Arrow, Harris & Marschak, Optimal Inventory Policy, Econometrica 1951). The estimator learns that quantile, so a score
is already the best amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.actions import Amount
from sixtyforty.value.payoff_base import ActionCounts, PayoffError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Barred, Floats


@dataclass(frozen=True)
class NumericPayoffs:
    """The payoffs of an action that is a number. Implements Payoffs. Actions are texts from `format_amount`."""

    amount: Amount

    def realized(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """See Payoffs. The payoff is -(shortage cost x units too few), or -(excess cost x units too many)."""
        import numpy as np

        try:
            amounts = np.asarray(actions, dtype=object).astype(float)
        except (TypeError, ValueError) as error:
            raise PayoffError(f"The action must be a number: {error}.") from error
        shortage = outcome - amounts
        costs = np.where(shortage > 0, self.amount.shortage_cost * shortage, -self.amount.excess_cost * shortage)
        return -costs

    def best_possible(self, outcome: Floats) -> Floats:
        """See Payoffs."""
        return self.realized(self.choose_actions(outcome).tolist(), outcome)

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """See Payoffs. The action is the score, rounded if whole numbers are declared, and kept in the declared range.

        barred, taken: not used, because an amount has neither vetoes nor limits.
        """
        import numpy as np

        amounts = np.rint(score) if self.amount.whole_numbers else score
        amounts = np.clip(amounts, self.amount.minimum, self.amount.maximum)
        return np.array([format_amount(amount) for amount in amounts], object)

    def expected_outcomes(self, score: Floats, actions: Sequence[str]) -> Floats:
        """See Payoffs. The result is the score itself."""
        return score


def format_amount(amount: float) -> str:
    """Return an amount as text. Equal numbers give equal texts, also 0 and -0."""
    without_minus_zero = amount + 0.0
    return f"{without_minus_zero:.10g}"
