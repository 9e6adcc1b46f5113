"""The current business time: the real time, unless a drill sets it. A drill runs past days as if they were today."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

CLOCK_FILE_VARIABLE = "SIXTYFORTY_CLOCK"  # names a file that holds the drill's current time, in UTC and ISO format


def now() -> datetime:
    """Return the current business time in UTC, as a naive datetime (without time zone)."""
    clock_file = os.environ.get(CLOCK_FILE_VARIABLE)
    if clock_file:
        return datetime.fromisoformat(Path(clock_file).read_text().strip())
    return datetime.now(UTC).replace(tzinfo=None)
