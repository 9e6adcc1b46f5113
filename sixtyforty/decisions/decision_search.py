"""Search for decisions by words: the beginning of a key column, of a partition, or of a decision id."""

from __future__ import annotations

from typing import Any

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.workspace import Workspace


def search_decisions(ws: Workspace, track: Track, text: str, limit: int = 50) -> list[dict[str, Any]]:
    """Return the newest decisions of a track that match every word of a text, newest first.

    A word matches if a key column, the decision id or the partition begins with it, in upper or lower case. At most
    `limit` decisions are returned, each with decision_id, partition, decided_at (UTC), action, decided_by and the key.
    """
    entries, words, key = ws.lake.entries(decisions_dataset(track)), text.casefold().split(), ws.use_case.decision.key
    if not entries or not words:
        return []
    searched = [*key, "decision_id", "_partition"]
    begins = " or ".join(f"starts_with(lower({identifier(column)}::varchar), ?)" for column in searched)
    condition = " and ".join(f"({begins})" for _ in words)
    columns = f"decision_id, _partition as partition, decided_at, action, decided_by, {identifiers(key)}"
    with connect(ws.use_case.timezone) as db:
        rows = db.sql(
            f"""select {columns} from {ws.lake.select_rows(entries.values())} where {condition}
            order by decided_at desc, decision_id limit {limit}""",
            params=[word for word in words for _ in searched],
        )
        return list(rows.to_arrow_table().to_pylist())
