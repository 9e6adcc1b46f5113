"""Portions of a few units and no memory for tables, so that a small partition takes the way of a large one."""

from __future__ import annotations

import pytest

from sixtyforty.storage import stored_tables

ROWS = 3


def use_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a portion have three units, and keep each table in a scratch file."""
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", ROWS)
    monkeypatch.setattr(stored_tables, "MEMORY_BYTES", 0)
