"""Commands that rename and remove a use case, and what they say must change elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations import suites
from pipelines.authoring import loader
from pipelines.operations.moves import Project
from tests.pipelines.conftest import RunCli
from tests.pipelines.operations.moved_project import OLD, copy_decided_project, make_decided_project


@pytest.fixture
def project(tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Let the command line see one use case that has decided four days."""
    make_decided_project(tmp_path / "decided")
    project = copy_decided_project(tmp_path / "decided", tmp_path / "copy", monkeypatch)
    monkeypatch.setattr(loader, "FOLDER", project.folder)
    monkeypatch.setattr(suites, "HERE", project.rules)
    return project


def test_a_rename_and_a_removal_say_what_to_change(project: Project, run_cli: RunCli) -> None:
    (project.folder / OLD / "README.md").write_text(f"The use case {OLD}.\n")
    finished = run_cli(f"rename {OLD} visits --why 'more shops'")
    assert finished.code == 0, finished.err
    assert f"the table {OLD}_replay_decisions: it is now visits_replay_decisions" in finished.out
    assert f"  {project.folder / 'visits' / 'README.md'}:1" in finished.out
    refused = run_cli(f"rename {OLD} again")
    assert (refused.code, refused.out) == (1, "")
    assert f"There is no use case '{OLD}'" in refused.err
    answer = run_cli("rename visits callers --json").answer
    assert (answer["old"], answer["new"], answer["tables"]) == (
        "visits",
        "callers",
        ["callers_replay_decisions", "callers_responses", "callers_response_seals"],
    )
    removed = run_cli("remove callers --why 'the shop was closed' --json").answer
    assert (removed["use_case"], removed["deleted"], removed["findings"]) == ("callers", False, 1)
    assert (Path(removed["archive"]) / "removed.json").exists()
