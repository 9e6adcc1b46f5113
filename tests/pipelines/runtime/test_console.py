"""The console shows what stages log, and of Dagster's events only failures and retries."""

import re

import dagster as dg
import pytest

from pipelines.runtime.console import console


@dg.op
def talkative(context: dg.OpExecutionContext) -> None:
    context.log.debug("a detail")
    context.log.info("raw calls: imported (2 partitions)")
    context.log.warning("features: rejected")


@dg.op
def broken(context: dg.OpExecutionContext) -> None:
    raise RuntimeError("out of paper")


@dg.job(executor_def=dg.in_process_executor, logger_defs={"console": console})
def a_job() -> None:
    talkative()
    broken()


def test_lines_have_seconds_and_the_level_from_warning_on(capfd: pytest.CaptureFixture[str]) -> None:
    a_job.execute_in_process(raise_on_error=False, run_config={"loggers": {"console": {}}})
    lines = capfd.readouterr().err.splitlines()
    assert any(re.fullmatch(r" *\d+\.\d s  raw calls: imported \(2 partitions\)", line) for line in lines)
    assert any(re.fullmatch(r" *\d+\.\d s  WARNING: features: rejected", line) for line in lines)
    assert any("ERROR: broken: " in line for line in lines)
    assert not any("a detail" in line or "STEP_START" in line for line in lines)
