"""Let rules judge decimals and large integers exactly: Great Expectations gets whole numbers, such as cents.

As floating-point numbers, 0.10 + 0.20 - 0.30 is not 0, and two large numbers that differ may be equal. As whole numbers
of hundredths, they are exact.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from expectations.condition_values import parse_expression, to_expression, with_expression
from expectations.row_conditions import CONDITION, PARSER
from expectations.rules import Rule
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Rules that compare the values of columns with declared numbers, or with each other.
NUMBER_RULES = {
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_decreasing",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_unique",
    "expect_column_values_to_not_be_in_set",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
}
# Rules about several columns that never compare the values of two columns.
SEPARATE_RULES = {"expect_column_pair_values_to_be_in_set", "expect_compound_columns_to_be_unique"}
EXACT_TYPES = ("DECIMAL", "HUGEINT", "UBIGINT")  # pandas rounds numbers of these types, or overflows
EXACT_FLOATS = 1 << 46  # up to here a sum of a hundred whole floating-point numbers is exact
EXACT = Context(prec=400)  # enough digits for the largest double with the decimals of the smallest unit
PAIR_COLUMNS = ("column_A", "column_B")
SINGLE_COLUMNS = ("column", *PAIR_COLUMNS)
NUMBERS = ("min_value", "max_value", "sum_total")


def read_frame(db: duckdb.DuckDBPyConnection, sql: str) -> pd.DataFrame:
    """Return the rows of a query. Columns of EXACT_TYPES hold Python's exact numbers, and None for null.

    A UUID becomes its text in small letters, because a suite declares texts.
    """
    import pandas as pd

    rows = db.sql(sql)
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    uuids = [identifier(name) for name, kind in types.items() if kind == "UUID"]
    if uuids:
        rows = rows.select(f"* replace ({', '.join(f'{name}::varchar as {name}' for name in uuids)})")
    decimals = [name for name, kind in types.items() if kind.startswith(EXACT_TYPES)]
    if not decimals:
        return rows.df()
    table: Any = rows.to_arrow_table()
    frame = db.from_arrow(table).df()
    return frame.assign(**{name: pd.Series(table[name].to_pylist(), dtype=object) for name in decimals})


def with_plain_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame in which numbers can be compared with declared numbers and with each other.

    Great Expectations can't compare the nulls of pandas' own types. So whole numbers with nulls become floating-point
    numbers or, if they are large, Python integers. Booleans become Python's booleans. A FLOAT of 0.1 isn't equal to the
    declared 0.1, so it becomes the DOUBLE with the same text.
    """
    import pandas as pd

    plain = {}
    for name, column in frame.items():
        if pd.api.types.is_extension_array_dtype(column) and column.dtype.kind in "iub":
            plain[str(name)] = _plain_values(column)
        elif column.dtype == "float32":
            plain[str(name)] = column.astype(str).astype("float64")
    return frame.assign(**plain) if plain else frame


def _plain_values(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    known = column.dropna()
    is_boolean = column.dtype.kind == "b"
    if not is_boolean and (known.empty or max(abs(int(known.min())), int(known.max())) < EXACT_FLOATS):
        return column.astype("float64") if column.isna().any() else column.astype("int64")
    plain = [None if each is pd.NA else each for each in column.tolist()]
    return pd.Series(plain, index=column.index, dtype=object)


def with_exact_conditions(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules whose conditions compare columns of decimals with each other as whole numbers.

    frame: its decimals are Python's. A comparison with a calculation, such as `a + b > c`, stays one of floating-point
    numbers.
    """
    decimals = {str(name): scale for name in frame if (scale := _scale(frame[name])) is not None}
    added: dict[str, pd.Series[Any]] = {}
    exact = [_with_exact_condition(rule, frame, decimals, added) for rule in rules] if decimals else list(rules)
    return (frame.assign(**added) if added else frame), exact


def _with_exact_condition(
    rule: Rule, frame: pd.DataFrame, decimals: Mapping[str, int], added: dict[str, pd.Series[Any]]
) -> Rule:
    """Rewrite the condition of a rule to compare columns of whole numbers, and add these columns to `added`."""
    condition, parser = rule.kwargs.get(CONDITION), rule.kwargs.get(PARSER, "pandas")
    if condition is None or (isinstance(condition, str) and parser != "pandas"):
        return rule  # the other parser compares a column with a number only
    tree, names = parse_expression(condition if isinstance(condition, str) else to_expression(condition))
    scaler = _ConditionScaler(frame, decimals, names)
    exact = scaler.visit(tree)
    if not scaler.scaled:
        return rule
    added |= {name: column for name, column, _ in scaler.scaled.values()}
    return with_expression(rule, exact, names | {placeholder: name for name, _, placeholder in scaler.scaled.values()})


class _ConditionScaler(ast.NodeTransformer):
    """Rewrites comparisons of columns of which one has decimals, if the others are decimals or whole numbers.

    scaled: by column and scale, the name of the column of whole numbers, its values, and its name in the tree.
    """

    def __init__(self, frame: pd.DataFrame, decimals: Mapping[str, int], names: Mapping[str, str]) -> None:
        self.frame, self.decimals, self.names = frame, decimals, names
        self.scaled: dict[tuple[str, int], tuple[str, pd.Series[Any], str]] = {}

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [node.left, *node.comparators]
        columns = [self.names.get(side.id, side.id) for side in sides if isinstance(side, ast.Name)]
        are_columns = len(columns) == len(sides) and all(column in self.frame for column in columns)
        if not are_columns or not any(column in self.decimals for column in columns):
            return self.generic_visit(node)
        if not all(column in self.decimals or _is_whole(self.frame[column]) for column in columns):
            return node
        scale = max(self.decimals.get(column, 0) for column in columns)
        first, *others = (ast.Name(self._scale(column, scale), ast.Load()) for column in columns)
        return ast.Compare(first, node.ops, [*others])

    def _scale(self, column: str, scale: int) -> str:
        """Return the name in the tree for a column in units of 10 to the power of -scale."""
        import numpy as np

        if (column, scale) not in self.scaled:
            whole = _whole_numbers(self.frame[column], scale)
            if whole.dtype == object:  # pandas can't compare None
                whole = whole.where(whole.notna(), np.nan)
            self.scaled[column, scale] = f"{column} (1e-{scale})", whole, f"_scaled_{len(self.scaled)}_"
        return self.scaled[column, scale][2]


def with_scaled_decimals(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules in which decimals are whole numbers of their smallest unit, such as cents.

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
    """Rewrite a rule to read columns of whole numbers, and add these columns to `added`. Other rules stay unchanged."""
    names = _columns_to_scale(rule, frame, decimals)
    if not names:
        return rule
    scale = max(decimals.get(name, 0) for name in names)
    new_names = {name: f"{name} (1e-{scale})" for name in names}
    for name, new_name in new_names.items():
        added[new_name] = _whole_numbers(frame[name], scale)
    arguments = dict(rule.kwargs)
    arguments |= {k: new_names[arguments[k]] for k in SINGLE_COLUMNS if arguments.get(k) in new_names}
    if "column_list" in arguments:
        arguments["column_list"] = [new_names.get(name, name) for name in arguments["column_list"]]
    if "value_pairs_set" in arguments:
        are_scaled = [rule.kwargs[k] in new_names for k in PAIR_COLUMNS]
        arguments["value_pairs_set"] = [
            [_whole(member, scale) if is_scaled else member for member, is_scaled in zip(pair, are_scaled, strict=True)]
            for pair in arguments["value_pairs_set"]
        ]
    arguments |= {k: _whole(arguments[k], scale) for k in NUMBERS if arguments.get(k) is not None}
    if arguments.get("value_set") is not None:
        arguments["value_set"] = [_whole(member, scale) for member in arguments["value_set"]]
    return rule.model_copy(update={"kwargs": arguments})


def _columns_to_scale(rule: Rule, frame: pd.DataFrame, decimals: Mapping[str, int]) -> list[str]:
    """Return the columns of a rule whose numbers must get the same unit, such as cents, or an empty list.

    The list is empty if the rule compares no decimals, or compares them with floating-point numbers or texts.
    """
    single = [rule.kwargs[name] for name in SINGLE_COLUMNS if name in rule.kwargs]
    names = [*single, *rule.kwargs.get("column_list", ())]
    decimal_names = [name for name in names if name in decimals]
    if rule.type in SEPARATE_RULES:
        return decimal_names
    are_numbers = all(name in decimals or _is_whole(frame[name]) for name in names)
    return names if rule.type in NUMBER_RULES and decimal_names and are_numbers else []


def _is_whole(column: pd.Series[Any]) -> bool:
    """Return whether all values of a column are whole numbers or null, whatever the type of the column."""
    if column.dtype.kind == "f":
        return bool((column.dropna() % 1 == 0).all())
    return column.dtype.kind in "iu" or (column.dtype == object and all(type(n) is int for n in column.dropna()))


def _whole_numbers(column: pd.Series[Any], scale: int) -> pd.Series[Any]:
    """Convert a column to units of 10 to the power of -scale: to hundredths if `scale` is 2.

    Whole numbers are exact as floating-point numbers up to EXACT_FLOATS. Larger ones are Python integers.
    """
    import pandas as pd

    known = column.notna()
    # Series.map would turn the numbers of a column with a null into floating-point numbers.
    numbers = [_whole(number, scale) if is_known else None for number, is_known in zip(column, known, strict=True)]
    is_small = all(abs(number) < EXACT_FLOATS for number in numbers if number is not None)
    return pd.Series(numbers, index=column.index, dtype="float64" if is_small else object)


def _whole(number: Any, scale: int) -> Any:
    """Convert a number to units of 10 to the power of -scale. Return a float only if it isn't whole in this unit.

    A suite declares a number of many digits as a text.
    """
    if isinstance(number, bool) or not isinstance(number, int | float | str | Decimal):
        return number
    scaled = Decimal(str(number)).scaleb(scale, EXACT)
    return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)
