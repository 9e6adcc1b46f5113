"""Store and read decisions: one table for each partition in the lake.

A decision has these columns:

- `decision_id`, `use_case`, `track`, the unit's key, and `decided_at` (UTC).
- `action`, `current_action`, and `expected`: the expected outcome, null without a model.
- `decided_by`, `reason`, `champion_version`, `policy` and `code_version`.
- `data_version` and `verdict_id`: the version of the features, and governance's verdict on them.

Values of `decided_by`:

- `model`: the champion.
- `current_process`: no champion was in force, or the use case had ended.
- `fallback`: the current process, because the inputs were late, the features suspect, the champion couldn't score, or
  no allowed action had a known gain and cost.
- `review`: deferred to a reviewer; the current process decides until a reviewer answers.
- `holdout`: the unit is held out, so that the current process decides (live only).
- `shadow`: the rollout is in shadow, so that the current process decides (live only).

`StoredDecision` has a field for each column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.decisions.decision_facts import DecisionFacts, UnscoredDecisions
from sixtyforty.decisions.decision_records import record_to_dict, records_from_rows
from sixtyforty.decisions.decision_rows import merge_decisions
from sixtyforty.decisions.declared_version import declared_versions
from sixtyforty.decisions.fallback_batches import FallbackBatch, count_fallback
from sixtyforty.decisions.unscored import summarize_unscored
from sixtyforty.spec.track import Track
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import Rows, portions
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

DecidedBy = Literal["model", "current_process", "fallback", "review", "holdout", "shadow"]


@dataclass(frozen=True)
class StoredDecision:
    """A decision as stored in the lake. The module docstring explains the fields; `unit` is the key of the unit."""

    decision_id: str
    use_case: str
    track: Track
    unit: Mapping[str, object]
    decided_at: datetime
    action: str
    current_action: str
    expected: float | None
    decided_by: DecidedBy
    reason: str
    champion_version: str | None
    data_version: str
    verdict_id: str
    policy: str
    code_version: str

    def to_dict(self) -> dict[str, Any]:
        """Return the decision for JSON, with its columns in the order of the table."""
        return record_to_dict(self)


@dataclass(frozen=True)
class TakenDecisions:
    """The counts of one partition's decisions. `entry` is their manifest; `new` counts those that this run took.

    `by_model` counts the model's decisions. `fallback` counts decisions of the current process because of no champion,
    unsound data, no action of known price, or a review that isn't answered yet. `held_out` counts decisions in the
    holdout or in shadow. `unscored` counts those `fallback` decisions that the champion in force couldn't take.
    `new_fallback` are the decisions among `new` that the current process took as fallback, by hour and reason.
    `new_unscored` counts those of `unscored` that this run took.
    """

    entry: Entry
    new: int
    by_model: int
    fallback: int
    held_out: int
    unscored: Sequence[UnscoredDecisions] = ()
    new_fallback: Sequence[FallbackBatch] = field(default=(), kw_only=True)
    new_unscored: Sequence[UnscoredDecisions] = field(default=(), kw_only=True)

    @classmethod
    def from_entry(cls, entry: Entry, new: int) -> TakenDecisions:
        """Read the counts from a manifest of decisions. new: the number of decisions that this run took."""
        facts = DecisionFacts.from_entry(entry)
        fallback = facts.fallback + facts.current_process + facts.review
        counts = (facts.model, fallback, facts.held_out, facts.unscored)
        return cls(entry, new, *counts)


def decisions_dataset(track: Track) -> str:
    """Return the name of the lake dataset with a track's decisions."""
    return f"decisions/{track}"


def decision_schema(ws: Workspace, features: pa.Schema) -> pa.Schema:
    """Return the Arrow schema of a partition of decisions. Key columns have the types that the features have."""
    import pyarrow as pa

    text = pa.string()
    key = [(column, features.field(column).type) for column in ws.use_case.decision.key]
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
    ws: Workspace, track: Track, partition: str, new: Rows, before: Entry | None, features: Entry, declared: str
) -> TakenDecisions:
    """Add new decisions to a partition. The decisions already taken stay unchanged.

    before: the manifest of the decisions already taken, or None. features: the manifest of the features. declared: the
    version of the declaration.
    """
    rows = new if before is None else merge_decisions(ws, before, new)
    # The manifest names the newest version of the features. Each row names the version on which it was decided.
    inputs = {"features": {partition: features.version}}
    champions: set[str] = set()
    deciders: Counter[str] = Counter()
    for portion in portions(rows):
        champions.update(version for version in portion["champion_version"].unique().to_pylist() if version)
        deciders.update(portion["decided_by"].to_pylist())
    facts = DecisionFacts(
        **deciders,
        declared_versions=declared_versions(declared, before),
        champions=sorted(champions),
        unscored=summarize_unscored(rows),
    )
    dataset, stored = decisions_dataset(track), facts.to_facts()
    entry = ws.lake.write(dataset, partition, rows, inputs=inputs, code=ws.code_version, facts=stored)
    taken = TakenDecisions.from_entry(entry, new.num_rows)
    new_fallback = count_fallback(new) if track == "live" else ()
    return replace(taken, new_fallback=new_fallback, new_unscored=summarize_unscored(new))


def read_decisions(
    ws: Workspace, partition: str, track: Track, decision_ids: Collection[str] | None = None
) -> list[StoredDecision]:
    """Return the decisions of a partition, sorted by decision time and id, or an empty list without decisions.

    decision_ids: return only these decisions; None returns all. Unknown ids are left out.
    """
    entries = ws.lake.entries(decisions_dataset(track), [partition])
    if not entries:
        return []
    selected = "true" if decision_ids is None else "decision_id in (select unnest(?::varchar[]))"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        cursor = db.execute(
            f"""select * exclude _partition from {ws.lake.select_rows(entries.values())} where {selected}
            order by decided_at, decision_id""",
            [] if decision_ids is None else [list(decision_ids)],
        )
        columns = [column[0] for column in cursor.description or []]
        return records_from_rows(StoredDecision, columns, cursor.fetchall())
