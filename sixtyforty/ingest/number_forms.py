"""Detect how files write numbers: which decimal point they have, and whether digits are grouped, as in `1.234,50`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sixtyforty.ingest.type_inference import CODE_WITH_E, FLOATING_POINT, LEADING_ZERO
from sixtyforty.ingest.written_forms import plain_text_sql
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class NumberForm:
    """How numbers are written. decimal: the decimal point. thousands: the character between groups of three digits."""

    decimal: Literal[".", ","] = "."
    thousands: str | None = None

    def plain_sql(self, name: str) -> str:
        """Return SQL that rewrites numbers in this form as plain numbers such as `1234.5`. Other texts become NULL."""
        source = Source(
            description="Numbers.",
            files="*.csv",
            columns={name: "DOUBLE"},
            key=[name],
            decimal=self.decimal,
            thousands=self.thousands,
        )
        return plain_text_sql(source, name, identifier(name))


PLAIN = NumberForm()
# If several forms of numbers fit equally many columns, the first form is chosen. So `1,234` is 1234 and not 1.234,
# because groups of exactly three digits rarely occur by chance.
FORMS = (
    NumberForm(".", ","),
    NumberForm(","),
    NumberForm(",", "."),
    *(NumberForm(decimal, space) for space in (" ", "\u00a0", "\u202f") for decimal in (".", ",")),
    *(NumberForm(".", apostrophe) for apostrophe in ("'", "’")),
)


def detect_number_form(db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> tuple[NumberForm, list[str]]:
    """Return in which form a table's numbers are written, and which columns must be converted from this form.

    table: its texts are trimmed, and null where a value is missing. names: its columns. A form is chosen only if it
    fits all columns of numbers.
    """
    plain = [name for name in names if _fits(db, table, name, identifier(name))]
    others = [name for name in names if name not in plain]
    columns_by_form = {}
    for form in FORMS:
        needing = [name for name in others if _fits(db, table, name, form.plain_sql(name))]
        if needing and all(_fits(db, table, name, form.plain_sql(name)) for name in plain):
            columns_by_form[form] = needing
    form = max(columns_by_form, key=lambda form: len(columns_by_form[form]), default=PLAIN)
    return form, columns_by_form.get(form, [])


def _fits(db: duckdb.DuckDBPyConnection, table: str, name: str, plain: str) -> bool:
    """Return whether all texts of a column are numbers, not codes like `007`. plain: SQL that rewrites the texts.

    DuckDB stops at the first text that is no number. A column without a text doesn't fit.
    """
    number, code, zero = (
        f"regexp_full_match(p, {literal(form)})" for form in (FLOATING_POINT, CODE_WITH_E, LEADING_ZERO)
    )
    texts = f"from (select {plain} as p from {table} where {identifier(name)} is not null)"
    other = f"select 1 {texts} where ({number} and not {code} and not {zero}) is not true limit 1"
    has_text = db.execute(f"select 1 {texts} limit 1").fetchall()
    return bool(has_text) and not db.execute(other).fetchall()
