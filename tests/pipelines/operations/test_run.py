"""Which days a run may be asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.operations.run import RunFailed, open_days
from tests.helpers import make_use_case


def test_days_within_are_their_partitions(tmp_path: Path) -> None:
    case = make_use_case(tmp_path)
    assert open_days(case, date(2013, 3, 1), date(2013, 3, 3)) == ["2013-03-01", "2013-03-02", "2013-03-03"]
    hours = make_use_case(tmp_path / "hours", partitions={"every": "hour"})
    assert len(open_days(hours, date(2013, 3, 1), date(2013, 3, 1))) == 24


@pytest.mark.parametrize(
    ("first", "last"),
    [((2013, 2, 27), (2013, 3, 3)), ((2013, 12, 30), (2014, 1, 1)), ((2013, 3, 3), (2013, 3, 1))],
    ids=["too early", "too late", "back to front"],
)
def test_other_days_are_refused_with_those_there_are(tmp_path: Path, first: tuple, last: tuple) -> None:
    with pytest.raises(RunFailed, match="from 2013-03-01 to 2013-12-31"):
        open_days(make_use_case(tmp_path), date(*first), date(*last))


def test_of_what_keeps_running_days_are_refused_that_are_not_open_yet(tmp_path: Path) -> None:
    case = make_use_case(tmp_path, partitions={"end": None, "partitions_ahead": 2})
    today = datetime.now(UTC).astimezone(case.zone).date()
    assert open_days(case, today, today + timedelta(days=1))
    with pytest.raises(RunFailed, match=f"to {today + timedelta(days=1)}"):
        open_days(case, today, today + timedelta(days=2))
