"""Findings: recorded once, chained, and never changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sixtyforty.reports.findings import FindingError, add_finding, open_findings
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def test_findings_are_chained_and_a_changed_one_is_detected(ws: Workspace) -> None:
    first, second = add_finding(ws, "Ada", "one"), add_finding(ws, "Bo", "two\nlines")
    assert (second.previous_hash, second.title, second.seq) == (first.hash, "two", 2)
    assert add_finding(ws, "Ada", "one") == first  # the same finding is recorded once
    findings = open_findings(ws)
    assert findings.rows() == [first, second]
    lines = findings.path.read_text().splitlines()
    changed = json.dumps(json.loads(lines[0]) | {"text": "nothing"})
    findings.path.write_text("\n".join([changed, lines[1], ""]))
    with pytest.raises(LedgerError, match=r"findings\.jsonl, row 1"):
        findings.rows()


def test_the_first_line_is_the_title_unless_one_is_given(ws: Workspace) -> None:
    assert add_finding(ws, "Ada", "x" * 100).title == "x" * 80
    assert add_finding(ws, "Ada", "text", "  A   title ").title == "A title"


@pytest.mark.parametrize(("by", "text", "message"), [("Ada", "  \n", "no text"), (" ", "something", "no author")])
def test_a_finding_needs_a_text_and_an_author(ws: Workspace, by: str, text: str, message: str) -> None:
    with pytest.raises(FindingError, match=message):
        add_finding(ws, by, text)
    assert open_findings(ws).rows() == []
