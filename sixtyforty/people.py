"""The people a use case is for."""

from __future__ import annotations

from pydantic import Field

from sixtyforty.declared import Declared, Name


class People(Declared):
    """Who decides, in which step of which process, and how they come to use the answer."""

    role: str = Field(description="The role of those who decide.")
    team: str = Field(description="Their team.")
    how_many: int = Field(gt=0, description="How many people that is.")
    process_step: str = Field(description="The step of their process the decision belongs to.")
    adoption: str = Field(description="How they are won, and kept.")
    responses: Name | None = Field(
        default=None, description="The source of what they did with the decisions; partitioned by the decision's day."
    )
