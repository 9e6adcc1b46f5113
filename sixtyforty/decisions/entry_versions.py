"""Find a partition's manifest as it was in an earlier version."""

from __future__ import annotations

from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace


def entry_at_version(ws: Workspace, dataset: str, partition: str, version: str) -> Entry | None:
    """Return a partition's manifest in a version; None if that version is no longer known."""
    current = ws.lake.entry(dataset, partition)
    return current if current is not None and current.version == version else ws.lake.replaced_entry(version)
