"""The shared options: completion of use cases, and the user as the default of --by."""

from __future__ import annotations

import getpass

import pytest

from pipelines.authoring import catalog
from pipelines.cli import options


def test_use_cases_are_completed_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "list_use_cases", lambda: ["calls_in_time", "cafe", "tents"])
    assert options._use_cases("ca") == ["calls_in_time", "cafe"]
    assert options._use_cases("") == ["calls_in_time", "cafe", "tents"]


def test_by_defaults_to_the_user() -> None:
    assert options.current_user() == getpass.getuser()
