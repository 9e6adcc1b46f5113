"""Compare large numbers with declared bounds exactly.

Great Expectations turns the bounds of a range and the total of a sum into floating-point numbers. These are exact only
up to 2**53, so 9,007,199,254,740,993 and 9,007,199,254,740,992 would be the same bound. Microseconds since 1970 are so
large from the year 2255 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from expectations.rule_catalog import BETWEEN
from expectations.rule_times import BOUNDS
from expectations.rules import Rule

if TYPE_CHECKING:
    import pandas as pd

LARGEST_EXACT = 1 << 53  # a whole number below it is exact as a floating-point number
SUM = "expect_multicolumn_sum_to_equal"


def with_exact_bounds(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules in which no bound is too large for a floating-point number.

    A rule about a range then reads a column that says where each number lies: below, at, between or above the bounds. A
    rule about a sum reads its first column minus the declared total, and expects the sum 0.
    """
    added: dict[str, pd.Series[Any]] = {}
    exact = [_with_small_bounds(number, rule, frame, added) for number, rule in enumerate(rules)]
    return (frame.assign(**added), exact) if added else (frame, exact)


def _with_small_bounds(number: int, rule: Rule, frame: pd.DataFrame, added: dict[str, pd.Series[Any]]) -> Rule:
    """Return a rule without large bounds, and add the column that it reads to `added`. Other rules stay unchanged."""
    arguments = dict(rule.kwargs)
    if rule.type == BETWEEN and any(_is_large(arguments.get(bound)) for bound in BOUNDS):
        bounds = sorted({arguments[bound] for bound in BOUNDS if arguments.get(bound) is not None})
        name = f"{arguments['column']} (place {number})"
        added[name] = _replace_known(frame[arguments["column"]], lambda each: _place(each, bounds))
        arguments |= {bound: _place(arguments[bound], bounds) for bound in BOUNDS if arguments.get(bound) is not None}
        arguments["column"] = name
    elif rule.type == SUM and _is_large(arguments["sum_total"]):
        total, (first, *others) = arguments["sum_total"], arguments["column_list"]
        name = f"{first} (minus the total {number})"
        added[name] = _replace_known(frame[first], lambda each: each - total)
        arguments |= {"column_list": [name, *others], "sum_total": 0}
    else:
        return rule
    return rule.model_copy(update={"kwargs": arguments})


def _is_large(bound: Any) -> bool:
    return isinstance(bound, int) and abs(bound) >= LARGEST_EXACT


def _place(number: Any, bounds: Sequence[Any]) -> float:
    """Return where a number lies: 0 below all bounds, 1 at the first, 2 above it, 3 at the second, and so on."""
    return float(sum((number > bound) + (number >= bound) for bound in bounds))


def _replace_known(column: pd.Series[Any], replace: Any) -> pd.Series[Any]:
    """Return a column of Python objects in which each number is replaced. Nulls stay null."""
    import pandas as pd

    replaced = [
        replace(each) if is_known else None for each, is_known in zip(column.tolist(), column.notna(), strict=True)
    ]
    return pd.Series(replaced, index=column.index, dtype=object)
