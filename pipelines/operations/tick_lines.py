"""Leave the lines of evaluations that change nothing out of the daemon's log.

A sensor is evaluated every few seconds, and usually has nothing to do. Dagster writes two lines for each evaluation:
4.5 MB a day for one sensor. Dagster's storage keeps the evaluations, and its pages show them.
"""

from __future__ import annotations

import logging
import re

SENSORS = "dagster.daemon.SensorDaemon"  # the logger of Dagster's sensors
START = "Checking for new runs for sensor: "
SKIPPED = re.compile(r"Sensor (\S+) skipped: ")
REMINDER_SECONDS = 3600.0  # after this time, a reason is written again: the log shows that the sensor is evaluated


class TickLines(logging.Filter):
    """Pass a sensor's reason to do nothing when it is new, and once an hour. Leave out the start of each evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[str, float]] = {}  # the last written line of a sensor, and its time

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.levelno > logging.INFO:
            return True
        text = record.getMessage()
        if text.startswith(START):
            return False
        skipped = SKIPPED.match(text)
        if skipped is None:
            return True
        written, at = self._last.get(skipped[1], ("", 0.0))
        if text == written and 0 <= record.created - at < REMINDER_SECONDS:
            return False
        self._last[skipped[1]] = text, record.created
        return True


def leave_out_repeated_ticks() -> None:
    """Apply TickLines to the daemon of this process."""
    logging.getLogger(SENSORS).addFilter(TickLines())
