"""Detect how files write numbers: which decimal point they have, and whether digits are grouped, as in `1.234,50`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sixtyforty.ingest.distinct_texts import ask, count_where, list_portions
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
CHARACTERS = "[-+0-9eE.,'’ \u00a0\u202f]+"  # those of numbers in any of the forms
LIKE_NUMBER = f"regexp_full_match(t, {literal(CHARACTERS)})"


def detect_number_form(db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> tuple[NumberForm, list[str]]:
    """Return in which form a table's numbers are written, and which columns must be converted from this form.

    table: its texts are trimmed, and null where a value is missing. names: its columns. A form is chosen only if it
    fits all columns of numbers.
    """
    fitting: dict[str, Sequence[bool]] = {}  # by column: whether it has plain numbers, and whether each form fits
    for portion in list_portions(db, table, names):
        # Most texts have other characters than numbers, which is faster to see than that no form fits.
        counts = ask(db, ["count(*)", count_where(LIKE_NUMBER)], range(len(portion)))
        like_numbers = [n for n, (texts, alike) in counts.items() if 0 < texts == alike]
        misfits = ask(
            db, [_count_misfits(plain) for plain in ("t", *(form.plain_sql("t") for form in FORMS))], like_numbers
        )
        fitting |= {portion[n]: [not count for count in counts] for n, counts in misfits.items()}
    fits_of_plain = [fits for fits in fitting.values() if fits[0]]
    columns_by_form = {}
    for number, form in enumerate(FORMS, 1):
        needing = [name for name in names if name in fitting and not fitting[name][0] and fitting[name][number]]
        if needing and all(fits[number] for fits in fits_of_plain):
            columns_by_form[form] = needing
    form = max(columns_by_form, key=lambda form: len(columns_by_form[form]), default=PLAIN)
    return form, columns_by_form.get(form, [])


def _count_misfits(plain: str) -> str:
    """Return the SQL aggregate that counts the texts that are no numbers, or codes like `007`.

    plain: SQL that rewrites a text `t` from a form of numbers.
    """
    number, code, zero = (
        f"regexp_full_match({plain}, {literal(form)})" for form in (FLOATING_POINT, CODE_WITH_E, LEADING_ZERO)
    )
    return count_where(f"({number} and not {code} and not {zero}) is not true")
