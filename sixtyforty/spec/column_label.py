"""The field `labels` of a declaration: what people read instead of the codes in a column."""

from __future__ import annotations

from pydantic import Field

from sixtyforty.spec.base import DeclaredModel, Name


class ColumnLabel(DeclaredModel):
    """The reference source that has a text for each code of a column.

    The desk, the reports and the reasons show the text. The data, the model, the tables and JSON keep the code. A code
    that the source lacks is shown as it is.
    """

    source: Name = Field(
        description="The source whose key is the code. It has one key column, and no `partition`.",
    )
    text: str = Field(
        description="SQL expression over the columns of that source: what people read, such as `name`, or"
        " `name || ' (' || faa || ')'` to keep the code."
    )
