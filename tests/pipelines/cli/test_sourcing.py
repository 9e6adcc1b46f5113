"""Commands about buying instead of building."""

from __future__ import annotations

from pathlib import Path

from tests.pipelines.conftest import RunCli


def test_build_or_buy_needs_known_outcomes(run_cli: RunCli) -> None:
    finished = run_cli("build-or-buy flight_delays")
    assert (finished.code, "outcome" in finished.err) == (1, True)


def test_an_extract_goes_to_declared_vendors_only(run_cli: RunCli, tmp_path: Path) -> None:
    days = "--from 2013-06-01 --to 2013-06-01"
    finished = run_cli(f"vendor-extract flight_delays --vendor nobody --folder {tmp_path} {days} --why trial")
    assert (finished.code, "'nobody'" in finished.err) == (1, True)
    assert list(tmp_path.glob("*nobody*")) == []


def test_an_extract_needs_all_its_options(run_cli: RunCli) -> None:
    assert run_cli("vendor-extract flight_delays --vendor x").code == 2
