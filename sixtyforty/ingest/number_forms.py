"""Detect how files write numbers: which decimal point they have, and whether digits are grouped, as in `1.234,50`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sixtyforty.ingest.distinct_texts import Inference, count_forms, count_where, infer_all, list_portions, matches
from sixtyforty.ingest.reading_doubts import FormCounts, describe_forms, describe_grouping, describe_other_form
from sixtyforty.ingest.type_inference import CODE_WITH_E, FLOATING_POINT, LEADING_ZERO
from sixtyforty.ingest.written_forms import plain_text_sql
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class NumberForm:
    """How numbers are written. decimal: the decimal point. thousands: the character between groups of three digits."""

    decimal: Literal[".", ","] = "."
    thousands: str | None = None

    @property
    def example(self) -> str:
        """A number in this form, such as `1.234,5`."""
        return f"1{self.thousands or ''}234{self.decimal}5"

    def plain_sql(self, text: str) -> str:
        """Return SQL that rewrites numbers in this form as plain numbers such as `1234.5`. Other texts become NULL.

        text: SQL of a text.
        """
        source = Source(
            description="Numbers.",
            files="*.csv",
            columns={"number": "DOUBLE"},
            key=["number"],
            decimal=self.decimal,
            thousands=self.thousands,
        )
        return plain_text_sql(source, "number", text)


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
CODE = f"{CODE_WITH_E}|{LEADING_ZERO}"
WHOLE, DOTTED = "[-+0-9]+", "[-+0-9eE.]+"  # texts without a decimal point, and with no other one than the plain one
THREE_DECIMALS = r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}"  # 123.456 may be 123456


@dataclass(frozen=True)
class DetectedNumbers:
    """In which form the numbers of a table are written.

    - columns: the columns to read in this form. Whole numbers without groups read alike in each form.
    - doubts: by column, a sentence on numbers in several forms, in another form than those of other columns, or with
      points that may group digits.
    """

    form: NumberForm = PLAIN
    columns: frozenset[str] = frozenset()
    doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _ColumnForms:
    """How the texts of a column of numbers can be read.

    - texts: the number of different texts.
    - fits: for each of ALL_FORMS, whether it reads all texts.
    - mixed: if no form reads all texts, each form with the number of texts that no earlier form reads.
    - grouped: if all texts are like `123.456`, the smallest and the largest number so written.
    """

    texts: int
    fits: tuple[bool, ...]
    mixed: FormCounts = ()
    grouped: tuple[str, str] | None = None

    @property
    def own_form(self) -> NumberForm | None:
        """The first form that reads all texts; None if none does."""
        return next((form for form, fits in zip(ALL_FORMS, self.fits, strict=True) if fits), None)


def detect_number_form(db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> DetectedNumbers:
    """Return in which form a table's numbers are written, and which columns must be converted from this form.

    table: its texts are trimmed, and null where a value is missing. names: its columns. A form is chosen only if it
    fits all columns of plain numbers.
    """
    forms_by_column: dict[str, _ColumnForms] = {}
    for portion in list_portions(db, table, names):
        forms = infer_all(db, {n: _find_forms() for n in range(len(portion))})
        forms_by_column |= {portion[n]: column_forms for n, column_forms in forms.items() if column_forms}
    plain = [column for column in forms_by_column.values() if column.fits[0]]
    needing: dict[NumberForm, int] = {}
    for number, form in enumerate(ALL_FORMS[1:], 1):
        count = sum(column.fits[number] and not column.fits[0] for column in forms_by_column.values())
        if count and all(column.fits[number] for column in plain):
            needing[form] = count
    chosen = max(needing, key=lambda form: needing[form], default=PLAIN)
    number = ALL_FORMS.index(chosen)
    columns = [name for name, column in forms_by_column.items() if chosen != PLAIN and column.fits[number]]
    doubts = {name: _describe_doubt(column, chosen) for name, column in forms_by_column.items()}
    return DetectedNumbers(chosen, frozenset(columns), {name: doubt for name, doubt in doubts.items() if doubt})


def _find_forms() -> Inference[_ColumnForms | None]:
    """Return how the texts of a column can be read; None if a text isn't like a number, or a code like `007`."""
    # Most texts have other characters than numbers, which is faster to see than that no form fits.
    texts, like_numbers = yield ["count(*)", count_where(matches(CHARACTERS))]
    if not texts or like_numbers < texts:
        return None
    fits = yield from _find_fits(texts)
    if not any(fits):
        forms = yield from count_forms(CONDITIONS)
        is_mixed = len(forms) > 1 and sum(forms.values()) == texts
        return _ColumnForms(texts, fits, tuple(forms.items()) if is_mixed else ())
    grouped, low, high = yield [
        count_where(matches(THREE_DECIMALS)),
        *(f"arg_{extreme}(t, try_cast(t as double))" for extreme in ("min", "max")),
    ]
    return _ColumnForms(texts, fits, grouped=(low, high) if grouped == texts else None)


def _find_fits(texts: int) -> Inference[tuple[bool, ...]]:
    """Return for each of ALL_FORMS whether it reads all texts of a column.

    texts: the number of different texts. Most forms are ruled out without a look at each text: those that don't read
    the first or the last text. Forms that differ only in characters that no text has read all texts alike.
    """
    whole, dotted, plain, *ends = yield [
        count_where(matches(WHOLE)),
        count_where(matches(DOTTED)),
        count_where(CONDITIONS[PLAIN.example]),
        *(f"coalesce({_reads_sql(form, end)}, false)" for form in ALL_FORMS for end in ("min(t)", "max(t)")),
    ]
    alike = [form for form in ALL_FORMS if whole == texts or (dotted == texts and form.decimal == PLAIN.decimal)]
    both_ends = dict(zip(ALL_FORMS, map(all, zip(ends[::2], ends[1::2], strict=True)), strict=True))
    others = [form for form in ALL_FORMS if both_ends[form] and form not in alike]
    counts = (yield [count_where(CONDITIONS[form.example]) for form in others]) if others else ()
    counts_by_form = dict.fromkeys(alike, plain) | dict(zip(others, counts, strict=True))
    return tuple(counts_by_form.get(form, 0) == texts for form in ALL_FORMS)


def _describe_doubt(column: _ColumnForms, chosen: NumberForm) -> str:
    """Return a sentence on how else the numbers of a column could be read; empty without a doubt."""
    if column.mixed:
        return describe_forms("number", column.mixed)
    if column.own_form and not column.fits[ALL_FORMS.index(chosen)]:
        return describe_other_form(column.own_form.example, column.texts, chosen.example)
    if column.grouped and chosen == PLAIN:
        return describe_grouping(*column.grouped, column.texts)
    return ""


def _reads_sql(form: NumberForm, text: str) -> str:
    """Return a SQL condition: a text is a number in a form, and no code like `007`. text: SQL of the text."""
    plain = text if form == PLAIN else form.plain_sql(text)
    number, code = (f"regexp_full_match({plain}, {literal(pattern)})" for pattern in (FLOATING_POINT, CODE))
    return f"(case when {number} then not {code} else false end)"


ALL_FORMS = (PLAIN, *FORMS)
CONDITIONS = {form.example: _reads_sql(form, "t") for form in ALL_FORMS}
