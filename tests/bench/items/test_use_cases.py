"""The rows of 1, 100 and 300 use cases."""

from bench.items.use_cases import CountFigures, graph_rows, load_rows, portfolio_rows, tick_rows

FIGURES = {
    1: CountFigures(35, 1.0, 120, [0.06], [0.02], 0.1, [0.03], [[0.2, 0.1], [0.1, 0.1], [0.1, 0.1]]),
    300: CountFigures(
        9902, 1.0, 360, [12.0, 9.0, 9.3], [0.04, 0.05, 0.03], 2.0, [1.5], [[9.0, 0.2], [0.6, 0.2], [1.6, 0.4]]
    ),
}


def test_loading_the_most_use_cases_has_an_aim() -> None:
    one, many, memory = load_rows(FIGURES)
    assert (one.chain, one.is_met) == ("60 ms", None)
    assert (many.chain, many.other, many.aim, many.is_met) == ("9.3 s", "60 ms", "< 10 s", True)
    assert (memory.chain, memory.ratio, memory.is_met) == ("360 MB", 3.0, True)


def test_one_tick_and_all_ticks_have_an_aim() -> None:
    _, many, all_ticks = tick_rows(FIGURES)
    assert (many.chain, many.ratio, many.aim, many.is_met, many.runs) == ("40 ms", 2.0, "< 50 ms", True, 3)
    assert (all_ticks.chain, all_ticks.aim, all_ticks.is_met) == ("120 ms", "< 60 s", True)


def test_the_asset_graph_is_compared_with_one_use_case() -> None:
    assert [row.ratio for row in graph_rows(FIGURES)] == [1.0, 50.0]


def test_the_portfolio_is_measured_after_a_start_and_later() -> None:
    calculated, first, later = portfolio_rows(FIGURES)[-3:]
    assert (calculated.chain, calculated.is_met) == ("9.0 s", None)
    assert (first.chain, first.is_met, first.runs) == ("1.1 s", False, 2)
    assert (later.chain, later.is_met) == ("300 ms", True)
