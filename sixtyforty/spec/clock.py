"""The current business time: the real time, unless a drill sets it. A drill runs past days as if they were today."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError

CLOCK_FILE_VARIABLE = "SIXTYFORTY_CLOCK"  # names a file that holds the drill's current time, in UTC and ISO format


def now() -> datetime:
    """Return the current time in UTC, as a naive datetime (without time zone).

    A drill runs past days as if they were today. In a drill, the current time is read from the file that the
    environment variable SIXTYFORTY_CLOCK names.
    """
    clock_file = os.environ.get(CLOCK_FILE_VARIABLE)
    if clock_file:
        return datetime.fromisoformat(Path(clock_file).read_text().strip())
    return datetime.now(UTC).replace(tzinfo=None)


class InvalidTimeError(SixtyfortyError):
    """A text that must be a day or a time can't be read as one."""


def parse_day(text: str, name: str) -> date:
    """Parse a text such as `2013-06-02` as a day. name: what the text is, for the error. Raises InvalidTimeError."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()  # date.fromisoformat accepts `20130601.5`
    except ValueError:
        raise InvalidTimeError(f"{name} is '{text}', expected a day. Write it as 2013-06-02.") from None


def parse_time(text: str, name: str) -> datetime:
    """Parse a text in ISO 8601 as a time, and return the time in UTC, as a naive datetime.

    A time with a UTC offset is converted to UTC. A time without one is read as UTC. name: what the text is, for the
    error. Raises InvalidTimeError.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        return (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise InvalidTimeError(
            f"{name} is '{text}', expected a UTC time. Write it as 2013-06-02 or 2013-06-02T10:00:00."
        ) from None
