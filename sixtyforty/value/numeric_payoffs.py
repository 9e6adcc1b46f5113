"""Compute the payoffs of a numeric action, such as the number of people to staff. Too few and too many have a cost.

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
    """The payoffs of an action that is a number. Implements the interface `Payoffs`.

    Each action is the text of a number, as `format_amount` writes it. Money is in the KPI's currency.
    """

    amount: Amount

    def is_priced(self, actions: Sequence[str]) -> NDArray[Any]:
        """Return True for each row, because the declared costs apply to every number."""
        import numpy as np

        return np.ones(len(actions), bool)

    def realized(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return the payoff of each row's numeric action given its outcome, in the KPI's currency, shape (n,).

        The payoff is -(shortage cost x missing amount), or -(excess cost x excess amount).
        """
        import numpy as np

        try:
            amounts = np.asarray(actions, dtype=object).astype(float)
        except (TypeError, ValueError) as error:
            raise PayoffError(f"The action must be a number: {error}.") from error
        shortage = outcome - amounts
        costs = np.where(shortage > 0, self.amount.shortage_cost * shortage, -self.amount.excess_cost * shortage)
        return -costs

    def best_possible(self, outcome: Floats) -> Floats:
        """Return the payoff of perfect foresight on each row, in the KPI's currency, shape (n,)."""
        return self.realized(self.choose_actions(outcome).tolist(), outcome)

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """Return the best number for each row, as text: the score, limited to the declared minimum and maximum.

        The score is rounded if whole numbers are declared. barred, taken: not used, because an amount has neither
        vetoes nor limits.
        """
        import numpy as np

        amounts = np.rint(score) if self.amount.whole_numbers else score
        amounts = np.clip(amounts, self.amount.minimum, self.amount.maximum)
        return np.array([format_amount(amount) for amount in amounts], object)

    def expected_outcomes(self, score: Floats, actions: Sequence[str]) -> Floats:
        """Return the expected outcome of each row, shape (n,): the model's score, whatever the action."""
        return score


def format_amount(amount: float) -> str:
    """Return a numeric action as text. Equal numbers give equal texts: -0 becomes 0."""
    without_minus_zero = amount + 0.0
    return f"{without_minus_zero:.10g}"
