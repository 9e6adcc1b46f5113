"""Each line of an extract goes to one partition, and a line without a date is broken, not lost."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import extract_staging
from sixtyforty.ingest.extract import Chunk, OpenedExtract
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from tests.helpers import CALLS, SITES, csv_text, make_use_case
from tests.staged import lines_by_partition, stage_file

NAME, DAY, NEXT = "calls_2013-03-10.csv", "2013-03-10", "2013-03-11"


NOON, NOON_AFTER = "2013-03-10 12:00:00", "2013-03-11 12:00:00"


def partition_text(
    use_case: UseCase, folder: Path, text: str, name: str = NAME, source: str = "calls"
) -> dict[str, pa.Table]:
    path = folder / name
    path.write_text(text)
    return lines_by_partition(stage_file(use_case, path, source))


def calls(*rows: tuple) -> str:
    return csv_text(CALLS, rows)


def line_numbers(lines: dict[str, pa.Table]) -> dict[str, list[int]]:
    """Line numbers by partition."""
    return {p: t["_row"].to_pylist() for p, t in lines.items()}


ROW = st.tuples(
    st.sampled_from(["1", "2", "", "x"]),
    st.sampled_from(["a", "NA"]),
    st.sampled_from([NOON, NOON, NOON_AFTER, "2012-01-01 12:00:00", "2013-02-30 12:00:00", ""]),
    st.sampled_from(["0.5", "0.50", "0.9", "much"]),
)


LINES = st.lists(ROW.map(",".join) | st.sampled_from(["1,a", "1,a,b,c,d", '1,"a', "", ",,,"]), max_size=8)


def test_lines_go_to_their_local_day(tiny_use_case: UseCase, tmp_path: Path) -> None:
    text = calls((1, "north", "2013-03-10 04:59:59", 0.1), (2, "north", "2013-03-10 05:00:00", 0.2), (3, "a", NOON, 1))
    assert line_numbers(partition_text(tiny_use_case, tmp_path, text)) == {"2013-03-09": [2], DAY: [3, 4]}


def test_days_start_at_local_midnight_when_clocks_change(tiny_use_case: UseCase, tmp_path: Path) -> None:
    hours = ["2013-03-11 03:59:00", "2013-03-11 04:00:00", "2013-11-04 04:59:00", "2013-11-04 05:00:00"]
    lines = partition_text(tiny_use_case, tmp_path, calls(*((i, "a", h, 0) for i, h in enumerate(hours))))
    assert line_numbers(lines) == {DAY: [2], NEXT: [3], "2013-11-03": [4], "2013-11-04": [5]}


def test_unusable_lines_go_to_the_day_in_the_name(tiny_use_case: UseCase, tmp_path: Path) -> None:
    text = calls((1, "a", NOON, 0), (2, "a"), (3, "a", NOON_AFTER, 0), ("x", "y"), (4, "b", "soon", 0))
    lines = partition_text(tiny_use_case, tmp_path, text, "calls_2013-03-01.csv")
    assert line_numbers(lines) == {"2013-03-01": [3, 5, 6], DAY: [2], NEXT: [4]}
    assert lines["2013-03-01"]["_text"].to_pylist() == ["2,a", "x,y", None]
    assert lines["2013-03-01"]["_broken"].to_pylist() == [
        *["the line has 2 fields, the header has 4"] * 2,
        "the line has no readable date, so its partition is unknown:"
        " the line counts in the earliest partition of the file name",
    ]


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("calls_2013-03-12.csv", "2013-03-12"),
        ("calls_2013-04.csv", "2013-04-01"),
        ("calls_2013-02.csv", DAY),  # before the use case begins: the first day the file has
        ("calls.csv", DAY),
    ],
)
def test_unusable_lines_go_to_the_first_partition_of_the_name_or_to_the_earliest_one(
    tiny_use_case: UseCase, tmp_path: Path, name: str, home: str
) -> None:
    text = calls((1, "a", NOON_AFTER, 0), (2, "a"), (3, "a", NOON, 0))
    assert home in line_numbers(partition_text(tiny_use_case, tmp_path, text, name))
    assert 3 in line_numbers(partition_text(tiny_use_case, tmp_path, text, name))[home]


def test_broken_lines_alone_go_to_the_first_partition(tiny_use_case: UseCase, tmp_path: Path) -> None:
    assert line_numbers(partition_text(tiny_use_case, tmp_path, calls((1, 2), (3, 4)), "calls.csv")) == {
        "2013-03-01": [2, 3]
    }


@pytest.mark.parametrize(
    "hour", ["2012-12-31 12:00:00", "2013-02-28 12:00:00", "2014-01-01 12:00:00", "2103-03-10 12:00:00"]
)
def test_a_row_dated_outside_the_partitions_is_broken(tiny_use_case: UseCase, tmp_path: Path, hour: str) -> None:
    lines = partition_text(tiny_use_case, tmp_path, calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)))
    assert line_numbers(lines) == {DAY: [2, 3]}
    assert lines[DAY]["_broken"].to_pylist() == [
        f"the date {hour[:10]} is outside the partitions of the use case:"
        " the line counts in the earliest partition of the file name",
        None,
    ]


@pytest.mark.parametrize(
    "hour", ["12013-03-10 12:00:00", "0044-03-15 12:00:00 (BC)", "-2013-03-10 12:00:00", "infinity"]
)
def test_a_date_that_no_calendar_of_today_has_is_not_readable(
    tiny_use_case: UseCase, tmp_path: Path, hour: str
) -> None:
    lines = partition_text(tiny_use_case, tmp_path, calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)), "calls.csv")
    assert line_numbers(lines) == {DAY: [2, 3]}
    assert "no readable date" in lines[DAY]["_broken"].to_pylist()[0]


@pytest.mark.parametrize(("hour", "is_usable"), [("2014-03-10 12:00:00", True), ("2014-03-14 12:00:00", False)])
def test_without_an_end_a_row_may_be_a_year_ahead_of_its_extract(tmp_path: Path, hour: str, is_usable: bool) -> None:
    use_case = make_use_case(tmp_path / "u", partitions={"end": None})
    (tmp_path / NAME).write_text(calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)))
    lines = lines_by_partition(stage_file(use_case, tmp_path / NAME, seen_at="2013-03-11T08:00:00"))
    assert line_numbers(lines) == ({DAY: [3], hour[:10]: [2]} if is_usable else {DAY: [2, 3]})


def test_a_year_of_five_digits_is_outside_the_partitions(tmp_path: Path) -> None:
    """As texts, the year 20130 is between 2013 and 2014."""
    changes = {"calls": {"partition": "make_date(id::int, 3, 10)"}}
    use_case = make_use_case(tmp_path, sources=changes, partitions={"end": "2014-12-31"})
    lines = partition_text(use_case, tmp_path, calls((2013, "a", NOON, 0), (20130, "a", NOON, 0)))
    assert lines[DAY]["_row"].to_pylist() == [2, 3]
    assert "the date 20130-03-10 is outside the partitions" in lines[DAY]["_broken"][1].as_py()


def test_an_impossible_date_breaks_only_its_own_line(tmp_path: Path) -> None:
    changes = {"calls": {"partition": "make_date(2013, id, 10)"}}
    use_case = make_use_case(tmp_path / "u", sources=changes)
    lines = partition_text(use_case, tmp_path, calls((3, "a", NOON, 0), (13, "b", NOON, 0), (4, "c", NOON, 0)))
    assert line_numbers(lines) == {DAY: [2, 3], "2013-04-10": [4]}
    assert [reason and reason[:28] for reason in lines[DAY]["_broken"].to_pylist()] == [
        None,
        "the line has no readable dat",
    ]


def test_a_snapshot_is_one_partition(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"sites": SITES})
    lines = partition_text(
        use_case, tmp_path, csv_text(SITES, [("north", 3), ("south",), ("east", "big")]), "sites.csv", "sites"
    )
    assert line_numbers(lines) == {SNAPSHOT: [2, 3, 4]}


def test_a_refused_or_empty_file_has_no_lines(tiny_use_case: UseCase, tmp_path: Path) -> None:
    assert partition_text(tiny_use_case, tmp_path, "") == {}
    assert partition_text(tiny_use_case, tmp_path, calls()) == {}


@settings(max_examples=25)
@given(LINES)
def test_every_line_goes_to_one_partition(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    partitions = partition_text(make_use_case(folder), folder, "\n".join([",".join(CALLS["columns"]), *lines]) + "\n")
    numbers = [n for t in partitions.values() for n in t["_row"].to_pylist()]
    assert sorted(numbers) == [n for n, line in enumerate(lines, 2) if line]
    assert all("2013-03-01" <= p <= "2013-12-31" for p in partitions)


def cut_into_chunks(opened: OpenedExtract, lines_per_chunk: int) -> OpenedExtract:
    """Cut an extract's lines into chunks of another size. Lines without a row are in the chunk of the line before."""
    chunks = list(opened.chunks)
    if not chunks:
        return OpenedExtract(opened.undeclared, iter(()))
    rows = pa.concat_tables([chunk.rows for chunk in chunks])
    broken = {line.number: line for chunk in chunks for line in chunk.broken}
    positions = {number: position for position, number in enumerate(rows["_row"].to_pylist())}
    numbers = sorted([*positions, *broken])
    parts = [numbers[start : start + lines_per_chunk] for start in range(0, len(numbers), lines_per_chunk)]
    return OpenedExtract(
        opened.undeclared,
        iter(
            Chunk(
                rows.take(pa.array([positions[n] for n in part if n in positions], pa.int64())),
                [broken[n] for n in part if n in broken],
            )
            for part in parts
        ),
    )


@settings(max_examples=25)
@given(LINES, st.sampled_from(["calls.csv", NAME, "calls_2013-02.csv"]), st.integers(1, 4))
def test_the_partitions_do_not_depend_on_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], name: str, lines_per_chunk: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    use_case, text = make_use_case(folder), "\n".join([",".join(CALLS["columns"]), *lines]) + "\n"
    expected = partition_text(use_case, folder, text, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            extract_staging,
            "read_extract",
            lambda *arguments: cut_into_chunks(read_extract(*arguments), lines_per_chunk),
        )
        for rows_per_batch in (1, 100):
            patch.setattr(extract_staging, "ROWS_PER_BATCH", rows_per_batch)
            assert partition_text(use_case, folder, text, name) == expected
