"""Write the results of a validation to the lake: a source's validated, quarantined and rejected partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import LINEAGE
from sixtyforty.ingest.repeated_keys import row_portions
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.partition_stream import write_partitions
from sixtyforty.storage.restatement import shared_key_facts
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.storage.verdicts import Verdict, verdict_facts

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 1 << 14  # rows that are read from DuckDB at once; 130,000 rows with texts of 10 KB would take 1.3 GB
SORTED_AT_ONCE = 1 << 15  # up to this number of rows, sorting is as fast as a check of the order
# In the table `typed`, these columns are enumerations. Published rows have them as texts.
AS_TEXT = "t._extract::varchar as _extract, t._partition::varchar as _partition"


@dataclass(frozen=True)
class Publication:
    """Publishes the table `typed`: writes its rows to validated, quarantined and rejected partitions of the lake.

    - raw: the raw manifests by partition.
    - shared: the partitions that share keys with each partition.
    - code: the code version to write into manifests.
    """

    db: duckdb.DuckDBPyConnection
    lake: Lake
    source: str
    contract: Source
    raw: Mapping[str, Entry]
    shared: Mapping[str, Sequence[str]]
    code: str

    def remove_moved_rows(self, verdicts: Mapping[str, Verdict]) -> None:
        """Remove rows from the last accepted versions of rejected partitions, if the keys moved to accepted partitions.

        The last accepted version of a rejected partition stays in force, but a key is in force in one partition only.
        """
        accepted = [partition for partition, verdict in verdicts.items() if verdict.accepted]
        rejected = [partition for partition in verdicts if partition not in accepted]
        entries = self.lake.entries(f"validated/{self.source}", rejected) if rejected and accepted else {}
        for partition, entry in entries.items():
            rows = self._without_moved(entry, accepted)
            if rows is not None and rows.num_rows < entry.rows:
                self.lake.write(
                    f"validated/{self.source}", partition, rows, inputs=entry.inputs, code=entry.code, facts=entry.facts
                )

    def _without_moved(self, entry: Entry, accepted: Sequence[str]) -> pa.Table | None:
        """Return a validated partition's rows in order, without rows whose keys moved to the partitions in `accepted`.

        None if the partition lacks a column of the key, because an earlier data contract had another key.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        stored = pq.read_table(self.lake.local_file(entry))
        names = [
            next((name for name in self.contract.names_of(c) if name in stored.column_names), None)
            for c in self.contract.key
        ]
        if None in names:
            return None
        same_key = " and ".join(
            f"s.{identifier(name)}::varchar = t.{identifier(column)}::varchar"
            for name, column in zip(names, self.contract.key, strict=True)
            if name
        )
        self.db.register("stored", stored.append_column("_position", pa.array(range(stored.num_rows), pa.int64())))
        remaining = self.db.sql(
            f"""select _position from stored s where not exists (
                from typed t where t._status = 'row' and list_contains($accepted, t._partition) and {same_key})
            order by _position""",
            params={"accepted": list(accepted)},
        ).to_arrow_table()
        return stored.take(remaining["_position"])

    def publish(self, verdicts: Mapping[str, Verdict]) -> None:
        """Write the partitions of some verdicts to the lake, several at the same time. verdicts: by partition.

        The validated or rejected partition is written last, because it shows that the work is done. A reader of this
        partition therefore also finds the partition's new quarantine, and nothing of an earlier verdict. This holds
        even if a process was killed.
        """
        if not verdicts:
            return
        write = partial(self._write, verdicts)
        quarantined = write_partitions(
            self._select_quarantined(list(verdicts)), "_partition", partial(write, "quarantine")
        )

        def drop_outdated(partition: str) -> None:
            if partition not in quarantined:
                self.lake.drop(f"quarantine/{self.source}", partition)
            if verdicts[partition].accepted:
                self.lake.drop(f"rejected/{self.source}", partition)

        run_in_parallel(drop_outdated, verdicts)
        rows = self._select_accepted({p: verdict for p, verdict in verdicts.items() if verdict.accepted})
        no_rows = rows.schema.remove(rows.schema.get_field_index("_partition")).empty_table()
        validated = write_partitions(rows, "_partition", partial(write, "validated"))

        def write_empty(partition: str) -> None:
            write("validated" if verdicts[partition].accepted else "rejected", partition, no_rows)

        run_in_parallel(write_empty, [partition for partition in verdicts if partition not in validated])

    def _write(
        self, verdicts: Mapping[str, Verdict], kind: str, partition: str, rows: pa.Table | pa.RecordBatchReader
    ) -> None:
        self.lake.write(
            f"{kind}/{self.source}",
            partition,
            rows,
            inputs={f"raw/{self.source}": versions_by_partition({partition: self.raw[partition]})},
            code=self.code,
            facts=verdict_facts(verdicts[partition]) | shared_key_facts(self.shared.get(partition, ())),
        )

    def _select_accepted(self, verdicts: Mapping[str, Verdict]) -> pa.RecordBatchReader:
        """Return the valid rows in the order of their partitions, keys and lines. verdicts: by partition."""
        hidden = identifiers(["_rowid", "_reason", "_status", "_seq", "_text_bytes", *LINEAGE])
        columns = f"t.* exclude ({hidden}) replace (t._partition::varchar as _partition), _extract::varchar as _extract"
        order = "" if self._is_in_order(verdicts) else identifiers(["_partition", *self.contract.key, *LINEAGE])
        return self._read_ordered(f"{columns}, _row", "", "row", list(verdicts), order)

    def _read_ordered(
        self, columns: str, join: str, status: str, partitions: Sequence[str], order: str
    ) -> pa.RecordBatchReader:
        """Return the rows of `typed` with a status in some partitions. A batch of wide rows has fewer rows.

        columns: SQL of the columns to read, where `t` is the table. join: SQL that adds a table to `typed t`.
        order: SQL of the columns to sort by; empty for the order in `typed`.

        A sort holds 2048 rows at once. So wide rows are sorted by their numbers only, and read portion by portion.
        """
        import pyarrow as pa

        condition = f"_status = {literal(status)} and list_contains($partitions, _partition)"
        if len(row_portions(self.db)) <= 1:
            sort = f"order by {order}" if order else ""
            rows = self.db.sql(
                f"select {columns} from (select *, rowid as _rowid from typed where {condition}) t {join} {sort}",
                params={"partitions": partitions},
            )
            return rows.to_arrow_reader(BATCH_ROWS)
        self.db.execute(
            f"""create or replace temp table published as
            select rowid as _rowid, row_number() over (order by {order or "rowid"}) as _number, _text_bytes
            from typed where {condition}""",
            {"partitions": partitions},
        )
        portions = row_portions(self.db, "published", "_number")

        select = (
            f"select {columns} from (select *, rowid as _rowid from typed) t join published p using (_rowid) {join}"
        )

        def read(first: int, last: int) -> pa.RecordBatchReader:  # a portion may have many rows, if they have no texts
            condition = f"p._number between {first} and {last}"
            return self.db.sql(f"{select} where {condition} order by p._number").to_arrow_reader(BATCH_ROWS)

        schema = self.db.sql(f"{select} limit 0").to_arrow_table().schema
        batches = (batch for portion in portions for batch in read(*portion))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _is_in_order(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Return whether the valid rows of one large partition are already sorted by key, with each key only once.

        Many systems write their extracts in this order. Sorting many rows takes memory and time. A few rows are sorted
        as fast as they are compared.
        """
        if len(verdicts) != 1 or sum(verdict.accepted_rows for verdict in verdicts.values()) < SORTED_AT_ONCE:
            return False
        key = identifiers(self.contract.key)
        row = key if len(self.contract.key) == 1 else f"row({key})"
        unordered = self.db.execute(
            f"""select 1 from (
                select {row} <= lag({row}) over () as _is_unordered from typed
                where _status = 'row' and list_contains($partitions, _partition))
            where _is_unordered limit 1""",
            {"partitions": list(verdicts)},
        ).fetchall()
        return not unordered

    def _select_quarantined(self, partitions: Sequence[str]) -> pa.RecordBatchReader:
        """Return the quarantined rows of some partitions, with the name of each row's extract in `_file`."""
        self._register_file_names()
        reason = "concat_ws('; ', nullif(t._reason, ''), c._contradiction) as _reason"
        columns = f"t.* exclude (_rowid, _status, _text_bytes) replace ({AS_TEXT}, {reason}), _file"
        contradicting = "select id, _contradiction from contradictory join contradictions using (_key)"
        join = f"""left join file_names f on f._partition = t._partition and f._seq = t._seq
            left join ({contradicting}) c on c.id = t._rowid"""
        return self._read_ordered(columns, join, "quarantined", partitions, "_partition, _seq, _row")

    def _register_file_names(self) -> None:
        import pyarrow as pa

        names = [(p, extract.seq, extract.name) for p, entry in self.raw.items() for extract in listed_extracts(entry)]
        columns = list(zip(*names, strict=True)) or [(), (), ()]
        kinds = {"_partition": pa.string(), "_seq": pa.int64(), "_file": pa.string()}
        arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds.values(), strict=True)]
        self.db.register("file_names", pa.table(arrays, names=list(kinds)))
