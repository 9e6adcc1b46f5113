"""A manifest is found in its current and in an earlier version."""

from __future__ import annotations

from sixtyforty.decisions.entry_versions import entry_at_version
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY, mark_first_unit_suspect


def test_a_replaced_version_is_still_found(ready: Workspace) -> None:
    before = ready.lake.entry("features", KEY)
    assert before
    assert entry_at_version(ready, "features", KEY, before.version) == before
    mark_first_unit_suspect(ready, KEY)
    assert ready.lake.entry("features", KEY) != before
    assert entry_at_version(ready, "features", KEY, before.version) == before
    assert entry_at_version(ready, "features", KEY, "0123456789abcdef") is None
