"""Commands that show what was learned: model-record and knowledge."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.authoring import catalog
from sixtyforty.workspace import Workspace
from tests.pipelines.cli.conftest import decide_days
from tests.pipelines.conftest import RunCli


def test_the_record_is_shown_and_searched_with_what_people_added(small_workspace: Workspace, run_cli: RunCli) -> None:
    decide_days(small_workspace, [date(2013, 4, 2)])
    finding = run_cli("add-finding calls_in_time --by Ada --text 'Loads above 0.9 are typing errors.' --json").answer
    assert (finding["by"], finding["seq"]) == ("Ada", 1)
    finished = run_cli("model-record calls_in_time")
    assert finished.code == 0
    assert finished.out.startswith("# Fitters in time: model record")
    assert "> Loads above 0.9 are typing errors." in finished.out
    hits = run_cli("model-record calls_in_time --search 'TYPING loads' --json").answer["hits"]
    assert [hit["kind"] for hit in hits] == ["finding"]
    finished = run_cli("model-record calls_in_time --search nowhere")
    assert (finished.code, finished.out) == (0, "Nothing contains 'nowhere'.\n")


def test_knowledge_searches_every_use_case(
    small_workspace: Workspace, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = catalog.LoadedWorkspaces(complete={"calls_in_time": small_workspace})
    monkeypatch.setattr(catalog, "load_workspaces", lambda: loaded)
    run_cli("add-finding calls_in_time --by Ada --text 'Loads above 0.9 are typing errors.'")
    hits = run_cli("knowledge typing loads --json").answer["hits"]
    assert [(hit["use_case"], hit["text"]) for hit in hits] == [("calls_in_time", "Loads above 0.9 are typing errors.")]
    assert run_cli("knowledge nowhere").out == "Nothing contains 'nowhere'.\n"
    assert run_cli("knowledge").out == "Nothing has failed yet.\n"
