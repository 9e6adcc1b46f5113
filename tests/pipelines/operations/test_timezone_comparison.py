"""The doctor compares the rules of all time zones, and fails if those of a use case differ."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pipelines.operations import timezone_comparison
from pipelines.operations.timezone_comparison import describe_rules
from sixtyforty.storage.timezone_rules import RuleDifference, TimezoneRulesError

NOON = datetime(2026, 11, 1, 12)


def test_only_zones_of_use_cases_fail_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = ["Africa/Casablanca", *(f"America/Zone_{n}" for n in range(6)), "America/New_York"]
    differences = [RuleDifference(zone, NOON, timedelta(hours=-4), timedelta(hours=-5)) for zone in zones]
    monkeypatch.setattr(timezone_comparison, "find_differences", lambda *_: differences)
    with pytest.raises(TimezoneRulesError) as error:
        describe_rules()
    assert str(error.value).endswith(" for America/New_York from 2026-11-01: DuckDB has UTC-4 h, Python has UTC-5 h")
    differences.pop()
    first, *others = describe_rules().split("; ")
    assert "Other rules differ: Africa/Casablanca" in first
    assert len(others) == 5 and others[-1] == "and 2 more zones"


def test_all_zones_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[set[str]] = []
    monkeypatch.setattr(timezone_comparison, "find_differences", lambda _, zones, __: compared.append(zones) or [])
    assert describe_rules().startswith("DuckDB and Python have the same rules for ")
    assert {"America/Vancouver", "Africa/Casablanca", "Europe/Berlin"} <= compared[0]
