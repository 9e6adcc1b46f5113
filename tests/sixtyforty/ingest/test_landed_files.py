"""A scan takes only files that their senders have finished."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.landed_files import (
    find_matching_folders,
    find_name_problem,
    find_similar_files,
    list_finished_files,
)
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder
from sixtyforty.workspace import Workspace
from tests.helpers import land_extract, make_use_case, make_workspace
from tests.landed_calls import DAY, NEXT, names, text


def test_a_file_waits_for_its_done_marker(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "calls_*", "requires_done_file": True}}).landing
    land_extract(landing, "calls_a.csv", text(DAY))
    land_extract(landing, "calls_b.csv", text(NEXT))
    assert names(landing) == []
    land_extract(landing, "calls_b.csv.done", "")
    assert names(landing) == ["calls_b.csv"]


def test_a_file_that_changed_recently_has_not_settled(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, sources={"calls": {"settle_seconds": 30}})
    files = [ListedFile("calls_a.csv", 1, 100 * 10**9), ListedFile("calls_b.csv", 1, 50 * 10**9)]

    class Listed(Folder):
        def list_files(self, pattern: str, recall: object = None) -> list[ListedFile]:
            return files

    source, location = use_case.sources["calls"], Listed(tmp_path)
    assert [f.name for f in list_finished_files("calls", source, location, now=81)] == ["calls_b.csv"]
    assert [f.name for f in list_finished_files("calls", source, location, now=130)] == ["calls_b.csv", "calls_a.csv"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("calls_1.csv", None),
        ("Calls_1.csv", "only takes names that match north/calls_*.csv"),
        (".calls_1.csv", "skips names that start with a dot or end in .part or .tmp"),
        ("calls_1.csv.part", "skips names"),
        ("calls_1.tmp", "skips names"),
        ("calls_\udcff.csv", "skips names that are not UTF-8"),
    ],
)
def test_a_name_that_no_scan_takes_has_a_reason(name: str, problem: str | None, tmp_path: Path) -> None:
    source = make_use_case(tmp_path, sources={"calls": {"files": "north/calls_*.csv"}}).sources["calls"]
    reason = find_name_problem(source, name)
    assert (reason is None) if problem is None else (problem in str(reason))


def test_by_default_a_file_needs_no_time_to_settle(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_a.csv", text(DAY))
    os.utime(path)
    assert names(workspace.landing) == ["calls_a.csv"]


@pytest.mark.parametrize(
    ("pattern", "name", "reason"),
    [
        ("things*.csv", "THINGS_2013-03-10.CSV", "differs from `things*.csv` in upper and lower case. Rename the file"),
        ("Ärzte_[0-9].csv", "ärzte_1.CSV", "in upper and lower case"),
        ("things*.csv", "things_a.csv.gz", "its name ends in .gz"),
        ("things*.csv", "Things_a.csv.txt", "its name ends in .txt"),
        ("report[1].csv", "report[1].csv", "stands for a set of characters. Write [[] in `files` for a bracket."),
        ("*/things.csv", "north/Things.csv", "in upper and lower case"),
        ("umsätze*.csv", unicodedata.normalize("NFD", "umsätze_mai.csv"), "but have another encoding"),
        (unicodedata.normalize("NFD", "café.csv"), "café.csv", "but have another encoding"),
    ],
)
def test_a_name_that_nearly_matches_is_reported(tmp_path: Path, pattern: str, name: str, reason: str) -> None:
    for other in (name, "other.csv", f"{name}.part", "things", "report1.csv", "things.xlsx", ".THINGS.csv"):
        (tmp_path / other).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / other).touch()
    similar = find_similar_files(Folder(tmp_path), pattern)
    assert list(similar) == [name]
    assert similar[name].startswith("not taken, because")
    assert reason in similar[name]


def test_a_folder_whose_name_matches_is_reported(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path).landing
    land_extract(landing, "calls_a.csv", text(DAY))
    assert isinstance(landing.folder, Path)
    for name in ("calls_b.csv", "archive", "calls_c.csv.part"):
        (landing.folder / name).mkdir()
    assert names(landing) == ["calls_a.csv"]
    assert list(landing.unread["calls"]) == ["calls_b.csv"]
    assert "it is a folder. Move its files" in landing.unread["calls"]["calls_b.csv"]
    assert find_matching_folders(Folder(landing.folder), "*") == {}


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12))
def test_any_glob_can_be_searched(tmp_path_factory: pytest.TempPathFactory, pattern: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert isinstance(find_similar_files(Folder(folder), pattern), dict)


def test_a_scan_reports_similar_names_but_for_those_of_other_sources(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"visits": {"files": "calls_*.csv.gz"}}).landing
    for name in ("calls_a.csv", "CALLS_b.csv", "calls_c.csv.gz"):
        land_extract(landing, name, text(DAY))
    assert names(landing) == ["calls_a.csv"]
    assert list(landing.unread["calls"]) == ["CALLS_b.csv"]
    land_extract(landing, "calls_b.csv", text(NEXT))
    (landing.folder / "CALLS_b.csv").unlink()
    assert names(landing) == ["calls_a.csv", "calls_b.csv"]
    assert landing.unread["calls"] == {}
