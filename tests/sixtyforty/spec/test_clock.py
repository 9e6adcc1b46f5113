"""The business time is the real time, unless a drill sets it. A text is read as a day if it is written as one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE, InvalidTimeError, now, parse_day


def test_the_business_time_is_the_real_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_FILE_VARIABLE, raising=False)
    assert now().tzinfo is None
    assert abs(now() - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_a_drill_sets_the_business_time_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clock"
    file.write_text("2013-03-05T06:00:00\n")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(file))
    assert now() == datetime(2013, 3, 5, 6)


def test_a_day_is_read_as_it_is_written() -> None:
    assert parse_day(" 2013-06-02 ", "--from") == parse_day("2013-6-2", "--from") == date(2013, 6, 2)


@pytest.mark.parametrize(
    "text", ["20130602", "20130601.5", "2013-02-30", "13-06-02", "0", "2013-06-02T00:00", "2013-W22-6"]
)
def test_another_text_is_no_day(text: str) -> None:
    with pytest.raises(InvalidTimeError, match=f"--from is '{text}', expected a day. Write it as 2013-06-02."):
        parse_day(text, "--from")
