"""How long the runs of each use case took, in all: kept beside Dagster's own records, which are purged after a month.

`<home>/data/portfolio/run_time.json`: seconds and runs by use case, of the runs that ended up to `until`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sixtyforty.storage.lake import alone, canonical, write_atomic


@dataclass(frozen=True)
class Ran:
    """A run that has ended: whose, and its moments (seconds since 1970)."""

    use_case: str
    start: float
    end: float


def _path(home: Path) -> Path:
    return home / "data" / "portfolio" / "run_time.json"


def spent(home: Path) -> dict[str, float]:
    """Hours of run time by use case."""
    path = _path(home)
    found = json.loads(path.read_bytes())["seconds"] if path.exists() else {}
    return {name: seconds / 3600 for name, seconds in found.items()}


def count(home: Path, ended: Callable[[float, float], Iterable[Ran]], now: float) -> dict[str, float]:
    """Adds the runs that ended since the last count, up to `now`; returns the hours. Counted twice is counted once.

    `ended`: the runs that ended after a moment, up to another.
    """
    path = _path(home)
    with alone(path.with_suffix(".lock")):
        kept: dict[str, Any] = {"until": 0.0, "seconds": {}, "runs": {}}
        if path.exists():
            kept = json.loads(path.read_bytes())
        for ran in ended(kept["until"], now):
            for what, more in (("seconds", ran.end - ran.start), ("runs", 1)):
                kept[what][ran.use_case] = kept[what].get(ran.use_case, 0) + more
        write_atomic(path, canonical({**kept, "until": now}).encode())
    return spent(home)
