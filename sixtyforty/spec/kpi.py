"""The KPI: the outcome, the actions and their payoffs, and how the value of decisions is measured."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.actions import Action, Amount, Candidate, Costs
from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError
from sixtyforty.spec.experiments import Holdout, Treatment

BLOCK_DAYS = 14
MINIMUM_BLOCKS = 8
EvidenceLabel = Literal["exact", "assumed", "randomized"]
"""The evidence behind an amount of money.

- exact: the payoff of every action is known, because actions don't change the outcome.
- assumed: the amount rests on the owner's assumption that actions don't change the outcome.
- randomized: the amount was measured in an experiment.
"""


class Kpi(DeclaredModel):
    """The KPI: the figure that the owner wants to improve, and the payoff of each action."""

    name: str = Field(description="Name of the KPI, in the words of the business.")
    currency: str = Field(description="Currency code of all money in this declaration, such as USD.")
    measurement: Literal["exact", "randomized"] = Field(
        description="How the value of a decision is measured. `exact`: the action doesn't change the outcome, so the"
        " payoff of every action is known. `randomized`: the action may change the outcome, so the value is measured in"
        " an experiment, a live holdout or a past treatment. Figures without an experiment are marked as assumed."
    )
    holdout: Holdout | None = Field(
        default=None,
        description="A live experiment. With `measurement: randomized`, it measures the gain. With `measurement:"
        " exact`, it tests whether the action changes the outcome.",
    )
    treatment: Treatment | None = Field(default=None, description="A past experiment, for `measurement: randomized`.")
    outcome: str = Field(description="Column of outcomes.sql with the outcome.")
    outcome_type: Literal["binary", "number"] = Field(
        default="binary",
        description="`binary`: the outcome is 0 or 1, and the model is a classifier. `number`: the outcome is any"
        " number, and the model is a regressor.",
    )
    outcome_name: str = Field(
        description="What an outcome of 1 is called ('late'); for a number, what the outcome counts ('dollars lost')."
    )
    unit_plural: str = Field(description="What the units are called, in the plural: 'orders'.")
    actions: dict[str, Action] = Field(
        default_factory=dict, description="The actions to choose from, by name. Declare either this or amount."
    )
    amount: Amount | None = Field(
        default=None, description="An action that is a number: how many. Declare either this or actions."
    )
    candidates: dict[Name, Candidate] = Field(
        default_factory=dict, description="Other ways to decide, valued on the same units as the model."
    )
    target: float = Field(
        description="Target gain over the current process per 1,000 units, in the currency of the KPI."
    )
    target_date: date | None = Field(default=None, description="Local day by which the target should be reached.")
    costs: Costs = Field(default_factory=Costs, description="Costs that are subtracted from the gain.")
    block_days: int = Field(
        default=BLOCK_DAYS,
        ge=1,
        description="Number of days that count as one observation in an interval, because neighboring days are alike."
        " Raise it if the gain depends on more than two weeks, such as on a season. Lower it only if the units of"
        " different days have nothing in common.",
    )
    segments: list[str] = Field(
        default_factory=list,
        description="Columns of features.sql or of decision.key. The gain is also reported for each of their values,"
        " such as each airport.",
    )

    @model_validator(mode="after")
    def _check_actions(self) -> Kpi:
        if self.amount is None:
            if len(self.actions) < 2:
                raise FieldError("actions", "declare at least two actions, or an `amount` if the action is a number")
            if all(action.limit for action in self.actions.values()):
                raise FieldError("actions", "every action has a `limit`; declare an action without a limit, too")
            return self
        if self.actions:
            raise FieldError("amount", "declare either `actions` or an `amount`, not both")
        if self.outcome_type != "number":
            raise FieldError(
                "amount", "an amount needs `outcome_type: number`: the outcome is the amount that would have been right"
            )
        if self.measurement != "exact":
            raise FieldError(
                "amount", "an amount needs `measurement: exact`: the chosen amount must not change the outcome"
            )
        return self

    @model_validator(mode="after")
    def _check_measurement(self) -> Kpi:
        has_experiment = self.holdout is not None or self.treatment is not None
        if self.measurement == "randomized" and not has_experiment:
            raise FieldError(
                "measurement",
                "`measurement: randomized` needs an experiment; declare kpi.holdout or kpi.treatment",
            )
        if self.measurement == "exact" and self.treatment:
            raise FieldError(
                "measurement",
                "`measurement: exact` needs no past experiment; remove kpi.treatment, or write"
                " `measurement: randomized`",
            )
        if self.holdout and (self.measurement == "exact") == (self.holdout.value_per_outcome is not None):
            raise FieldError(
                "holdout.value_per_outcome",
                "with `measurement: exact`, the holdout only compares outcomes; remove value_per_outcome"
                if self.measurement == "exact"
                else "`measurement: randomized` needs the value of an outcome; declare value_per_outcome",
            )
        return self

    @model_validator(mode="after")
    def _check_shares(self) -> Kpi:
        if self.treatment is None:
            return self
        shares = self.treatment.shares
        if (shares is None) == (self.treatment.propensity is None):
            raise FieldError(
                "treatment.shares",
                "declare either `shares`, if each unit had the same chances, or `propensity`, the column of"
                " outcomes.sql with each unit's own probability",
            )
        if shares is None:
            return self
        if set(shares) != set(self.actions):
            raise FieldError(
                "treatment.shares",
                f"kpi.treatment.shares names the actions {', '.join(sorted(shares))}, but kpi.actions declares"
                f" {', '.join(sorted(self.actions))}; use the same names",
            )
        if abs(sum(shares.values()) - 1) > 1e-9:
            raise FieldError(
                "treatment.shares",
                f"the shares add up to {sum(shares.values()):g}; change them so that they add up to 1",
            )
        return self

    @property
    def has_limits(self) -> bool:
        """Whether any action has a limit: a largest number of units that can get it at one time or on one day."""
        return any(action.limit for action in self.actions.values())

    @property
    def has_daily_limits(self) -> bool:
        """Whether any action has a limit for all units of a local day together."""
        return any(action.is_limited_by_day for action in self.actions.values())

    @property
    def payoff_sql(self) -> dict[str, str]:
        """The gains and costs that are declared as SQL: {name of the column that stores the amounts: SQL expression}.

        The columns are stored with the features, but the model doesn't see them. Example: `_gain offer` stores the gain
        of the action `offer`.
        """
        payoffs = (
            (f"_{kind} {name}", getattr(action, kind))
            for name, action in self.actions.items()
            for kind in ("gain", "cost")
        )
        return {column: sql for column, sql in payoffs if isinstance(sql, str)}

    @property
    def outcome_columns(self) -> list[str]:
        """The columns of outcomes.sql: the outcome and, if there is a treatment, the columns that describe it."""
        return [self.outcome, *(self.treatment.columns if self.treatment else [])]

    @property
    def unseen_columns(self) -> list[str]:
        """The columns of outcomes.sql that the model doesn't see: all but the action that a unit received."""
        return [c for c in self.outcome_columns if self.treatment is None or c != self.treatment.column]

    @property
    def actions_by_cost(self) -> list[str]:
        """The names of the actions, cheapest first. Actions whose cost is SQL come last.

        The list is empty if the KPI declares an `amount` instead of actions.
        """

        return sorted(self.actions, key=lambda name: self.actions[name].fixed_cost)

    @property
    def idle_action(self) -> str:
        """The action that counts as doing nothing, or the smallest amount.

        This is the cheapest action. Of two that cost the same, it is the one without a gain. If any cost is SQL, an
        action of cost 0 comes first, then an action without a gain. Of equal ones, it is the first.
        """
        return f"{self.amount.minimum:.10g}" if self.amount else min(self.actions, key=self._idle_rank)

    def _idle_rank(self, name: str) -> tuple[float, ...]:
        """Return a sort key of an action: the smallest key belongs to the action that does nothing."""
        action = self.actions[name]
        has_gain, costs_something = action.gain != 0, action.cost != 0
        if any(isinstance(action.cost, str) for action in self.actions.values()):
            return (costs_something, has_gain, action.fixed_cost)
        return (action.fixed_cost, has_gain)
