"""The rows of large extracts: both sides accept the same rows, and seconds and memory are compared."""

from __future__ import annotations

from pathlib import Path

from bench.items.rows import ImportRun, describe_rounds, measure_rows
from bench.measure import Settings


def test_both_sides_accept_the_same_rows(tmp_path: Path) -> None:
    (runs,) = measure_rows(tmp_path, 100, Settings(tmp_path, tmp_path, pairs=1), with_warm_up=False)
    assert runs["chain"].rows == runs["duckdb"].rows == 300


def test_only_the_largest_number_of_rows_has_an_aim() -> None:
    rounds = [{"chain": ImportRun(300, 4.0, 900), "duckdb": ImportRun(300, 2.5, 300)}]
    seconds, memory = describe_rounds(3_000_000, rounds, is_largest=True)
    assert (seconds.label, seconds.ratio, seconds.is_met) == ("raw and validated of 3,000,000 rows", 1.6, True)
    assert (memory.chain, memory.other, memory.is_met) == ("900 MB", "300 MB", True)
    assert describe_rounds(300, rounds, is_largest=False)[0].is_met is None
