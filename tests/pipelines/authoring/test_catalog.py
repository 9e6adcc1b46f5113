"""The catalog loads use cases by name, and names the closest one for a misspelt name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.authoring import catalog
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from tests.full_declaration import FULL, write
from tests.helpers import merge


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog in a folder of its own, with one complete use case."""
    folder, rules = write(tmp_path / "use_cases")
    monkeypatch.setattr(catalog, "FOLDER", folder.parent)
    monkeypatch.setattr("expectations.suites.HERE", rules)
    monkeypatch.setattr("pipelines.authoring.loader.load_declaration.__defaults__", (rules, False))
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIXTYFORTY_PROFILE", raising=False)
    return folder


def test_the_use_cases_of_the_folder_are_listed_and_loaded(folder: Path) -> None:
    assert catalog.list_use_cases() == [folder.name]
    assert catalog.load_use_case(folder.name, sql=True).name == folder.name


def test_a_misspelt_name_suggests_the_closest_one(folder: Path) -> None:
    with pytest.raises(catalog.UnknownUseCaseError, match=r"no use case 'calls_in_tim'. Did you mean calls_in_time\?"):
        catalog.load_use_case("calls_in_tim")


def test_an_unknown_name_lists_the_declared_ones(folder: Path) -> None:
    with pytest.raises(catalog.UnknownUseCaseError, match=r"Declared are: calls_in_time\."):
        catalog.load_use_case("zzz")


def test_sql_is_checked_on_request(folder: Path) -> None:
    (folder / "features.sql").write_text("select nothing from units")
    assert catalog.load_use_case(folder.name)
    with pytest.raises(DeclarationError, match=r"features\.sql"):
        catalog.load_use_case(folder.name, sql=True)


def test_complete_use_cases_get_a_workspace_and_invalid_ones_a_reason(folder: Path) -> None:
    assert list(catalog.load_workspaces().complete) == [folder.name]
    write(folder.parent, merge(FULL, {"title": None}))
    loaded = catalog.load_workspaces()
    assert not loaded.complete and "title: the field is empty" in loaded.invalid[folder.name]


def test_a_draft_is_neither_complete_nor_invalid(folder: Path) -> None:
    write(folder.parent, merge(FULL, {"title": "TODO"}))
    assert isinstance(catalog.load_use_case(folder.name), Draft)
    loaded = catalog.load_workspaces()
    assert not loaded.complete and not loaded.invalid
