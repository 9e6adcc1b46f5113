"""The rows of 1, 10 and 100 use cases."""

from bench.items.use_cases import CountFigures, graph_rows, load_rows, tick_rows

FIGURES = {
    1: CountFigures(35, 1.0, [0.06], [0.02], 0.1, [0.03]),
    100: CountFigures(3302, 1.0, [6.0, 3.0, 3.3], [0.04, 0.05, 0.03], 2.0, [1.5]),
}


def test_loading_a_hundred_use_cases_has_an_aim() -> None:
    one, hundred = load_rows(FIGURES)
    assert (one.chain, one.is_met) == ("60 ms", None)
    assert (hundred.chain, hundred.other, hundred.aim, hundred.is_met) == ("3.3 s", "60 ms", "< 5 s", True)


def test_a_tick_is_compared_with_the_time_that_dagster_gives_it() -> None:
    _, hundred = tick_rows(FIGURES)
    assert (hundred.chain, hundred.ratio, hundred.aim, hundred.runs) == ("40 ms", 2.0, "0.1% of 60 s", 3)


def test_the_asset_graph_is_compared_with_one_use_case() -> None:
    assert [row.ratio for row in graph_rows(FIGURES)] == [1.0, 50.0]
