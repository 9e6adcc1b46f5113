"""An object becomes the texts of its columns, or a broken line."""

from __future__ import annotations

import pytest

from sixtyforty.ingest.extract import BrokenLine
from sixtyforty.ingest.formats.json_objects import DECODER, JsonObject


def row(text: str, *names: str) -> list[str | None] | BrokenLine:
    return JsonObject(3, text.encode(), DECODER.decode(text)).row([[name] for name in names])


def test_values_become_texts() -> None:
    assert row('{"a": 1.50, "b": "x", "c": null, "d": {"e": [1E3, "y"]}}', *"abcdf") == [
        "1.50",
        "x",
        None,
        '{"e":[1E3,"y"]}',
        None,
    ]


def test_an_object_may_have_any_of_the_names_with_one_value() -> None:
    names = [["weight", "mass", "kilos"]]
    assert JsonObject(1, b"", {"kilos": "8"}).row(names) == ["8"]
    assert JsonObject(1, b"", {"mass": "7", "kilos": "7"}).row(names) == ["7"]
    broken = JsonObject(1, b"", {"mass": "7", "kilos": "8"}).row(names)
    assert isinstance(broken, BrokenLine)
    assert broken.reason.endswith("'mass' and 'kilos' are names of one column, but their values differ")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}', "[1]", r'{"a": "\ud800"}'])
def test_an_uncertain_value_breaks_the_line(text: str) -> None:
    broken = row(text, "a")
    assert isinstance(broken, BrokenLine)
    assert (broken.number, broken.text) == (3, text)


def test_a_repeated_key_matters_only_in_the_contract() -> None:
    assert row('{"a": 1, "z": {"b": 1, "b": 2}}', "a") == ["1"]
