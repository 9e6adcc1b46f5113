"""Feeds of odd files, and how another reader than the project's reads each of them.

Each function returns the files of a feed and the rows in them, which Python's own modules or Arrow read from the bytes.
Numbers are Decimal, and `_partition` is the day of the row. All other columns are as a validated partition holds them.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

FIRST, LAST = date(2024, 1, 29), date(2024, 3, 8)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
Row = dict[str, Any]
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class OddFeed:
    """A feed of odd files.

    - files: the content of each file. rows: what another reader reads from it.
    - source: the name of the source that `new` must draft.
    - types: types that `new` must find.
    - corrections: a text of the drafted source and what a person writes instead, as the CHECK lines ask.
    """

    source: str
    files: dict[str, bytes]
    rows: list[Row]
    types: dict[str, str]
    corrections: dict[str, str] = field(default_factory=dict)


def _write_csv(header: Sequence[str], rows: Sequence[Sequence[Any]], delimiter: str, encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    return text.getvalue().encode(encoding)


def _read_csv(
    content: bytes, delimiter: str, encoding: str, day: tuple[str, str], numbers: dict[str, Callable[[str], Decimal]]
) -> list[Row]:
    """Return the rows of a CSV file. day: the column with the date, and its form. numbers: how columns are read."""
    rows: list[Row] = []
    for row in csv.DictReader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter):
        partition = datetime.strptime(row[day[0]], day[1]).date()
        texts = {name: numbers[name](text) if name in numbers else text for name, text in row.items()}
        rows.append(texts | {"_partition": f"{partition}"})
    return rows


def _days(per_day: int) -> Iterator[tuple[int, date]]:
    return enumerate(day for day in DAYS for _ in range(per_day))


def _german(text: str) -> Decimal:
    return Decimal(text.replace(".", "").replace(",", "."))


def _grouped(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def semicolons_in_latin_1() -> OddFeed:
    """Return a German feed: semicolons, decimal commas, points between thousands, umlauts in Latin-1."""
    chance, streets = random.Random(1), ["Königsallee", "Ä; B", 'Gasse "zum Bären"']
    rows = []
    for n, day in _days(4):
        amount = f"{chance.randrange(1, 3_000_000) / 100:,.2f}".translate(str.maketrans(",.", ".,"))
        rows.append([n, f"{day:%d.%m.%Y}", streets[n % 3], amount, f"{n % 9},5"])
    content = _write_csv(["Auftrag", "Datum", "Straße", "Umsatz", "Menge"], rows, ";", "latin-1")
    numbers = {"Auftrag": Decimal, "Umsatz": _german, "Menge": _german}
    read = _read_csv(content, ";", "latin-1", ("Datum", "%d.%m.%Y"), numbers)
    return OddFeed("auftrage", {"Aufträge.csv": content}, read, {"Auftrag": "BIGINT", "Umsatz": "DECIMAL(18,2)"})


def utf_16_with_tabs() -> OddFeed:
    """Return a feed as Excel saves Unicode text: UTF-16 with a byte order mark, and tabs."""
    rows = [[n, day, f"Größe {n % 3} – 日本", f"{n / 8}"] for n, day in _days(2)]
    content = _write_csv(["nr", "day", "label", "level"], rows, "\t", "utf-16")
    read = _read_csv(content, "\t", "utf-16", ("day", "%Y-%m-%d"), {"nr": Decimal, "level": Decimal})
    return OddFeed("levels", {"levels.csv": content}, read, {"nr": "BIGINT", "day": "DATE", "label": "VARCHAR"})


def month_before_day() -> OddFeed:
    """Return a feed with dates such as 02/13/2024."""
    rows = [[n, f"{day:%m/%d/%Y}", f"{day:%d.%m.%Y}", n % 7] for n, day in _days(2)]
    content = _write_csv(["id", "shipped", "printed", "boxes"], rows, ",", "utf-8")
    read = _read_csv(content, ",", "utf-8", ("shipped", "%m/%d/%Y"), {"id": Decimal, "boxes": Decimal})
    return OddFeed("shipments", {"shipments.csv": content}, read, {"id": "BIGINT", "boxes": "BIGINT"})


def ambiguous_dates() -> OddFeed:
    """Return a feed whose dates could be day before month or month before day. They are month before day."""
    days = [date(2024, month, day) for month in (2, 3) for day in range(1, 9)]
    rows = [[n, f"{day:%m/%d/%Y}", n % 5] for n, day in enumerate(days * 3)]
    content = _write_csv(["id", "day", "visits"], rows, ",", "utf-8")
    read = _read_csv(content, ",", "utf-8", ("day", "%m/%d/%Y"), {"id": Decimal, "visits": Decimal})
    corrections = {"strptime(day, '%d/%m/%Y')": "strptime(day, '%m/%d/%Y')"}
    return OddFeed("visits", {"visits.csv": content}, read, {"visits": "BIGINT"}, corrections)


def commas_between_thousands() -> OddFeed:
    """Return a feed with numbers such as "1,234,567.25", some of them negative."""
    chance = random.Random(2)
    rows = [[n, day, f"{chance.randrange(-9_999_999, 999_999_999) / 100:,.2f}", f"{n * 977:,}"] for n, day in _days(2)]
    content = _write_csv(["id", "day", "turnover", "pieces"], rows, ",", "utf-8-sig")
    numbers = {"id": Decimal, "turnover": _grouped, "pieces": _grouped}
    read = _read_csv(content, ",", "utf-8-sig", ("day", "%Y-%m-%d"), numbers)
    types = {"turnover": "DECIMAL(18,2)", "pieces": "BIGINT"}
    return OddFeed("turnover", {"turnover.csv": content}, read, types)


def keywords_as_columns() -> OddFeed:
    """Return a feed whose columns are SQL keywords, or have brackets, quotes, spaces or no letters."""
    header = ["select", "order", "[from]", "group by", "a]b", 'x"y', "limit;--", "%", "Case", "1st"]
    rows = [[n, day, n % 2, n % 3, n % 5, f"t{n % 7}", n, "all", n % 11, n] for n, day in _days(2)]
    content = _write_csv(header, rows, ",", "utf-8")
    numbers = dict.fromkeys(["select", "[from]", "group by", "a]b", "limit;--", "Case", "1st"], Decimal)
    read = _read_csv(content, ",", "utf-8", ("order", "%Y-%m-%d"), numbers)
    return OddFeed("table_rows", {"table.csv": content}, read, {"select": "BIGINT", "order": "DATE", "%": "VARCHAR"})


def ids_with_leading_zeros() -> OddFeed:
    """Return a feed with the codes 00123 and 10E2, in two files whose first rows look like numbers."""
    files, read = {}, []
    for part in range(2):
        rows = [[f"{n:05}", f"{n % 90 + 10}E{n % 4}", day, f"{n}.10"] for n, day in _days(2) if n % 2 == part]
        content = _write_csv(["customer", "sku", "day", "paid"], rows, ",", "utf-8")
        files[f"customers_{part}.csv"] = content
        read += _read_csv(content, ",", "utf-8", ("day", "%Y-%m-%d"), {"paid": Decimal})
    return OddFeed("customers", files, read, {"customer": "VARCHAR", "sku": "VARCHAR", "paid": "DECIMAL(18,2)"})


def parquet_with_time_zones_and_decimals() -> OddFeed:
    """Return a Parquet feed with times in Berlin, decimals of four digits, small integers and a dictionary."""
    moments = [datetime(day.year, day.month, day.day, 12, n % 60, tzinfo=BERLIN) for n, day in _days(2)]
    table = pa.table(
        {
            "id": pa.array(range(len(moments)), pa.int32()),
            "at": pa.array(moments, pa.timestamp("ms", "Europe/Berlin")),
            "price": pa.array([Decimal(n * 7919).scaleb(-4) for n in range(len(moments))], pa.decimal128(18, 4)),
            "weight": pa.array([n / 3 for n in range(len(moments))], pa.float64()),
            "kind": pa.array([f"k{n % 3}" for n in range(len(moments))]).dictionary_encode(),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    read = []
    for row in pq.read_table(io.BytesIO(sink.getvalue())).to_pylist():
        at = row["at"].astimezone(UTC).replace(tzinfo=None)
        numbers = {name: Decimal(repr(row[name])) for name in ("id", "weight")}
        read.append(row | numbers | {"at": f"{at}", "_partition": f"{at.date()}"})
    types = {"id": "INTEGER", "price": "DECIMAL(18,4)"}
    return OddFeed("prices", {"prices.parquet": sink.getvalue()}, read, types)


def nested_json() -> OddFeed:
    """Return JSON lines with nested lists and objects, and numbers that no DOUBLE holds."""
    lines = [
        f'{{"id": {n}, "day": "{day}", "total": {n}.10, "big": 9007199254740{n:03}, "tags": ["a", {n % 3}],'
        f' "buyer": {{"name": "Jürgen \\u00e9", "zip": "0{n:04}"}}, "note": {"null" if n % 4 else json.dumps("x y")}}}'
        for n, day in _days(2)
    ]
    content = "\n".join(lines).encode()
    read = []
    for line in content.decode().splitlines():
        row = json.loads(line, parse_float=Decimal)
        nested = {name: json.loads(json.dumps(row[name])) for name in ("tags", "buyer")}
        numbers = {name: Decimal(row[name]) for name in ("id", "big", "total")}
        read.append(row | numbers | nested | {"_partition": row["day"]})
    return OddFeed("baskets", {"baskets.jsonl": content}, read, {"big": "BIGINT"})


FEEDS: dict[str, Callable[[], OddFeed]] = {
    make.__name__: make
    for make in (
        *(semicolons_in_latin_1, utf_16_with_tabs, month_before_day, ambiguous_dates, commas_between_thousands),
        *(keywords_as_columns, ids_with_leading_zeros, parquet_with_time_zones_and_decimals, nested_json),
    )
}
