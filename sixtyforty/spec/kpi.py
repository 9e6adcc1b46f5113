"""The KPI: the outcome, the actions and their payoffs, and how the value of decisions is measured."""

from __future__ import annotations

import math
from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.actions import Action, Amount, Candidate, Costs
from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError
from sixtyforty.spec.experiments import Holdout, Treatment
from sixtyforty.spec.money import format_exact_money

EvidenceLabel = Literal["exact", "assumed", "randomized"]
"""What money rests on. exact: known outcomes. assumed: a declared assumption. randomized: an experiment."""


class Kpi(DeclaredModel):
    """The KPI: the figure that the owner wants to improve, and the payoff of each action."""

    name: str = Field(description="Name of the KPI, in the words of the business.")
    currency: str = Field(description="Currency code of all money in this declaration: USD.")
    measurement: Literal["exact", "randomized"] = Field(
        description="How the value of a decision is measured. `exact`: the action doesn't change the outcome, so the"
        " payoff of every action is known. `randomized`: the action may change the outcome, so the value is a"
        " difference of means: between the arms of a live holdout, or of a past treatment. Until one exists, figures"
        " are marked as assumed."
    )
    holdout: Holdout | None = Field(default=None, description="With measurement: randomized, the live experiment.")
    treatment: Treatment | None = Field(default=None, description="With measurement: randomized, a past experiment.")
    outcome: str = Field(description="Column of outcomes.sql with the outcome.")
    outcome_type: Literal["binary", "number"] = Field(
        default="binary", description="`binary`: 0 or 1, for a classifier. `number`: for a regressor."
    )
    outcome_name: str = Field(
        description="What an outcome of 1 is called ('late'); for a number, what it counts ('dollars lost')."
    )
    unit_plural: str = Field(description="What the units are called, in the plural: 'orders'.")
    actions: dict[str, Action] = Field(
        default_factory=dict, description="The actions to choose from, by name. Declare this or amount."
    )
    amount: Amount | None = Field(
        default=None, description="An action that is a number: how many. Declare this or actions."
    )
    candidates: dict[Name, Candidate] = Field(
        default_factory=dict, description="Other ways to decide, valued on the same decisions."
    )
    target: float = Field(description="Target gain over the current process per 1,000 units, in the currency.")
    target_date: date | None = Field(default=None, description="Local day by which the target should be reached.")
    costs: Costs = Field(default_factory=Costs, description="Costs that are subtracted from the gain.")
    segments: list[str] = Field(
        default_factory=list,
        description="Columns of features.sql or of the key by which the gain is also reported, such as the airport.",
    )

    @model_validator(mode="after")
    def _check_actions(self) -> Kpi:
        if self.amount is None:
            if len(self.actions) < 2:
                raise FieldError("actions", "declare at least two actions, or an `amount` if the action is a number")
            if all(action.limit for action in self.actions.values()):
                raise FieldError("actions", "at least one action must have no limit, for the units beyond the limits")
            return self
        if self.actions:
            raise FieldError("amount", "declare either `actions` or an `amount`, not both")
        if self.outcome_type != "number":
            raise FieldError("amount", "an amount needs `outcome_type: number`: the number that turned out to be right")
        if self.measurement != "exact":
            raise FieldError("amount", "an amount needs `measurement: exact`: the amount must not change the outcome")
        return self

    @model_validator(mode="after")
    def _check_measurement(self) -> Kpi:
        has_experiment = self.holdout is not None or self.treatment is not None
        if self.measurement == "randomized" and not has_experiment:
            raise FieldError(
                "measurement",
                "randomized needs kpi.holdout or kpi.treatment; without an experiment the gain can't be measured",
            )
        if self.measurement == "exact" and has_experiment:
            raise FieldError("measurement", "exact has neither holdout nor treatment; remove them or write randomized")
        if self.measurement == "randomized" and self.segments:
            raise FieldError("segments", "segments need `measurement: exact`; experiments aren't reported by segment")
        return self

    @model_validator(mode="after")
    def _check_shares(self) -> Kpi:
        if self.treatment is None:
            return self
        shares = self.treatment.shares
        if set(shares) != set(self.actions):
            raise FieldError(
                "treatment.shares",
                f"the shares name {', '.join(sorted(shares))}, but the actions are {', '.join(sorted(self.actions))}",
            )
        if abs(sum(shares.values()) - 1) > 1e-9:
            raise FieldError("treatment.shares", f"the shares add up to {sum(shares.values()):g}, not to 1")
        return self

    @property
    def has_limits(self) -> bool:
        """Whether some action can be taken only for a limited number of units at one decision time."""
        return any(action.limit for action in self.actions.values())

    @property
    def payoff_sql(self) -> dict[str, str]:
        """The payoffs that are SQL, by the hidden feature that stores them, such as `_gain offer`."""
        payoffs = (
            (f"_{kind} {name}", getattr(action, kind))
            for name, action in self.actions.items()
            for kind in ("gain", "cost")
        )
        return {column: sql for column, sql in payoffs if isinstance(sql, str)}

    @property
    def outcome_columns(self) -> list[str]:
        """The columns of outcomes.sql: the outcome and, with a treatment, the action received."""
        return [self.outcome, *([self.treatment.column] if self.treatment else [])]

    @property
    def actions_by_cost(self) -> list[str]:
        """The actions, cheapest first; actions whose cost is SQL come last. Empty for an amount."""

        def fixed_cost(name: str) -> float:
            cost = self.actions[name].cost
            return math.inf if isinstance(cost, str) else cost

        return sorted(self.actions, key=fixed_cost)

    @property
    def idle_action(self) -> str:
        """The action that counts as doing nothing: the cheapest one, or the smallest amount."""
        return f"{self.amount.minimum:.10g}" if self.amount else self.actions_by_cost[0]

    def allowed_instead(self, action: str | None, instead_of: str) -> str | None:
        """Return, in words, what could replace a decided action if `action` can't; None if `action` is valid."""
        if self.amount is None:
            others = [name for name in self.actions if name != instead_of]
            return None if action in others else " or ".join(others)
        try:
            number = float(action or "")
        except ValueError:
            number = math.nan
        in_range = self.amount.minimum <= number <= self.amount.maximum
        is_possible = in_range and (number.is_integer() or not self.amount.whole_numbers)
        if is_possible and number != float(instead_of):
            return None
        kind = "whole number" if self.amount.whole_numbers else "number"
        return f"another {kind} from {self.amount.minimum:g} to {self.amount.maximum:g}"

    def describe_action(self, action: str) -> str:
        """Return an action in the words of the business, such as 'send a standby crew' or '4 fitters'."""
        if self.amount:
            return f"{action} {self.amount.description}"
        return self.actions[action].description if action in self.actions else action

    def describe_expected(self, expected: float) -> str:
        """Return an expected outcome in words, such as 'disrupted in about 30 of 100 such cases'."""
        if self.outcome_type == "number":
            return f"{expected:,.1f} {self.outcome_name}"
        return f"{self.outcome_name} in about {expected * 100:.0f} of 100 such cases"

    def describe_outcome(self, outcome: float) -> str:
        """Return an outcome in words, such as 'not disrupted'."""
        if self.outcome_type == "number":
            return f"{outcome:,.1f} {self.outcome_name}"
        return self.outcome_name if outcome else f"not {self.outcome_name}"

    @property
    def payoff_sentences(self) -> list[str]:
        """One sentence for each action with a cost: what it costs, and what it saves or brings."""
        if self.amount:
            shortage = format_exact_money(self.amount.shortage_cost, self.currency)
            excess = format_exact_money(self.amount.excess_cost, self.currency)
            return [f"Too few {self.amount.description} cost {shortage} each, too many cost {excess} each."]
        return [self._payoff_sentence(action) for action in self.actions.values() if action.cost]

    def _payoff_sentence(self, action: Action) -> str:
        description = action.description[:1].upper() + action.description[1:]
        parts = [f"{description}: costs {self._price(action.cost)}"]
        if not self.treatment:  # with a treatment, the model learns the outcome of each action instead
            is_binary = self.outcome_type == "binary"
            condition = f"if {self.outcome_name}" if is_binary else f"for each of the {self.outcome_name}"
            parts.append(f"brings {self._price(action.gain)} {condition}")
        limit = f" At most {action.limit:,} at one decision time." if action.limit else ""
        return f"{', '.join(parts)}.{limit}"

    def _price(self, price: float | str) -> str:
        return (
            f"the amount that `{price}` returns" if isinstance(price, str) else format_exact_money(price, self.currency)
        )
