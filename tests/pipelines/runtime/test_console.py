"""The console shows what stages log, and of Dagster's events only failures and retries."""

import json
import re
from datetime import datetime

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


def test_json_lines_name_time_run_use_case_partitions_and_step(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIXTYFORTY_LOG_FORMAT", "json")
    tags = {"dagster/asset_partition_range_start": "2013-06-01", "dagster/asset_partition_range_end": "2013-06-02"}
    run = a_job.execute_in_process(raise_on_error=False, run_config={"loggers": {"console": {}}}, tags=tags)
    entries = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    (entry,) = [entry for entry in entries if entry["message"] == "features: rejected"]
    assert datetime.fromisoformat(entry.pop("time")).tzinfo is not None
    assert entry == {
        "level": "WARNING",
        "run_id": run.run_id,
        "use_case": "a_job",
        "partitions": ["2013-06-01", "2013-06-02"],
        "step": "talkative",
        "message": "features: rejected",
    }
    assert any(entry["level"] == "ERROR" and entry["step"] == "broken" for entry in entries)
