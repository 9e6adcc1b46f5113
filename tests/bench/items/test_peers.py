"""The other tools: they are left out where they can't be installed."""

from datetime import date
from pathlib import Path

import pytest

from bench.items import peers
from bench.measure import BenchError, Settings
from bench.results import ItemReport


def test_a_tool_that_cannot_be_installed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_environment(cache: Path, name: str, packages: list[str]) -> Path:
        if name == "kedro":
            raise BenchError("kedro could not be installed: no network")
        return cache / name

    monkeypatch.setattr(peers, "create_environment", create_environment)
    monkeypatch.setattr(peers, "peer_side", lambda settings, name, python: python)
    report = ItemReport("Other tools")
    sides = peers.prepare_peers(Settings(tmp_path, tmp_path / "cache"), report)
    assert sides == {"metaflow": tmp_path / "cache" / "metaflow", "dvc": tmp_path / "cache" / "dvc"}
    assert report.remarks == ["kedro was left out: kedro could not be installed: no network"]


def test_the_days_follow_those_of_the_item_day(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, pairs=5)
    assert peers.day_of_round(settings, -1) == date(2013, 6, 14)  # the last of `day`, to warm up
    assert peers.day_of_round(settings, 0) == date(2013, 6, 15)
