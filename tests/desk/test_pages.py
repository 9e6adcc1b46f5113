"""The small pages: model record, people, portfolio and maturity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.pages import plain_lines, render_markdown
from desk.roles import PAGES_OF_ROLE
from sixtyforty.lifecycle import training
from sixtyforty.reports import portfolio
from sixtyforty.reports.model_record import record_finding, write_record
from sixtyforty.spec.money import format_money
from sixtyforty.workspace import Workspace
from tests.desk.conftest import Person, RunningDesk, visible_text
from tests.helpers import make_workspace
from tests.words import assert_plain


@pytest.fixture
def nothing_learned(home: Workspace) -> Iterator[None]:
    """Nobody has completed a training in the shared home."""
    ledger = training.open_training_ledger(home).path
    files = (ledger, ledger.with_suffix(".head"))
    for path in files:
        path.unlink(missing_ok=True)
    yield
    for path in files:
        path.unlink(missing_ok=True)


# Model record


def test_the_record_is_read_and_searched(desk: RunningDesk, auditor: Person) -> None:
    record_finding(desk.ws, "ann", "bridge <script>alert(1)</script> shut", "The bridge")
    write_record(desk.ws, "replay")
    page = auditor.get("/record").text
    text = visible_text(page)
    assert "Fitters in time: model record" in text and "<td>wait</td>" in page
    assert "<script>alert" not in page and "bridge <script>alert(1)</script> shut" in text
    assert re.search(r"Version \d+ of the model record of replayed decisions", text)
    hits = visible_text(auditor.get("/record?q=BRIDGE+shut").text)
    assert (
        "1 passage in records, findings and user research with “BRIDGE shut”" in hits
        and "Fitters in time, finding " in hits
    )
    hits = visible_text(auditor.get("/record?q=for+the+test").text)
    assert "record of replayed decisions, version " in hits and " · for the test · " in hits
    assert "No model, pilot or other attempt has failed so far." in visible_text(
        auditor.get("/record?show=failed").text
    )
    assert "0 passages in records, findings and user research with “<b>”. Try fewer or other words." in visible_text(
        auditor.get("/record?q=%3Cb%3E").text
    )


def test_markdown_becomes_html_that_can_be_scrolled_by_keyboard() -> None:
    page = render_markdown("a <b>\n\n| x | y |\n|---|---:|\n| 1 | 2 |\n\n```\ncode\n```\n")
    assert "a &lt;b&gt;" in page
    assert '<div class="wide" tabindex="0" role="region" aria-label="Table 1"><table>' in page
    assert '<pre tabindex="0">' in page and "style=" not in page


def test_a_link_of_a_record_runs_no_script() -> None:
    for address in ("javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>", "vbscript:x"):
        page = render_markdown(f"[text]({address}) ![image]({address})").lower()
        assert not any(f'="{name}' in page for name in ("javascript", "data", "vbscript"))


def test_lines_of_a_passage_lose_their_markup() -> None:
    assert plain_lines("## Title\n\n| a | `b` |\n> quoted\n- item") == ["Title", "a · b", "quoted", "item"]


# People


def test_people_see_vision_research_concerns_and_training(desk: RunningDesk) -> None:
    page = desk.person("owner").get("/people").text
    assert_plain(page)
    text = visible_text(page)
    for words in (
        "Nobody waits in vain. head of service",
        "1 February 2013 They guess at night. (three dispatchers)",
        "Fitters longer days What we do about it: a limit",
        "0 of 2 completed",
        "To pass the gate of this stage, 50% of the training that is planned for people",
        "Reads the list",
    ):
        assert words in text


@pytest.mark.usefixtures("nothing_learned")
def test_a_completed_training_is_recorded_once_for_each_person(desk: RunningDesk, decider: Person) -> None:
    assert decider.send("/people", task="lists").status_code == 303
    assert decider.send("/people", task="lists").status_code == 303
    assert training.list_trained_people(desk.ws) == {"lists": ["decider"]}
    text = visible_text(decider.get("/people").text)
    assert "1 of 2 completed: decider" in text
    assert "Mark as completed by me" not in text
    for role in ("expert", "owner"):
        other = desk.person(role)
        text = visible_text(other.get("/people").text)
        assert "Only a dispatcher marks this as completed." in text and "Mark as completed by me" not in text
        assert other.send("/people", task="lists").status_code == 403
    assert training.list_trained_people(desk.ws) == {"lists": ["decider"]}
    assert decider.send("/people", task="swimming").status_code == 404


@pytest.mark.usefixtures("nothing_learned")
def test_a_form_from_elsewhere_completes_no_training(desk: RunningDesk, decider: Person) -> None:
    assert decider.client.post("/people", data={"task": "lists", "csrf": "0" * 64}).status_code == 403
    assert training.list_trained_people(desk.ws) == {"lists": []}


def test_a_use_case_without_declared_people_says_what_to_declare(desk: RunningDesk, tmp_path: Path) -> None:
    bare = make_workspace(tmp_path, name="bare")
    other = RunningDesk({"bare": Workspace(bare.use_case, bare.home, desk.ws.database_url)})
    try:
        text = visible_text(other.person("owner").get("/people").text)
        assert "Nobody has been interviewed yet. Ask the dispatchers what they need" in text
        assert "No training of people is planned. Write its tasks (who learns what, and by when) into defs.yaml" in text
        assert "under people.change.training" in text
        assert "ad hoc: no stage gate is declared" in visible_text(other.person("owner").get("/maturity").text)
    finally:
        other.stop()


# Portfolio and maturity


def test_only_owners_see_the_portfolio(desk: RunningDesk) -> None:
    page = desk.person("owner").get("/portfolio")
    assert page.status_code == 200
    assert_plain(page.text)
    (line,) = portfolio.build_portfolio([desk.ws])
    assert format_money(line.net, line.currency) in visible_text(page.text)
    for role in set(PAGES_OF_ROLE) - {"owner"}:
        assert desk.person(role).get("/portfolio").status_code == 403


@pytest.mark.parametrize("role", PAGES_OF_ROLE)
def test_every_role_sees_the_maturity_of_all_use_cases(desk: RunningDesk, role: str) -> None:
    page = desk.person(role).get("/maturity").text
    assert_plain(page)
    assert "Fitters in time" in visible_text(page) and "Next steps" in visible_text(page)
