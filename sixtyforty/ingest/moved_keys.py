"""Find keys that moved: rows with one key may land in several partitions, but only one may publish the key.

A later extract may correct the date of a row, which then lands in another partition. The earlier row is superseded in
the partition where it landed. So partitions that share a key are validated together, whichever of them has changed.

| word | meaning |
|---|---|
| requested | the partitions that a run validates |
| related | partitions that share a key with a requested one, now or at its last validation; they are validated, too |
| compared | partitions that share a key with a related one; their rows are read, but they keep their version |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import cleaned_columns_sql
from sixtyforty.ingest.contract_rows import select_landed_rows
from sixtyforty.ingest.exact_casts import cast_sql
from sixtyforty.ingest.key_index import KeyIndex
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.manifests import Entry, split_by_rows
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.storage.restatement import partitions_sharing_keys
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb

    from sixtyforty.ingest.key_index import Hashes

ROWS_PER_QUERY = 1 << 21


@dataclass(frozen=True)
class SharedKeys:
    """Finds the keys that occur in more than one partition of a source.

    db: a session of the lake. compared: the raw manifests of compared partitions, after `load_landed`.
    """

    db: duckdb.DuckDBPyConnection
    use_case: DecisionChain
    source: str
    lake: Lake
    compared: dict[str, Entry] = field(default_factory=dict)

    @cached_property
    def _contract(self) -> Source:
        return self.use_case.sources[self.source]

    def load_landed(self, requested: Mapping[str, Entry]) -> dict[str, Entry]:
        """Load the raw rows to validate as the view `landed`, and return the raw manifests of their partitions.

        requested: the raw manifests of the requested partitions. They are returned with those of related partitions.
        The view also has the rows of compared partitions with a key of a related one; `set_compared_aside` marks them.
        """
        judged = dict(requested)
        if self._keys_can_move():
            related = self._raw(self._find_related(requested) - requested.keys())
            judged |= related
            if related:  # all partitions that share a key with a requested one are related
                self.compared.update(self._raw(self._partitions_with_keys_of(related) - judged.keys()))
        rows = select_landed_rows(self.lake, self._contract, judged.values())
        if self.compared:
            others = select_landed_rows(self.lake, self._contract, self.compared.values())
            rows = f"(from {rows} union all by name {self._with_keys_of(others, rows)})"
        self.db.execute(f"create or replace temp view landed as select * from {rows}")
        return judged

    def set_compared_aside(self, judged: Mapping[str, Entry]) -> dict[str, list[str]]:
        """Mark the rows that are only compared, not validated, as `compared`. Return which partitions share keys.

        The rows are in the table `typed`. judged: the partitions that are validated, as `load_landed` returned them.
        Returns, for each judged or compared partition, the other partitions with a row of the same key; a partition
        without such a row is absent. One partition holds the current row of a key, and its rows in all other partitions
        are superseded, so these rows show which keys are shared.
        """
        if len(judged) + len(self.compared) < 2:  # most days share no key
            return {}
        pairs = self.db.execute(
            f"""with pairs as (
                select distinct l._partition as one, r._partition as other
                from typed l join typed r using ({identifiers(self._contract.key)})
                where l._status = 'superseded' and r._reason is null and l._partition <> r._partition)
            select one, other from pairs union select other, one from pairs order by all"""
        ).fetchall()
        if self.compared:
            listed = ", ".join(map(literal, self.compared))
            self.db.execute(f"update typed set _status = 'compared' where _partition in ({listed})")
        shared: dict[str, list[str]] = {}
        for one, other in pairs:
            shared.setdefault(one, []).append(other)
        return shared

    def _keys_can_move(self) -> bool:
        """Return whether rows with one key can be in several partitions: the key doesn't determine the partition."""
        import duckdb

        if not self._contract.partition:
            return False
        key = ", ".join(f"null::{self._contract.columns[c]} as {identifier(c)}" for c in self._contract.key)
        try:
            self.db.execute(
                f"explain select {self.use_case.partition_sql(self._contract.partition)} from (select {key})"
            )
        except duckdb.BinderException:  # the expression reads a column outside the key
            return True
        return False

    def _raw(self, partitions: Iterable[str]) -> dict[str, Entry]:
        return self.lake.entries(f"raw/{self.source}", sorted(partitions))

    def _find_related(self, requested: Mapping[str, Entry]) -> set[str]:
        datasets = [f"{kind}/{self.source}" for kind in ("validated", "rejected")]
        judged = [entry for name in datasets for entry in self.lake.entries(name, requested).values()]
        return self._partitions_with_keys_of(requested) | partitions_sharing_keys(judged)

    def _partitions_with_keys_of(self, entries: Mapping[str, Entry]) -> set[str]:
        """Update the key index. Return the partitions that may share a key with some raw partitions."""
        hashes = self._read_hashes(entries)
        if self.lake.cache is None:
            return self._update(KeyIndex(None, self._identity), hashes)
        folder = self.lake.cache / "keys" / self.source
        with exclusive_lock(folder / "index.lock", f"index the keys of {self.source}"):
            return self._update(KeyIndex(folder, self._identity), hashes)

    @property
    def _identity(self) -> str:
        import duckdb

        types = [self._contract.columns[column] for column in self._contract.key]
        forms = [self._contract.decimal, self._contract.thousands, self._contract.date_format]
        return digest([types, forms, duckdb.__version__])

    def _update(self, index: KeyIndex, hashes: Mapping[str, Hashes]) -> set[str]:
        """Add the key hashes of partitions to the index, and return the partitions that had one of the hashes before.

        The hashes of all other raw partitions that the index lacks are added first.

        The index of a folder is shared by all processes that write to the folder, so it lacks only what was lost. An
        object store has other writers, too, so each partition's tag is compared.
        """
        stamps = self._stamps()
        missing = [p for p, stamp in stamps.items() if index.stamps.get(p) != stamp and p not in hashes]
        for portion in split_by_rows(self._raw(missing), ROWS_PER_QUERY):
            index.add(self._read_hashes(portion), {p: stamps[p] for p in portion})
        return index.add(hashes, {p: stamps.get(p, "") for p in hashes})

    def _stamps(self) -> dict[str, str]:
        folder = self.lake.root / f"raw/{self.source}"
        if isinstance(folder, ObjectPath):
            files = {name: status.tag for name, status in folder.list_objects().items() if name.endswith(".json")}
            return {name.removesuffix(".json"): tag for name, tag in sorted(files.items())}
        return dict.fromkeys(self.lake.partitions(f"raw/{self.source}"), "")

    def _read_hashes(self, entries: Mapping[str, Entry]) -> dict[str, Hashes]:
        """Return the hashes of the keys in some raw partitions, by partition. Keys with a null are left out."""
        import numpy as np

        hashes: dict[str, Hashes] = {}
        for portion in split_by_rows(entries, ROWS_PER_QUERY):
            rows = select_landed_rows(self.lake, self._contract, portion.values())
            numbers = " ".join(f"when {literal(p)} then {n}" for n, p in enumerate(portion))
            keys = self.db.execute(
                f"select (case _partition {numbers} end)::uinteger as number, {self._hash_sql} as hash"
                f" from {self._cleaned(rows)} where {self._is_complete} order by number"
            ).fetchnumpy()
            ends = np.searchsorted(keys["number"], np.arange(len(portion)), "right")
            hashes |= zip(portion, np.split(np.asarray(keys["hash"]), ends[:-1]), strict=True)
        return hashes

    def _with_keys_of(self, rows: str, others: str) -> str:
        """Return a SQL query for the rows whose key has the hash of a key in `others`. rows, others: subqueries."""
        hashes = f"select {self._hash_sql} from {self._cleaned(others)} where {self._is_complete}"
        keyed = f"(select *, {self._hash_sql} as _hash from {self._cleaned(rows)})"
        rows_and_lines = "_row, _seq, _extract, _partition"
        return (
            f"select r.* from {rows} r semi join (select {rows_and_lines} from {keyed} where _hash in ({hashes})) k"
            f" using ({rows_and_lines})"
        )

    def _cleaned(self, rows: str) -> str:
        key = cleaned_columns_sql(self._contract, self._contract.key)
        return f"(select {key}, _row, _seq, _extract, _partition from {rows})"

    @property
    def _casts(self) -> list[str]:
        return [cast_sql(identifier(c), self._contract.columns[c]) for c in self._contract.key]

    @property
    def _hash_sql(self) -> str:
        return f"hash({', '.join(self._casts)})"

    @property
    def _is_complete(self) -> str:
        return " and ".join(f"{cast} is not null" for cast in self._casts)
