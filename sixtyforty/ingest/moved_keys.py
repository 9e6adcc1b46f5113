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

from collections.abc import Iterable, Iterator, Mapping, Set
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

    from sixtyforty.ingest.key_index import Pairs

ROWS_PER_QUERY = 1 << 21
KEYS_PER_CHUNK = 1 << 18  # a look-up takes several times the memory of its keys


@dataclass(frozen=True)
class SharedKeys:
    """Finds the keys that occur in more than one partition of a source.

    db: a session of the lake.
    later: the partitions that the run validates after these. They need not be in the key index yet: when their turn
    comes, they are compared with all partitions that are.
    compared: the raw manifests of the compared partitions; empty until `type_landed` adds them. A compared partition
    isn't validated, but shares a key with a partition that is validated.
    """

    db: duckdb.DuckDBPyConnection
    use_case: DecisionChain
    source: str
    lake: Lake
    later: Set[str] = field(default=frozenset(), kw_only=True)
    compared: dict[str, Entry] = field(default_factory=dict)

    @cached_property
    def _contract(self) -> Source:
        return self.use_case.sources[self.source]

    def type_landed(self, requested: Mapping[str, Entry]) -> tuple[dict[str, Entry], bool]:
        """Create the table `typed` (see `casting`) from the raw rows of the partitions to validate.

        requested: the raw manifests of the partitions that the run validates. Partitions that share a key with one of
        them must be validated, too. Returns the raw manifests of all partitions to validate, and whether it is certain
        that no two rows of the table have the same key.

        The table also has rows of compared partitions (see SharedKeys), if `typed` has their key already.
        `set_compared_aside` marks these rows.
        """
        type_rows(self.db, self._contract, self._landed(requested), self._newest_full(requested))
        judged, keys_can_move = dict(requested), self._keys_can_move()
        sharing, has_repeats = self._index_typed(judged) if keys_can_move else (set(), self._have_repeats(judged))
        if keys_can_move:
            related = self._raw((sharing | self._sharing_before(requested)) - requested.keys())
            judged |= related
            if related:  # the partitions that share a key with a requested partition
                add_typed_rows(self.db, self._contract, self._landed(related), self._newest_full(related))
                sharing, _ = self._index_typed(related)
                has_repeats = True
                self.compared.update(self._raw(sharing - judged.keys()))
            if self.compared:
                add_typed_rows(self.db, self._contract, self._with_typed_keys(self._landed(self.compared)))
        landed = [*judged.values(), *self.compared.values()]
        prepare_repeated_keys(self.db, {e.seq: e.name for entry in landed for e in listed_extracts(entry)})
        has_own_keys = not self.compared and not has_repeats
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

    def _sharing_before(self, requested: Iterable[str]) -> set[str]:
        """Return the partitions that shared a key with a requested partition when it was validated last."""
        datasets = [f"{kind}/{self.source}" for kind in ("validated", "rejected")]
        judged = [entry for name in datasets for entry in self.lake.entries(name, requested).values()]
        return partitions_sharing_keys(judged)

    def _have_repeats(self, partitions: Iterable[str]) -> bool:
        """Return whether two rows of the table `typed` in these partitions have the same key."""
        keys = _SortedKeys(self._typed_keys(dict.fromkeys(partitions, 0)))
        for _ in keys:
            pass
        return keys.has_repeats

    def _index_typed(self, partitions: Iterable[str]) -> tuple[set[str], bool]:
        """Add the keys of some partitions of the table `typed` to the key index.

        Return all partitions that may hold one of these keys, and whether two rows of the given partitions have the
        same key. Other raw partitions that the index lacks are added first, unless the run validates them later.

        All processes that write to a lake in a folder share one index, so the index is complete unless its files were
        lost. Other machines write to an object store, too, so each partition's tag is compared with the indexed tag.
        """
        folder = (self.lake.cache or self.lake.scratch) / "keys" / self.source
        with exclusive_lock(folder / "index.lock", f"index the keys of {self.source}"):
            index, stamps = KeyIndex(folder, self._identity), self._stamps()
            partitions = list(partitions)
            own_turn = {*self.later, *partitions}
            missing = [p for p, stamp in stamps.items() if index.stamps.get(p) != stamp and p not in own_turn]
            for portion in split_by_rows(self._raw(missing), ROWS_PER_QUERY):
                rows = select_typed(self._contract, self._contract.key, self._landed(portion), ["_partition"])
                keys = _SortedKeys(self._keys(f"({rows})", index.number(portion)))
                index.add(keys, {p: stamps[p] for p in portion})
            keys = _SortedKeys(self._typed_keys(index.number(partitions)))
            return index.add(keys, {p: stamps.get(p, "") for p in partitions}), keys.has_repeats

    @property
    def _identity(self) -> str:
        import duckdb

        types = [self._contract.columns[column] for column in self._contract.key]
        forms = [self._contract.decimal, self._contract.thousands, self._contract.date_format]
        return digest([types, forms, duckdb.__version__])

    def _stamps(self) -> dict[str, str]:
        folder = self.lake.root / f"raw/{self.source}"
        if isinstance(folder, ObjectPath):
            files = {name: status.tag for name, status in folder.list_objects().items() if name.endswith(".json")}
            return {name.removesuffix(".json"): tag for name, tag in sorted(files.items())}
        return dict.fromkeys(self.lake.partitions(f"raw/{self.source}"), "")

    def _typed_keys(self, numbers: Mapping[str, int]) -> Iterator[Pairs]:
        return self._keys("typed", numbers)

    def _keys(self, rows: str, numbers: Mapping[str, int]) -> Iterator[Pairs]:
        """Yield the hash of each row's key and the number of its partition, sorted by both.

        rows: a table or subquery with typed keys. Rows of other partitions, and keys with a null, are left out.
        numbers: by partition.
        """
        listed = ", ".join(f"({literal(partition)}, {number}::uinteger)" for partition, number in numbers.items())
        reader = self.db.sql(  # columns of the source may have any name that doesn't start with an underscore
            f"""select {self._hash_sql} as _hash, _number from {rows}
            join (values {listed}) as numbers (_partition, _number) using (_partition)
            where {self._is_complete} order by 1, 2"""
        ).to_arrow_reader(KEYS_PER_CHUNK)
        for batch in reader:
            yield batch.column(0).to_numpy(), batch.column(1).to_numpy()

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


class _SortedKeys:
    """Iterates over sorted pairs of a key's hash and a number, each pair once. After that, `has_repeats` is set.

    has_repeats: whether a hash occurred twice, with one number or with two.
    """

    def __init__(self, pairs: Iterable[Pairs]) -> None:
        self._pairs, self.has_repeats = pairs, False

    def __iter__(self) -> Iterator[Pairs]:
        import numpy as np

        last: tuple[int, int] | None = None
        for hashes, numbers in self._pairs:
            if not len(hashes):
                continue
            is_same_hash = np.zeros(len(hashes), bool)
            is_same_hash[1:] = hashes[1:] == hashes[:-1]
            is_same_pair = is_same_hash.copy()
            is_same_pair[1:] &= numbers[1:] == numbers[:-1]
            if last is not None:
                is_same_hash[0] = hashes[0] == last[0]
                is_same_pair[0] = (int(hashes[0]), int(numbers[0])) == last
            self.has_repeats |= bool(is_same_hash.any())
            last = int(hashes[-1]), int(numbers[-1])
            yield hashes[~is_same_pair], numbers[~is_same_pair]
