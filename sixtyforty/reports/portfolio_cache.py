"""Store portfolio lines, so that the portfolio of many use cases opens fast.

A stored line is valid until its use case changes. The state of a use case names everything that a line is calculated
from: the declaration, the datasets of the lake, the ledgers, the reports, the local day, and the code of Sixtyforty. A
folder of the lake changes its time when a manifest is replaced, and when an outdated index of the manifests is updated.
After such an update, a line is calculated once more. An object store has no folder times, so the lines of
such a lake are always calculated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.accounting.usage import usage_dataset
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.review_queue import review_dataset
from sixtyforty.modeling import taint
from sixtyforty.reports.portfolio_line import PortfolioLine, build_line
from sixtyforty.spec.track import Track
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest, write_atomic
from sixtyforty.workspace import Workspace

PACKAGE = Path(__file__).parents[1]
FILE = "portfolio_line.json"
TRACKS: tuple[Track, ...] = ("live", "replay")
LINES_IN_MEMORY = 2000
SETTLED_NS = 1_000_000_000


class StoredLine(BaseModel):
    """The content of the file `portfolio_line.json` of a use case: its line, and the state for which it is valid."""

    state: str
    line: PortfolioLine


_lines: BoundedCache[str, StoredLine] = BoundedCache(LINES_IN_MEMORY)  # by path of the file
_stored = TypeAdapter(StoredLine)


def read_or_build_line(ws: Workspace, run_hours: float, now: datetime) -> PortfolioLine:
    """Return the portfolio line of one use case. See `build_line` for the arguments. A valid stored line is reused."""
    if not isinstance(ws.lake.root, Path):
        return build_line(ws, run_hours, now)
    path, state = ws.cache / FILE, describe_state(ws, run_hours, now)
    stored = _lines.get(str(path)) or _read(path)
    if state is None or stored is None or stored.state != state:
        line = build_line(ws, run_hours, now)
        if state is None:
            return line
        stored = StoredLine(state=state, line=line)
        _write(path, stored)
    _lines.put(str(path), stored)
    return stored.line


def forget_lines() -> None:
    """Forget the lines in memory, as a process that starts. The stored lines stay."""
    _lines.clear()


def describe_state(ws: Workspace, run_hours: float, now: datetime) -> str | None:
    """Return a digest of everything that a use case's line is calculated from. See `build_line` for the arguments.

    None if something changed within the last second: a further change could get the same rounded time.
    """
    stamps = _stamps(list_inputs(ws))
    if any(stamp.modified_ns > time.time_ns() - SETTLED_NS for stamp in stamps):
        return None
    declared, day = ws.use_case.model_dump_json(exclude={"folder"}), ws.use_case.local_day(now)
    return digest([declared, ws.refusal, run_hours, f"{day}", code_state(PACKAGE), *stamps])


def list_inputs(ws: Workspace) -> Iterator[Path]:
    """Yield the folders and files from which a use case's line is calculated: datasets, ledgers, reports, readings."""
    lake = Path(str(ws.lake.root))
    by_track = (decisions_dataset, kpi_dataset, usage_dataset, review_dataset)
    yield from (lake / dataset(track) for dataset in by_track for track in TRACKS)
    yield from (lake / dataset for dataset in ("features", "outcomes", taint.INDEX))
    yield from (lake / kind / source for kind in ("validated", "rejected") for source in ws.use_case.sources)
    yield from (ws.readership, ws.reports / "impact.html", ws.reports / "model_record.md")
    models = Path(str(ws.champion_ledger.path.parent))
    if models.is_dir():
        yield from sorted(models.glob("*.jsonl"))


@lru_cache(maxsize=1)
def code_state(package: Path) -> str:
    """Return a digest of the times and sizes of a package's modules and templates. It is read once in a process."""
    return digest(_stamps(sorted(path for path in package.rglob("*") if path.suffix in (".py", ".html", ".md"))))


class _Stamp(NamedTuple):
    """The path, inode, modification time (ns) and size of a file or folder."""

    path: str
    inode: int
    modified_ns: int
    size: int


def _stamps(paths: Iterable[Path]) -> list[_Stamp]:
    """Return the stamp of each file or folder that exists."""
    stamps = []
    for path in map(str, paths):
        try:
            status = os.stat(path)  # noqa: PTH116 (it takes half the time of Path's)
        except FileNotFoundError:
            continue
        stamps.append(_Stamp(path, status.st_ino, status.st_mtime_ns, status.st_size))
    return stamps


def _read(path: Path) -> StoredLine | None:
    try:
        return _stored.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # a release may have changed the fields of a line
        return None


def _write(path: Path, stored: StoredLine) -> None:
    """Store a line, unless JSON can't hold it exactly."""
    content = _stored.dump_json(stored)
    try:
        is_exact = _stored.validate_json(content) == stored
    except ValidationError:
        is_exact = False
    if is_exact:
        write_atomic(path, content)
