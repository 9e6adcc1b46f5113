"""Restore rows that a later row superseded, if the later row isn't published, so that no key disappears.

A later row of the same key supersedes an earlier one (see `casting`), also in another partition (see `moved_keys`). The
later row is withheld if it fails a critical rule, or if its partition is rejected. The earlier row then counts again.
If the earlier row fails a critical rule, too, it stays superseded: only the newest row of a key is quarantined.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.ingest.repeated_keys import judge_rivals, list_contradictory, list_rivals
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class RestoredRows:
    """Restores superseded rows in the table `typed`, if the rows that superseded them aren't published.

    - db: the session with the tables `typed` and `failures`. Rows of compared partitions have the status `compared`.
    - source: the name of the source.
    - compared: the compared partitions, which are not judged. Their rows of a key count only if their published version
      has the key.
    """

    db: duckdb.DuckDBPyConnection
    lake: Lake
    source: str
    contract: Source
    compared: Collection[str]

    def find_blocking(self, rejected: Collection[str]) -> set[str]:
        """Return the rejected partitions whose rows superseded rows with the same key in another partition.

        rejected: the rejected partitions that share keys with other partitions. If an earlier version of a rejected
        partition is in force and has the key, the key is published, so the partition isn't returned for this key.
        """
        if not rejected:
            return set()
        key = identifiers(self.contract.key)
        blocking = self.db.execute(
            f"""select distinct t._partition from typed t join typed s using ({key})
            where t._status = 'row' and t._partition in ({_literals(rejected)}) and t._partition <> s._partition
                and s._status = 'superseded' and s._reason is null and {self._is_unpublished(rejected)}"""
        ).fetchall()
        return {partition for (partition,) in blocking}

    def restore(self, blocking: Collection[str]) -> int:
        """Restore superseded rows if the rows that superseded them won't be published. Return how many were restored.

        A restored row has the status `row` or `duplicate`. blocking: rejected partitions, as `find_blocking` returned
        them. Rows of these partitions are withheld, and are not restored.
        """
        self._find_withheld(blocking)
        self.db.execute("create temp table if not exists given_up (id bigint)")
        keys = f"select {identifiers(self.contract.key)} from withheld"
        list_rivals(self.db, self.contract, keys, "_reason is null or rowid in (from failing)")
        # A row that equals a row that fails a critical rule fails the rule, too. This doesn't hold for contradictions.
        fails = """select _partition, _content from rivals
            where _id in (from failing) and _id not in (select id from contradictory)"""
        others = "_id not in (select _id from withheld union all from given_up)"
        agree = "(_key, _seq) not in (from contradicting_extracts)"
        judge_rivals(self.db, f"from rivals where (_partition, _content) not in ({fails}) and {others} and {agree}")
        list_contradictory(self.db, self.contract)
        self.db.execute(
            f"""create or replace temp table restored as
            select j._id, j._status from judged j
            join typed on typed.rowid = j._id where typed._status = 'superseded' and j._status <> 'superseded'
                and typed._partition not in ({_literals({"", *blocking})})"""
        )
        restored = self.db.execute(
            "update typed set _status = r._status from restored r where typed.rowid = r._id"
        ).fetchall()
        return int(restored[0][0])

    def supersede_failing_again(self) -> None:
        """Mark restored rows that fail a critical rule as superseded again. Delete them from the table of failures."""
        self.db.execute(
            """create or replace temp table failing_again as select rowid as id from typed
            where _status = 'quarantined' and rowid in (select _id from restored);
            insert into given_up from failing_again;
            delete from failures where id in (from failing_again);
            update typed set _status = 'superseded', _reason = null where rowid in (from failing_again)"""
        )

    def _find_withheld(self, blocking: Collection[str]) -> None:
        """Create the tables `failing` (rows that fail a critical rule) and `withheld` (all rows not to publish)."""
        key = identifiers(self.contract.key)
        self.db.execute(
            """create or replace temp table failing as
            select distinct f.id from failures f join typed on typed.rowid = f.id where _status = 'quarantined'"""
        )
        unpublished = ""
        if partitions := {*blocking, *self.compared}:
            unpublished = (
                f"union all select rowid, {key} from typed t where _reason is null"
                f" and _partition in ({_literals(partitions)}) and {self._is_unpublished(partitions)}"
            )
        self.db.execute(
            f"""create or replace temp table withheld as
            select rowid as _id, {key} from typed where rowid in (from failing) {unpublished}"""
        )

    def _is_unpublished(self, partitions: Collection[str]) -> str:
        """Return a SQL condition: the published version of the partition of row `t` has no row with the key of `t`."""
        entries = self.lake.entries(f"validated/{self.source}", sorted(partitions))
        if not entries:
            return "true"
        published = select_validated_rows(self.lake, self.contract, entries.values())
        is_same = " and ".join(f"p.{identifier(c)} = t.{identifier(c)}" for c in ("_partition", *self.contract.key))
        return f"not exists (select 1 from {published} p where {is_same})"


def _literals(partitions: Collection[str]) -> str:
    return ", ".join(map(literal, sorted(partitions)))
