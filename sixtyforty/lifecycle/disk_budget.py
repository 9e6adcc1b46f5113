"""Compare what a use case stores on this machine's disk with its budget, `retention.disk_budget_gb`.

Beyond the budget nothing stops that the business needs: live runs import, decide and learn as before. Runs of the
replay import no more extracts, because history can wait. An alert names the largest folders. What DVC stores
isn't counted, because its files are shared by all use cases. An object store isn't counted either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sixtyforty.spec.clock import now
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.workspace import Workspace

BLOCK = 512  # bytes; stat() counts the disk space of a file in blocks of this size on every system
MAX_AGE = timedelta(hours=1)  # after which the folders are measured again, because a long history has many files
LARGEST = 3  # folders that a message names
CACHED = "disk_usage.json"
CURE = (
    "Raise retention.disk_budget_gb, or store less: retention.landing_days and retention.deliveries_days delete what"
    " is no longer needed, and the cache can be deleted at any time."
)


@dataclass(frozen=True)
class DiskUsage:
    """The bytes that each folder of a use case takes on the disk, by a short label such as `lake`."""

    folders: Mapping[str, int]

    @property
    def total(self) -> int:
        """The bytes of all folders."""
        return sum(self.folders.values())

    def describe(self) -> str:
        """Return the total and the largest folders, such as "1.20 GB (lake 1.00 GB, models 0.20 GB)"."""
        largest = sorted(self.folders.items(), key=lambda folder: -folder[1])[:LARGEST]
        parts = ", ".join(f"{label} {size / 1e9:.2f} GB" for label, size in largest if size)
        return f"{self.total / 1e9:.2f} GB" + (f" ({parts})" if parts else "")


def measure_usage(ws: Workspace) -> DiskUsage:
    """Measure the folders of a use case, and keep the figures in its cache for `read_usage`."""
    paths = {label: path for label, path in ws.owned_paths().items() if isinstance(path, Path)}
    usage = DiskUsage({label: _occupied(path) for label, path in paths.items()})
    content = {"at": now().isoformat(), "folders": dict(usage.folders)}
    write_atomic(ws.cache / CACHED, canonical_json(content).encode())
    return usage


def read_usage(ws: Workspace) -> DiskUsage:
    """Return what the use case takes on the disk, as measured within the last hour."""
    try:
        content = json.loads((ws.cache / CACHED).read_bytes())
        age = abs(now() - datetime.fromisoformat(content["at"]))
        return DiskUsage(content["folders"]) if age < MAX_AGE else measure_usage(ws)
    except (OSError, ValueError, KeyError, TypeError):  # never measured, or the cache is damaged
        return measure_usage(ws)


def describe_exceeded(ws: Workspace) -> str | None:
    """Return as sentences by how much the use case exceeds its budget, and what to do. None if it doesn't.

    Without a declared budget, nothing is measured. Beyond the budget, the folders are measured anew, so that space
    that was freed counts at once.
    """
    budget = ws.use_case.retention.disk_budget_gb
    if budget is None or read_usage(ws).total <= budget * 1e9:
        return None
    usage = measure_usage(ws)
    if usage.total <= budget * 1e9:
        return None
    return f"{ws.use_case.name} takes {usage.describe()} on the disk, and its budget is {budget:g} GB. {CURE}"


def _occupied(path: Path) -> int:
    """Return the bytes that a file or folder takes on the disk. Links aren't followed; a missing path takes nothing."""
    try:
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_blocks * BLOCK
        with os.scandir(path) as entries:
            return sum(
                _occupied(Path(entry)) if entry.is_dir(follow_symlinks=False) else _size(entry) for entry in entries
            )
    except FileNotFoundError:
        return 0


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * BLOCK
    except FileNotFoundError:  # deleted since the folder was listed
        return 0
