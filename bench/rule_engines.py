"""Evaluate the same row rules in four engines: as the chain does, in Great Expectations, in DuckDB SQL, in pandera.

The time for reading the rows does not count. Every engine returns its seconds and the number of rule failures.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from bench.measure import ROOT, run_process
from bench.use_case import SOURCES, USE_CASE
from expectations.gx_runner import find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.rules import Rule
from expectations.suites import load_suite
from sixtyforty.storage.sql import identifier, identifiers, literal


@dataclass(frozen=True)
class RuleTable:
    """One source's row rules, and its accepted rows as a Parquet file, with the columns that the rules read."""

    file: Path
    rules: list[Rule]

    def count_rows(self) -> int:
        """Return the number of rows in the Parquet file."""
        with duckdb.connect() as db:
            return int(db.execute(f"select count(*) from {self._sql}").fetchall()[0][0])

    def load(self, db: duckdb.DuckDBPyConnection) -> None:
        """Create the temporary table `rows` in a DuckDB session, with the row number as `_id`."""
        db.execute(f"create temp table rows as select row_number() over () as _id, * from {self._sql}")

    @property
    def _sql(self) -> str:
        return f"read_parquet({literal(self.file)})"


@dataclass(frozen=True)
class EngineFigures:
    """The figures of one rule engine: the seconds of each repetition, and the number of rule failures."""

    seconds: list[float]
    failures: int


Tables = Mapping[str, RuleTable]
Engine = Callable[[Tables], tuple[float, int]]


def write_tables(home: Path, folder: Path, days: int | None) -> dict[str, RuleTable]:
    """Write each source's accepted rows of the newest `days` days (None: all days) as Parquet, with derived columns.

    A rule that reads another table is left out, because only the chain can evaluate such a rule.
    """
    from pipelines.authoring import catalog

    os.environ["SIXTYFORTY_HOME"] = str(home)
    ws = catalog.open_workspace(USE_CASE)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tables = {}
    for source in SOURCES:
        rules = [r for r in load_suite(USE_CASE, source).rows if not isinstance(r.kwargs.get("value_set"), dict)]
        entries = list(ws.lake.entries(f"validated/{source}").values())
        rows = ws.lake.select_rows(entries[-days if days else 0 :])
        derived = ws.use_case.sources[source].derived
        derived_columns = "".join(f", {sql} as {identifier(name)}" for name, sql in derived.items())
        columns = identifiers(sorted({column for rule in rules for column in rule.columns}))
        file = folder / f"{source}.parquet"
        with ws.lake.open_session(ws.use_case.timezone) as db:
            selection = f"select {columns} from (select *{derived_columns} from {rows})"
            db.execute(f"copy ({selection}) to {literal(file)} (format parquet)")
        tables[source] = RuleTable(file, rules)
    return tables


def repeat(engine: Engine, tables: Tables, repetitions: int) -> EngineFigures:
    """Run an engine once to warm up, then `repetitions` times. Return the figures without those of the warm-up."""
    runs = [engine(tables) for _ in range(repetitions + 1)]
    return EngineFigures([seconds for seconds, _ in runs[1:]], runs[-1][1])


def evaluate_as_chain(tables: Tables) -> tuple[float, int]:
    """Evaluate the rules as the chain does: Great Expectations checks each distinct value once.

    Return the seconds and the number of failures.
    """
    seconds, failures = 0.0, 0
    for name, table in tables.items():
        with duckdb.connect() as db:
            table.load(db)
            started = time.perf_counter()
            record_failing_rows(db, name, "rows", table.rules)
            failures += db.execute("select count(*) from failures").fetchall()[0][0]
            seconds += time.perf_counter() - started
    return seconds, failures


def evaluate_every_row(tables: Tables) -> tuple[float, int]:
    """Evaluate the rules with Great Expectations on every row. Return the seconds and the number of failures."""
    seconds, failures = 0.0, 0
    for name, table in tables.items():
        with duckdb.connect() as db:
            table.load(db)
            frame = db.execute("select * exclude (_id) from rows").df()
        started = time.perf_counter()
        failures += sum(map(len, find_failing_rows(name, frame, table.rules)))
        seconds += time.perf_counter() - started
    return seconds, failures


def evaluate_in_sql(tables: Tables) -> tuple[float, int]:
    """Evaluate the rules with one DuckDB query per table. Return the seconds and the number of failures."""
    seconds, failures = 0.0, 0
    for table in tables.values():
        with duckdb.connect() as db:
            table.load(db)
            started = time.perf_counter()
            counts = ", ".join(map(count_failures_sql, table.rules))
            failures += sum(db.execute(f"select {counts} from rows").fetchall()[0])
            seconds += time.perf_counter() - started
    return seconds, failures


def count_failures_sql(rule: Rule) -> str:
    """Return SQL that counts the rows that fail a rule. Raises KeyError for a rule type that has no SQL here."""
    kind, arguments = rule.type.removeprefix("expect_"), rule.kwargs
    if kind == "compound_columns_to_be_unique":
        columns = identifiers(arguments["column_list"])
        groups = f"select count(*) as n from rows group by {columns} having n > 1"
        return f"(select coalesce(sum(n), 0) from ({groups}))"
    if kind == "column_pair_values_to_be_equal":
        first, second = identifier(arguments["column_A"]), identifier(arguments["column_B"])
        return f"count(*) filter ({first} <> {second})"
    return f"count(*) filter ({_failure_condition(kind, arguments)})"


def _failure_condition(kind: str, arguments: Mapping[str, Any]) -> str:
    """Return the SQL condition of a row that fails a rule about the values of one column."""
    column = identifier(arguments["column"])
    members = ", ".join(map(repr, arguments.get("value_set", []))) or "null"
    bounds = {"<": arguments.get("min_value"), ">": arguments.get("max_value")}
    conditions = {
        "column_values_to_not_be_null": f"{column} is null",
        "column_values_to_be_between": " or ".join(
            f"{column} {sign} {bound!r}" for sign, bound in bounds.items() if bound is not None
        ),
        "column_values_to_be_in_set": f"{column} not in ({members})",
        "column_values_to_not_be_in_set": f"{column} in ({members})",
        "column_values_to_match_regex": f"not regexp_matches({column}, {literal(arguments.get('regex', ''))})",
    }
    return conditions[kind]


def run_pandera(python: Path, tables: Tables, folder: Path, repetitions: int) -> EngineFigures:
    """Evaluate the rules with pandera, in a process of a separate environment. Raises BenchError if it fails."""
    rules = folder / "rules.json"
    content = {
        name: {"file": str(table.file), "rules": [{"type": r.type, "kwargs": r.kwargs} for r in table.rules]}
        for name, table in tables.items()
    }
    rules.write_text(json.dumps(content))
    script = ROOT / "bench" / "workers" / "pandera_rules.py"
    printed = run_process([str(python), str(script), str(rules), f"{repetitions}"], folder / "pandera").printed
    return EngineFigures(printed["seconds"], printed["failed"])
