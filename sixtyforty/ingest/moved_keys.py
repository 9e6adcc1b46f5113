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

from sixtyforty.ingest.casting import add_typed_rows, select_typed, type_rows
from sixtyforty.ingest.contract_rows import select_landed_rows
from sixtyforty.ingest.key_index import KeyIndex
from sixtyforty.ingest.repeated_keys import mark_repeated_keys, prepare_repeated_keys
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import listed_extracts
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

    db: a session of the lake.
    compared: the raw manifests of the compared partitions; empty until `type_landed` adds them. A compared partition
    isn't validated, but shares a key with a partition that is validated.
    """

    db: duckdb.DuckDBPyConnection
    use_case: DecisionChain
    source: str
    lake: Lake
    compared: dict[str, Entry] = field(default_factory=dict)

    @cached_property
    def _contract(self) -> Source:
        return self.use_case.sources[self.source]

    def type_landed(self, requested: Mapping[str, Entry]) -> tuple[dict[str, Entry], bool]:
        """Create the table `typed` (see `casting`) from the raw rows of the partitions to validate.

        requested: the raw manifests of the partitions that the run validates. Partitions that share a key with one of
        them must be validated, too. Returns the raw manifests of all partitions to validate, and whether no two rows
        of the table have the same key.

        The table also has rows of compared partitions (see SharedKeys), if `typed` has their key already.
        `set_compared_aside` marks these rows.
        """
        type_rows(self.db, self._contract, self._landed(requested), self._newest_full(requested))
        judged, hashes = dict(requested), self._typed_hashes(requested)
        if self._keys_can_move():
            related = self._raw(self._find_related(requested, hashes) - requested.keys())
            judged |= related
            if related:  # the partitions that share a key with a requested partition
                add_typed_rows(self.db, self._contract, self._landed(related), self._newest_full(related))
                hashes |= self._typed_hashes(related)
                others = self._partitions_with_keys_of({p: hashes[p] for p in related}) - judged.keys()
                self.compared.update(self._raw(others))
            if self.compared:
                add_typed_rows(self.db, self._contract, self._with_typed_keys(self._landed(self.compared)))
        landed = [*judged.values(), *self.compared.values()]
        prepare_repeated_keys(self.db, {e.seq: e.name for entry in landed for e in listed_extracts(entry)})
        has_own_keys = not self.compared and not _has_repeats(hashes.values())
        if not has_own_keys:
            mark_repeated_keys(self.db, self._contract)
        return judged, has_own_keys

    def set_compared_aside(self, judged: Mapping[str, Entry]) -> dict[str, list[str]]:
        """Give rows of compared partitions the status `compared`. Return which partitions share keys.

        judged: the partitions that are validated, as `type_landed` returned them. Returns, for each judged or compared
        partition, the other partitions with a row of the same key; a partition without such a row is absent. Its
        superseded and contradictory rows show which keys are shared.
        """
        if len(judged) + len(self.compared) < 2:  # most partitions share no key
            return {}
        key = identifiers(self._contract.key)
        pairs = self.db.execute(
            f"""with losing as (
                select distinct {key}, _partition from typed
                where _status = 'superseded' or rowid in (select id from contradictory)),
            sound as (
                select distinct {key}, _partition from typed semi join losing using ({key}) where _reason is null),
            pairs as (
                select distinct l._partition as one, r._partition as other
                from losing l join sound r using ({key}) where l._partition <> r._partition)
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
        """Return whether two partitions can have rows with the same key. False if the key determines the partition."""
        import duckdb

        if not self._contract.partition:
            return False
        key = ", ".join(f"null::{self._contract.columns[c]} as {identifier(c)}" for c in self._contract.key)
        try:
            self.db.execute(
                f"explain select {self.use_case.partition_sql(self._contract.partition)} from (select {key})"
            )
        except duckdb.BinderException:  # the partition's SQL reads a column that is not in the key
            return True
        return False

    def _raw(self, partitions: Iterable[str]) -> dict[str, Entry]:
        return self.lake.entries(f"raw/{self.source}", sorted(partitions))

    def _landed(self, entries: Mapping[str, Entry]) -> str:
        return select_landed_rows(self.lake, self._contract, entries.values())

    def _newest_full(self, raw: Mapping[str, Entry]) -> dict[str, int]:
        """Return the arrival number of each partition's newest readable extract; nothing if extracts aren't `full`."""
        if not self._contract.full:
            return {}
        return {p: max((e.seq for e in listed_extracts(raw[p]) if not e.problem), default=0) for p in raw}

    def _find_related(self, requested: Mapping[str, Entry], hashes: Mapping[str, Hashes]) -> set[str]:
        datasets = [f"{kind}/{self.source}" for kind in ("validated", "rejected")]
        judged = [entry for name in datasets for entry in self.lake.entries(name, requested).values()]
        return self._partitions_with_keys_of(hashes) | partitions_sharing_keys(judged)

    def _partitions_with_keys_of(self, hashes: Mapping[str, Hashes]) -> set[str]:
        """Add the keys of some raw partitions to the key index. Return all partitions that may hold one of these keys.

        hashes: the hashes of the keys, by raw partition.
        """
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

        All processes that write to a lake in a folder share one index, so the index is complete unless its files were
        lost. Other machines write to an object store, too, so each partition's tag is compared with the indexed tag.
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
        hashes: dict[str, Hashes] = {}
        for portion in split_by_rows(entries, ROWS_PER_QUERY):
            typed = select_typed(self._contract, self._contract.key, self._landed(portion), ["_partition"])
            hashes |= self._hashes(f"({typed})", portion)
        return hashes

    def _typed_hashes(self, partitions: Iterable[str]) -> dict[str, Hashes]:
        """Return the hashes of the keys in some partitions of the table `typed`. Keys with a null are left out."""
        return self._hashes("typed", partitions)

    def _hashes(self, rows: str, partitions: Iterable[str]) -> dict[str, Hashes]:
        """Return the hashes of the keys in some partitions, except keys with a null. rows: a table with typed keys."""
        import numpy as np

        numbers = {partition: number for number, partition in enumerate(partitions)}
        query = f"from {rows} where {self._is_complete} and _partition in ({', '.join(map(literal, numbers))})"
        if len(numbers) == 1:  # a large partition would need much memory for a second column
            hashes = self.db.execute(f"select {self._hash_sql} as hash {query}").fetchnumpy()["hash"]
            return dict.fromkeys(numbers, np.asarray(hashes))
        cases = " ".join(f"when {literal(partition)} then {number}" for partition, number in numbers.items())
        keys = self.db.execute(
            f"select {self._hash_sql} as hash, (case _partition {cases} end)::uinteger as number {query}"
        ).fetchnumpy()
        order = np.argsort(keys["number"], kind="stable")
        ends = np.searchsorted(np.asarray(keys["number"])[order], np.arange(len(numbers)), "right")
        return dict(zip(numbers, np.split(np.asarray(keys["hash"])[order], ends[:-1]), strict=True))

    def _with_typed_keys(self, rows: str) -> str:
        """Return a SQL subquery for those raw rows whose key's hash occurs in the table `typed`. rows: a subquery."""
        line = ("_row", "_seq", "_extract", "_partition")
        typed = select_typed(self._contract, self._contract.key, rows, line)
        hashes = f"select {self._hash_sql} from typed where {self._is_complete}"
        lines = f"select {identifiers(line)} from ({typed}) where {self._hash_sql} in ({hashes})"
        return f"(select r.* from {rows} r semi join ({lines}) k using ({identifiers(line)}))"

    @property
    def _hash_sql(self) -> str:
        return f"hash({identifiers(self._contract.key)})"

    @property
    def _is_complete(self) -> str:
        return " and ".join(f"{identifier(column)} is not null" for column in self._contract.key)


def _has_repeats(hashes: Iterable[Hashes]) -> bool:
    """Return whether any hash occurs twice, in one array or in two."""
    import numpy as np

    ordered = np.sort(np.concatenate(list(hashes)))
    return bool((ordered[1:] == ordered[:-1]).any())
