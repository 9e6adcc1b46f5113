"""Measuring processes: rounds in turns, medians, failures with their output."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.measure import BenchError, last_json, median, median_steps, ratio, run_in_turns, run_process


@dataclass(frozen=True)
class SideRun:
    """One run of a side."""

    wall_s: float
    steps: dict[str, float] = field(default_factory=dict)


def test_sides_take_turns_and_the_first_round_only_warms_up() -> None:
    order: list[str] = []

    def side(name: str, seconds: float) -> Callable[[int], SideRun]:
        def run(number: int) -> SideRun:
            order.append(f"{name}{number}")
            return SideRun(seconds * (100 if number == 0 else number))

        return run

    rounds = run_in_turns({"a": side("a", 2.0), "b": side("b", 1.0)}, 3)
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]
    assert median(rounds, "a", "wall_s") == 4.0
    assert ratio(rounds, "a", "b", "wall_s") == 2.0


def test_without_a_warm_up_every_round_counts() -> None:
    rounds = run_in_turns({"a": lambda number: SideRun(number)}, 2, with_warm_up=False)
    assert [runs["a"].wall_s for runs in rounds] == [0, 1]


def test_steps_have_their_own_medians() -> None:
    rounds = [{"a": SideRun(1.0, {"land": seconds, "fit": 2 * seconds})} for seconds in (1.0, 5.0, 3.0)]
    assert median_steps(rounds, "a") == {"land": 3.0, "fit": 6.0}


def test_a_process_is_measured_and_its_last_json_is_read(tmp_path: Path) -> None:
    process = run_process([sys.executable, "-c", "print('text'); print('{\"a\": 1}')"], tmp_path / "log")
    assert process.printed == {"a": 1}
    assert process.wall_s > 0
    assert process.peak_rss_mb > 1


def test_a_failed_process_is_reported_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="out of reach"):
        run_process([sys.executable, "-c", "raise SystemExit('out of reach')"], tmp_path / "log")


def test_output_without_json_gives_nothing() -> None:
    assert last_json("text only\n") == {}
    assert last_json('{"first": 1}\ntext\n{\n "last": 2\n}\n') == {"last": 2}
