"""Let rules judge DECIMAL columns exactly: Great Expectations gets them as whole numbers of their smallest unit.

As floating-point numbers, 0.10 + 0.20 - 0.30 is not 0. As whole numbers of hundredths it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from expectations.rules import Rule

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Rules that compare the values of columns with declared numbers, or with each other.
NUMBER_RULES = {
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_not_be_in_set",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_multicolumn_sum_to_equal",
}
EXACT_FLOATS = 1 << 46  # a sum of a hundred such numbers is exact, too
SINGLE_COLUMNS = ("column", "column_A", "column_B")
NUMBERS = ("min_value", "max_value", "sum_total")


def read_frame(db: duckdb.DuckDBPyConnection, sql: str) -> pd.DataFrame:
    """Return the rows of a query. Columns of the type DECIMAL hold Python Decimals, and None for null."""
    import pandas as pd

    rows = db.execute(sql)
    decimals = [name for name, kind, *_ in rows.description or () if str(kind).startswith("DECIMAL")]
    if not decimals:
        return rows.df()
    table: Any = rows.to_arrow_table()
    frame = db.from_arrow(table).df()
    return frame.assign(**{name: pd.Series(table[name].to_pylist(), dtype=object) for name in decimals})


def with_scaled_decimals(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules in which decimals are whole numbers of their smallest unit.

    Columns of decimals that no rule compares become floating-point numbers.
    """
    decimals = {str(name): scale for name in frame if (scale := _scale(frame[name])) is not None}
    if not decimals:
        return frame, list(rules)
    added: dict[str, pd.Series[Any]] = {}
    scaled = [_scale_rule(rule, frame, decimals, added) for rule in rules]
    floats = {name: frame[name].astype("float64") for name in decimals}
    return frame.assign(**floats, **added), scaled


def _scale(column: pd.Series[Any]) -> int | None:
    """Return the number of decimals of a column of Python Decimals; None for any other column."""
    if column.dtype != object:
        return None
    known = column.dropna()
    if known.empty or not isinstance(known.iloc[0], Decimal):
        return None
    return max(0, -int(known.iloc[0].as_tuple().exponent))


def _scale_rule(rule: Rule, frame: pd.DataFrame, decimals: Mapping[str, int], added: dict[str, pd.Series[Any]]) -> Rule:
    """Return a rule about scaled columns, which are added to `added`. A rule that needs none is returned unchanged."""
    names = _compared(rule)
    scales = [decimals[name] for name in names if name in decimals]
    others = [name for name in names if name not in decimals]
    if rule.type not in NUMBER_RULES or not scales or any(frame[name].dtype.kind not in "iu" for name in others):
        return rule
    scale = max(scales)
    new_names = {name: f"{name} (1e-{scale})" for name in names}
    for name, new_name in new_names.items():
        added[new_name] = _whole_numbers(frame[name], scale)
    arguments = rule.kwargs | {name: new_names[rule.kwargs[name]] for name in SINGLE_COLUMNS if name in rule.kwargs}
    if "column_list" in arguments:
        arguments["column_list"] = [new_names[name] for name in arguments["column_list"]]
    arguments |= {k: _whole(arguments[k], scale) for k in NUMBERS if arguments.get(k) is not None}
    if arguments.get("value_set") is not None:
        arguments["value_set"] = [_whole(member, scale) for member in arguments["value_set"]]
    return rule.model_copy(update={"kwargs": arguments})


def _whole_numbers(column: pd.Series[Any], scale: int) -> pd.Series[Any]:
    """Return a column in units of 10 to the power of -scale.

    Whole numbers are exact as floating-point numbers up to EXACT_FLOATS. Larger ones are Python integers.
    """
    numbers = column.map(lambda number: _whole(number, scale), na_action="ignore").astype(object)
    numbers = numbers.where(column.notna(), None)
    is_small = all(abs(number) < EXACT_FLOATS for number in numbers.dropna())
    return numbers.astype("float64") if is_small else numbers


def _compared(rule: Rule) -> list[str]:
    single = [rule.kwargs[name] for name in SINGLE_COLUMNS if name in rule.kwargs]
    return [*single, *rule.kwargs.get("column_list", ())]


def _whole(number: Any, scale: int) -> Any:
    """Return a number in units of 10 to the power of -scale: a whole number, or a float between two whole numbers."""
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        return number
    scaled = Decimal(str(number)).scaleb(scale)
    return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)
