"""The rows of longer histories and of longer backfills."""

from bench.items.scaling import Backfill, backfill_rows, history_rows
from bench.measure import ProcessRun
from bench.workers.history_worker import DayOnHistory


def day(seconds: float) -> DayOnHistory:
    """A day whose figures are all the same."""
    return DayOnHistory(seconds, seconds, seconds, seconds, seconds, seconds)


def test_each_figure_is_compared_with_one_year_of_history() -> None:
    rows = {row.label: row for row in history_rows({1: [day(2.0)], 100: [day(3.0), day(5.0)]})}
    longest = rows["one day with its accounts, without start-up: 100 years"]
    assert (longest.chain, longest.other, longest.ratio, longest.is_met, longest.runs) == (
        "4.0 s",
        "2.0 s",
        2,
        False,
        2,
    )
    assert rows["one day with its accounts, without start-up: 1 year"].is_met is None
    assert rows["start-up of the day's run: 100 years"].is_met is None


def test_a_longer_backfill_grows_at_most_with_its_rows() -> None:
    base = Backfill(ProcessRun(30.0, 30.0, 1000, {}), 100_000)
    twice = Backfill(ProcessRun(65.0, 65.0, 2100, {}), 200_000)
    time, memory = backfill_rows({1: base, 2: twice})
    assert time.label == "raw to outcomes of 2.0 times the departures (200,000)"
    assert (time.aim, time.is_met) == ("≤ 2.2×", True)
    assert (memory.ratio, memory.is_met) == (2.1, False)
