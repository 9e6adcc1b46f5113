"""The rows of large extracts: both sides accept the same rows, and seconds and memory are compared."""

from __future__ import annotations

from pathlib import Path

from bench.items.rows import describe_rounds, measure_rows
from bench.measure import ProcessRun, Settings


def test_both_sides_accept_the_same_rows(tmp_path: Path) -> None:
    (runs,) = measure_rows(tmp_path, 100, Settings(tmp_path, tmp_path, pairs=1))[-1:]
    assert runs["chain"].printed["rows"] == runs["duckdb"].printed["rows"] == 300
    assert set(runs["chain"].printed) == {"rows", "seconds", "raw", "validated"}


def test_only_the_largest_number_of_rows_has_an_aim() -> None:
    rounds = [
        {"chain": ProcessRun(5.0, 5.0, 900, {"seconds": 4.0}), "duckdb": ProcessRun(3.0, 3.0, 300, {"seconds": 2.5})}
    ]
    seconds, memory = describe_rounds(3_000_000, rounds, is_largest=True)
    assert (seconds.label, seconds.ratio, seconds.is_met) == ("raw and validated of 3,000,000 rows", 1.6, True)
    assert (memory.chain, memory.other, memory.is_met) == ("900 MB", "300 MB", True)
    assert describe_rounds(300, rounds, is_largest=False)[0].is_met is None
