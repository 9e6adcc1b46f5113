"""A drill's report is ok only if every result is; its last line says so."""

from __future__ import annotations

from pipelines.demo.drill.drill import DrillReport
from pipelines.demo.drill.live_days import DrillResult


def test_one_failed_result_fails_the_drill() -> None:
    passed = DrillReport([DrillResult("raw", "3 files"), DrillResult("features", "2 files")])
    assert passed.ok
    assert passed.table.splitlines()[-1] == "All checks passed."
    failed = DrillReport([*passed.results, DrillResult("runs left unfinished", "1", ok=False)])
    assert not failed.ok
    assert failed.table.splitlines()[-1] == "CHECKS FAILED: see the lines with NOT."
    assert "NOT  runs left unfinished  1" in failed.table
