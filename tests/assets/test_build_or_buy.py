"""The asset `build_or_buy`: each way with its costs, once an outcome is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets import build_or_buy
from tests.assets.conftest import make_run
from tests.helpers import make_workspace
from tests.sixtyforty.accounting.test_build_or_buy import make_home, with_vendors


def test_build_or_buy_compares_each_way_with_its_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = make_home(tmp_path, {"oracle": {"per_month": 100}}, vendor=25.0)
    (entry,) = build_or_buy.compare_build_or_buy(run := make_run(ws)).published.values()
    ways = [way.data["way"] for way in entry.metadata["options, EUR over 12 months"].records]
    assert {"build", "oracle"} <= set(ways)
    assert entry.metadata["verdict"] in (*ways, "neither")
    verdict, label = entry.metadata["verdict"], entry.metadata["label"]
    assert run.log.lines == [f"INFO: build_or_buy: building compared with buying (verdict: {verdict}; {label})"]


def test_build_or_buy_waits_for_the_first_known_outcome(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **with_vendors({"oracle": {"per_month": 100}}))
    assert build_or_buy.compare_build_or_buy(make_run(ws)).published == {}
