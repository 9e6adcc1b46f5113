"""The field `decision_list` of a declaration: what people read on each line of the list of decisions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError

MAX_FACTS = 8  # more facts don't fit into one line
MAX_PRESETS = 8


class DecisionList(DeclaredModel):
    """What people read on each line of the list of decisions, and in which order.

    The SQL reads the columns of the units. A TIMESTAMP is a time in UTC; the desk shows the local time.
    """

    label: str | None = Field(
        default=None,
        description="SQL expression: what people call the unit, such as `shop || ' ' || shelf`. If left out, the"
        " desk shows the columns of `decision.key`.",
    )
    show: dict[Name, str] = Field(
        default_factory=dict,
        max_length=MAX_FACTS,
        description="The facts that people act on, each with a SQL expression, in the order of the line. The desk shows"
        " the name with spaces: `decide_by` becomes `decide by`. A fact that is a column of `labels` is shown as its"
        " label.",
    )
    sort: Name | None = Field(
        default=None,
        description="The fact by which the list is sorted, such as `decide_by`. A time that hasn't passed yet comes"
        " first. If left out, the list is in the order of the decision times.",
    )
    filter: list[Name] = Field(
        default_factory=list,
        description="The facts by which people can filter the list. Times are filtered by their local hour.",
    )
    override_reasons: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default_factory=list,
        max_length=MAX_PRESETS,
        description="Frequent reasons for an override. Each is a button, so that nobody has to type it.",
    )

    @model_validator(mode="after")
    def _check_names(self) -> DecisionList:
        for field, names in (("sort", [self.sort] if self.sort else []), ("filter", self.filter)):
            for name in names:
                if name not in self.show:
                    raise FieldError(field, f"'{name}' is not a fact of `show`", name, list(self.show))
        return self
