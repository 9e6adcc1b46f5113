"""Every command in README and docs runs as shown, and every page can be read from the site."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pipelines.settings import ROOT
from sixtyforty.reports.alerts import AlertKind
from tests.copies import copy_project
from tests.docs.blocks import has_commands_to_run, install, matches, run_page, unmarked_blocks
from tests.warm_commands import warm_environment

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "get-started" / "tutorial.md"
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*FRONT, *sorted(DOCS.rglob("*.md"))]
RUNNABLE = [page for page in PAGES if page.exists() and page != TUTORIAL and has_commands_to_run(page)]
MAX_README_LINES = 150


@pytest.fixture(scope="session")
def after_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which the tutorial has been worked through: the how-to guides start from it."""
    project = copy_project(tmp_path_factory.mktemp("tutorial") / "project")
    install(project, warm_environment())
    run_page(TUTORIAL, project)
    return project


@pytest.mark.e2e
def test_tutorial_does_what_it_says(after_tutorial: Path) -> None:
    assert (after_tutorial / "data" / "reports" / "second_baker" / "impact.html").exists()


@pytest.mark.e2e
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_does_what_it_says(page: Path, after_tutorial: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(after_tutorial, project, symlinks=True)
    run_page(page, project)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_block_is_marked(page: Path) -> None:
    assert list(unmarked_blocks(page)) == []


def test_every_alert_is_explained() -> None:
    table = (DOCS / "how-to" / "operate.md").read_text().split("## Alerts")[1].split("\n## ")[0]
    explained = re.findall(r"^\| ([^|]+) \|", table, re.M)
    assert set(explained) - {"alert"} == set(get_args(AlertKind))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README_LINES


def build_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a folder with `mkdocs.yml` and `docs/`, as `make docs` does."""
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--config-file", "mkdocs.yml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_site_builds_with_every_link_valid(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    finished = build_site(tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (tmp_path / "build" / "site" / "index.html").exists()


@pytest.mark.parametrize("link", ["[nowhere](missing.md)", "[nowhere](index.md#no-such-heading)"])
def test_a_broken_link_fails_the_site(link: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n{link}\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n")
    assert build_site(tmp_path).returncode != 0


def test_every_page_is_in_the_menu_and_every_entry_is_a_page() -> None:
    menu = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert menu == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", FRONT, ids=lambda page: page.name)
def test_links_of_the_front_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("expected", "printed", "equal"),
    [
        ("gain  3", "the gain 3 EUR", True),
        ("gain … EUR", "gain 17\nin EUR", True),
        ("gain 4", "gain 3", False),
        ("EUR … gain", "gain 3 EUR", False),
    ],
)
def test_output_is_compared_in_order_with_gaps(expected: str, printed: str, equal: bool) -> None:
    assert matches(expected, printed) is equal
