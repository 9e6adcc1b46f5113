"""The command of the benchmark: its items, failures and results."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import run
from bench.chain import Run
from bench.measure import BenchError, Settings
from bench.results import ItemReport, Row


def measure_year(settings: Settings) -> ItemReport:
    """An item that works."""
    rounds = [{"chain": Run(2.0, 1.0, steps={"features": 1.5})}]
    return ItemReport("Backfill", [Row("a year", "2.0 s")], figures={"year": rounds, "work": settings.work})


def measure_day(settings: Settings) -> ItemReport:
    """An item that fails."""
    raise BenchError("the sides did not do the same work: model: 1.0 and 2.0")


def test_a_failed_item_is_reported_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = {"bench.items.year": measure_year, "bench.items.day": measure_day}
    fake_importlib = SimpleNamespace(import_module=lambda name: SimpleNamespace(measure=items[name]))
    monkeypatch.setattr(run, "importlib", fake_importlib)
    assert run.main(["--only", "day", "year", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]) == 1
    page = (tmp_path / "out" / "RESULTS.md").read_text()
    assert "- FAILED: the sides did not do the same work: model: 1.0 and 2.0" in page
    assert "| a year | 2.0 s |" in page
    figures = json.loads((tmp_path / "out" / "results.json").read_text())
    assert figures["year"]["year"][0]["chain"]["steps"] == {"features": 1.5}
    assert figures["year"]["work"] == str(tmp_path / "work")
    assert "Results:" in capsys.readouterr().out


@pytest.mark.parametrize("item", run.ITEMS)
def test_every_item_has_a_module_that_measures(item: str) -> None:
    assert callable(importlib.import_module(f"bench.items.{item}").measure)
