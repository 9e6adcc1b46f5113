"""The rows of one more day."""

from datetime import date

import pytest

from bench.chain import Run
from bench.items.day import day_of_round, describe_day, start_up_row
from bench.results import ItemReport

STEPS = {"validated/weather": 0.4, "validated/movements": 0.5, "features": 0.7, "delivery": 0.1}


def rounds(chain_s: float) -> list[dict[str, Run]]:
    """One round with a start-up of half a second."""
    return [
        {
            "chain": Run(chain_s, 1.0, start_up_s=0.5, steps=STEPS),
            "duckdb": Run(2.0, 1.0),
            "pandas": Run(2.5, 1.0),
        }
    ]


@pytest.mark.parametrize(("chain_s", "is_met", "aim"), [(3.0, True, "(+0.50 s)"), (4.0, False, "(+1.50 s)")])
def test_the_aim_is_at_most_a_second_over_the_script_without_start_up(chain_s: float, is_met: bool, aim: str) -> None:
    report = ItemReport("One more day")
    describe_day(report, rounds(chain_s))
    row = next(row for row in report.rows if row.is_met is not None)
    assert row.is_met is is_met
    assert row.aim == f"≤ 1 s over it {aim}"
    assert "three sources takes 0.9 s" in report.remarks[0]
    assert "take 0.7 s. All other steps take 0.1 s." in report.remarks[1]


def test_the_start_up_has_no_other_side() -> None:
    assert start_up_row("start-up", rounds(3.0)).cells == ("start-up", "500 ms", "", "", "", "", "1")


def test_each_round_adds_a_day_after_the_five_months() -> None:
    assert day_of_round(0) == date(2013, 6, 9)
    assert day_of_round(5) == date(2013, 6, 14)
