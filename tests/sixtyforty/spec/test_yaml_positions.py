"""YAML is read with the line of every field, its blanks, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.spec.yaml_positions import dotted, parse_yaml

TEXT = """type: x
attributes:
  name: calls
  owner: TODO
  literal: "TODO"
  sources:
    - key: [a, TODO]
      on: yes
"""


def write(folder: Path, text: str) -> Path:
    """Write a YAML file and return it."""
    file = folder / "defs.yaml"
    file.write_text(text)
    return file


def test_each_path_has_its_line_and_each_blank_is_left_out(tmp_path: Path) -> None:
    parsed = parse_yaml(write(tmp_path, TEXT))
    assert parsed.data == {
        "type": "x",
        "attributes": {"name": "calls", "literal": "TODO", "sources": [{"key": ["a"], "on": "yes"}]},
    }
    assert parsed.blanks == {("attributes", "owner"): 4, ("attributes", "sources", 0, "key", 1): 7}
    assert parsed.line_of(("attributes", "sources", 0, "on")) == 8
    assert parsed.line_of(("attributes", "name", "missing")) == 3


def test_a_part_keeps_its_lines(tmp_path: Path) -> None:
    part = parse_yaml(write(tmp_path, TEXT)).below(("attributes",))
    assert part.data["name"] == "calls" and part.lines[("name",)] == 3
    assert part.resolve(["sources", "0", "on"]) == ("sources", 0, "on")
    assert part.problem(["name"], "is wrong").line == 3


def test_a_field_that_is_declared_twice_is_a_problem(tmp_path: Path) -> None:
    (problem,) = parse_yaml(write(tmp_path, "a:\n  b: 1\n  b: 2\n")).problems
    assert (problem.line, problem.field) == (3, "a.b")
    assert problem.message == "the field is declared twice, first on line 2"


@pytest.mark.parametrize("text", ["2024-02-30", "!!timestamp x", "!!int x", "!!float x"])
def test_a_value_that_does_not_exist_is_named_with_field_and_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(f"a: 1\nb:\n  - c: {text}\n  - {{c: 2, c: 3}}\n")
    wrong, twice = parse_yaml(file).problems
    assert (wrong.line, wrong.field) == (3, "b.0.c") and "can't be read" in wrong.message
    assert (twice.line, twice.field) == (4, "b.1.c")


@pytest.mark.parametrize("text", ["a: ]", "a: *unknown", "? [a]\n: b"])
def test_invalid_yaml_is_a_problem_with_its_line(text: str, tmp_path: Path) -> None:
    (problem,) = parse_yaml(write(tmp_path, text)).problems
    assert "the file is not valid YAML" in problem.message and problem.line == 1


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_bytes(b"type: \xff\xfe")
    (problem,) = parse_yaml(file).problems
    assert "the file is not valid YAML" in problem.message and problem.allowed == "YAML in UTF-8"


def test_a_path_is_written_with_dots() -> None:
    assert dotted(("sources", 0, "key")) == "sources.0.key"
