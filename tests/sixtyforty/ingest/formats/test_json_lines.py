"""A line of JSON is a row or a broken line; numbers keep their digits."""

from __future__ import annotations

import pytest

from sixtyforty.ingest.extract import MISSING_CURE, ParsedExtract
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import parse_content


def parse_lines(*texts: str | bytes, columns: dict[str, str] | None = None) -> ParsedExtract:
    source = Source(
        description="x", files="x_*.jsonl", columns=columns or {"id": "INTEGER", "x": "VARCHAR"}, key=["id"]
    )
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
        ("[1, 2]", "holds a list, a text or a number, not an object"),
        ("7", "holds a list, a text or a number, not an object"),
        ('{"id": 1, "id": 2}', "a key occurs twice"),
        (b'{"id": 2, "x": "\xff"}', "not UTF-8: byte 16"),
        (r'{"id": 2, "x": "\ud800"}', "half of a surrogate pair"),
        ('{"id": 2, "x": ' + "[" * 100_000, "too deeply"),
    ],
)
def test_a_bad_line_is_broken_and_the_rest_is_read(line: str | bytes, why: str) -> None:
    parsed = parse_lines('{"id": 1, "x": "a"}', line, '{"id": 3, "x": "c"}')
    assert parsed.table is not None
    assert parsed.table["_row"].to_pylist() == [1, 3]
    ((number, reason, text),) = parsed.broken
    assert (number, parsed.lines) == (2, 3)
    assert why in reason
    assert text == (line if isinstance(line, str) else line.decode(errors="replace"))


def test_a_bad_first_line_is_not_a_header() -> None:
    parsed = parse_lines("nonsense", '{"id": 1, "x": "a"}')
    assert (parsed.problem, [n for n, _, _ in parsed.broken]) == (None, [1])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (['{"id": 1, "xx": "a"}', '{"id": 2}'], f"columns missing from every line: 'x' (is it 'xx'?).{MISSING_CURE}"),
        (["[", '{"id": 1, "x": 2}', "]"], "a JSON array"),
        ([""], "the file is empty"),
        (['{"id": 1}'.encode("utf-16")], "is zero"),
    ],
)
def test_an_unreliable_file_is_refused(texts: list[str], message: str) -> None:
    parsed = parse_lines(*texts)
    assert parsed.table is None
    assert message in str(parsed.problem)
    assert parsed.lines >= 1
