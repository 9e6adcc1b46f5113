"""The table of OWASP ASVS names tests that exist, and shows for each requirement its state and why."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from pipelines.settings import ROOT

TEXT = (ROOT / "docs" / "reference" / "asvs.md").read_text()
ROWS = re.findall(r"^\| ([\d.]+) \| ([12]) \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.M)
STATES = dict(re.findall(r"^\| (met|delegated|not applicable|open) \| .+ \| (\d+) \|$", TEXT, re.M))


def test_each_linked_test_exists() -> None:
    links = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))
    assert len(links) > 50
    assert TEXT.count("`tests/") == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))
    sources = {file: Path(ROOT, file).read_text() for file, _ in links if Path(ROOT, file).exists()}
    assert [f"{file}::{name}" for file, name in links if f"def {name}(" not in sources.get(file, "")] == []


def test_a_met_requirement_has_a_test_or_a_page() -> None:
    evidence = re.compile(r"`tests/|`SECURITY.md`|\]\(")
    assert [number for number, _, _, state, why in ROWS if state == "met" and not evidence.search(why)] == []


def test_each_requirement_has_one_row_and_the_states_are_counted() -> None:
    assert [number for number, count in Counter(row[0] for row in ROWS).items() if count > 1] == []
    assert Counter(row[3] for row in ROWS) == {state: int(count) for state, count in STATES.items()}
    assert len(ROWS) == len(re.findall(r"^\| \d+\.", TEXT, re.M))
