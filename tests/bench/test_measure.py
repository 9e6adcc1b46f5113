"""What the benchmark is made of: turns, medians, failures told, a page that says what it must."""

import sys
from pathlib import Path

import pytest

from bench.measure import BenchError, ItemReport, Row, Settings, median, ratio, run_in_turns, run_process
from bench.results import page, table


def test_sides_take_turns_and_the_first_round_only_warms_up():
    order: list[str] = []

    def run(name: str, seconds: float):
        def one(number: int):
            order.append(f"{name}{number}")
            return {"wall_s": seconds * (100 if number == 0 else number)}

        return one

    pairs = run_in_turns({"a": run("a", 2.0), "b": run("b", 1.0)}, 3)
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]
    assert median(pairs, "a", "wall_s") == 4.0
    assert ratio(pairs, "a", "b", "wall_s") == 2.0


def test_a_process_is_measured_and_what_it_printed_last_is_read(tmp_path):
    found = run_process([sys.executable, "-c", "print('text'); print('{\"a\": 1}')"], tmp_path / "one")
    assert found["printed"] == {"a": 1}
    assert found["wall_s"] > 0
    assert found["peak_rss_mb"] > 1


def test_a_process_that_fails_is_told_with_what_it_said(tmp_path):
    with pytest.raises(BenchError, match="out of reach"):
        run_process([sys.executable, "-c", "raise SystemExit('out of reach')"], tmp_path / "one")


def test_the_page_says_machine_date_and_whether_aims_are_met():
    found = ItemReport(
        "Things", [Row("a year", "2.0 s", "1.0 s", 2.0, "≤ 1.3×", False, 5)], ["kedro was left out: no network"]
    )
    said = page([found], Settings(Path(), Path()), 12.0)
    assert "Measured by `make bench` on 20" in said
    assert " cores (" in said
    assert "| a year | 2.0 s | 1.0 s | 2.00× | ≤ 1.3× | NO | 5 |" in said
    assert "- kedro was left out: no network" in said
    assert "a year" in table(found)
