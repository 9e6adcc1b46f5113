"""Every page says that the champion can't score; the decisions of a model with a broken file stay readable."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY, Person, RunningDesk, shown_ids, visible_text
from tests.helpers import put_champion_in_force


@pytest.fixture
def ws(home: Workspace, database_with_accounts: Path, tmp_path: Path) -> Workspace:
    """A copy of the home, which the tests change."""
    shutil.copytree(home.home, tmp_path / "home")
    copy = shutil.copyfile(database_with_accounts, tmp_path / "desk.db")
    return Workspace(home.use_case, tmp_path / "home", f"sqlite:///{copy}")


def write_outage(ws: Workspace) -> str:
    """Let the newest live decisions say that the live champion can't score; return the champion."""
    champion = put_champion_in_force(ws, date(2013, 3, 14), "live")
    unscored = [{"champion": champion, "reason": "its file is missing", "decisions": 9, "is_newest": True}]
    facts = {"model": 0, "current_process": 0, "fallback": 9, "unscored": unscored}
    ws.lake.write("decisions/live", DAY, pa.table({"x": list(range(9))}), facts=facts)
    return champion


def test_every_page_says_that_the_champion_can_not_score(desk: RunningDesk, decider: Person, auditor: Person) -> None:
    address = "/decisions?show=all&track=replay"
    assert "can't score" not in visible_text(decider.get(address).text)
    champion = write_outage(desk.ws)
    for person, page in ((decider, address), (auditor, "/portfolio")):
        text = visible_text(person.get(page).text)
        assert f"Fitters in time: The champion {champion} can't score: its file is missing." in text
        assert "The decisions shown here are those of the current process." in text


def test_every_page_says_that_a_ledger_differs(desk: RunningDesk, decider: Person) -> None:
    path = Path(str(desk.ws.champion_ledger.path))
    path.write_text(path.read_text().replace("PROMOTE", "REJECT"))
    text = visible_text(decider.get("/decisions?show=all&track=replay").text)
    assert "Fitters in time: a ledger differs: champion.jsonl, row 1: this row of the ledger was changed" in text


def test_decisions_of_a_model_whose_file_is_broken_stay_readable(desk: RunningDesk, decider: Person) -> None:
    version = read_decisions(desk.ws, DAY, "replay")[0].champion_version
    Path(str(desk.ws.models.folder(str(version))), "model.skops").write_bytes(b"rubbish")
    page = decider.get("/decisions?show=all&track=replay")
    assert page.status_code == 200
    assert "The model's files can't be read" in visible_text(page.text)
    assert shown_ids(page.text)


def test_every_page_says_that_a_key_was_changed(ws: Workspace) -> None:
    refusal = "calls_in_time: decision.key was [id] and is [nr] now."
    desk = RunningDesk({ws.use_case.name: replace(ws, refusal=refusal)})
    try:
        page = desk.person("decider").get("/decisions?show=all&track=replay").text
        assert refusal in visible_text(page)
    finally:
        desk.stop()
