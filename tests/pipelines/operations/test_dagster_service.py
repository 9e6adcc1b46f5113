"""Dagster's services write each line once, also after a database was out of reach."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.operations.supervisor import PROGRAMS, UI_PROGRAMS
from pipelines.settings import ROOT

# dagster_postgres reports each retry of a connection with `logging.warning`, which gives the root logger a handler.
OUTAGE = """
import logging, sys
from dagster._utils.log import configure_loggers
from pipelines.operations.dagster_service import log_each_line_once
if sys.argv[1] == "once":
    log_each_line_once()
configure_loggers(formatter="colored")
logging.warning("Retrying failed database connection")
logging.getLogger("dagster.daemon.SensorDaemon").error("the sensor is evaluated")
"""


@pytest.mark.parametrize(("how", "lines"), [("once", 1), ("as Dagster does", 2)])
def test_after_an_outage_each_line_is_written_once(how: str, lines: int) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", OUTAGE, how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert finished.stdout.count("the sensor is evaluated") == lines
    assert finished.stdout.count("Retrying failed database connection") == 1


def test_each_service_of_dagster_is_started_with_clean_logs() -> None:
    own = ("python -m pipelines.operations.", "sixtyforty ")
    for program in (*PROGRAMS, *UI_PROGRAMS):
        assert program.command.startswith(own), program.name
