"""SQL that casts a text to a type of the data contract only if the value means exactly what the text says.

DuckDB's own casts guess: `99.5` becomes the BIGINT 100, `1.005` the DECIMAL 1.01, and `BST` the zone of Bangladesh. So
each text must have one of the forms in docs/concepts/quarantine.md. Most numbers, dates and times are written as DuckDB
writes the value, which is a cheap comparison. Other texts are matched with a regular expression.
"""

from __future__ import annotations

from sixtyforty.spec.contract_types import MICROSECOND_DECIMALS, ContractType, parse_type
from sixtyforty.storage.sql import literal

FIRST_TIME, LAST_TIME = "timestamp '0001-01-01'", "timestamp '9999-12-31 23:59:59.999999'"
_WHOLE = r"[+-]?[0-9]{1,38}(\.0*)?"
_DAY = r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}"
_MIDNIGHT = r"([ T]00:00(:00(\.0*)?)?)?"
_OFFSET = r" ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?(:[0-5][0-9])?)"
_ZONE = r" (UTC|GMT|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+)+)"
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_HUGE, _LARGEST_HUGE = ("HUGEINT", "INT128"), "9" * 38  # Parquet stores a HUGEINT as a decimal number of 38 digits
_JSON_TEXT = r'"(?:[^"\\]|\\.)*"'
_LENIENT = r"(?i)nan|inf|,\s*[\]}]"  # DuckDB accepts `NaN`, `Infinity` and a comma after the last element, JSON doesn't
_TRUTHS = ("true", "false", "True", "False", "TRUE", "FALSE", "t", "f", "T", "F", "1", "0")
_MORE_TRUTHS = ("yes", "no", "y", "n")
# In each time zone, the clock changes by one of these. So the two UTC times of a repeated local time differ by it.
_CLOCK_CHANGES = ("2 hours", "1 hour", "30 minutes")


def attempt_sql(text: str, contract_type: ContractType) -> str:
    """Return SQL that casts a text column with DuckDB's own casts, some of which guess; NULL if a cast fails.

    text: SQL of the column, whose texts have no spaces at either end. `exact_sql` removes the guesses. A TIMESTAMPTZ is
    still a TIMESTAMP here.
    """
    if contract_type.kind == "text":
        return text
    return f"try_cast({text} as {_local_type(contract_type)})"


def exact_sql(text: str, typed: str, contract_type: ContractType) -> str:
    """Return SQL for the value of a cast if the value means exactly what its text says; otherwise NULL.

    text: SQL of the column. typed: SQL of the value that `attempt_sql` returned for it; it is evaluated several times.
    """
    is_written_alike = f"{typed}::varchar = {text}"
    match contract_type.kind:
        case "text":
            return text
        case "whole":
            conditions = [is_written_alike, _matches(text, _WHOLE)]
            if contract_type.sql in _HUGE:
                conditions = [f"{typed} between -{_LARGEST_HUGE} and {_LARGEST_HUGE} and ({' or '.join(conditions)})"]
        case "decimal":
            conditions = [is_written_alike, _matches(text, _decimal_form(contract_type.decimals))]
        case "float":
            # DuckDB's cast ignores line breaks and tabs around a number. These characters sort before the space.
            is_trimmed = f"{text} > ' ' and {text}[-1] > ' '"
            has_form = f"not contains({text}, '_') and not starts_with({text}, '+-')"  # DuckDB reads +-1 as -1
            conditions = [f"isfinite({typed}) and {has_form} and {is_trimmed}"]
        case "boolean":
            conditions = [f"{text} in ({_literals(_TRUTHS)})", f"lower({text}) in ({_literals(_MORE_TRUTHS)})"]
        case "date":
            is_four_digit_year = f"{typed} between date '0001-01-01' and date '9999-12-31'"
            conditions = [
                f"strlen({text}) = 10 and {is_written_alike}",
                f"{is_four_digit_year} and {_matches(text, _DAY + _MIDNIGHT)}",
            ]
        case "time":
            form = rf"[0-9]{{1,2}}:[0-9]{{2}}(:[0-9]{{2}}{_fraction(contract_type.decimals)})?"
            conditions = [f"{typed} < time '24:00:00' and {_matches(text, form)}"]
        case "timestamp" | "zoned":
            return _exact_time_sql(text, typed, contract_type)
        case "uuid":
            conditions = [_matches(text, _UUID)]
        case "json":
            without_texts = f"regexp_replace({text}, {literal(_JSON_TEXT)}, '', 'g')"
            conditions = [
                f"json_valid({text}) and not regexp_matches({part}, {literal(_LENIENT)})"
                for part in (text, without_texts)
            ]
    return f"case {' '.join(f'when {condition} then {typed}' for condition in conditions)} end"


def cast_sql(text: str, declared_type: str) -> str:
    """Return one SQL expression that casts a text column to a declared type; NULL if the value isn't exact.

    The expression repeats parts of itself. A query over many rows should compute `attempt_sql` in a subquery, and then
    `exact_sql`.
    """
    contract_type = require_type(declared_type)
    return exact_sql(text, attempt_sql(text, contract_type), contract_type)


def require_type(declared: str) -> ContractType:
    """Parse a column's type in a data contract. Raises ValueError if a contract can't declare the type."""
    contract_type = parse_type(declared)
    if contract_type is None:
        raise ValueError(f"{declared} is not a type that a data contract can declare. Declare a type such as VARCHAR.")
    return contract_type


def _matches(text: str, form: str) -> str:
    return f"regexp_full_match({text}, {literal(form)})"


def _literals(texts: tuple[str, ...]) -> str:
    return ", ".join(map(literal, texts))


def _decimal_form(decimals: int) -> str:
    """Return a regular expression for a number with at most `decimals` decimals. Zeros at its end don't count."""
    return rf"[+-]?([0-9]+(\.[0-9]{{0,{decimals}}}0*)?" + (rf"|\.[0-9]{{1,{decimals}}}0*)" if decimals else ")")


def _fraction(decimals: int) -> str:
    return rf"(\.[0-9]{{0,{decimals}}}0*)?"


def _local_type(contract_type: ContractType) -> str:
    """Return the DuckDB type to which a text without a UTC offset or a time zone is cast first."""
    return "TIMESTAMP" if contract_type.kind == "zoned" else contract_type.sql


def _exact_time_sql(text: str, typed: str, contract_type: ContractType) -> str:
    """Return SQL for exactly the time in a text; NULL if it has no exact time. See `exact_sql`.

    A text that DuckDB writes alike, perhaps with a `T` between day and time, needs no look at its form.
    """
    zone = " at time zone 'UTC'" if contract_type.kind == "zoned" else ""
    if contract_type.decimals > MICROSECOND_DECIMALS:  # holds only the years 1677 to 2262; `infinity` is shorter
        is_inside, is_usual_year = "{} is not null", f"strlen({text}) >= 19"
    else:
        is_inside = f"{{}} between {FIRST_TIME} and {LAST_TIME}"
        is_usual_year = is_inside.format(typed)
    # `_timestamp_sql` casts a text of 19 characters without a check of its form.
    has_form = f"(not ({_is_usual(text)}) or {_matches(text, _local_form(contract_type))})"
    # The list holds the time of another text, so that it is calculated once, and only for such a text.
    is_exact = f"lambda _instant_: {is_inside.format('_instant_')}"
    exact = f"list_filter([{_timestamp_sql(text, contract_type)}], {is_exact})[1]{zone}"
    return (
        f"case when {typed}::varchar = {text} and {is_usual_year} then {typed}{zone}"
        f" when {typed}::varchar = replace({text}, 'T', ' ') and {is_usual_year} then {typed}{zone}"
        f" when {has_form} then {exact} end"
    )


def _is_usual(text: str) -> str:
    return f"strlen({text}) = 19 and {text}[17] = ':' and {text}[14] = ':'"


def _local_form(contract_type: ContractType) -> str:
    """Return a regular expression for a day, or a day and a time of day without a UTC offset."""
    return f"{_DAY}([ T][0-9]{{1,2}}:[0-9]{{2}}(:[0-9]{{2}}{_fraction(contract_type.decimals)})?)?"


def _timestamp_sql(text: str, contract_type: ContractType) -> str:
    """Return SQL that casts a text to a UTC time. A text with neither a UTC offset nor a time zone counts as UTC.

    A cast to TIMESTAMP ignores a UTC offset, and a cast to TIMESTAMPTZ is slow. So texts in the usual form, which has
    19 characters and no offset, are cast to TIMESTAMP. `_exact_time_sql` checks their form.
    """
    stored = _local_type(contract_type)
    decimals = min(contract_type.decimals, MICROSECOND_DECIMALS)
    instant = rf"{_DAY}[ T][0-9]{{1,2}}:[0-9]{{2}}(:[0-9]{{2}}{_fraction(decimals)})?"
    without_space = rf"regexp_replace({text}, ' ([Z+-])', '\1')"  # DuckDB can't cast a space before a UTC offset
    converted = f"(try_cast({without_space} as timestamptz) at time zone 'UTC')"
    return (
        f"case when {_is_usual(text)} then try_cast({text} as {stored})"
        f" when {_matches(text, _local_form(contract_type))} then try_cast({text} as {stored})"
        f" when {_matches(text, instant + _OFFSET)} then {converted}::{stored}"
        f" when {_matches(text, instant + _ZONE)} then {_zone_time_sql(text, instant)}::{stored} end"
    )


def _zone_time_sql(text: str, instant: str) -> str:
    """Return SQL that converts a text with a local time and the name of its time zone to UTC.

    The SQL returns NULL if the zone is unknown, or if a clock change skips or repeats the local time.
    """
    local = f"try_cast(regexp_extract({text}, {literal(f'({instant}) ')}, 1) as timestamp)"
    zone = f"regexp_extract({text}, '[^ ]+$')"
    converted = f"(try_cast({text} as timestamptz) at time zone 'UTC')"
    shifted = [f"{converted} {sign} interval '{change}'" for change in _CLOCK_CHANGES for sign in "+-"]
    # The lambda's parameter would hide a column of the same name, so the parameter has a name that no column has.
    is_same = f"lambda _instant_: _instant_ at time zone 'UTC' at time zone {zone} = {local}"
    instants = f"list_filter([{', '.join([converted, *shifted])}], {is_same})"
    return f"case when {converted} is not null and len({instants}) = 1 then {converted} end"
