"""What owners care about: the KPI, what each action is worth, and what it is measured against."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name


class Action(DeclaredModel):
    """One possible action and what it pays: gain x outcome - cost."""

    description: str = Field(description="What is done, in the words of the business.")
    cost: Annotated[float, Field(ge=0)] | str = Field(
        default=0.0, description="Cost of taking it once, in the KPI's unit: a number, or SQL over features.sql."
    )
    gain: float | str = Field(
        default=0.0, description="Gain per unit of outcome, in the KPI's unit: a number, or SQL over features.sql."
    )
    limit: int | None = Field(
        default=None,
        gt=0,
        description="At most so many of the units decided at one moment: where it is expected to pay most beyond the"
        " best other action.",
    )
    use_full_limit: bool = Field(
        default=False, description="As many as the limit always, even where it isn't expected to pay."
    )

    @model_validator(mode="after")
    def _limited(self) -> Action:
        if self.use_full_limit and self.limit is None:
            raise ValueError("use_full_limit needs a limit: how many are to be used up")
        return self


class Amount(DeclaredModel):
    """An action that is a number, such as how many to staff.

    It pays -(under x what is missing + over x what is left over), beside an outcome known only later. The best amount
    is the quantile under / (under + over) of the outcome (Arrow, Harris & Marschak, Optimal Inventory Policy, 1951):
    an estimator with a parameter `quantile` is given it.
    """

    description: str = Field(description="What is chosen, in the words of the business: 'fitters on call'.")
    shortage_cost: float = Field(gt=0, description="Cost of each unit too few, in the KPI's unit.")
    excess_cost: float = Field(gt=0, description="Cost of each unit too many, in the KPI's unit.")
    minimum: float = Field(default=0.0, description="The smallest amount there may be.")
    maximum: float = Field(default=math.inf, description="The largest amount there may be.")
    whole_numbers: bool = Field(default=True, description="Whether only whole amounts will do.")

    @property
    def quantile(self) -> float:
        """Of the outcome: the best amount."""
        return self.shortage_cost / (self.shortage_cost + self.excess_cost)

    @model_validator(mode="after")
    def _in_order(self) -> Amount:
        if self.maximum <= self.minimum:
            raise ValueError(
                f"maximum ({self.maximum:g}) is not above minimum ({self.minimum:g}): there is nothing to choose"
            )
        return self


class Treatment(DeclaredModel):
    """Actions that units really got, dealt out at random: then what a policy is worth follows from theirs alone.

    A unit stands for the policies that would have done what it got, with the weight 1 / share of those who got it
    (Horvitz & Thompson, 1952), so that the gain is a difference in means. The model learns what comes of each action.
    """

    column: Name = Field(description="Column of outcomes.sql: the action each unit got; null where it wasn't dealt.")
    shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        description="Each action and the share of the units it was dealt to; together 1."
    )
    value_per_outcome: float = Field(
        description="What an outcome of 1 is worth in the KPI's unit, whatever was done; of a harm it is negative."
    )


class Costs(DeclaredModel):
    """What the use case costs its owner, in the KPI's unit: assumed, as the owner says it."""

    build: float = Field(default=0.0, ge=0, description="Once, until the first decision.")
    per_month: float = Field(default=0.0, ge=0, description="Of running it, people and machines included.")
    per_run_hour: float = Field(
        default=0.0, ge=0, description="Of an hour of run time, as measured, where per_month doesn't hold it."
    )
    per_response: float = Field(
        default=0.0, ge=0, description="Of a person's answer to a decision, where per_month doesn't hold it."
    )


class Candidate(DeclaredModel):
    """Another way to decide, valued on the same decisions: an expert's rule, or a vendor's predictions.

    Its SQL sees the columns of features.sql, those the model doesn't see (their names begin with _) included, and
    `current_action`.
    """

    description: str = Field(description="What it is, in the words of the business.")
    vendor: bool = Field(default=False, description="Whether it is bought: build or buy, on the same KPI.")
    action: str | None = Field(default=None, description="SQL: the action it takes. This, or expected.")
    expected_outcome: str | None = Field(
        default=None, description="SQL: the outcome it expects; the action is that of the highest expected payoff."
    )

    @model_validator(mode="after")
    def _one_answer(self) -> Candidate:
        if (self.action is None) == (self.expected_outcome is None):
            raise ValueError("a candidate has either action (SQL of an action's name) or expected (SQL of a number)")
        return self


class Holdout(DeclaredModel):
    """Units that keep the current process, drawn at random and for ever, where the action changes the outcome."""

    share: float = Field(gt=0, lt=1, description="Share of the units held back. Those held back stay so in a larger.")
    value_per_outcome: float = Field(
        description="What an outcome of 1 is worth in the KPI's unit, whatever was done; of a harm it is negative. The"
        " arms are compared on worth x outcome - cost of what was done."
    )
    cluster_by: list[str] = Field(
        default_factory=list,
        description="Columns of the unit source: what agrees in them is held back together. None: each unit by itself.",
    )
    salt: str = Field(default="", description="Any text: another one draws other units.")
    covariate: str | None = Field(
        default=None,
        description="Numeric column of features.sql that foretells the value and that no action taken"
        " since the holdout began can have moved: what it explains is taken off (CUPED).",
    )
    planned_units: int = Field(
        default=10_000,
        gt=0,
        description="Units after which the always-valid interval is tightest; to be chosen"
        " before the start: `sixtyforty holdout` says how many are needed.",
    )


class Kpi(DeclaredModel):
    """The figure owners care about and what each action is worth."""

    name: str = Field(description="The KPI, in the words of the business.")
    currency: str = Field(description="Its unit: a currency code.")
    measurement: Literal["exact", "randomized"] = Field(
        description="How sure the figure is. exact: the action doesn't change the outcome. randomized: it may, and what"
        " it is worth is a difference of means: live from a holdout, in the past from a treatment dealt at random;"
        " until there is such a thing, all that is said of it is assumed."
    )
    holdout: Holdout | None = Field(default=None, description="Of a randomized KPI: what live claims rest on.")
    treatment: Treatment | None = Field(default=None, description="Of a randomized KPI: a past experiment.")
    outcome: str = Field(description="The outcome column of outcomes.sql.")
    outcome_type: Literal["binary", "number"] = Field(
        default="binary", description="binary: 0 or 1, for a classifier. number: for a regressor."
    )
    outcome_name: str = Field(description="What an outcome of 1 is called: 'late'; of a number, what it counts.")
    unit_plural: str = Field(description="What the units are called, in the plural: 'orders'.")
    actions: dict[str, Action] = Field(default_factory=dict, description="The actions to choose from; or an amount.")
    amount: Amount | None = Field(default=None, description="The action is a number: how many. This, or actions.")
    candidates: dict[Name, Candidate] = Field(
        default_factory=dict, description="Other ways to decide, valued beside the decisions taken."
    )
    target: float = Field(description="Lift over the current process aimed at, per 1,000 units.")
    target_date: date | None = Field(default=None, description="The local day by which the target is to be reached.")
    costs: Costs = Field(default_factory=Costs, description="Subtracted from the gain.")
    segments: list[str] = Field(
        default_factory=list, description="Columns of features.sql, or of the key, that the money is told apart by."
    )

    @model_validator(mode="after")
    def _one_kind_of_action(self) -> Kpi:
        if self.amount is None and len(self.actions) < 2:
            raise ValueError("actions: a choice needs two at least; if the action is a number, declare an amount")
        if self.amount is None:
            if all(a.limit for a in self.actions.values()):
                raise ValueError("actions: one must be without a limit, for whoever the others aren't enough for")
            return self
        if self.actions:
            raise ValueError("a KPI has either actions (names) or an amount (a number)")
        if self.outcome_type != "number":
            raise ValueError("amount needs outcome_type: number (how many it turns out to take)")
        if self.measurement != "exact":
            raise ValueError("amount needs label: exact (what is chosen doesn't change how many it takes)")
        return self

    @model_validator(mode="after")
    def _measured(self) -> Kpi:
        if (self.measurement == "randomized") != (self.holdout is not None or self.treatment is not None):
            raise ValueError(
                "label randomized (the action may change the outcome) needs kpi.holdout or kpi.treatment: nothing can"
                " be claimed without one; label exact has neither"
            )
        if self.measurement == "randomized" and self.segments:
            raise ValueError("segments belong to label exact: arms aren't told apart by segment")
        if self.treatment:
            dealt = self.treatment.shares
            if set(dealt) != set(self.actions):
                raise ValueError(f"treatment.shares name {sorted(dealt)}; the actions are {sorted(self.actions)}")
            if abs(sum(dealt.values()) - 1) > 1e-9:
                raise ValueError(f"treatment.shares add up to {sum(dealt.values()):g}, not to 1")
        return self

    @property
    def has_limits(self) -> bool:
        """Whether an action may be taken for some of the units of a moment only."""
        return any(a.limit for a in self.actions.values())

    @property
    def payoff_sql(self) -> dict[str, str]:
        """What of the payoffs is SQL: the hidden feature it is kept in, such as `_gain offer`, and the SQL."""
        said = ((f"_{kind} {name}", getattr(a, kind)) for name, a in self.actions.items() for kind in ("gain", "cost"))
        return {column: sql for column, sql in said if isinstance(sql, str)}

    @property
    def outcome_columns(self) -> list[str]:
        """The columns of outcomes.sql that tell what became of a unit."""
        return [self.outcome, *([self.treatment.column] if self.treatment else [])]

    @property
    def actions_by_cost(self) -> list[str]:
        """The actions, cheapest first; what costs differ by unit for comes last. Of an amount: none."""

        def fixed(name: str) -> float:
            cost = self.actions[name].cost
            return math.inf if isinstance(cost, str) else cost

        return sorted(self.actions, key=fixed)

    @property
    def idle_action(self) -> str:
        """The action that counts as doing nothing: the cheapest, or the least amount."""
        return f"{self.amount.minimum:.10g}" if self.amount else self.actions_by_cost[0]

    def allowed_instead(self, action: str | None, instead_of: str) -> str | None:
        """What could be done instead of an action, in words, where this isn't among it; None: it is."""
        if self.amount is None:
            others = [a for a in self.actions if a != instead_of]
            return None if action in others else " or ".join(others)
        try:
            number = float(action or "")
        except ValueError:
            number = math.nan
        fits = self.amount.minimum <= number <= self.amount.maximum and (
            number.is_integer() or not self.amount.whole_numbers
        )
        within = f"another {'whole ' if self.amount.whole_numbers else ''}number from {self.amount.minimum:g}"
        return None if fits and number != float(instead_of) else f"{within} to {self.amount.maximum:g}"

    def describe_action(self, action: str) -> str:
        """An action in the words of the business."""
        if self.amount:
            return f"{action} {self.amount.description}"
        return self.actions[action].description if action in self.actions else action

    def describe_expected(self, value: float) -> str:
        """An expected outcome in the words of the business."""
        if self.outcome_type == "number":
            return f"{value:,.1f} {self.outcome_name}"
        return f"{self.outcome_name} in about {value * 100:.0f} of 100 such cases"

    def describe_outcome(self, outcome: float) -> str:
        """An outcome in the words of the business."""
        if self.outcome_type == "number":
            return f"{outcome:,.1f} {self.outcome_name}"
        return self.outcome_name if outcome else f"not {self.outcome_name}"

    @property
    def payoff_sentences(self) -> list[str]:
        """What the actions cost and bring, a sentence each."""
        if self.amount:
            a = self.amount
            return [
                f"Each of the {a.description} too few costs {a.shortage_cost:,.10g} {self.currency},"
                f" each too many {a.excess_cost:,.10g}."
            ]
        per = (
            f"where it was needed: {self.outcome_name}"
            if self.outcome_type == "binary"
            else (f"for each of the {self.outcome_name}")
        )
        said = []
        for action in self.actions.values():
            if action.cost:
                limit = f" There are {action.limit} of them at a time." if action.limit else ""
                brings = "" if self.treatment else f" and brings {_sum(action.gain, self.currency)} {per}"
                said.append(f"To {action.description} costs {_sum(action.cost, self.currency)}{brings}.{limit}")
        return said


def _sum(value: float | str, unit: str) -> str:
    return f"what `{value}` comes to" if isinstance(value, str) else f"{value:,.10g} {unit}"
