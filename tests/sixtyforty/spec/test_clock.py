"""The business time is the real time, unless a drill sets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE, now


def test_the_business_time_is_the_real_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_FILE_VARIABLE, raising=False)
    assert now().tzinfo is None
    assert abs(now() - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_a_drill_sets_the_business_time_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clock"
    file.write_text("2013-03-05T06:00:00\n")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(file))
    assert now() == datetime(2013, 3, 5, 6)
