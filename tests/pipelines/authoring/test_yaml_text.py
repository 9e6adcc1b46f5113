"""Texts from extracts stay the same text in a drafted YAML file: as a value, in a list and as a field."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.authoring import yaml_text
from pipelines.authoring.scaffold import create_use_case

ODD_NAMES = [
    *("no\nte, x", "a,b", "id\u00a0", "\u00a0id", "x\r\ny", "a: b", "- a", "#1", "[a]", "{a}", "'a'", 'a"b', "a\\b"),
    *("null", "yes", "1e3", "0x1F", "2024-01-01", "*", "&a", "!a", "%a", "@a", "?", "? a", ":", "=", "<<", "~", "TODO"),
    *("a #b", "tab\there", "line\u2028end", "a\u0085b", "\ufeffid", "😀", "{{ a }}", "{% a %}", "a|b", "x" * 2000),
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_an_odd_text_is_the_same_text_in_yaml(name: str) -> None:
    scalar = yaml_text.as_yaml(name)
    assert "\n" not in scalar
    assert yaml.safe_load(f"field: {scalar}  # a comment\nkey: [{scalar}, {scalar}]") == {
        "field": name,
        "key": [name, name],
    }
    assert yaml.safe_load(f"columns:\n  {yaml_text.as_yaml_field(name, 2)} BIGINT\n  b: DATE\n") == {
        "columns": {name: "BIGINT", "b": "DATE"}
    }


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_is_the_same_text_in_yaml(text: str) -> None:
    assert yaml.safe_load(f"[{yaml_text.as_yaml(text)}, b]") == [text, "b"]
    assert yaml.safe_load(yaml_text.flow({"why": text})) == {"why": text}


def test_an_unquoted_todo_marks_a_blank_so_a_text_of_this_word_is_quoted() -> None:
    assert yaml_text.as_yaml("TODO") == '"TODO"'


@pytest.mark.parametrize(("key", "others"), [("no\nte, x", ODD_NAMES), ("a,b", ["x"]), ("id\u00a0", ["x"])], ids=ascii)
def test_a_draft_keeps_the_names_of_its_columns_and_key(key: str, others: list[str], tmp_path: Path) -> None:
    names = ["day", key, *(name for name in others if name != key)]
    extract = tmp_path / "in" / "orders.csv"
    extract.parent.mkdir()
    with extract.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([names, *(["2024-01-01", n, *"x" * (len(names) - 2)] for n in (7, 8, 9))])
    draft, _ = create_use_case("late_orders", str(extract), None, tmp_path / "use_cases", tmp_path / "rules")
    source = draft.sources["orders"]
    assert list(source.columns) == names and source.key == [key]


@pytest.mark.parametrize(
    "file", ['say "hi".csv', "back\\slash.csv", "a: b.csv", "{{ x }}.csv", "new\nline.csv", "a[1].csv"]
)
def test_a_draft_takes_the_file_whatever_its_name(file: str, tmp_path: Path) -> None:
    extract = tmp_path / "in" / file
    extract.parent.mkdir()
    extract.write_text("id,day\n1,2024-01-01\n2,2024-01-02\n")
    draft, _ = create_use_case("late_orders", str(extract), None, tmp_path / "use_cases", tmp_path / "rules")
    (source,) = draft.sources.values()
    assert source.files == file.replace("[", "[[]")
