"""Measure a backfill on one and on two workers of a cluster, with real Redis, PostgreSQL and S3 servers.

A worker stands for a machine with one processor core. Both sides must write the same bytes.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench.cluster_workers import Worker
from bench.items.queries import start_server
from bench.measure import BenchError, Settings, ratio, run_in_turns, run_process
from bench.object_store import ObjectStore
from bench.order_extracts import FIRST_DAY, write_orders
from bench.project_copy import worker_command
from bench.redis_server import PROGRAM, Redis
from bench.results import ItemReport, Row, compare_seconds, format_seconds
from bench.workers.orders_chain import NAME, draft_use_case

DAYS, DRAFTED_DAYS = 40, 3
ROWS_PER_DAY = (25_000, 250_000)
SMALL_ROWS_PER_DAY = (5_000,)
PARTITIONS_PER_RUN = 5
MAX_ROUNDS = 2
MEMORY = "1GB"
MIN_SPEEDUP = 1.8
MAX_PEAK_MB = 2000  # MEMORY for the run, 500 MB for its reader process, and 500 MB for the libraries of both
BUCKET = "bench"
ARRIVALS = f"{NAME}/arrivals/"  # these ledgers hold the times of scans
SIDES = {"one": 1, "two": 2}  # the number of workers of each side


@dataclass(frozen=True)
class ClusterRun:
    """One measured backfill: its seconds, each worker's peak memory in MB, and the SHA-256 of each object it wrote.

    `cpu_s`: the processor seconds of each worker. On an idle machine, a worker waits for the rest of the seconds.
    """

    seconds: float
    peak_mb: list[int]
    digests: dict[str, str]
    cpu_s: list[float] = field(default_factory=list, kw_only=True)


def measure(settings: Settings) -> ItemReport:
    """Measure the stages raw and validated of 40 days of extracts, on one and on two workers."""
    if PROGRAM is None:
        raise BenchError("redis-server is not installed. Install it to measure a cluster.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < max(SIDES.values()):
        raise BenchError("a cluster of two workers needs two processor cores")
    report = ItemReport("Cluster: one and two workers with Redis, PostgreSQL and an S3 server")
    for rows_per_day in SMALL_ROWS_PER_DAY if settings.small else ROWS_PER_DAY:
        rounds = measure_rows(settings.work / f"cluster-{rows_per_day}", rows_per_day, min(settings.pairs, MAX_ROUNDS))
        report.figures[f"{rows_per_day * DAYS}"] = rounds
        report.rows += describe_rounds(rows_per_day * DAYS, rounds, is_largest=rows_per_day == ROWS_PER_DAY[-1])
    report.remarks += [
        "`chain` is two workers, `other` is one. The ratio of seconds says how many times as fast two workers are.",
        "A worker stands for a machine with one core: it is pinned to a core of its own. DuckDB, Arrow and OpenMP have"
        " one thread each. Redis, PostgreSQL and the S3 server run on the same machine and aren't pinned.",
        f"SIXTYFORTY_MEMORY is {MEMORY}. Memory is that of a worker's run and reader process together.",
        f"{DAYS} partitions, {PARTITIONS_PER_RUN} in a run. The workers have started before the clock starts.",
        "Each object of the lake has the same bytes on both sides, but for the arrivals ledgers, which hold times.",
    ]
    return report


def measure_rows(work: Path, rows_per_day: int, pairs: int, days: int = DAYS) -> list[dict[str, ClusterRun]]:
    """Return the measured backfills of both sides. Raises BenchError if they wrote different bytes."""
    work.mkdir(parents=True)
    write_orders(work / "landing", rows_per_day, days)
    files = sorted((work / "landing").iterdir())
    draft_from(work, files)
    with ExitStack() as stack:
        store, database = ObjectStore(work / "s3.log"), start_server(work / "pg")
        stack.callback(store.stop)
        stack.callback(database.cleanup)
        store.upload(BUCKET, "landing", files)
        sides = {side: partial(run_side, work, days, store, database.get_uri(), side) for side in SIDES}
        rounds = run_in_turns(sides, pairs, with_warm_up=False)
    for runs in rounds:
        if runs["one"].digests != runs["two"].digests:
            names = {name for name, _ in runs["one"].digests.items() ^ runs["two"].digests.items()}
            raise BenchError(f"one and two workers wrote different bytes: {sorted(names)[:5]}")
    return rounds


def draft_from(work: Path, files: Sequence[Path]) -> None:
    """Draft the use case from the extracts of the first days, because profiling all takes minutes.

    Its extracts are then read from the bucket, up to the last day.
    """
    sample = work / "sample"
    sample.mkdir()
    for file in files[:DRAFTED_DAYS]:
        (sample / file.name).symlink_to(file)
    draft_use_case(work / "project", sample)
    changes = {
        f"end: {day_of(DRAFTED_DAYS)}": f"end: {day_of(len(files))}",
        f"location: {sample}": f"location: s3://{BUCKET}/landing",
    }
    declaration = work / "project" / "use_cases" / NAME / "defs.yaml"
    text = declaration.read_text()
    for old, new in changes.items():
        if old not in text:
            raise BenchError(f"{declaration} doesn't hold '{old}'. Adapt the benchmark.")
        text = text.replace(old, new)
    declaration.write_text(text)


def day_of(number: int) -> date:
    """Return the day of an extract. number: 1 for the first extract."""
    return FIRST_DAY + timedelta(days=number - 1)


def run_side(work: Path, days: int, store: ObjectStore, database_url: str, side: str, number: int) -> ClusterRun:
    """Run the backfill once, with new workers, an empty lake and an empty database. number: the round."""
    name = f"{side}_{number}"
    folder = work / name
    folder.mkdir()
    redis = Redis(folder / "redis")
    workers = list[Worker]()
    settings = {
        "SIXTYFORTY_PROFILE": "cluster",
        "SIXTYFORTY_HOME": str(folder / "head"),
        "SIXTYFORTY_USE_CASES": str(work / "project" / "use_cases"),
        "SIXTYFORTY_SUITES": str(work / "project" / "expectations"),
        "SIXTYFORTY_DATABASE_URL": create_database(database_url, name),
        "SIXTYFORTY_LAKE": f"s3://{BUCKET}/{name}",
        "SIXTYFORTY_BROKER_URL": redis.url,
        "SIXTYFORTY_MEMORY": MEMORY,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        **store.environment,
    }
    try:
        for core in sorted(os.sched_getaffinity(0))[: SIDES[side]]:
            workers.append(Worker(folder, f"worker{core}", settings, core))
        options = ["--days", f"{days}", "--partitions-per-run", f"{PARTITIONS_PER_RUN}"]
        before = [worker.cpu_seconds() for worker in workers]
        printed = run_process(worker_command("cluster_backfill", *options), folder / "backfill", settings).printed
        cpu_seconds = [round(worker.cpu_seconds() - start, 1) for worker, start in zip(workers, before, strict=True)]
        peaks = [worker.peak_mb for worker in workers]
        return ClusterRun(printed["seconds"], peaks, lake_digests(store, name), cpu_s=cpu_seconds)
    finally:
        for worker in workers:
            worker.kill()
        redis.kill()


def lake_digests(store: ObjectStore, lake: str) -> dict[str, str]:
    """Return the SHA-256 of each data file and manifest of a lake, by its path."""
    digests = store.digests(f"{BUCKET}/{lake}")
    return {name: digest for name, digest in digests.items() if not name.startswith(ARRIVALS)}


def create_database(server_url: str, name: str) -> str:
    """Create an empty database on a PostgreSQL server, and return its SQLAlchemy URL."""
    server = sa.make_url(server_url).set(drivername="postgresql+psycopg2")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    return server.set(database=name).render_as_string(hide_password=False)


def describe_rounds(row_count: int, rounds: list[Mapping[str, ClusterRun]], is_largest: bool) -> list[Row]:
    """Return the report rows about seconds and memory for one number of rows. `is_largest`: the ratio has an aim."""
    label = f"raw and validated of {row_count:,} rows"
    one, two = (min(runs[side].seconds for runs in rounds) for side in SIDES)
    speedup = ratio(rounds, "one", "two", "seconds")
    cpu_one, cpu_two = (statistics.median(sum(runs[side].cpu_s) for runs in rounds) for side in SIDES)
    peaks = {side: max(max(runs[side].peak_mb) for runs in rounds) for side in SIDES}
    return [
        Row(
            label,
            format_seconds(two),
            format_seconds(one),
            speedup,
            f"≥ {MIN_SPEEDUP:g}×" if is_largest else "",
            speedup >= MIN_SPEEDUP if is_largest else None,
            len(rounds),
        ),
        compare_seconds(f"{label}: processor seconds of all workers", cpu_two, cpu_one, len(rounds)),
        Row(
            f"{label}: peak memory of a worker",
            f"{peaks['two']:,} MB",
            f"{peaks['one']:,} MB",
            peaks["two"] / peaks["one"],
            f"< {MAX_PEAK_MB / 1000:g} GB",
            max(peaks.values()) < MAX_PEAK_MB,
            len(rounds),
        ),
    ]
