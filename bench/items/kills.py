"""Kill imports of large extracts at random moments. A repeated import must give the bytes of an undisturbed one.

The extracts and the plain script are those of the item `rows`. The largest number of rows is measured once.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

from bench.items.rows import DAYS, MAX_PEAK_MB, MEMORY, ImportRun, measure_rows
from bench.measure import ENVIRONMENT, ROOT, BenchError, Settings
from bench.project_copy import worker_command
from bench.results import ItemReport, Row, compare_memory, compare_rounds

ATTEMPTS = {3_333_334: 20, 33_333_334: 1}  # number of kills by rows per day
SMALL_ATTEMPTS = {2_000: 2}
SEED = 20


def measure(settings: Settings) -> ItemReport:
    """Kill and repeat the import of three days of orders, for several numbers of rows a day."""
    report = ItemReport("Kills: imports that are killed and repeated")
    for rows_per_day, kills in (SMALL_ATTEMPTS if settings.small else ATTEMPTS).items():
        work = settings.work / f"kills-{rows_per_day}"
        once = Settings(work, settings.cache, pairs=1)
        rounds = measure_rows(work, rows_per_day, once, with_warm_up=False)
        home, label = work / "home", f"{rows_per_day * DAYS:,} rows"
        equal = repeat_killed_imports(home, rounds[0]["chain"], kills)
        report.figures[f"{rows_per_day}"] = {"rounds": rounds, "kills": kills, "equal": equal}
        peaks = (rounds[0][side].peak_rss_mb for side in ("chain", "duckdb"))
        report.rows += [
            compare_rounds(f"raw and validated of {label}", rounds, "duckdb", "seconds"),
            compare_memory(f"raw and validated of {label}: peak memory", *peaks, MAX_PEAK_MB),
            Row(f"{label}: repeated with the same bytes", f"{equal} of {kills}", aim="all", is_met=equal == kills),
        ]
    report.remarks.append(f"SIXTYFORTY_MEMORY is {MEMORY}. The moments of the kills are drawn with the seed {SEED}.")
    return report


def repeat_killed_imports(home: Path, undisturbed: ImportRun, kills: int) -> int:
    """Kill the import in a home several times, and repeat it to its end each time.

    undisturbed: the finished import in the home, which wasn't killed. An import that ends before its kill doesn't count
    as killed, and later moments are drawn from its shorter time. Return how many repeated imports wrote the same bytes.
    Raises BenchError if a repeated import fails, or if more imports end before their kill than are killed.
    """
    expected, rng = lake_digests(home), random.Random(SEED)
    duration_s = undisturbed.wall_s
    equal = killed = 0
    for _ in range(2 * kills + 1):
        if killed == kills:
            return equal
        process, started = _start(home), time.monotonic()
        try:
            process.wait(timeout=duration_s * rng.random())
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait() != -signal.SIGKILL:
            duration_s = min(duration_s, time.monotonic() - started)
            continue
        killed += 1
        if code := _start(home, "--resume").wait():
            raise BenchError(f"the repeated import failed with exit code {code}: {_log_of(home).read_text()[-2000:]}")
        equal += lake_digests(home) == expected
    raise BenchError(f"only {killed} of {kills} imports were still running when they should be killed")


def lake_digests(home: Path) -> dict[str, str]:
    """Return the SHA-256 of each Parquet file of the lake in a home, by its path."""
    digests = {}
    for file in sorted((home / "data" / "lake").rglob("*.parquet")):
        with file.open("rb") as stream:
            digests[str(file.relative_to(home))] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def _log_of(home: Path) -> Path:
    return home.with_name("import.err")


def _start(home: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [*worker_command("orders_chain"), "--home", str(home), *options]
    environment = {**os.environ, **ENVIRONMENT, "SIXTYFORTY_MEMORY": MEMORY}
    with _log_of(home).open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
