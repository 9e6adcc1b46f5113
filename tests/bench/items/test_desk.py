"""The rows of the desk's pages."""

from __future__ import annotations

from pathlib import Path

from bench.items.desk import find_home, page_row
from bench.measure import Settings


def test_a_page_is_judged_by_its_later_requests() -> None:
    row = page_row("/impact", [4.0, 0.2, 0.6, 0.1])
    assert (row.chain, row.other, row.is_met, row.runs) == ("200 ms", "4.0 s", True, 3)
    assert page_row("/impact", [4.0, 1.5]).is_met is False


def test_the_home_of_the_newest_round_of_the_year_is_opened(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, 2, small=False, years=2)
    assert find_home(settings) == settings.short_homes / "chain"
    for number in (0, 1):
        (tmp_path / "year" / f"{number}" / "chain").mkdir(parents=True)
    assert find_home(settings) == tmp_path / "year" / "1" / "chain"
