"""Find the current or an earlier version of a partition's manifest."""

from __future__ import annotations

from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace


def entry_at_version(ws: Workspace, dataset: str, partition: str, version: str) -> Entry | None:
    """Return a version of a partition's manifest, or None if that version is no longer in the lake."""
    current = ws.lake.entry(dataset, partition)
    return current if current is not None and current.version == version else ws.lake.replaced_entry(version)
