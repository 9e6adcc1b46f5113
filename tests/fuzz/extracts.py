"""Make extracts at random: sound ones whose rows are known, and mutated ones. The same seed makes the same extracts."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.layout import COLUMNS, FIRST, Extract, Texts
from tests.fuzz.mutations import BYTE_MUTATIONS, FIELDS, TABLE_MUTATIONS

NOTES = (
    "",
    "plain",
    "a,b",
    "a;b",
    'he said "no"',
    "two\nlines",
    "café",
    "  spaces  ",
    "NAN",
    "0012",
    "10E2",
    "日本",
    "x|y",
)
ENDINGS = {"orders": "csv", "events": "jsonl", "readings": "parquet"}
MUTATED = 0.8  # share of mutated extracts


def make_extracts(seed: int, count: int) -> Iterator[Extract]:
    """Yield extracts of the three sources. Most are mutated. Some repeat the name or the rows of an earlier one."""
    chance = random.Random(seed)
    names: dict[str, list[str]] = {source: [] for source in ENDINGS}
    sent: dict[str, list[Texts]] = {source: [] for source in ENDINGS}
    yield from _make_anchors(seed)
    for number in range(count):
        source = chance.choice(["orders", "orders", "orders", "events", "events", "readings"])
        rows = [_row(chance, seed, number) for _ in range(chance.randint(2, 9))]
        if sent[source] and chance.random() < 0.3:
            rows += chance.sample(sent[source], min(3, len(sent[source])))  # the sender repeats some rows
        rows = list({row["id"]: row for row in rows}.values())
        sent[source] += rows
        make = {"orders": _make_csv, "events": _make_json, "readings": _make_parquet}[source]
        content, mutations, truth = make(chance, rows)
        day = f"{FIRST + timedelta(days=chance.randrange(5))}_" if chance.random() < 0.3 else ""
        name = f"{source}_{day}{seed}_{number}.{ENDINGS[source]}"
        if names[source] and chance.random() < 0.05:
            name, mutations = chance.choice(names[source]), (*mutations, "same name")
        elif chance.random() < 0.1:
            content, name = gzip.compress(content, mtime=0), f"{name}.gz"
            if chance.random() < 0.3:
                content, mutations, truth = content[: chance.randrange(len(content))], (*mutations, "cut gzip"), None
        names[source].append(name)
        yield Extract(source, name, content, mutations, truth)


def _make_anchors(seed: int) -> Iterator[Extract]:
    """Yield a sound extract of each source with a row of each day. So no partition is rejected for lack of rows."""
    for source in ENDINGS:
        chance, rows = random.Random(f"{seed} {source}"), []
        for number in range(5):
            row = _row(chance, seed, number)
            rows.append(row | {"id": f"-{seed}{number}", "day": f"{FIRST + timedelta(days=number)}"})
        content = _parquet_bytes(_text_table(rows)) if source == "readings" else _json_lines(rows)
        yield Extract(source, f"{source}_{seed}_sound.{ENDINGS[source]}", content, (), rows)


def _json_lines(rows: list[Texts]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _text_table(rows: list[Texts]) -> pa.Table:
    return pa.table({column: pa.array([row[column] for row in rows], pa.string()) for column in COLUMNS})


def _parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _row(chance: random.Random, seed: int, number: int) -> Texts:
    """Return the texts of a sound row. Its key is new, or that of a recent row, perhaps on another day."""
    recent = chance.random() < 0.3
    key = (
        seed * 1_000_000
        + (chance.randint(max(0, number - 10), number) if recent else number) * 10
        + chance.randrange(10)
    )
    day = FIRST + timedelta(days=chance.randrange(5) if chance.random() < 0.2 else key % 5)
    amount = Decimal(chance.randrange(-10_000, 1_000_000)).scaleb(-2)
    moment = datetime(day.year, day.month, day.day, chance.randrange(24), chance.randrange(60), tzinfo=UTC)
    moments = (
        f"{moment:%Y-%m-%d %H:%M:%S}",
        f"{moment:%Y-%m-%dT%H:%M}",
        f"{moment:%Y-%m-%dT%H:%M:%S.25Z}",
        f"{moment}",
    )
    return {
        "id": chance.choice([f"{key}", f"{key}", f"+{key}", f"0{key}", f"{key}.0"]),
        "day": chance.choice([f"{day}", f"{day}", f"{day:%Y/%m/%d}", f"{day} 00:00:00"]),
        "amount": chance.choice([f"{amount}", f"{amount}", f"{amount}000"]),
        "ratio": chance.choice(
            [repr(chance.random()), repr(chance.gauss(0, 1e9)), f"{chance.random():.3e}", "5.", ".5", "-0.0"]
        ),
        "paid": chance.choice(["true", "false", "T", "no", "1", "0"]),
        "at": chance.choice(moments),
        "note": chance.choice(NOTES),
    }


def _mutations(chance: random.Random, kinds: tuple[Any, ...]) -> list[Any]:
    return chance.choices(kinds, k=chance.choice([1, 1, 1, 2, 3])) if chance.random() < MUTATED else []


def _make_csv(chance: random.Random, rows: list[Texts]) -> tuple[bytes, tuple[str, ...], list[Texts] | None]:
    """Return a CSV file, the names of its mutations, and its rows if they are known."""
    columns = list(COLUMNS) if chance.random() < 0.7 else chance.sample(list(COLUMNS), len(COLUMNS))
    columns += ["extra"] if chance.random() < 0.2 else []
    table = [columns, *([row.get(column) or "" for column in columns] for row in rows)]
    chosen = _mutations(chance, TABLE_MUTATIONS + BYTE_MUTATIONS)
    for mutate in chosen:
        if mutate in TABLE_MUTATIONS and len(table[0]) > 1:
            mutate(chance, table)
    delimiter, line_end = chance.choice(",,,;\t|"), chance.choice(["\n", "\n", "\r\n", "\r"])
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    text = "".join(_csv_line(row, delimiter, quoting) + line_end for row in table)
    content = text.encode(chance.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16"]))
    for mutate in chosen:
        if mutate in BYTE_MUTATIONS:
            content = mutate(chance, content)
    return content, tuple(mutate.__name__ for mutate in chosen), None if chosen else rows


def _csv_line(row: list[str], delimiter: str, quoting: Any) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
    return text.getvalue().removesuffix("\r\n")


def _make_json(chance: random.Random, rows: list[Texts]) -> tuple[bytes, tuple[str, ...], list[Texts] | None]:
    """Return a file of JSON lines or a JSON array, the names of its mutations, and its rows if they are known."""
    chosen = _mutations(chance, (_replace_json_field,) * 6 + BYTE_MUTATIONS)
    objects = [json.dumps(row, ensure_ascii=chance.random() < 0.5) for row in rows]
    for mutate in chosen:
        if mutate is _replace_json_field:
            position = chance.randrange(len(objects))
            objects[position] = mutate(chance, rows[position])
    is_array = chance.random() < 0.2
    line_end = chance.choice(["\n", "\r\n"])
    text = f"[{', '.join(objects)}]" if is_array else line_end.join(objects) + chance.choice(["", line_end])
    content = text.encode()
    for mutate in chosen:
        if mutate in BYTE_MUTATIONS:
            content = mutate(chance, content)
    return content, tuple(mutate.__name__ for mutate in chosen), None if chosen else rows


def _replace_json_field(chance: random.Random, row: Texts) -> str:
    """Return a JSON object in which one field has another value, is missing, or occurs twice."""
    column = chance.choice(list(COLUMNS))
    fields = {name: json.dumps(text) for name, text in row.items()}
    others = (
        "null",
        "true",
        "false",
        "NaN",
        "-Infinity",
        "1e400",
        "[1,[2]]",
        '{"a":{"b":[]}}',
        '"\\ud800"',
        '"\\u0000"',
        "12.340",
    )
    if chance.random() < 0.1:
        del fields[column]
    else:
        fields[column] = chance.choice([json.dumps(chance.choice(FIELDS)), chance.choice(others)])
    texts = [f'"{name}": {text}' for name, text in fields.items()]
    if chance.random() < 0.1:
        texts.append(chance.choice(texts))
    return "{" + ", ".join(texts) + "}"


def _make_parquet(chance: random.Random, rows: list[Texts]) -> tuple[bytes, tuple[str, ...], list[Texts] | None]:
    """Return a Parquet file with typed columns or texts, the names of its mutations, and its rows if they are known."""
    chosen = _mutations(chance, (_replace_parquet_column, _replace_parquet_column, *PARQUET_BYTES))
    is_typed = chance.random() < 0.7
    table = _typed_table(rows) if is_typed else _text_table(rows)
    for mutate in chosen:
        if mutate is _replace_parquet_column:
            table = mutate(chance, table)
    options = {"compression": chance.choice(["snappy", "zstd", "none"]), "row_group_size": chance.randint(1, 10)}
    content = _parquet_bytes(table, use_dictionary=chance.random() < 0.5, **options)
    for mutate in chosen:
        if mutate in PARQUET_BYTES:
            content = mutate(chance, content)
    return content, tuple(mutate.__name__ for mutate in chosen), None if chosen or is_typed else rows


def _typed_table(rows: list[Texts]) -> pa.Table:
    from tests.fuzz.judgement import exact_cell

    types = [pa.int64(), pa.date32(), pa.decimal128(12, 2), pa.float64(), pa.bool_(), pa.timestamp("us"), pa.string()]
    return pa.table(
        {
            column: pa.array([exact_cell(column, row[column])[1] for row in rows], kind)
            for column, kind in zip(COLUMNS, types, strict=True)
        }
    )


def _replace_parquet_column(chance: random.Random, table: pa.Table) -> pa.Table:
    """Remove a column, or give it nulls or other texts."""
    column = chance.choice(table.column_names)
    position = table.column_names.index(column)
    match chance.randrange(4):
        case 0:
            return table.drop_columns([column])
        case 1:
            return table.set_column(position, column, pa.nulls(table.num_rows, table[column].type))
        case _:
            texts = [chance.choice(FIELDS) for _ in range(table.num_rows)]
            return table.set_column(position, column, pa.array(texts, pa.string()))


def _cut_parquet(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def _append_to_parquet(chance: random.Random, content: bytes) -> bytes:
    return content + chance.choice([b"\n", b"\0" * 8, b"rubbish"])


PARQUET_BYTES = (_cut_parquet, _append_to_parquet)
