"""Store and read decisions: one partition per table in the lake.

A decision has these columns:

- `decision_id`, `use_case`, `track`, the unit's key, and `decided_at` (UTC).
- `action`, `current_action`, and `expected`: the expected outcome, null without a model.
- `decided_by`, `reason`, `champion_version`, `policy` and `code_version`.
- `data_version` and `verdict_id` of the features.

Values of `decided_by`:

- `model`: the champion.
- `current_process`: no champion was in force, or the use case had ended.
- `fallback`: the current process, because the inputs were late or unfit.
- `review`: deferred to a reviewer; the current process decides until a reviewer answers.
- `holdout`: the unit is held out, so that the current process decides (live only).
- `shadow`: the rollout is in shadow, so that the current process decides (live only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.declared_version import version_facts
from sixtyforty.spec.track import Track
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED = ("model", "current_process", "fallback")  # always counted in the manifest; the others only where they occur


@dataclass(frozen=True)
class TakenDecisions:
    """The decisions of one partition: `entry` holds all of them, of which `new` were taken now.

    `fallback` counts those that the current process took for want of a model or of sound data, or until a reviewer
    answers. `held_out` counts those held out or in shadow.
    """

    entry: Entry
    new: int
    by_model: int
    fallback: int
    held_out: int

    @classmethod
    def from_entry(cls, entry: Entry, new: int) -> TakenDecisions:
        """Read the counts from a manifest."""
        counts = entry.facts
        fallback = counts["fallback"] + counts["current_process"] + counts.get("review", 0)
        return cls(entry, new, counts["model"], fallback, sum(counts.get(kind, 0) for kind in HELD_OUT))


def decisions_dataset(track: Track) -> str:
    """Return the name of a track's decisions in the lake."""
    return f"decisions/{track}"


def decision_schema(ws: Workspace) -> pa.Schema:
    """Return the Arrow schema of a decisions partition; the key has the types of its data contract."""
    import pyarrow as pa

    columns, text = ws.use_case.unit_columns, pa.string()
    types = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us")}
    key = [(column, types.get(columns[column].upper(), text)) for column in ws.use_case.decision.key]
    provenance = ("decided_by", "reason", "champion_version", "data_version", "verdict_id", "policy", "code_version")
    return pa.schema(
        [
            ("decision_id", text),
            ("use_case", text),
            ("track", text),
            *key,
            ("decided_at", pa.timestamp("us")),
            ("action", text),
            ("current_action", text),
            ("expected", pa.float64()),
            *((column, text) for column in provenance),
        ]
    )


def write_decisions(
    ws: Workspace, track: Track, partition: str, new: pa.Table, before: Entry | None, features: Entry
) -> TakenDecisions:
    """Add new decisions to a partition; the decisions taken before stay unchanged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = new
    if before is not None:
        table = pa.concat_tables([pq.read_table(ws.lake.local_file(before)), new])
        table = table.sort_by([("decided_at", "ascending"), ("decision_id", "ascending")])
    decided_by = table["decided_by"].to_pylist()
    counts = {kind: decided_by.count(kind) for kind in COUNTED}
    counts |= {kind: decided_by.count(kind) for kind in ("review", *HELD_OUT) if kind in decided_by}
    inputs = {"features": {partition: features.version}}  # the newest; each row names the version it was taken on
    champions = {version for version in table["champion_version"].unique().to_pylist() if version}
    facts = {**counts, **version_facts(ws.use_case, before, champions)}
    entry = ws.lake.write(decisions_dataset(track), partition, table, inputs=inputs, code=ws.code_version, facts=facts)
    return TakenDecisions.from_entry(entry, new.num_rows)


def read_decisions(ws: Workspace, partition: str, track: Track) -> list[dict[str, Any]]:
    """Return the decisions of a partition, ordered by decision time and id; empty if none were taken."""
    entries = ws.lake.entries(decisions_dataset(track), [partition])
    if not entries:
        return []
    with connect(ws.use_case.timezone) as db:
        rows = db.sql(
            f"select * exclude _partition from {ws.lake.select_rows(entries.values())} order by decided_at, decision_id"
        )
        return list(rows.to_arrow_table().to_pylist())
