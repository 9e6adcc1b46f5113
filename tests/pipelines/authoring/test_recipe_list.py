"""`dvc.yaml` follows the declared use cases when definitions are loaded."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipelines import definitions
from pipelines.authoring import loader, recipe_list
from pipelines.authoring.recipe_list import follow_use_cases
from sixtyforty.storage.files import FileAccessError
from tests.declared_project import declare_use_case
from tests.homes import use_home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a project with one use case that a person wrote by hand."""
    folder = tmp_path / "pipelines" / "use_cases"
    declare_use_case(folder, tmp_path / "suites", "by_hand")
    (tmp_path / "dvc.yaml").write_text("foreach: [gone]\n")
    monkeypatch.setattr(loader, "FOLDER", folder)
    return tmp_path


def test_a_use_case_written_by_hand_is_listed_and_a_removed_one_is_not(project: Path) -> None:
    assert follow_use_cases(project / "home") == [project / "dvc.yaml"]
    assert (project / "dvc.yaml").read_text() == "foreach: [by_hand]\n"
    assert follow_use_cases(project / "home") == []


def test_the_file_of_a_home_follows_too(project: Path) -> None:
    (project / "home").mkdir()
    (project / "home" / "dvc.yaml").write_text("foreach: []\n")
    follow_use_cases(project / "home")
    assert (project / "home" / "dvc.yaml").read_text() == "foreach: [by_hand]\n"


def test_a_checkout_that_cannot_be_written_says_so_and_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: Path, _: object) -> bool:
        error = FileAccessError(f"{file} is read-only")
        error.strerror = "Read-only file system"
        raise error

    monkeypatch.setattr(recipe_list, "write_use_cases", refuse)
    assert follow_use_cases(project / "home") == []
    message = capsys.readouterr().err
    assert f"{project / 'dvc.yaml'} doesn't list exactly the declared use cases (by_hand)" in message
    assert "Read-only file system" in message


def test_loading_the_definitions_writes_the_list(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = use_home(monkeypatch, project / "home")
    monkeypatch.setattr(definitions, "build_use_cases", dg.Definitions)
    definitions._build_definitions.__wrapped__(settings, ())
    assert (project / "dvc.yaml").read_text() == "foreach: [by_hand]\n"
