"""The check of the way of a unit refuses the run, and names the difference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from assets import unit_checks
from assets.stage import REFUSED, StageRun
from sixtyforty.accounting.unit_accounts import UnitAccount


def check(monkeypatch: pytest.MonkeyPatch, *accounts: UnitAccount) -> Any:
    monkeypatch.setattr(unit_checks, "account_units", lambda *_: list(accounts))
    clock = SimpleNamespace(current_time=lambda: None)
    run = SimpleNamespace(ws=None, track="replay", partitions=[], clock=clock)
    return unit_checks.check_units(cast(StageRun, run))


def test_complete_accounts_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    result = check(monkeypatch, UnitAccount("2013-04-01", 20, 20, 20, 20, 0, 20))
    assert (result.passed, result.description) == (True, "every unit of 1 partition is accounted for")


def test_a_difference_refuses_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    result = check(monkeypatch, UnitAccount("2013-04-01", 20, 20, 20, 20, 3, 20))
    assert not result.passed
    assert not result.warn
    assert result.metadata[REFUSED] == "2013-04-01: no decision on 3 units whose decision time has passed"
