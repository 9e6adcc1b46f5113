"""A line of JSON is a row or a broken line; numbers keep their digits."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from sixtyforty.ingest.extract import CHUNK_BYTES, MAX_TEXT_BYTES, MISSING_CURE
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.formats import json_lines
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import ParsedExtract, parse_content

SOURCE = Source(description="x", files="x_*.jsonl", columns={"id": "INTEGER", "x": "VARCHAR"}, key=["id"])


def parse_lines(*texts: str | bytes, columns: dict[str, str] | None = None) -> ParsedExtract:
    source = SOURCE.model_copy(update={"columns": columns or SOURCE.columns})
    return parse_content(b"\n".join(f if isinstance(f, bytes) else f.encode() for f in texts), source)


def test_numbers_keep_their_digits_and_lists_stay_json() -> None:
    parsed = parse_lines(
        '{"id": 1, "x": 1.10}',
        '{"id": 12345678901234567890, "x": {"b": [1.0, null, "ö", true]}}',
        '{"id": null, "x": 1e400, "more": 1}',
        '{"x": NaN}',
        "",
        '{"id":2,"x":true}\r',
    )
    assert parsed.table is not None
    assert parsed.table.to_pydict() == {
        "id": ["1", "12345678901234567890", None, None, "2"],
        "x": ["1.10", '{"b":[1.0,null,"ö",true]}', "1e400", "NaN", "true"],
        "_row": [1, 2, 3, 4, 6],
    }


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": 2, "x": "a', "the line is not JSON: Unterminated string starting at at character 15"),
        ("nonsense", "the line is not JSON: Expecting value at character 0"),
        ("[1, 2]", "expected a JSON object, not a list, a text or a number"),
        ("7", "expected a JSON object, not a list, a text or a number"),
        ('{"id": 1, "id": 2}', "two values under one name"),
        (b'{"id": 2, "x": "\xff"}', "not UTF-8: byte 16 is invalid"),
        (r'{"id": 2, "x": "\ud800"}', "half of a surrogate pair"),
        ('{"id": 2, "x": ' + "[" * 100_000, "too deeply"),
        ('{"id": 2, "x": "a\0b"}', "the line is not JSON: Invalid control character at at character 17"),
        ("\0", "the line is not JSON: Expecting value at character 0"),
    ],
)
def test_a_bad_line_is_broken_and_the_rest_is_read(line: str | bytes, why: str) -> None:
    parsed = parse_lines('{"id": 1, "x": "a"}', line, '{"id": 3, "x": "c"}')
    assert parsed.table is not None
    assert parsed.table["_row"].to_pylist() == [1, 3]
    ((number, reason, text),) = parsed.broken
    assert (number, parsed.lines) == (2, 3)
    assert why in reason
    shown = line if isinstance(line, str) else line.decode(errors="replace")
    assert text == shown.replace("\0", "\ufffd")[:MAX_TEXT_BYTES]


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (
            '[{"id": 1, "x": 2}, {"id": 2 "x": 3}, {"id": 3, "x": 4}]',
            (2, "the object is not usable: element 2 of the JSON array is not JSON: Expecting ',' delimiter"),
        ),
        (
            '[{"id": 1, "x": 2}, {"id": 3, "x": 4} {"id": 2}]',
            (3, "the object is not usable: from element 3 to its end, the JSON array can't be read: a comma or ']' is"),
        ),
    ],
)
def test_a_bad_element_of_an_array_is_broken_and_the_others_are_read(text: str, broken: tuple[int, str]) -> None:
    parsed = parse_lines(text)
    assert parsed.problem is None and parsed.table is not None
    assert parsed.table["id"].to_pylist() == ["1", "3"]
    ((number, reason, _),) = parsed.broken
    assert number == broken[0] and reason.startswith(broken[1])
    assert parsed.lines == 3


def test_a_bad_first_line_is_not_a_header() -> None:
    parsed = parse_lines("nonsense", '{"id": 1, "x": "a"}')
    assert (parsed.problem, [n for n, _, _ in parsed.broken]) == (None, [1])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (['{"id": 1, "xx": "a"}', '{"id": 2}'], f"columns missing from every line: 'x' (is it 'xx'?).{MISSING_CURE}"),
        ([""], "the file is empty"),
        (['{"id": 1}\n' + "\0" * 5000], "is zero"),
    ],
)
def test_an_unreliable_file_is_refused(texts: list[str], message: str) -> None:
    parsed = parse_lines(*texts)
    assert parsed.table is None
    assert message in str(parsed.problem)
    assert parsed.lines >= 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_lines_may_have_any_encoding_that_the_file_shows(encoding: str) -> None:
    parsed = parse_lines('{"id": 1, "x": "Zoë"}\r\n{"id": 2, "x": "NA"}\r\n'.encode(encoding))
    assert parsed.table is not None
    assert parsed.table.to_pydict() == {"id": ["1", "2"], "x": ["Zoë", "NA"], "_row": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        '[{"id":1,"x":"a"},{"id":2,"x":{"b":[1.10,null]}}]',
        ' [\n  {"id": 1, "x": "a"},\r\n  {"id": 2, "x": {"b": [1.10, null]}}\n] \n',
        '\ufeff[\n{"id":1,"x":"a"}\n,{"id":2,"x":{"b":[1.10,null]}}]',
    ],
)
def test_an_array_is_read_like_lines(text: str) -> None:
    parsed = parse_lines(text)
    assert parsed.table is not None
    assert parsed.table.to_pydict() == {"id": ["1", "2"], "x": ["a", '{"b":[1.10,null]}'], "_row": [1, 2]}
    assert (parsed.broken, parsed.lines) == ([], 2)


def test_an_element_that_is_no_object_is_broken() -> None:
    parsed = parse_lines(
        r'[7, {"id": 1, "x": 1}, {"id": 1, "id": 2}, {"id": 2, "x": "\ud800"}, {"id": 3}, [{"id": 4}]]'
    )
    assert parsed.table is not None
    assert parsed.table["id"].to_pylist() == ["1", "3"]
    assert [(number, text) for number, _, text in parsed.broken] == [
        (1, "7"),
        (3, '{"id": 1, "id": 2}'),
        (4, r'{"id": 2, "x": "\ud800"}'),
        (6, '[{"id": 4}]'),
    ]


def test_an_empty_array_has_no_rows() -> None:
    parsed = parse_lines("[]")
    assert (parsed.problem, parsed.lines) == (None, 0)


def test_a_long_line_is_broken_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_RECORD_BYTES", 1_000)
    parsed = parse_lines('{"id": 1, "x": 1}', '{"id": 2, "x": "' + "y" * 5_000 + '"}', '{"id": 3, "x": 3}')
    assert parsed.table is not None
    assert parsed.table["_row"].to_pylist() == [1, 3]
    assert [number for number, _, _ in parsed.broken] == [2]


def test_an_object_with_very_many_keys_is_refused() -> None:
    keys = ", ".join(f'"k{n}": {n}' for n in range(json_lines.MAX_COLUMNS))
    assert "more than 100,000 different keys" in str(parse_lines(f'{{"id": 1, "x": 2, {keys}}}').problem)


@pytest.mark.parametrize("elements", ["{}", "[{}]"])
def test_blank_lines_before_the_first_object_need_no_memory(tmp_path: Path, elements: str) -> None:
    """64 MB of them."""
    file = tmp_path / "x.jsonl"
    blank = b" \n\n" + b" " * 1021
    file.write_bytes(blank * (1 << 16) + b"\n" + elements.replace("{}", '{"id": 7, "x": "a"}').encode())
    tracemalloc.start()
    (chunk,) = read_extract(file, SOURCE).chunks
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert chunk.rows["id"].to_pylist() == ["7"]
    assert chunk.rows["_row"].to_pylist() == ([1] if "[" in elements else [2 * (1 << 16) + 2])
    assert peak < 6 * CHUNK_BYTES
