"""The daemon's log stays short: it keeps a week also with many sensors, and says what a sensor waits for."""

from __future__ import annotations

import inspect
import logging
import tempfile
from pathlib import Path

import pytest
from dagster._daemon import sensor
from dagster._daemon.daemon import SensorDaemon
from supervisor.options import ServerOptions

from pipelines.operations.supervisor import Ports, write_configuration
from pipelines.operations.tick_lines import REMINDER_SECONDS, SENSORS, START, TickLines
from tests.homes import use_home

SENSOR_COUNT = 20
TICK_SECONDS = 5  # the pause of Dagster's sensor loop
WAITS = "waits for the next extract, decision time or response: all extracts are imported"
BYTES_PER_LINE = 300  # the longest of the lines of a tick that were measured had 245, with their time and level


def record(text: str, at: float = 0.0, level: int = logging.INFO) -> logging.LogRecord:
    """Return a record of Dagster's sensors. at: seconds since 1970."""
    made = logging.LogRecord(SENSORS, level, "", 0, text, (), None)
    made.created = at
    return made


def passed(lines: TickLines, *texts: str, at: float = 0.0) -> list[str]:
    """Return the texts that are written."""
    return [text for text in texts if lines.filter(record(text, at))]


def test_a_reason_is_written_when_it_is_new_and_once_an_hour() -> None:
    lines, waits, off = TickLines(), f"Sensor a skipped: {WAITS}", "Sensor a skipped: the source is unreachable"
    assert passed(lines, f"{START}a", waits, waits) == [waits]
    assert passed(lines, "Sensor b skipped: it waits", waits) == ["Sensor b skipped: it waits"]
    assert passed(lines, off, waits, off) == [off, waits, off]
    assert passed(lines, off, at=REMINDER_SECONDS - 1) == []
    assert passed(lines, off, off, at=REMINDER_SECONDS) == [off]
    assert passed(lines, off, at=5.0) == [off]  # the clock was set back


def test_runs_warnings_and_errors_are_always_written() -> None:
    lines = TickLines()
    assert len(passed(lines, *["Launching run for a"] * 3)) == 3
    assert all(lines.filter(record(f"{START}a", level=level)) for level in (logging.WARNING, logging.ERROR))


def test_dagster_still_writes_the_lines_that_are_left_out() -> None:
    source = inspect.getsource(sensor)
    assert f'logger.info(f"{START}{{' in source and 'f"Sensor {remote_sensor.name} skipped: {' in source
    assert f"dagster.daemon.{SensorDaemon.__name__}" == SENSORS


def kept_bytes(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many bytes of the daemon's log are kept at least: its rotated files."""
    with tempfile.TemporaryDirectory() as short:
        configuration = write_configuration(use_home(monkeypatch, Path(short)), Ports(1, 2, 3, 4))
        options = ServerOptions()
        options.realize(["-c", str(configuration)])
    (group,) = options.process_group_configs
    (daemon,) = (program for program in group.process_configs if program.name == "daemon")
    return int(daemon.stdout_logfile_backups * daemon.stdout_logfile_maxbytes)


def test_a_week_is_kept_with_twenty_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, the lines of 20 sensors filled the kept files in little more than a day."""
    lines, written, day = TickLines(), 0, 86_400
    for number in range(SENSOR_COUNT):
        for tick in range(0, day, 60):  # ticks between two minutes write nothing new
            texts = (f"{START}{number}", f"Sensor {number} skipped: {WAITS}")
            written += BYTES_PER_LINE * len(passed(lines, *texts, at=float(tick)))
    unfiltered = 2 * BYTES_PER_LINE * SENSOR_COUNT * day // TICK_SECONDS
    assert 7 * unfiltered > kept_bytes(monkeypatch)
    assert 7 * written < kept_bytes(monkeypatch) / 20  # the rest is for the lines of runs
