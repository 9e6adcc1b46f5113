"""Share the reading of many new extracts between the runs of a cluster that scan the same source at the same time.

The scan that lists the extracts first would otherwise read all of them, while the runs of other machines wait for its
lock. Instead, each run reads groups of extracts that no other run reads, and stores what the ledger needs to know about
them: their readings. The scan then only numbers the extracts. It numbers them in the order of the listing, so the
number of runs changes no byte of the lake.

A reading is a cache. A scan itself reads an extract without a reading, such as one whose run was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sixtyforty.ingest.arrivals import Arrival, read_arrivals
from sixtyforty.ingest.extract import contract_hash
from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.new_arrivals import is_refusal_outdated
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import canonical_json, digest, write_atomic
from sixtyforty.storage.locks import LOCK_TIMEOUT, LockTimeoutError, exclusive_lock
from sixtyforty.storage.object_store import ObjectPath, StoragePath

GROUP_BYTES = 1 << 25  # a run reads about this many bytes of extracts, then looks which extracts are left
NO_WAIT = 0.001  # seconds; PostgreSQL's lock_timeout of 0 would wait without end

Group = Sequence[ListedFile]


@dataclass(frozen=True)
class SharedReadings:
    """The readings of a source's new extracts. They are stored in `folder` until the `ledger` lists the extracts."""

    folder: ObjectPath
    ledger: StoragePath
    use_case: DecisionChain
    source: str

    def groups(self, new_files: Iterable[ListedFile]) -> list[Group]:
        """Return the extracts in groups, in the order of the listing. Return no group if one run can read them soon."""
        groups, last, size = list[Group](), list[ListedFile](), 0
        for file in new_files:
            last, size = [*last, file], size + file.size
            if size >= GROUP_BYTES:
                groups, last, size = [*groups, last], [], 0
        groups += [last] if last else []
        return groups if len(groups) > 1 else []

    def read(
        self,
        groups: Sequence[Group],
        partitions: Collection[str],
        read_group: Callable[[Group], Iterable[Arrival]],
    ) -> None:
        """Read the groups that no other run reads, and wait until other runs have read the others.

        partitions: those that this run imports. It reads the extracts first whose names mention them, because it needs
        their lines later. read_group: returns the arrivals of the extracts that could be read.
        """
        left = sorted(groups, key=lambda group: not self._mentions(group, partitions))
        for timeout in (NO_WAIT, LOCK_TIMEOUT):
            left = [group for group in left if not self._read(group, read_group, timeout)]

    def load(self) -> dict[ListedFile, Arrival]:
        """Return the arrivals that runs have read under the present data contract, by listed file. Their `seq` is 0.

        A refused extract is left out if this run may read it, because it has more memory.
        """
        names = [name for name in self.folder.list_objects() if name.startswith(self._contract)]
        contents = self.folder.read_many(names).values()
        arrivals = [Arrival(**fields) for content in contents for fields in json.loads(content)]
        source = self.use_case.sources[self.source]
        return {a.listed_file: a for a in arrivals if not is_refusal_outdated(a, source, in_run=True)}

    def remove(self) -> None:
        """Delete all readings, because the ledger lists their extracts."""
        for name in self.folder.list_objects():
            (self.folder / name).unlink()

    def _read(self, group: Group, read_group: Callable[[Group], Iterable[Arrival]], timeout: float) -> bool:
        """Read a group and store its readings, unless it has some. Return False if another run reads it too long."""
        file = self.folder / f"{self._contract}-{digest(list(map(list, group)))}.json"
        try:
            with exclusive_lock(file.with_suffix(".lock"), f"read extracts of {self.source}", timeout):
                # A scan may have deleted the readings meanwhile. It wrote the ledger first.
                if not file.exists() and not self._is_listed(group):
                    readings = [vars(replace(arrival, seq=0)) for arrival in read_group(group)]
                    write_atomic(file, canonical_json(readings).encode())
        except LockTimeoutError:
            return False
        return True

    def _is_listed(self, group: Group) -> bool:
        """Return whether the ledger lists all extracts of a group, so that none of them must be read."""
        return {arrival.listed_file for arrival in read_arrivals(self.ledger)}.issuperset(group)

    def _mentions(self, group: Group, partitions: Collection[str]) -> bool:
        chain = self.use_case
        return any(not {*partitions}.isdisjoint(partitions_in_name(file.name, chain)) for file in group)

    @cached_property
    def _contract(self) -> str:
        """A hash of what a reading depends on besides the extract."""
        contract = self.use_case.sources[self.source]
        return digest(
            [contract.model_dump(mode="json"), self.use_case.timezone, self.use_case.limits, contract_hash(contract)]
        )


def open_shared_readings(ledger: StoragePath, use_case: DecisionChain, source: str) -> SharedReadings | None:
    """Return where runs share the reading of a source's new extracts; None if they don't share it.

    The extracts of a query are small, and a full extract depends on those before it. ledger: the source's ledger.
    """
    contract, folder = use_case.sources[source], ledger.with_suffix(".readings")
    if contract.query or contract.full or not isinstance(folder, ObjectPath):
        return None
    return SharedReadings(folder, ledger, use_case, source)
