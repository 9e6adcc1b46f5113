"""Suites' row rules in pandera, for its own environment: prints seconds and failures as JSON.

python pandera_rules.py RULES.json TIMES        RULES: {table: {file, rules: [{type, kwargs}]}}
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import pandera.pandas as pa


def schema(rules, columns):
    """The rules as a schema; what isn't forbidden is allowed."""
    checks, filled, unique, pairs = {c: [] for c in columns}, set(), None, []
    for rule in rules:
        kind, k = rule["type"].removeprefix("expect_"), rule["kwargs"]
        if kind == "compound_columns_to_be_unique":
            unique = k["column_list"]
            continue
        if kind == "column_pair_values_to_be_equal":
            a, b = k["column_A"], k["column_B"]
            pairs.append(pa.Check(lambda df, a=a, b=b: (df[a] == df[b]) | df[a].isna() | df[b].isna()))
            continue
        mine = checks[k["column"]]
        if kind == "column_values_to_not_be_null":
            filled.add(k["column"])
        elif kind == "column_values_to_be_between":
            mine.append(pa.Check.in_range(k.get("min_value", -float("inf")), k.get("max_value", float("inf"))))
        elif kind == "column_values_to_be_in_set":
            mine.append(pa.Check.isin(k["value_set"]))
        elif kind == "column_values_to_not_be_in_set":
            mine.append(pa.Check.notin(k["value_set"]))
        elif kind == "column_values_to_match_regex":
            mine.append(pa.Check.str_matches(k["regex"]))
        else:
            raise ValueError(kind)
    found = {c: pa.Column(None, checks[c], nullable=c not in filled) for c in columns}
    return pa.DataFrameSchema(found, checks=pairs, unique=unique)


def main():
    """Entry point."""
    tables, times = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    frames = {n: (pd.read_parquet(t["file"]), t["rules"]) for n, t in tables.items()}
    took, failed = [], 0
    for _ in range(times + 1):
        begun, failed = time.perf_counter(), 0
        for frame, rules in frames.values():
            try:
                schema(rules, list(frame.columns)).validate(frame, lazy=True)
            except pa.errors.SchemaErrors as error:
                failed += len(error.failure_cases)
        took.append(time.perf_counter() - begun)
    print("\n" + json.dumps({"seconds": took[1:], "failed": failed}))


if __name__ == "__main__":
    main()
