"""What owners care about: the KPI, what each action is worth, and what it is measured against."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.declared import Declared, Name


class Action(Declared):
    """One possible action and what it pays: gain x outcome - cost."""

    description: str = Field(description="What is done, in the words of the business.")
    cost: float = Field(default=0.0, ge=0, description="Cost of taking it once, in the KPI's unit.")
    gain: float = Field(default=0.0, description="Gain per unit of outcome, in the KPI's unit.")


class Costs(Declared):
    """What the use case costs its owner, in the KPI's unit: assumed, as the owner says it."""

    build: float = Field(default=0.0, ge=0, description="Once, until the first decision.")
    per_month: float = Field(default=0.0, ge=0, description="Of running it, people and machines included.")


class Candidate(Declared):
    """Another way to decide, valued on the same decisions: an expert's rule, or a vendor's predictions.

    Its SQL sees the columns of features.sql, those the model doesn't see (their names begin with _) included, and
    `present_action`.
    """

    description: str = Field(description="What it is, in the words of the business.")
    vendor: bool = Field(default=False, description="Whether it is bought: build or buy, on the same KPI.")
    action: str | None = Field(default=None, description="SQL: the action it takes. This, or expected.")
    expected: str | None = Field(
        default=None, description="SQL: the outcome it expects; the action is that of the highest expected payoff."
    )

    @model_validator(mode="after")
    def _one_answer(self) -> Candidate:
        if (self.action is None) == (self.expected is None):
            raise ValueError("a candidate has either action (SQL of an action's name) or expected (SQL of a number)")
        return self


class Holdout(Declared):
    """Units that keep the present process, drawn at random and for ever, where the action changes the outcome."""

    share: float = Field(gt=0, lt=1, description="Share of the units held back. Those held back stay so in a larger.")
    worth: float = Field(
        description="What an outcome of 1 is worth in the KPI's unit, whatever was done; of a harm it is negative. The"
        " arms are compared on worth x outcome - cost of what was done."
    )
    by: list[str] = Field(
        default_factory=list,
        description="Columns of the unit source: what agrees in them is held back together. None: each unit by itself.",
    )
    salt: str = Field(default="", description="Any text: another one draws other units.")
    covariate: str | None = Field(
        default=None,
        description="Numeric column of features.sql that foretells the value and that no action taken"
        " since the holdout began can have moved: what it explains is taken off (CUPED).",
    )
    planned: int = Field(
        default=10_000,
        gt=0,
        description="Units after which the always-valid interval is tightest; to be chosen"
        " before the start: `sixtyforty holdout` says how many are needed.",
    )


class Kpi(Declared):
    """The figure owners care about and what each action is worth."""

    name: str = Field(description="The KPI, in the words of the business.")
    unit: str = Field(description="Its unit: a currency code.")
    label: Literal["exact", "randomized"] = Field(
        description="How sure the figure is. exact: the action doesn't change the outcome. randomized: it may, and what"
        " it is worth live is the difference from a holdout; what the replay says of it is assumed."
    )
    holdout: Holdout | None = Field(default=None, description="Of a randomized KPI: without one nothing is claimed.")
    outcome: str = Field(description="The outcome column of outcomes.sql: 0/1.")
    outcome_name: str = Field(description="What an outcome of 1 is called: 'disrupted'.")
    noun: str = Field(description="What the units are called, in the plural: 'departures'.")
    actions: dict[str, Action] = Field(min_length=2, description="The actions to choose from.")
    candidates: dict[Name, Candidate] = Field(
        default_factory=dict, description="Other ways to decide, valued beside the decisions taken."
    )
    target: float = Field(description="Lift over the present process aimed at, per 1,000 units.")
    target_by: date | None = Field(default=None, description="The local day by which the target is to be reached.")
    costs: Costs = Field(default_factory=Costs, description="Subtracted from the gain.")
    segments: list[str] = Field(
        default_factory=list, description="Columns of features.sql, or of the key, that the money is told apart by."
    )

    @model_validator(mode="after")
    def _measured(self) -> Kpi:
        if (self.label == "randomized") != (self.holdout is not None):
            raise ValueError(
                "label randomized (the action may change the outcome) needs kpi.holdout: nothing can be claimed without"
                " one; label exact has none"
            )
        if self.holdout and self.segments:
            raise ValueError("segments belong to label exact: a holdout isn't told apart by segment")
        return self
