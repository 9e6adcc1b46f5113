"""Find units that were decided before a constant in features.sql was known.

A declared constant is known since its `known_since`. Any other constant is known since features were first built with
it in this lake, because nobody can show that it was typed in earlier. The lake records that time once, in the file
`constants/<hash of the constant>.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sixtyforty.modeling.sql_constants import SqlConstant, identity_of, list_constants
from sixtyforty.modeling.taint import SHOWN_TIMES, FeatureTaint, TaintedPartition
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import canonical_json, digest, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.stored_tables import Rows, portions

FIRST_BUILT = "first_built"


@dataclass(frozen=True)
class DatedConstant:
    """A constant of features.sql, and the time (UTC, naive) since which it is known."""

    constant: SqlConstant
    known_since: datetime
    is_declared: bool

    @property
    def place(self) -> str:
        """The file and line of the constant, and since when it is known."""
        undeclared = "" if self.is_declared else "undeclared, "
        return f"features.sql, line {self.constant.line}; {undeclared}known since {self.known_since:%Y-%m-%d %H:%M} UTC"


def date_constants(use_case: DecisionChain, lake: Lake, now: datetime) -> list[DatedConstant]:
    """Return the constants of features.sql that may express knowledge about outcomes, and since when each is known.

    now: the current time (UTC, naive), which counts for constants with which no features were built yet.
    """
    declared: dict[str, datetime] = {}
    for entry in use_case.constants:
        identity, since = identity_of(entry.value), use_case.day_start(entry.known_since)
        declared[identity] = max(since, declared.get(identity, since))
    return [
        DatedConstant(constant, declared.get(constant.identity) or _first_built(lake, constant) or now, is_declared)
        for constant in list_constants(use_case)
        for is_declared in [constant.identity in declared]
    ]


def record_constants(lake: Lake, constants: Sequence[DatedConstant]) -> None:
    """Record since when each undeclared constant of features.sql is known. A record that exists stays unchanged."""
    for dated in constants:
        if not dated.is_declared and _first_built(lake, dated.constant) is None:
            record = {"constant": dated.constant.text, FIRST_BUILT: dated.known_since.isoformat()}
            write_atomic(_file(lake, dated.constant), canonical_json(record).encode())


def find_early_use(constants: Sequence[DatedConstant], tables: Mapping[str, Rows]) -> dict[str, TaintedPartition]:
    """Return each partition that has units decided before a constant of features.sql was known, with its taints.

    tables: the features of each partition, with `decided_at` (UTC).
    """
    tainted = {}
    for partition, rows in tables.items() if constants else ():
        taints = [taint for dated in constants if (taint := _find_taint(dated, rows))]
        if taints:
            tainted[partition] = TaintedPartition(partition, taints)
    return tainted


def _find_taint(dated: DatedConstant, rows: Rows) -> FeatureTaint | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    units, times = 0, set[datetime]()
    for portion in portions(rows):
        decided_at = portion["decided_at"]
        early = decided_at.filter(pc.less(decided_at, pa.scalar(dated.known_since, decided_at.type)))
        units += len(early)
        times |= set(early.unique().to_pylist())
    shown = [str(time) for time in sorted(times)[:SHOWN_TIMES]]
    return FeatureTaint(dated.constant.text, units, rows.num_rows, shown, dated.place) if units else None


def _first_built(lake: Lake, constant: SqlConstant) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(_file(lake, constant).read_bytes())[FIRST_BUILT])
    except FileNotFoundError:
        return None


def _file(lake: Lake, constant: SqlConstant) -> StoragePath:
    return lake.root / "constants" / f"{digest(constant.identity)}.json"
