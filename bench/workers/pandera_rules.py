"""Evaluate row rules in pandera, in the environment of pandera. Print seconds and failures as JSON.

python pandera_rules.py RULES.json REPETITIONS

RULES.json holds {table: {"file": PARQUET, "rules": [{"type": …, "kwargs": …}]}}.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import pandera.pandas as pa


def main():
    """Print `seconds` (one figure per repetition, without the warm-up) and `failed` (number of rule failures)."""
    tables, repetitions = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    frames = [(pd.read_parquet(table["file"]), table["rules"]) for table in tables.values()]
    seconds, failures = [], 0
    for _ in range(repetitions + 1):
        started = time.perf_counter()
        failures = sum(count_failures(frame, rules) for frame, rules in frames)
        seconds.append(time.perf_counter() - started)
    print("\n" + json.dumps({"seconds": seconds[1:], "failed": failures}))


def count_failures(frame, rules):
    """Return the number of failures of all rules on a frame."""
    try:
        build_schema(rules, list(frame.columns)).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return len(error.failure_cases)
    return 0


def build_schema(rules, columns):
    """Return the rules as a pandera schema, which allows every value that no rule forbids, including nulls."""
    checks, not_null, unique, table_checks = {column: [] for column in columns}, set(), None, []
    for rule in rules:
        kind, arguments = rule["type"].removeprefix("expect_"), rule["kwargs"]
        if kind == "compound_columns_to_be_unique":
            unique = arguments["column_list"]
        elif kind == "column_pair_values_to_be_equal":
            table_checks.append(equal_columns(arguments["column_A"], arguments["column_B"]))
        elif kind == "column_values_to_not_be_null":
            not_null.add(arguments["column"])
        else:
            checks[arguments["column"]].append(value_check(kind, arguments))
    schema_columns = {column: pa.Column(None, checks[column], nullable=column not in not_null) for column in columns}
    return pa.DataFrameSchema(schema_columns, checks=table_checks, unique=unique)


def equal_columns(first, second):
    """Return a pandera check that two columns are equal in rows where neither is null."""
    return pa.Check(lambda frame: (frame[first] == frame[second]) | frame[first].isna() | frame[second].isna())


def value_check(kind, arguments):
    """Return the pandera check of a rule about the values of one column. Raises ValueError for an unknown rule type."""
    if kind == "column_values_to_be_between":
        infinity = float("inf")
        return pa.Check.in_range(arguments.get("min_value", -infinity), arguments.get("max_value", infinity))
    if kind == "column_values_to_be_in_set":
        return pa.Check.isin(arguments["value_set"])
    if kind == "column_values_to_not_be_in_set":
        return pa.Check.notin(arguments["value_set"])
    if kind == "column_values_to_match_regex":
        return pa.Check.str_matches(arguments["regex"])
    raise ValueError(f"{kind}: no pandera check is known for this rule type. Add a check to value_check.")


if __name__ == "__main__":
    main()
