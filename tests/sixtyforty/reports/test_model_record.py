"""The model record answers the next person's questions, keeps its versions and findings, and can be searched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.reports import findings, model_record
from sixtyforty.reports.findings import FindingError
from sixtyforty.reports.impact_report import pages
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, make_accounted_home, make_daily_value, write_accounts, write_usage
from tests.helpers import WITH_RESPONSES, make_workspace

QUOTED = pages().filters["quoted"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("told"))


@pytest.fixture
def ws(kept: Workspace, tmp_path: Path) -> Workspace:
    """A copy to write into."""
    shutil.copytree(kept.home / "data", tmp_path / "data")
    return Workspace(kept.use_case, tmp_path, kept.database_url)


def section(said: str, title: str) -> str:
    """A section's body."""
    return said.split(f"\n## {title}\n", 1)[1].split("\n## ")[0]


def test_the_next_persons_questions_are_answered_in_order(kept: Workspace) -> None:
    said = model_record.text(kept, "replay")
    titles = [line[3:] for line in said.splitlines() if line.startswith("## ")]
    assert titles == [
        "What does it decide?",
        "On what data?",
        "How well?",
        "Do people use it?",
        "Since when, and who approved it?",
        "How far has it come?",
        "What failed before?",
        "What does it cost?",
        "How good must it be?",
        "What if a feed dies?",
        "Promised and kept",
        "Everything that was tried",
        "Findings",
        "Limits",
    ]
    assert "| act | call a second fitter in | 3 | 10 |" in section(said, "What does it decide?")
    assert "when load > 0.7 then 'act'" in section(said, "What does it decide?")
    assert "Data version `beef`, recipe version `cafe`" in section(said, "On what data?")
    assert "The figures are **exact**" in section(said, "How well?")
    assert "Months that lost: 2013-05." in section(said, "How well?")
    assert "`2013-06-01-0000pr`, since 2013-06-01T04:00:00 UTC" in section(said, "Since when, and who approved it?")
    assert "it lost money on past days" in section(said, "What failed before?")
    assert "not better by more than the margin" in section(said, "What failed before?")
    assert "| Act on heavy loads | 2,250 | +250 |" in section(said, "What failed before?")
    assert "isn't recorded" in section(said, "Do people use it?")
    assert "1,000 EUR to build" in section(said, "What does it cost?")
    assert "| visits | missing | -400 | +0 | 99% |" in section(said, "What if a feed dies?")
    assert "below the forecast" in section(said, "Promised and kept")
    assert "No gate has judged it: it is said to be in poc." in section(said, "How far has it come?")
    assert "cost of running and building isn't in it" not in said


def test_tables_have_as_many_cells_in_every_row(ws: Workspace) -> None:
    append_verdict(ws, "2013-07-01", kind="rollback", by="A|da\n<b>", reasons=["a | b", "line\nbreak", "\\| <i>"])
    for block in model_record.text(ws, "replay").split("\n\n"):
        rows = [x.replace("\\\\", "").replace("\\|", "") for x in block.splitlines() if x.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


def test_what_people_did_is_told_and_what_is_simulated_is_said_to_be(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    assert "Nobody has answered a decision yet." in section(model_record.text(ws, "replay"), "Do people use it?")
    write_usage(ws, "2013-06-24", simulated=19)
    said = section(model_record.text(ws, "replay"), "Do people use it?")
    assert "- Simulated: 19 of 19 responses." in said
    assert "6 followed and 2 overridden" in said


def test_a_young_home_has_a_record_too(tmp_path: Path) -> None:
    said = model_record.text(make_workspace(tmp_path), "live")
    assert "No decision has been accounted for yet." in said
    assert "No model: the current process decides." in said
    assert "The gate has refused nothing and held nothing back." in said


def test_only_what_says_something_new_is_a_new_version(ws: Workspace) -> None:
    newest = model_record.write(ws, "replay")
    before = newest.read_bytes()
    assert model_record.write(ws, "replay").read_bytes() == before
    (first,) = model_record.versions(ws, "replay")
    append_verdict(ws, "2013-07-01", "HOLD")
    model_record.write(ws, "replay")
    assert [p.name[:5] for p in model_record.versions(ws, "replay")] == ["0001-", "0002-"]
    assert first.read_bytes() == before != newest.read_bytes() == model_record.versions(ws, "replay")[-1].read_bytes()
    assert model_record.versions(ws, "live") == []


def test_the_same_history_gives_the_same_files_whenever_it_is_written(ws: Workspace, tmp_path: Path) -> None:
    model_record.write(ws, "replay")
    other = Workspace(ws.use_case, tmp_path / "other", ws.database_url)
    shutil.copytree(tmp_path / "data", other.home / "data", ignore=shutil.ignore_patterns("reports"))
    model_record.write(other, "replay")
    (a,), (b,) = model_record.versions(ws, "replay"), model_record.versions(other, "replay")
    assert (a.name, a.read_bytes()) == (b.name, b.read_bytes())


def test_after_the_ninth_version_comes_the_tenth(ws: Workspace) -> None:
    for i in range(11):
        append_verdict(ws, "2013-07-01", "HOLD", reasons=[f"time {i}"], repeat=True)
        model_record.write(ws, "replay")
    assert "time 10" in model_record.versions(ws, "replay")[-1].read_text()
    assert [int(p.name[:4]) for p in model_record.versions(ws, "replay")] == list(range(1, 12))


# Findings


def test_a_finding_is_kept_in_full_with_who_and_when(ws: Workspace) -> None:
    model_record.write(ws, "replay")
    found = model_record.note(
        ws, "Ada", "North is short of fitters on Mondays.\n\nAsk dispatch.", "Mondays in the north"
    )
    said = (ws.reports / model_record.NEWEST).read_text()
    assert f"### 1. Mondays in the north (Ada, {found.recorded_at[:10]})" in said
    assert "> North is short of fitters on Mondays.\n>\n> Ask dispatch." in said
    assert len(model_record.versions(ws, "replay")) == 2
    assert model_record.versions(ws, "live") == []


def test_findings_are_chained_and_none_is_changed(ws: Workspace) -> None:
    first, second = findings.add(ws, "Ada", "one"), findings.add(ws, "Bo", "two\nlines")
    assert (second.before, second.title, second.seq) == (first.hash, "two", 2)
    assert findings.add(ws, "Ada", "one") == first, "said twice, kept once"
    book = findings.findings(ws)
    assert book.rows() == [first, second]
    lines = book.path.read_text().splitlines()
    book.path.write_text("\n".join([json.dumps(json.loads(lines[0]) | {"text": "nothing"}), lines[1], ""]))
    with pytest.raises(LedgerError, match=r"findings\.jsonl, row 1"):
        book.rows()


@pytest.mark.parametrize(("by", "text"), [("Ada", "  \n"), (" ", "something")])
def test_a_finding_needs_words_and_a_name(ws: Workspace, by: str, text: str) -> None:
    with pytest.raises(FindingError, match="a text, and a name"):
        model_record.note(ws, by, text)
    assert findings.findings(ws).rows() == []


@given(said=st.text(min_size=1, max_size=80))
def test_what_people_write_stays_a_quotation(said: str) -> None:
    shown = QUOTED(said)
    assert all(line.startswith(">") for line in shown.splitlines())
    bare = shown.replace("\\\\", "")
    assert bare.count("<") == bare.count("\\<"), "no HTML comes of it"


# Search


def test_findings_come_first_and_sections_in_the_newest_version_that_says_so(ws: Workspace) -> None:
    model_record.write(ws, "replay")
    findings.add(ws, "Ada", "Margin matters.", "On the gate")
    write_accounts(ws, [make_daily_value("2013-07-01", 5.0)])
    model_record.write(ws, "replay")
    hits = model_record.search(ws, "MARGIN better")
    assert {(h.kind, h.title, h.number) for h in hits} == {
        ("record", "What failed before?", 2),
        ("record", "Everything that was tried", 2),
    }
    assert all("not better by more than the margin" in h.text for h in hits)
    (finding,) = [h for h in model_record.search(ws, "matters ada") if h.kind == "finding"]
    assert (finding.number, finding.title, finding.text) == (1, "On the gate", "Margin matters.")
    old = [h for h in model_record.search(ws, "2013-06-30 decisions differ") if h.kind == "record"]
    assert [h.number for h in old] == [1], "what the newest says no more is found in the version that did"


def test_nothing_is_found_for_what_is_not_there_and_a_word_is_needed(ws: Workspace) -> None:
    model_record.write(ws, "replay")
    assert model_record.search(ws, "zeppelin") == []
    with pytest.raises(ValueError, match="a word or more"):
        model_record.search(ws, "  ")
