"""Governance's own price: what its parts take of a backfill and of a day, and the same rules elsewhere.

The rules for rows of the three feeds (but the one that looks into another table) run on the same typed rows: as the
chain has them judged, by Great Expectations on every row, in pandera (in an environment of its own) and as one DuckDB
query a table. Each must find as many failures as the others. Reading the rows is left out everywhere.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb

from bench.chain import CASE
from bench.day import SOURCES
from bench.instrumented import PARTS
from bench.measure import BenchError, ItemReport, Row, Settings, run_process, seconds
from bench.peers import environment
from bench.year import CUT
from expectations.gx_runner import find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.suites import Rule, load_suite
from sixtyforty.storage.duckdb_session import connect

PANDERA = ["pandera[pandas]>=0.24,<1"]


def measure(settings: Settings) -> ItemReport:
    """A run of its own for the parts; the rules on the rows it leaves."""
    from pipelines.demo import flights

    found, work = ItemReport("Governance's own price"), settings.work / "governance"
    landing = work / "landing"
    flights.land(landing, None, CUT)
    flights.land(landing, CUT + timedelta(days=1), CUT + timedelta(days=1), hourly=True)
    said = run_process(
        [
            sys.executable,
            "-m",
            "bench.instrumented",
            "--landing",
            str(landing),
            "--home",
            str(work / "home"),
            "--last",
            f"{CUT}",
        ],
        work / "instrumented",
    )["printed"]
    found.figures["parts"] = said
    for part in [p for p in PARTS if p in said["backfill"]]:
        a, b = (said[span].get(part, 0.0) for span in ("backfill", "day"))
        found.rows.append(
            Row(
                f"{part}: of four months; of a day",
                f"{a / said['backfill']['all']:.1%} ({seconds(a)})",
                f"{b / said['day']['all']:.1%} ({seconds(b)})",
            )
        )
    found.remarks.append(
        f"Shares are of {seconds(said['backfill']['all'])} for four months and {seconds(said['day']['all'])} for the"
        " day after, in one process with its imports made; a day alone has no new versions to record. The look for time"
        " travel goes on beside the judging: not all of it is waited for."
    )
    for span, days in (("four months", None), ("a day", 1)):
        elsewhere(settings, found, work, span, days)
    return found


def elsewhere(settings: Settings, found: ItemReport, work: Path, span: str, days: int | None) -> None:
    """The rules in each engine, on all rows or on those of the last days."""
    tables = rows_of(work / "home", work / span.replace(" ", "-"), days)
    times = 1 if settings.small else settings.pairs
    engines: dict[str, tuple[list[float], int]] = {
        "as the chain has them judged": _several(times, lambda: _ours(tables)),
        "Great Expectations on every row": _several(1 if days is None else times, lambda: _every_row(tables)),
        "DuckDB SQL": _several(times, lambda: _sql(tables)),
    }
    try:
        python = environment(settings.cache, "pandera", PANDERA)
        rules = work / "rules.json"
        rules.write_text(
            json.dumps(
                {
                    n: {"file": str(f), "rules": [{"type": r.type, "kwargs": r.kwargs} for r in rs]}
                    for n, (f, rs) in tables.items()
                }
            )
        )
        script = Path(__file__).with_name("pandera_rules.py")
        said = run_process([str(python), str(script), str(rules), f"{times}"], work / "pandera")["printed"]
        engines["pandera"] = (said["seconds"], said["failed"])
    except (BenchError, OSError) as error:
        found.remarks.append(f"pandera was left out: {error}")
    ours, n_rows = engines["as the chain has them judged"], sum(_count(f) for f, _ in tables.values())
    told = f"{sum(len(rs) for _, rs in tables.values())} rules on {n_rows:,} rows ({span})"
    for name, (took, failed) in engines.items():
        if failed != ours[1]:
            raise BenchError(f"{name} found {failed} failures, the chain {ours[1]}")
        found.rows.append(
            Row(
                f"{told}: {name}",
                seconds(statistics.median(ours[0])),
                seconds(statistics.median(took)),
                statistics.median(ours[0]) / statistics.median(took),
                runs=len(took),
            )
        )
    found.figures[f"rules, {span}"] = {n: {"seconds": took, "failed": failed} for n, (took, failed) in engines.items()}


def rows_of(home: Path, out: Path, days: int | None) -> dict[str, tuple[Path, list[Rule]]]:
    """Each feed's accepted rows with what is derived of them, as Parquet, and the rules for its rows."""
    import os

    from pipelines.authoring import catalog

    os.environ["SIXTYFORTY_HOME"] = str(home)
    ws = catalog.open_workspace(CASE)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    found = {}
    for source in SOURCES:
        rules = [r for r in load_suite(CASE, source).rows if not isinstance(r.kwargs.get("value_set"), dict)]
        entries = list(ws.lake.entries(f"validated/{source}").values())
        derived = "".join(f", {sql} as {name}" for name, sql in ws.use_case.sources[source].derived.items())
        asked = ", ".join(f'"{c}"' for c in sorted({c for r in rules for c in r.columns}))
        with connect(ws.use_case.timezone) as db:
            db.execute(
                f"""copy (select {asked} from (select *{derived} from {ws.lake.select_rows(entries[-days if days else 0 :])}))
                to '{out / source}.parquet' (format parquet)"""
            )
        found[source] = (out / f"{source}.parquet", rules)
    return found


def _several(times: int, work: Callable[[], tuple[float, int]]) -> tuple[list[float], int]:
    """Seconds of several goes after one that warms up, and how many failures were found."""
    took = [work() for _ in range(times + 1)]
    return [t for t, _ in took[1:]], took[-1][1]


def _ours(tables: dict[str, tuple[Path, list[Rule]]]) -> tuple[float, int]:
    took, failed = 0.0, 0
    for name, (file, rules) in tables.items():
        with duckdb.connect() as db:
            db.execute(f"create temp table rows as select row_number() over () as _id, * from read_parquet('{file}')")
            begun = time.perf_counter()
            record_failing_rows(db, name, "rows", rules)
            failed += db.execute("select count(*) from failures").fetchall()[0][0]
            took += time.perf_counter() - begun
    return took, failed


def _every_row(tables: dict[str, tuple[Path, list[Rule]]]) -> tuple[float, int]:
    took, failed = 0.0, 0
    for name, (file, rules) in tables.items():
        with duckdb.connect() as db:
            frame = db.execute(f"from read_parquet('{file}')").df()
        begun = time.perf_counter()
        failed += sum(map(len, find_failing_rows(name, frame, rules)))
        took += time.perf_counter() - begun
    return took, failed


def _sql(tables: dict[str, tuple[Path, list[Rule]]]) -> tuple[float, int]:
    took, failed = 0.0, 0
    for file, rules in tables.values():
        with duckdb.connect() as db:
            db.execute(f"create temp table rows as from read_parquet('{file}')")
            begun = time.perf_counter()
            asked = ", ".join(_counting(r) for r in rules)
            failed += sum(db.execute(f"select {asked} from rows").fetchall()[0])
            took += time.perf_counter() - begun
    return took, failed


def _counting(rule: Rule) -> str:
    """SQL: how many rows break the rule."""
    kind, k = rule.type.removeprefix("expect_"), rule.kwargs
    if kind == "compound_columns_to_be_unique":
        columns = ", ".join(f'"{c}"' for c in k["column_list"])
        return f"(select coalesce(sum(n), 0) from (select count(*) as n from rows group by {columns} having n > 1))"
    if kind == "column_pair_values_to_be_equal":
        return f"""count(*) filter ("{k["column_A"]}" <> "{k["column_B"]}")"""
    column = f'"{k["column"]}"'
    listed = ", ".join(repr(v) for v in k.get("value_set", []))
    outside = [f"{column} {sign} {k[end]!r}" for sign, end in (("<", "min_value"), (">", "max_value")) if end in k]
    broken = {
        "column_values_to_not_be_null": f"{column} is null",
        "column_values_to_be_between": " or ".join(outside),
        "column_values_to_be_in_set": f"{column} not in ({listed or 'null'})",
        "column_values_to_not_be_in_set": f"{column} in ({listed or 'null'})",
        "column_values_to_match_regex": f"not regexp_matches({column}, '{k.get('regex', '')}')",
    }[kind]
    return f"count(*) filter ({broken})"


def _count(file: Path) -> int:
    with duckdb.connect() as db:
        return int(db.execute(f"select count(*) from read_parquet('{file}')").fetchall()[0][0])
