"""Index the manifests of decisions: who decided and why, under which declarations, and with which champions.

The reasons of the current process are in the rows of decisions. The index reads them once for each partition. So counts
over a long history read no rows, and a new partition costs the same after one year and after a hundred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_draft import NO_CHAMPION_REASON
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.storage.damaged_files import refuse_damaged_files
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.storage.manifests import Entry

if TYPE_CHECKING:
    from sixtyforty.workspace import Workspace

HELD_OUT_REASONS = {
    "holdout": "held out for comparison",
    "shadow": "shadow: the model's decision isn't used",
    "review": "deferred to a reviewer",
}
WITH_REASONS = {"fallback": "fallback: ", "current_process": ""}  # by decider: the prefix of the reason
COMMON_ENDING = ": the current process decides"
NO_MODEL_YET = "no model had been promoted yet"  # how a count of the past words it


def decisions_index(ws: Workspace, dataset: str) -> ManifestIndex:
    """Return the index of a track's decisions, with one row for each partition.

    dataset: the name of the track's dataset of decisions. The columns are:

    - declared_versions, champions: see DecisionFacts.
    - model: the number of decisions by the model.
    - reasons, reason_counts: why the current process decided, and how many decisions, in the same order.
    """
    import pyarrow as pa

    texts = pa.list_(pa.string())
    schema = pa.schema(
        {
            "declared_versions": texts,
            "champions": texts,
            "model": pa.int64(),
            "reasons": texts,
            "reason_counts": pa.list_(pa.int64()),
        }
    )
    return ManifestIndex(ws.lake, dataset, ws.cache, schema, lambda entry: _index_row(ws, entry))


def _index_row(ws: Workspace, entry: Entry) -> dict[str, Any]:
    facts = DecisionFacts.from_entry(entry)
    reasons = Counter({reason: getattr(facts, kind) for kind, reason in HELD_OUT_REASONS.items()})
    if facts.fallback or facts.current_process:
        reasons.update(_count_reasons(ws, entry))
    reasons = +reasons  # without zeros
    return {
        "declared_versions": list(facts.declared_versions),
        "champions": list(facts.champions),
        "model": facts.model,
        "reasons": list(reasons),
        "reason_counts": list(reasons.values()),
    }


def _count_reasons(ws: Workspace, entry: Entry) -> Mapping[str, int]:
    """Return the number of a partition's decisions for each reason of WITH_REASONS.

    Raises DamagedFileError if the file of the partition is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = ws.lake.local_file(entry)
    try:
        rows = pq.read_table(file, columns=["decided_by", "reason"])
    except (OSError, pa.ArrowException):
        refuse_damaged_files(f"'{file}'")
        raise
    counts: Counter[str] = Counter()
    for row in rows.group_by(["decided_by", "reason"]).aggregate([([], "count_all")]).to_pylist():
        if row["decided_by"] in WITH_REASONS:
            reason = row["reason"]
            cause = NO_MODEL_YET if reason == NO_CHAMPION_REASON else str(reason).removesuffix(COMMON_ENDING)
            counts[WITH_REASONS[row["decided_by"]] + cause] += row["count_all"]
    return counts
