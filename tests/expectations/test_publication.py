"""The quarantine names file, line, column and text of each row that is no exact value, from landing to the lake."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expectations import publication
from expectations.rules import Rule
from expectations.suites import Suite
from expectations.validation import validate
from sixtyforty.ingest import repeated_keys
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.restatement import validation_reason
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests.helpers import land_extract, make_workspace

DAY = "2013-03-10"


def things(folder: Path, **changes: Any) -> Workspace:
    """A home whose source `things` has a number, a day and the column x."""
    source = {
        "description": "Things.",
        "files": "things*",
        "columns": {"id": "BIGINT", "day": "DATE", "x": "BIGINT"},
        "key": ["id"],
        "partition": "day",
        "known_at": "day::timestamp",
    }
    return make_workspace(folder, sources={"things": source | changes})


def validate_things(
    ws: Workspace, rows: list[tuple[str, str]], good: str = "1", suite: Suite | None = None
) -> list[dict[str, Any]]:
    """Land rows of number and x after 40 rows with a good x, validate them, and return the quarantined rows."""
    lines = [*((str(number), good) for number in range(100, 140)), *rows]
    text = "id,day,x\n" + "".join(f"{number},{DAY},{x}\n" for number, x in lines)
    land_extract(ws.landing, f"things_{DAY}.csv", text)
    ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")
    suite = suite or Suite(description="no rules")
    verdict = validate(ws.use_case, "things", suite, ws.lake, [DAY], None, "test")[DAY]
    assert verdict.accepted
    assert verdict.conserved
    entry = ws.lake.entry("quarantine/things", DAY)
    return pq.read_table(ws.lake.local_file(entry)).to_pylist() if entry else []


def test_different_rows_with_one_key_in_one_extract_are_quarantined_without_a_guess(tmp_path: Path) -> None:
    ws = things(tmp_path, personal=["x"])
    quarantined = validate_things(ws, [("1", "7"), ("2", "8"), ("1", "9"), ("3", "5"), ("3", "5")])
    reason = f"several different rows have the same key (id): things_{DAY}.csv, lines 42, 44"
    assert [(row["_row"], row["id"], row["_reason"]) for row in quarantined] == [(42, 1, reason), (44, 1, reason)]
    land_extract(ws.landing, f"things_{DAY}b.csv", f"id,day,x\n1,{DAY},9\n")
    ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")
    verdict = validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, [DAY], None, "test")[DAY]
    assert (verdict.accepted_rows, verdict.quarantined, verdict.duplicates, verdict.superseded) == (43, 0, 2, 1)


def test_contradictory_rows_leave_the_row_of_an_earlier_extract_in_force(tmp_path: Path) -> None:
    ws = things(tmp_path)
    validate_things(ws, [("1", "7")])
    land_extract(ws.landing, f"things_{DAY}b.csv", f"id,day,x\n1,{DAY},8\n1,{DAY},9\n")
    ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")
    verdict = validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, [DAY], None, "test")[DAY]
    assert verdict.conserved
    assert (verdict.accepted_rows, verdict.quarantined, verdict.superseded) == (41, 2, 0)


@pytest.mark.parametrize("days", [(DAY, "2013-03-11"), ("2013-03-11", DAY)])
def test_different_days_of_one_key_in_one_extract_contradict_each_other(tmp_path: Path, days: Sequence[str]) -> None:
    ws = things(tmp_path)
    others = "".join(f"{number},{day},1\n" for number, day in enumerate(days * 20, 100))
    rows = "".join(f"1,{day},1\n" for day in days)
    land_extract(ws.landing, "things.csv", f"id,day,x\n{others}{rows}")
    for requested in (list(days), [DAY], ["2013-03-11"]):
        ingest(ws.use_case, "things", ws.lake, ws.landing, list(days), "test")
        verdicts = validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, requested, None, "test")
        assert all((v.accepted_rows, v.quarantined, v.conserved) == (20, 1, True) for v in verdicts.values())


def test_wide_rows_are_published_in_order_with_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB holds 2048 rows at once, however wide they are. A sort of 3,000 rows of 130 KB failed with 512 MB."""
    files = set()
    for portion_bytes in (1 << 25, 1000):
        monkeypatch.setattr(repeated_keys, "PORTION_BYTES", portion_bytes)
        ws = things(tmp_path / str(portion_bytes), columns={"id": "BIGINT", "day": "DATE", "x": "VARCHAR"})
        text = "id,day,x\n" + "".join(f"{n * 7 % 40},{DAY},{'x' * n * 5}\n" for n in range(40)) + f"a,{DAY},b\n"
        land_extract(ws.landing, f"things_{DAY}.csv", text)
        ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")
        validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, [DAY], None, "test")
        entries = [ws.lake.entry(f"{kind}/things", DAY) for kind in ("validated", "quarantine")]
        files.add(tuple(entry.file for entry in entries if entry))
    assert len(files) == 1
    assert len(files.pop()) == 2


def test_the_publication_reads_few_rows_at_once(tmp_path: Path) -> None:
    """A reader that returned all rows at once would hold the whole partition in memory."""
    ws = things(tmp_path, columns={"id": "BIGINT", "day": "DATE", "x": "VARCHAR"})
    row_count, width = 60_000, 1_000
    with ws.lake.open_session("UTC") as db:
        db.execute(
            f"""create temp table typed as select i as id, date '{DAY}' as day, repeat('x', {width}) as x,
            '{DAY}' as _partition, 'e' as _extract, i as _row, 1::bigint as _seq, {width}::uinteger as _text_bytes,
            null::varchar as _reason, 'row' as _status from range({row_count}) t(i)"""
        )
        contract = ws.use_case.sources["things"]
        published = publication.Publication(db, ws.lake, "things", contract, {}, {}, "test")
        verdict = Verdict("things", DAY, True, row_count, row_count, 0, 0, 0, [], [])
        before, peak, rows = pa.total_allocated_bytes(), 0, 0
        for batch in published._select_accepted({DAY: verdict}):
            rows += batch.num_rows
            peak = max(peak, pa.total_allocated_bytes() - before, batch.nbytes)
    assert rows == row_count
    assert peak < row_count * width / 2


@pytest.mark.parametrize("key", [["id"], ["x", "id"]])
@pytest.mark.parametrize("numbers", [range(40), range(39, -1, -1), [*range(1, 40), 0]])
def test_valid_rows_are_in_the_order_of_their_keys_however_many_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: Sequence[int], key: list[str]
) -> None:
    files = set()
    for rows_sorted_at_once in (0, 100):
        monkeypatch.setattr(publication, "SORTED_AT_ONCE", rows_sorted_at_once)
        ws = things(tmp_path / str(rows_sorted_at_once), key=key)
        text = "id,day,x\n" + "".join(f"{number},{DAY},{number % 2}\n" for number in numbers)
        land_extract(ws.landing, f"things_{DAY}.csv", text)
        ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")
        validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, [DAY], None, "test")
        entry = ws.lake.entry("validated/things", DAY)
        assert entry is not None
        rows = pq.read_table(ws.lake.local_file(entry)).select(key).to_pylist()
        assert [tuple(row.values()) for row in rows] == sorted(tuple(row.values()) for row in rows)
        files.add(entry.file)
    assert len(files) == 1


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("BIGINT", "99.5"),
        ("INTEGER", "1e3"),
        ("BIGINT", "1.23457E+17"),
        ("SMALLINT", "40000"),
        ("DECIMAL(12,2)", "1.005"),
        ("DECIMAL(4,1)", "1000"),
        ("DOUBLE", "1e400"),
        ("DOUBLE", "inf"),
        ("BOOLEAN", "2"),
        ("DATE", "2013-03-10 10:00"),
        ("TIMESTAMP", "2013-03-10 10:00 BST"),
        ("TIMESTAMP", "infinity"),
    ],
)
def test_a_value_that_would_be_a_guess_is_quarantined(tmp_path: Path, declared: str, text: str) -> None:
    ws = things(tmp_path, columns={"id": "BIGINT", "day": "DATE", "x": declared})
    (bad,) = validate_things(ws, [("1", text)], DAY if declared in ("DATE", "TIMESTAMP") else "1")
    assert (bad["_file"], bad["_row"]) == (f"things_{DAY}.csv", 42)
    assert bad["_reason"] == f"x is '{text}', expected {declared}"


@pytest.mark.parametrize("number", ["", "NA", "  "])
def test_rows_without_a_key_are_kept_apart(tmp_path: Path, number: str) -> None:
    bad = validate_things(things(tmp_path), [(number, "5"), (number, "5"), (number, "6")])
    assert [row["_reason"] for row in bad] == ["id is empty, but it is part of the key"] * 3


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("1", "0.30"), ("2", "0.31")], [2]),
        ([("1", "0.3"), ("2", "0.29"), ("3", "1.00")], [2, 3]),
        ([("1", "0.300"), ("2", "-0.30")], [2]),
    ],
)
def test_a_rule_about_decimals_is_exact(tmp_path: Path, rows: list[tuple[str, str]], expected: list[int]) -> None:
    columns = {"id": "BIGINT", "day": "DATE", "x": "DECIMAL(12,2)"}
    ws = things(tmp_path, columns=columns, derived={"rest": "x - 0.1::decimal(12,2) - 0.2::decimal(12,2)"})
    arguments = {"column": "rest", "value_set": [0]}
    zero = Rule(type="expect_column_values_to_be_in_set", severity="critical", kwargs=arguments, why="x")
    bad = validate_things(ws, rows, "0.30", Suite(description="sums", rows=[zero]))
    assert [row["id"] for row in bad] == expected


GOOD = [(number, "1") for number in range(100, 140)]
FEW_BAD = [*GOOD, (1, "bad")]
MANY_BAD = [*GOOD, *((number, "bad") for number in range(40))]


class KilledError(Exception):
    """Stands for the end of the process."""


def kill_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """End the process after a number of writes and deletions in the lake."""
    done = []

    def killing(method: Any) -> Any:
        def call(lake: Lake, *args: Any, **kwargs: Any) -> Any:
            if len(done) >= count:
                raise KilledError
            done.append(args)
            return method(lake, *args, **kwargs)

        return call

    monkeypatch.setattr(Lake, "write", killing(Lake.write))
    monkeypatch.setattr(Lake, "drop", killing(Lake.drop))


def land_things(ws: Workspace, rows: list[tuple[int, str]]) -> None:
    text = "id,day,x\n" + "".join(f"{number},{DAY},{x}\n" for number, x in rows)
    land_extract(ws.landing, f"things_{DAY}.csv", text)
    ingest(ws.use_case, "things", ws.lake, ws.landing, [DAY], "test")


def validate_day(ws: Workspace) -> None:
    validate(ws.use_case, "things", Suite(description="no rules"), ws.lake, [DAY], None, "test")


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize(
    "contents",
    [(FEW_BAD, GOOD), (MANY_BAD, GOOD), (MANY_BAD, FEW_BAD), (GOOD, FEW_BAD), (FEW_BAD, MANY_BAD)],
    ids=["quarantine-leaves", "rejected-leaves", "few-bad", "quarantine-comes", "rejected-comes"],
)
def test_a_process_that_was_killed_leaves_no_old_quarantine_or_rejection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: tuple[list[tuple[int, str]], ...], steps: int
) -> None:
    killed, complete = things(tmp_path / "killed"), things(tmp_path / "complete")
    for rows in contents:
        land_things(complete, rows)
        validate_day(complete)
    land_things(killed, contents[0])
    validate_day(killed)
    land_things(killed, contents[1])
    with monkeypatch.context() as patch, suppress(KilledError):
        kill_after(patch, steps)
        validate_day(killed)
    raw = killed.lake.entries("raw/things")[DAY]
    judged = [e for kind in ("validated", "rejected") for e in killed.lake.entries(f"{kind}/things").values()]
    if validation_reason(killed.use_case, raw, judged, None) is not None:
        validate_day(killed)
    datasets = ("validated", "quarantine", "rejected")
    assert [killed.lake.entries(f"{kind}/things") for kind in datasets] == [
        complete.lake.entries(f"{kind}/things") for kind in datasets
    ]
