"""Data Docs show the newest and the rejected partitions, and load nothing from the network."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from expectations.data_docs import build_docs
from tests import flights
from tests.flights import AFTER, DAY, DAYS, first_rows, flight_delays


def read_pages(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.suffix in (".html", ".json")}


def test_the_site_has_an_index_and_a_page_for_a_rejected_day(lived, extracts, tmp_path):
    flights.deliver(lived, extracts, flights.extract("movements", DAY), flights.delimited_by("^"), later=True)
    flights.validate_landed(lived, "movements", DAYS)
    index, verdict_ids = build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert build_docs(lived.use_case, lived.lake, tmp_path / "docs") == (index, verdict_ids), "built again, the same"
    assert index == tmp_path / "docs" / "index.html"
    pages_by_name = read_pages(tmp_path / "docs")
    assert "movements" in pages_by_name["index.html"]
    rejected = [
        text for name, text in pages_by_name.items() if name.startswith("validations/movements") and "REJECTED" in text
    ]
    assert len(rejected) == 1
    assert DAY in rejected[0]
    assert "Failed" in rejected[0]
    days = [name for name in pages_by_name if name.startswith("validations/movements")]
    assert len(days) == 4  # the three days in force, and the rejected one
    for source in flight_delays().inputs:
        assert any(name.startswith(f"expectations/{source}") for name in pages_by_name)
        assert any(name.startswith(f"validations/{source}") for name in pages_by_name)
    assert not [name for name, text in pages_by_name.items() if "KeyError" in text or "Traceback" in text]


def test_two_builds_at_once_give_a_whole_site(lived, tmp_path):
    """Two retrains at once: each used to delete the read_pages the other was about to list."""
    folder = tmp_path / "docs"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        built = [pool.submit(build_docs, lived.use_case, lived.lake, folder) for _ in range(4)]
        (index, verdict_ids), *others = [b.result() for b in built]
    assert all(other == (index, verdict_ids) for other in others)
    links = re.findall(r'href="([^"]+)"', index.read_text())
    assert len(links) > len(verdict_ids)
    assert all((folder / link).is_file() for link in links)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir() and p.name.startswith(".")] == []


def test_a_corrected_day_leaves_the_site(lived, extracts, tmp_path):
    name = flights.extract("weather", AFTER)
    flights.deliver(lived, extracts, name, first_rows(0.5), later=True)
    flights.validate_landed(lived, "weather", DAYS)
    build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert any("REJECTED" in text for text in read_pages(tmp_path / "docs").values())
    flights.deliver(lived, extracts, name, lambda content: content)
    flights.validate_landed(lived, "weather", DAYS)
    build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert not any("REJECTED" in text for text in read_pages(tmp_path / "docs").values())


def test_pages_load_nothing_from_the_network(lived, tmp_path):
    build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    html_pages = {name: text for name, text in read_pages(tmp_path / "docs").items() if name.endswith(".html")}
    assert html_pages
    assert not [name for name, text in html_pages.items() if re.search(r'(src|href)="https?://', text)]


def test_a_site_without_partitions_says_what_to_do_next(ws, tmp_path, monkeypatch):
    monkeypatch.setattr("expectations.data_docs._entries_to_show", lambda *_: [])
    index, verdict_ids = build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    assert verdict_ids == []
    assert "No partition has been validated yet. Land extracts" in index.read_text()
