"""Write the SQL that damages one feed at the decision time. The degradation drill runs the SQL on past days."""

from __future__ import annotations

from datetime import datetime

from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.sql import identifier, literal

FAULTS = ("missing", "stale", "duplicated", "wrong unit")
NUMERIC_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "REAL", "DOUBLE")
WRONG_UNIT_FACTOR = 60  # seconds instead of minutes, or minutes instead of hours

Fault = tuple[str, str]
"""The name of a feed, and its fault: one of FAULTS. A feed is a source with partitions."""

SOUND: Fault = ("", "none")


def build_fault_statements(use_case: UseCase, partition: str, decision_time: datetime) -> dict[Fault, list[str]]:
    """Return, for each fault of each feed, the SQL statements that cause the fault in the tables of features.sql.

    Only one partition of a feed is damaged: `partition`, or the newest earlier partition with rows known at
    `decision_time` (UTC).

    - missing: the partition has no rows. The feed that lists the units is never missing, because without it nothing
      could be decided.
    - stale: the feed stopped at `decision_time`, so the partition lacks the rows that became known later.
    - duplicated: each row arrived twice.
    - wrong unit: all numbers except keys are WRONG_UNIT_FACTOR times too large.
    """
    statements: dict[Fault, list[str]] = {}
    for feed, source in use_case.partitioned.items():
        view = identifier(feed)
        time = f"timestamp {literal(decision_time)}"
        newest = f"(select max(_partition) from {view} where known_at <= {time})"
        damaged = f"where _partition = least({literal(partition)}, {newest})"
        if feed != use_case.decision.unit_source:
            statements[feed, "missing"] = [f"delete from {view} {damaged}"]
        statements[feed, "stale"] = [f"delete from {view} {damaged} and known_at > {time}"]
        statements[feed, "duplicated"] = [f"insert into {view} select * from {view} {damaged}"]
        wrong_unit = _wrong_unit_statements(use_case, feed, source, damaged)
        if wrong_unit:
            statements[feed, "wrong unit"] = wrong_unit
    return statements


def _wrong_unit_statements(use_case: UseCase, feed: str, source: Source, damaged: str) -> list[str]:
    is_unit_source = feed == use_case.decision.unit_source
    keys = {*source.key, *(use_case.decision.key if is_unit_source else ())}
    numbers = {c: t for c, t in source.columns.items() if t.upper().startswith(NUMERIC_TYPES) and c not in keys}
    if not numbers:
        return []
    assignments = ", ".join(
        f"{identifier(c)} = try_cast({identifier(c)}::double * {WRONG_UNIT_FACTOR} as {t})" for c, t in numbers.items()
    )
    tables = (feed, "units") if is_unit_source else (feed,)
    return [f"update {identifier(table)} set {assignments} {damaged}" for table in tables]
