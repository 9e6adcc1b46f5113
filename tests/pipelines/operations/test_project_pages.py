"""The project's own pages on the port of Dagster's pages: reports, rows, and the way to the desk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from assets.page_links import DATA_DOCS, DESK, report_address, rows_address
from pipelines.operations import project_pages
from pipelines.operations.supervisor import ADDRESSES, services_folder
from pipelines.settings import Settings
from tests.homes import use_home

USE_CASE = "flight_delays"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an empty home."""
    return use_home(monkeypatch, tmp_path)


def open_pages(shows_rows: bool = True) -> TestClient:
    """Return a browser of the pages. Behind them is a server that knows no page."""
    pages = project_pages.ProjectPages(Starlette(), shows_rows=shows_rows)
    return TestClient(pages, base_url="http://127.0.0.1", follow_redirects=False)


def test_a_report_is_served_and_may_run_no_script(settings: Settings) -> None:
    address = report_address(USE_CASE, DATA_DOCS)
    assert open_pages().get(address).status_code == 404
    file = settings.home / "data" / "reports" / USE_CASE / DATA_DOCS
    file.parent.mkdir(parents=True)
    file.write_text("<p>rows</p>")
    answer = open_pages().get(address)
    assert (answer.status_code, answer.text) == (200, "<p>rows</p>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "file", ["../secret.html", "..%2Fsecret.html", ".hidden.html", "notes.json", "%2Fetc%2Fpasswd"]
)
def test_only_pages_below_the_reports_of_a_use_case_are_served(settings: Settings, file: str) -> None:
    reports = settings.home / "data" / "reports"
    (reports / USE_CASE).mkdir(parents=True)
    for name in ("secret.html", f"{USE_CASE}/.hidden.html", f"{USE_CASE}/notes.json"):
        (reports / name).write_text("secret")
    assert open_pages().get(f"/sixtyforty/reports/{USE_CASE}/{file}").status_code == 404
    assert open_pages().get("/sixtyforty/reports/..%2F..%2Fdata/secret.html").status_code == 404


def test_rows_are_shown_to_engineers_only(settings: Settings) -> None:
    address = rows_address(USE_CASE, "validated/weather")
    assert "exist yet" in open_pages().get(address).text
    assert open_pages(shows_rows=False).get(address).status_code == 404
    for unknown in (rows_address("unknown", "features"), rows_address(USE_CASE, "training_sets")):
        assert open_pages().get(unknown).status_code == 404


def test_the_desk_is_where_its_services_listen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_pages().get(DESK).headers["location"] == project_pages.DEFAULT_DESK
    services_folder(settings).mkdir(parents=True)
    (services_folder(settings) / ADDRESSES).write_text(json.dumps({"desk": "http://127.0.0.1:9"}))
    assert open_pages().get(DESK).headers["location"] == "http://127.0.0.1:9"
    monkeypatch.setenv("SIXTYFORTY_DESK_URL", "https://desk.example")
    assert open_pages().get(DESK).headers["location"] == "https://desk.example"


@pytest.mark.parametrize(("is_shown", "status"), [(True, 200), (False, 503)])
def test_the_pages_tell_whether_they_show_the_use_cases(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, is_shown: bool, status: int
) -> None:
    addresses: list[str] = []
    monkeypatch.setattr(project_pages, "shows_use_cases", lambda address: addresses.append(address) or is_shown)
    answer = open_pages().get("/healthz")
    assert (answer.status_code, answer.json()["ok"], addresses) == (status, is_shown, ["http://127.0.0.1:80"])


def test_all_other_addresses_are_passed_on(settings: Settings) -> None:
    assert open_pages().get("/assets").text == "Not Found"
    assert open_pages().get("/sixtyforty/unknown").text == project_pages.UNKNOWN
