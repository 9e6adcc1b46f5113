"""DuckDB and Python have the same time zone rules, and a difference is named with its first day."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from sixtyforty.storage import timezone_rules
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.timezone_rules import (
    TimezoneRulesError,
    days_to_compare,
    find_differences,
    require_same_rules,
)

NOW = datetime(2026, 11, 30, 9, 30)
CHANGED_IN_2026 = ["America/Vancouver", "America/Winnipeg", "America/Edmonton", "Africa/Casablanca"]


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def berlin_with_rules_of_tokyo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give Python other rules for a time zone than those of the package tzdata."""
    import tzdata

    monkeypatch.setattr(timezone_rules, "_AGREED", set())
    folder = Path(tzdata.__file__).parent / "zoneinfo"
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes((folder / "Asia" / "Tokyo").read_bytes())
    zoneinfo.reset_tzpath(to=(tmp_path,))
    zoneinfo.ZoneInfo.clear_cache()
    yield "Europe/Berlin"
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()


def test_python_reads_the_rules_of_the_package_tzdata() -> None:
    assert zoneinfo.TZPATH == ()
    assert "Europe/Berlin" in zoneinfo.available_timezones()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", *CHANGED_IN_2026])
def test_the_installed_rules_agree(zone: str, db: duckdb.DuckDBPyConnection) -> None:
    assert find_differences(db, [zone], days_to_compare(NOW, 7)) == []
    require_same_rules(db, zone)


def test_a_difference_is_named_with_both_offsets(
    berlin_with_rules_of_tokyo: str, db: duckdb.DuckDBPyConnection
) -> None:
    (difference,) = find_differences(db, [berlin_with_rules_of_tokyo, "UTC"], days_to_compare(NOW, 7))
    assert (difference.duckdb_offset, difference.python_offset) == (timedelta(hours=1), timedelta(hours=9))
    assert str(difference) == "Europe/Berlin from 2024-11-28: DuckDB has UTC+1 h, Python has UTC+9 h"
    with pytest.raises(TimezoneRulesError, match="Python and DuckDB have different time zone rules for Europe/Berlin"):
        connect(berlin_with_rules_of_tokyo, (Path("/a folder that no other test uses"),))


def test_only_a_difference_until_next_week_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    days = days_to_compare(NOW, 7)
    assert (days[0], days[-1]) == (datetime(2024, 11, 28, 12), datetime(2026, 12, 7, 12))


def test_a_zone_that_duckdb_lacks_is_a_difference(db: duckdb.DuckDBPyConnection) -> None:
    missing = sorted(
        zoneinfo.available_timezones()
        - {name for (name,) in db.execute("select name from pg_timezone_names()").fetchall()}
    )
    for zone in missing[:1]:
        (difference,) = find_differences(db, [zone], [datetime.now(UTC).replace(tzinfo=None)])
        assert "DuckDB has no such zone" in str(difference)
