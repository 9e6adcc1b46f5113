"""Copies of the project with several use cases, and their declarations."""

from pathlib import Path

import pytest

from bench.measure import BenchError
from bench.project_copy import copy_with_use_cases, edit_declaration, environment_of, worker_command
from pipelines.authoring import loader


def test_a_copy_has_the_number_of_use_cases_and_their_suites(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    copy_with_use_cases(tmp_path / "copy", 2, landing)
    use_cases = tmp_path / "copy" / "pipelines" / "use_cases"
    assert loader.list_use_cases(use_cases) == ["flight_delays_000", "flight_delays_001"]
    assert "\n  name: flight_delays_001\n" in (use_cases / "flight_delays_001" / "defs.yaml").read_text()
    assert (tmp_path / "copy" / "expectations" / "flight_delays_001" / "weather.yaml").exists()
    link = tmp_path / "copy" / "home" / "data" / "landing" / "flight_delays_000"
    assert link.resolve() == landing
    with pytest.raises(BenchError, match="occurs 0 times"):
        edit_declaration(tmp_path / "copy", "flight_delays_000", "no such text", "")


def test_workers_run_the_code_and_the_home_of_the_copy(tmp_path: Path) -> None:
    assert environment_of(tmp_path)["PYTHONPATH"] == str(tmp_path)
    assert environment_of(tmp_path)["SIXTYFORTY_HOME"] == str(tmp_path / "home")
    assert worker_command("timed_chain", "--help")[1:] == ["-m", "bench.workers.timed_chain", "--help"]
