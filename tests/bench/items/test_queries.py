"""Rows a second of queries, next to a plain export."""

from pathlib import Path

from bench.items.queries import measure_database
from bench.results import ItemReport


def test_each_read_has_its_figure(tmp_path: Path) -> None:
    report = ItemReport("Queries of databases")
    for name, url in {"SQLite": "sqlite", "DuckDB": "duckdb"}.items():
        measure_database(report, tmp_path / name, name, f"{url}:///{tmp_path / url}.db", 50)
        assert report.figures[name]["rows"] == 50
    assert [row.label for row in report.rows[:2]] == ["SQLite: first read", "SQLite: new rows"]
