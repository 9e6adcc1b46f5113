"""Choose the home and the profile of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.settings import Settings, load_settings

VARIABLES = ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE", "SIXTYFORTY_LAKE")


def use_home(monkeypatch: pytest.MonkeyPatch, home: Path, database_url: str | None = None) -> Settings:
    """Use a home: embedded, or in production with a database. Returns the settings."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", "")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if database_url:
        monkeypatch.setenv("SIXTYFORTY_PROFILE", "production")
        monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", database_url)
    return load_settings()
