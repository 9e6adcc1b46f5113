"""The version of the reader changes with its code and its libraries."""

from __future__ import annotations

import pytest

from sixtyforty.ingest import reader_version as module
from sixtyforty.ingest.reader_version import reader_version


def test_the_version_of_the_reader_covers_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    reader_version.cache_clear()
    before = reader_version()
    reader_version.cache_clear()
    monkeypatch.setattr(module, "version", lambda library: f"another {library}")
    assert reader_version() != before
    reader_version.cache_clear()
