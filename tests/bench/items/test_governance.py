"""The shares of the parts of governance."""

from bench.items.governance import describe_parts
from bench.results import ItemReport
from bench.workers.timed_chain import PARTS


def test_each_part_has_its_share_of_the_backfill_and_of_the_day() -> None:
    report, (part, *_) = ItemReport("The cost of governance"), PARTS
    describe_parts(report, {"backfill": {"all": 20.0, part: 4.0}, "day": {"all": 2.0}})
    (row,) = report.rows
    assert (row.label, row.chain, row.other) == (f"{part} (five months; one day)", "20.0% (4.0 s)", "0.0% (0 ms)")
    assert "20.0 s for the five months and 2.0 s" in report.remarks[0]
