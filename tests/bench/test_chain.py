"""Running the chain in the benchmark: homes, stages, and the comparison of money."""

from datetime import date
from pathlib import Path

import pytest

from bench.chain import POLICIES, Money, Run, chain_command, check_same_money, create_home, list_stages, read_money
from bench.measure import BenchError
from bench.use_case import DAY_STAGES, REFERENCE_STAGES, RETRAIN_STAGES, STAGES_WITHOUT_SCRIPT
from sixtyforty.accounting import kpi_ledger
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import deal_over_period


def run(decisions: int = 10, **per_1000: float | None) -> Run:
    """A run with money; policies that aren't named have 1.00 dollar."""
    return Run(wall_s=1.0, cpu_s=1.0, money=Money(decisions, {**dict.fromkeys(POLICIES, 1.0), **per_1000}))


def test_equal_money_passes_up_to_a_cent() -> None:
    check_same_money(run(model=12.34), run(model=12.35))
    check_same_money(run(model=None), run(model=None))


@pytest.mark.parametrize("other", [run(model=12.36), run(model=None), run(9, model=12.34)])
def test_other_money_is_an_error(other: Run) -> None:
    with pytest.raises(BenchError, match="did not do the same work"):
        check_same_money(run(model=12.34), other)


def test_a_run_without_money_is_an_error() -> None:
    with pytest.raises(BenchError, match="no measured value"):
        check_same_money(run(), Run(1.0, 1.0))


def test_the_stages_of_the_benchmark_exist() -> None:
    stages = set(list_stages())
    assert {*DAY_STAGES, *REFERENCE_STAGES, *RETRAIN_STAGES} <= stages
    assert not stages & {*STAGES_WITHOUT_SCRIPT}


def test_a_home_is_empty_and_links_to_the_landing_folder(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (tmp_path / "home" / "data" / "lake").mkdir(parents=True)
    home = create_home(tmp_path / "home", landing)
    assert [file.name for file in (home / "data").iterdir()] == ["landing"]
    assert (home / "data" / "landing" / "flight_delays").resolve() == landing


def test_the_command_selects_stages_and_days() -> None:
    command = chain_command(date(2013, 1, 1), date(2013, 1, 2), ["features", "outcomes"])
    assert command[2:] == [
        *("pipelines.cli", "run", "flight_delays", "--json"),
        *("--from", "2013-01-01", "--to", "2013-01-02", "--select", "features,outcomes"),
    ]


def test_the_net_time_excludes_the_start_up() -> None:
    assert Run(3.0, 1.0, start_up_s=0.5).net_s == 2.5


def test_the_random_choice_of_a_day_has_the_rates_of_that_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts return it at the rates of all days: here, half of the units get a standby crew."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    days = [
        DailyValue(day, 10, *[0.0] * 4, 0, 0, 0, counts=counts, paid_for_all={"none": 0.0, "standby": 100.0})
        for day, counts in (("2013-06-01", {"standby": 10}), ("2013-06-02", {"none": 10}))
    ]
    monkeypatch.setattr(kpi_ledger, "read_daily_values", lambda ws, track: deal_over_period(days))
    money = [read_money(tmp_path, first, date(2013, 6, 2)) for first in (date(2013, 6, 1), date(2013, 6, 2))]
    assert [span.per_1000["random_choice"] for span in money] == [5000.0, 0.0]
