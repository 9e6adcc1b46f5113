"""An array is read element by element, however its text arrives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import RefusedExtractError
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


@given(st.lists(st.integers(0, 9), min_size=1, max_size=3), st.floats(0, 0.999))
def test_a_truncated_array_is_refused(values: list[int], share: float) -> None:
    text = json.dumps(values).encode()
    with pytest.raises(RefusedExtractError):
        list(read_elements(iter([text[: int(share * len(text))]])))


def test_a_long_element_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_RECORD_BYTES", 20)
    text = json.dumps([1, "x" * 100]).encode()
    with pytest.raises(RefusedExtractError, match="element 2 of the JSON array"):
        list(read_elements(text[start : start + 7] for start in range(0, len(text), 7)))


def test_a_deeply_nested_element_is_refused() -> None:
    with pytest.raises(RefusedExtractError, match="nested too deeply"):
        list(read_elements(iter([b"[" * 200_000])))
