"""Add up the weights with which the units of a past experiment count for a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.value.choice_payoffs import ChoicePayoffs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECEIVED = "received"  # in place of a policy: the actions that the units received, so all units count
RARE = 0.05  # a unit whose propensity is smaller counts at least 20 times


@dataclass(frozen=True)
class PolicyWeights:
    """Sums over the units of a past experiment that received the action of a policy.

    - weight, squares: the sums of the weights 1 / propensity, and of their squares.
    - largest: the largest weight.
    - rare: the number of units whose propensity is below RARE.
    - robust: the doubly robust money of the policy, over all units, in the KPI's currency.
    """

    weight: float
    squares: float
    largest: float
    rare: int
    robust: float

    def __add__(self, other: PolicyWeights) -> PolicyWeights:
        return PolicyWeights(
            self.weight + other.weight,
            self.squares + other.squares,
            max(self.largest, other.largest),
            self.rare + other.rare,
            self.robust + other.robust,
        )

    @property
    def effective_units(self) -> float:
        """The effective sample size: the number of equally weighted units that would be as precise; 0 without units.

        Source: Kish (1965), Survey Sampling, section 11.7.
        """
        return self.weight**2 / self.squares if self.squares else 0.0


def weigh_policies(
    payoffs: ChoicePayoffs,
    policies: Mapping[str, Sequence[str]],
    outcome: NDArray[np.float64],
    predicted: NDArray[np.float64] | None,
) -> dict[str, PolicyWeights]:
    """Return the weights of each policy, and of RECEIVED.

    policies: the actions of each policy. predicted: the expected outcome under each action, shape (actions, n), or None
    if nothing is predicted. See `ChoicePayoffs.robust`.
    """
    import numpy as np

    if predicted is None:
        predicted = np.full((len(payoffs.names), payoffs.count), np.nan)
    received = [] if payoffs.received is None else payoffs.received.tolist()
    return {
        policy: _add_up(payoffs.experiment_weights(actions), payoffs.robust(actions, outcome, predicted))
        for policy, actions in {**policies, RECEIVED: received}.items()
    }


def _add_up(weights: NDArray[np.float64], robust: NDArray[np.float64]) -> PolicyWeights:
    return PolicyWeights(
        weight=float(weights.sum()),
        squares=float((weights**2).sum()),
        largest=float(weights.max(initial=0.0)),
        rare=int((weights > 1 / RARE).sum()),
        robust=float(robust.sum()),
    )


def add_weights(first: Mapping[str, PolicyWeights], second: Mapping[str, PolicyWeights]) -> dict[str, PolicyWeights]:
    """Add up the weights of the same policies in two portions of units."""
    return {policy: weights + second[policy] for policy, weights in first.items()}


def read_weights(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, PolicyWeights]:
    """Return the weights of each policy that were stored as JSON values."""
    return {policy: PolicyWeights(**fields) for policy, fields in stored.items()}
