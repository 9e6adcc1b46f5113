"""The model record answers the next person's questions, keeps its versions and findings, and can be searched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sixtyforty.reports import model_record
from sixtyforty.reports.findings import add_finding
from sixtyforty.reports.model_record import SearchError
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, make_accounted_home, make_daily_value, write_accounts, write_usage
from tests.helpers import WITH_RESPONSES, make_workspace


@pytest.fixture(scope="module")
def accounted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("told"))


@pytest.fixture
def ws(accounted: Workspace, tmp_path: Path) -> Workspace:
    """A copy to write into."""
    shutil.copytree(accounted.home, tmp_path, dirs_exist_ok=True)
    return Workspace(accounted.use_case, tmp_path, accounted.database_url.replace(str(accounted.home), str(tmp_path)))


def section(text: str, title: str) -> str:
    """Return the body of a section."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ")[0]


def test_the_record_answers_the_next_persons_questions_in_order(accounted: Workspace) -> None:
    text = model_record.render_record(accounted, "replay")
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "What does the use case decide?",
        "On what data?",
        "How well does it decide?",
        "What does the gain rest on?",
        "Do people use the decisions?",
        "Since when is the model in force, and who approved it?",
        "Which stage has the use case reached?",
        "What failed before?",
        "What does it cost?",
        "How good must the model be?",
        "What if a feed fails?",
        "Forecast gain and achieved gain",
        "Everything that was tried",
        "Findings",
        "Limits",
    ]
    assert "| act | call a second fitter in | EUR 3 | EUR 10 |" in section(text, "What does the use case decide?")
    assert "when load > 0.7 then 'act'" in section(text, "What does the use case decide?")
    assert "Data version `beef`, recipe version `cafe`" in section(text, "On what data?")
    assert "The figures are **exact given the declared payoffs**" in section(text, "How well does it decide?")
    assert "Periods in which the current process did better: 2013-05." in section(text, "How well does it decide?")
    assert "`2013-06-01-0000pr` has been in force since 2013-06-01 04:00:00 UTC" in section(
        text, "Since when is the model in force, and who approved it?"
    )
    assert "it lost money on past days" in section(text, "What failed before?")
    assert "not better by more than the margin" in section(text, "What failed before?")
    assert "| Act on heavy loads | EUR 2,250 | EUR 250 |" in section(text, "What failed before?")
    assert "isn't calculated" in section(text, "What does the gain rest on?")
    assert "isn't recorded" in section(text, "Do people use the decisions?")
    assert "EUR 1,000 to build" in section(text, "What does it cost?")
    assert "| visits | missing | -EUR 400 | EUR 0 | 99% |" in section(text, "What if a feed fails?")
    forecasts = section(text, "Forecast gain and achieved gain")
    assert "2 of 3 months came out within their forecast (90% were to be expected)." in forecasts
    assert "| EUR 1,000 [EUR 700 to EUR 1,300] |" in forecasts
    assert "below the forecast" in forecasts
    assert "No gate has judged the use case yet. The declared stage is proof of concept." in section(
        text, "Which stage has the use case reached?"
    )


def test_tables_have_as_many_cells_in_every_row(ws: Workspace) -> None:
    append_verdict(ws, "2013-07-01", kind="rollback", by="A|da\n<b>", reasons=["a | b", "line\nbreak", "\\| <i>"])
    for block in model_record.render_record(ws, "replay").split("\n\n"):
        rows = [x.replace("\\\\", "").replace("\\|", "") for x in block.splitlines() if x.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


def test_usage_is_described_and_simulated_responses_are_marked(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    assert "Nobody has answered a decision yet." in section(
        model_record.render_record(ws, "replay"), "Do people use the decisions?"
    )
    write_usage(ws, "2013-06-24", simulated=19)
    usage = section(model_record.render_record(ws, "replay"), "Do people use the decisions?")
    assert "- Simulated: 19 of 19 responses." in usage
    assert "followed 6 and overrode 2" in usage


def test_a_new_use_case_has_a_record_too(tmp_path: Path) -> None:
    text = model_record.render_record(make_workspace(tmp_path), "live")
    assert "No decision has a known outcome yet." in text
    assert "There is no model yet: the current process decides." in text
    assert "The gate has not refused to promote any model so far." in text


def test_only_a_changed_text_is_a_new_version(ws: Workspace) -> None:
    newest = model_record.write_record(ws, "replay")
    before = newest.read_bytes()
    assert model_record.write_record(ws, "replay").read_bytes() == before
    (first,) = model_record.record_versions(ws, "replay")
    append_verdict(ws, "2013-07-01", "HOLD")
    model_record.write_record(ws, "replay")
    assert [p.name[:5] for p in model_record.record_versions(ws, "replay")] == ["0001-", "0002-"]
    assert (
        first.read_bytes()
        == before
        != newest.read_bytes()
        == model_record.record_versions(ws, "replay")[-1].read_bytes()
    )
    assert model_record.record_versions(ws, "live") == []


def test_the_same_history_gives_the_same_files_at_any_time(ws: Workspace, tmp_path: Path) -> None:
    model_record.write_record(ws, "replay")
    other = Workspace(ws.use_case, tmp_path / "other", ws.database_url)
    shutil.copytree(tmp_path / "data", other.home / "data", ignore=shutil.ignore_patterns("reports"))
    model_record.write_record(other, "replay")
    (a,), (b,) = model_record.record_versions(ws, "replay"), model_record.record_versions(other, "replay")
    assert (a.name, a.read_bytes()) == (b.name, b.read_bytes())


def test_versions_are_sorted_by_number(ws: Workspace) -> None:
    for i in range(11):
        append_verdict(ws, "2013-07-01", "HOLD", reasons=[f"time {i}"], repeat=True)
        model_record.write_record(ws, "replay")
    assert "time 10" in model_record.record_versions(ws, "replay")[-1].read_text()
    assert [int(p.name[:4]) for p in model_record.record_versions(ws, "replay")] == list(range(1, 12))


# Findings


def test_a_finding_appears_in_full_with_author_and_day(ws: Workspace) -> None:
    model_record.write_record(ws, "replay")
    finding = model_record.record_finding(
        ws, "Ada", "North is short of fitters on Mondays.\n\nAsk dispatch.", "Mondays in the north"
    )
    text = (ws.reports / model_record.NEWEST_RECORD).read_text()
    assert f"### 1. Mondays in the north (Ada, {finding.recorded_at[:10]})" in text
    assert "> North is short of fitters on Mondays.\n>\n> Ask dispatch." in text
    assert len(model_record.record_versions(ws, "replay")) == 2
    assert model_record.record_versions(ws, "live") == []


# Search


def test_findings_come_first_and_sections_from_the_newest_version_that_holds_them(ws: Workspace) -> None:
    model_record.write_record(ws, "replay")
    add_finding(ws, "Ada", "Margin matters.", "On the gate")
    write_accounts(ws, [make_daily_value("2013-07-01", 5.0)])
    model_record.write_record(ws, "replay")
    hits = model_record.search_records(ws, "MARGIN better")
    assert {(h.kind, h.title, h.number) for h in hits} == {
        ("record", "What failed before?", 2),
        ("record", "Everything that was tried", 2),
    }
    assert all("not better by more than the margin" in h.text for h in hits)
    (finding,) = [h for h in model_record.search_records(ws, "matters ada") if h.kind == "finding"]
    assert (finding.number, finding.title, finding.text) == (1, "On the gate", "Margin matters.")
    old = [h for h in model_record.search_records(ws, "2013-06-30 values") if h.kind == "record"]
    assert [h.number for h in old] == [1]  # the newest version no longer holds it


def test_a_search_needs_a_word_and_may_find_nothing(ws: Workspace) -> None:
    model_record.write_record(ws, "replay")
    assert model_record.search_records(ws, "zeppelin") == []
    with pytest.raises(SearchError, match="Give at least one word"):
        model_record.search_records(ws, "  ")
