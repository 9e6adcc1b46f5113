"""Every format gives back what was written, whichever way a file shows its format."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.formats.registry import FORMATS, choose_format, describe_formats, format_of_name
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from tests.helpers import CALLS, SITES, calls_on, land_extract, make_workspace
from tests.sixtyforty.ingest.formats.samples import (
    PACKINGS,
    SOURCE,
    WRITERS,
    Row,
    parse_content,
    typed_rows,
    write_csv,
)

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | WORDS.map(lambda w: f"{w} {w}"),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
        st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
        st.none() | st.booleans(),
        st.none() | st.decimals(-9_999_999, 9_999_999, allow_nan=False, places=2),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("packed", PACKINGS)
@pytest.mark.parametrize("extension", WRITERS)
@settings(max_examples=15)
@given(rows=ROWS)
def test_rows_are_read_back_equal(extension: str, packed: str, rows: list[Row]) -> None:
    parsed = parse_content(PACKINGS[packed](WRITERS[extension](rows)), SOURCE)
    assert [list(r) for r in typed_rows(parsed)] == [list(r) for r in rows]
    assert parsed.lines == len(rows)


def test_all_formats_give_the_same_rows(subtests: Any) -> None:
    rows = [
        [1, 0.1, 'a "b", c', datetime(2013, 3, 10, 12), date(2013, 3, 10), True, Decimal("1.50")],
        [2, 1e-300, None, datetime(2013, 3, 10, 12, 0, 0, 5), None, False, None],
    ]
    expected = typed_rows(parse_content(write_csv(rows), SOURCE))
    for extension, written in WRITERS.items():
        with subtests.test(extension):
            assert typed_rows(parse_content(written(rows), SOURCE)) == expected


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
def test_each_format_reaches_validated_as_a_partition_and_as_a_snapshot(
    tmp_path: Path, extension: str, packed: str
) -> None:
    ws = make_workspace(
        tmp_path,
        sources={
            "calls": {"files": f"calls_*.{extension}{packed}"},
            "sites": {**SITES, "files": f"sites.{extension}{packed}"},
        },
    )
    day = date(2013, 3, 10)
    calls, sites = calls_on(day, 3), [("north", 3), ("south", 5)]
    for name, source, rows in (("calls_a", CALLS, calls), ("sites", SITES, sites)):
        columns = list(source["columns"])
        table = [dict(zip(columns, row, strict=True)) for row in rows]
        if extension == "csv":
            data = "\n".join([",".join(columns), *(",".join(map(str, r)) for r in rows)]).encode()
        elif extension == "jsonl":
            data = "\n".join(map(json.dumps, table)).encode()
        else:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(table), sink)
            data = sink.getvalue().to_pybytes()
        land_extract(ws.landing, f"{name}.{extension}{packed}", gzip.compress(data) if packed else data)
    for name, partition, rows in (("calls", str(day), calls), ("sites", SNAPSHOT, sites)):
        raw = ingest(ws.use_case, name, ws.lake, ws.landing, [partition], "code")
        assert raw[partition].rows == len(rows)
        verdicts = validate(ws.use_case, name, Suite(description="Anything."), ws.lake, [partition], None, "code")
        assert verdicts[partition].accepted
        entry = ws.lake.entry(f"validated/{name}", partition)
        assert entry is not None
        validated_rows = pq.read_table(ws.lake.local_file(entry)).select(list(ws.use_case.sources[name].columns))
        assert sorted(str(v) for r in validated_rows.to_pylist() for v in r.values()) == sorted(
            str(v) for r in rows for v in r
        )


def test_the_content_decides_the_format_before_the_ending() -> None:
    assert choose_format(b"PAR1", "x.csv").kind == "parquet"
    assert choose_format(b'\xef\xbb\xbf {"a": 1}', "x.csv").kind == "json"
    assert choose_format(b"a,b", "x.jsonl.gz").kind == "json"
    assert choose_format(b"a,b", "x.dat").kind == "csv"
    assert choose_format(b"a,b", None).kind == "csv"
    assert choose_format(b"[1, {}]", "things*", "things.json.gz").kind == "json"
    assert choose_format(b"a,b", "x.csv", "x.json").kind == "csv"


def test_an_ending_names_one_format_and_every_format_has_one() -> None:
    endings = [ending for extract_format in FORMATS for ending in extract_format.endings]
    assert len(set(endings)) == len(endings)
    for extract_format in FORMATS:
        assert format_of_name(f"x.{extract_format.endings[0].upper()}.gz") is extract_format
        assert format_of_name(f"orders_*.{extract_format.endings[0]}*") is extract_format, (
            "such a glob takes packed files"
        )
        assert extract_format.describe() in describe_formats()
    assert format_of_name("x.xlsx") is format_of_name(None) is None
