"""An array is read element by element, however its text arrives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.formats import json_array
from sixtyforty.ingest.formats.json_array import read_elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5), st.integers(1, 9), st.sampled_from([None, 0, 2]), st.booleans())
def test_elements_are_read_back(values: list[Any], size: int, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=is_ascii).encode()
    elements = list(read_elements(text[start : start + size] for start in range(0, len(text), size)))
    assert [json.loads(element.text) for element in elements] == values
    assert [element.number for element in elements] == list(range(1, len(values) + 1))


def read_back(text: bytes, size: int = 7) -> list[tuple[int, Any]]:
    """Return the number and the content of each element, or the reason why it can't be read."""
    elements = read_elements(text[start : start + size] for start in range(0, len(text), size))
    return [(e.number, str(e.content) if isinstance(e.content, Exception) else json.loads(e.text)) for e in elements]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.floats(0, 0.999))
def test_the_last_element_of_a_truncated_array_stands_for_the_rest(values: list[int], share: float) -> None:
    text = json.dumps(values).encode()
    *elements, (number, reason) = read_back(text[: int(share * len(text))])
    assert [element for _, element in elements] == values[: len(elements)]
    assert number == len(elements) + 1
    assert reason.startswith(f"from element {number} to its end, the JSON array can't be read: ")


@pytest.mark.parametrize(
    "element",
    [b'{"id": 2 "x": 3}', b"tru", b"", b"{'id': 2}", b'{"id": [1, 2,], "x": "]}"}', b'{"x": "a\0b"}', b'{"id": 0123}'],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_invalid_element_is_named_and_the_others_are_read(element: bytes, size: int) -> None:
    elements = read_back(b'[{"id": 1}, ' + element + b', {"id": "\\"}"}, 4]', size)
    (number, reason) = elements.pop(1)
    assert elements == [(1, {"id": 1}), (3, {"id": '"}'}), (4, 4)]
    assert number == 2 and reason.startswith("element 2 of the JSON array is not JSON: ")


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        (b'[{"id": 1}, {"x": "a}, {"x": "b"}]', 2, "element 2 of the JSON array is not JSON"),
        (b'[{"id": 1},\n{"x": "a},\n{"x": "b},\n{"x": "c"}]', 2, "element 2 of the JSON array is not JSON"),
        (b'[{"id": 1}, {"x": 2]}, {"x": 3}]', 2, "element 2 of the JSON array is not JSON"),
        (b'[{"id": 1} {"id": 2}]', 2, "a comma or ']' is missing after element 1"),
        (b'[{"id": 1}', 2, "the file is cut off"),
        (b'[{"id": 1}] {}', 2, "other text follows the end of the JSON array"),
        (b"[]x", 1, "other text follows the end of the JSON array"),
    ],
)
def test_what_follows_a_lost_place_is_named(text: bytes, number: int, reason: str) -> None:
    *elements, rest = read_back(text)
    assert elements == [(1, {"id": 1})][: number - 1]
    assert rest[0] == number
    assert rest[1].startswith(f"from element {number} to its end, the JSON array can't be read: {reason}")


def test_an_element_that_is_not_utf_8_is_named_as_such() -> None:
    first, second = read_elements(iter(['[{"id": "é"}, {"id": "\\ud800"}]'.encode("latin-1")]))
    assert "the object is not UTF-8: byte 8 is invalid" in str(first.row([["id"]]))
    assert "half of a surrogate pair" in str(second.row([["id"]]))


def test_a_long_element_ends_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_RECORD_BYTES", 20)
    first, rest = read_back(json.dumps([1, "x" * 100, 3]).encode())
    assert first == (1, 1)
    assert rest == (2, "from element 2 to its end, the JSON array can't be read: the object is longer than 16 MB")


def test_a_deeply_nested_element_is_named() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    assert read_back(b"[1," + deep + b",3]", 1 << 20) == [
        (1, 1),
        (2, "element 2 of the JSON array is nested too deeply"),
        (3, 3),
    ]
    ((number, reason),) = read_back(b"[" * 200_000, 1 << 20)
    assert number == 1 and reason.endswith("element 1 of the JSON array is nested too deeply")
