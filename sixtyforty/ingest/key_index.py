"""An index of a source's keys: the partitions in which the hash of each key has occurred.

A look-up returns the partitions that may hold some keys, in a time that grows with the number of these keys. The index
may name a partition that no longer holds the key, or that holds another key with the same hash. It never leaves out a
partition that holds the key. So the caller must compare the rows of the named partitions. Partitions that are added
together are an exception: see `add`.

The index is a list of sorted runs. A run is a pair of NumPy files: hashes, and the number of the partition of each
hash. New pairs become new runs of at most LONGEST_RUN pairs, and short runs are merged, so that the index has few runs.
Hashes are added and looked up in chunks, so any number of keys takes bounded memory. The index can be rebuilt from the
raw rows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.files import access_errors, unfinished_file, write_atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]
    Numbers = npt.NDArray[np.uint32]
    Pairs = tuple[Hashes, Numbers]

LONGEST_RUN = 1 << 22  # pairs, so that a run that is built or merged takes little memory
STATE = "index.json"


@dataclass(frozen=True)
class Run:
    """One sorted part of the key index: pairs of a key's hash and a partition's number, sorted by hash.

    folder, name: the folder of the run's files, and the start of their names. length: the number of pairs.
    """

    folder: Path
    name: str
    length: int

    def read_hashes(self) -> Hashes:
        """Return the hashes of the pairs. Only the pages that are read take memory, until the array is released."""
        return self._read("keys")

    def read_numbers(self) -> Numbers:
        """Return the numbers of the pairs' partitions, in the order of the hashes."""
        return self._read("places")

    def _read(self, part: str) -> npt.NDArray[Any]:
        import numpy as np

        array: npt.NDArray[Any] = np.load(self.folder / f"{self.name}.{part}.npy", mmap_mode="r")
        return array


class KeyIndex:
    """The index of the keys of one source.

    folder: where the index is stored. Only one process may use it at a time.
    identity: a text that changes when hashes change, such as the types of the key. An index of another identity is not
    used.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity
        self._runs: list[Run] = []
        self.stamps: dict[str, str] = {}  # the stamp passed to `add`, by partition, in the order of their numbers
        state = self._read_state()
        if state.get("identity") == identity:
            self.stamps = state["stamps"]
            self._runs = [self._open_run(name) for name in state["runs"]]

    def _read_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self._folder / STATE).read_bytes())
        except FileNotFoundError:
            return {}
        return state

    def _open_run(self, name: str) -> Run:
        return Run(self._folder, name, len(Run(self._folder, name, 0).read_hashes()))

    def number(self, partitions: Iterable[str]) -> dict[str, int]:
        """Return the number that each of these partitions has in the pairs for `add`, whether it was added before."""
        numbers = {partition: number for number, partition in enumerate(self.stamps)}
        return {partition: numbers.setdefault(partition, len(numbers)) for partition in partitions}

    def add(self, pairs: Iterable[Pairs], stamps: Mapping[str, str]) -> set[str]:
        """Add pairs of a key's hash and a partition. Return all partitions that had one of these hashes before.

        pairs: in chunks, together sorted by hash and number, each pair once. The numbers are those of `number`, called
        with the partitions of `stamps` in the same order.
        stamps: by partition, the tag of the added version; empty if versions have no tags. The index stores them.
        The returned partitions may include those of `stamps`, if they had the keys before. Partitions that are added
        together are not compared with one another.
        """
        import numpy as np

        is_changed = any(self.stamps.get(partition) != stamp for partition, stamp in stamps.items())
        self.stamps |= stamps
        earlier = np.zeros(len(self.stamps), bool)
        added: list[Run] = []
        pending: list[Pairs] = []
        for hashes, numbers in pairs:
            positions, known = self._find(hashes)
            earlier[known] = True
            # A chunk holds a hash once for each of its partitions, so a match of the pair itself has its own number.
            is_new = np.ones(len(hashes), bool)
            is_new[positions[known == numbers[positions]]] = False
            pending.append((hashes[is_new], numbers[is_new]))
            if sum(len(new) for new, _ in pending) >= LONGEST_RUN:
                added.append(self._store_run(pending))
                pending = []
        self._runs = [*added, *self._runs]
        has_rest = any(len(new) for new, _ in pending)
        if has_rest:
            self._append(pending)
        if is_changed or added or has_rest:
            self._save()
        partitions = list(self.stamps)
        return {partitions[number] for number in np.flatnonzero(earlier).tolist()}

    def _find(self, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Numbers]:
        """Look up hashes in the key index. Return, per match, its position in `hashes` and the partition's number.

        hashes: sorted.
        """
        import numpy as np

        positions, numbers = [np.empty(0, "intp")], [np.empty(0, "uint32")]
        for run in self._runs if len(hashes) else []:
            hits, run_numbers = _find_in_run(run, hashes)
            positions.append(hits)
            numbers.append(run_numbers)
        return np.concatenate(positions), np.concatenate(numbers)

    def _append(self, pairs: list[Pairs]) -> None:
        """Add a run to the key index. Merge it with the runs that were added last, unless these are much larger.

        pairs: chunks, together sorted by hash.
        """
        length, merged = sum(len(hashes) for hashes, _ in pairs), list[Run]()
        while self._runs and self._runs[-1].length <= min(2 * length, LONGEST_RUN - length):
            merged.append(self._runs.pop())
            length += merged[-1].length
        self._runs.append(self._store_run([*pairs, *((run.read_hashes(), run.read_numbers()) for run in merged)]))

    def _store_run(self, pairs: list[Pairs]) -> Run:
        """Write the files of a new run. The index doesn't name them before `_save`. pairs: lists sorted by hash."""
        import numpy as np

        hashes, numbers = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        order = np.argsort(hashes, kind="stable")
        run = Run(self._folder, secrets.token_hex(8), len(hashes))
        for part, values in (("keys", hashes[order]), ("places", numbers[order])):
            _write_array(self._folder / f"{run.name}.{part}.npy", values)
        return run

    def _save(self) -> None:
        """Write the list of the runs, then delete old files. A kill leaves the index valid."""
        names = [run.name for run in self._runs]
        state = {"identity": self._identity, "stamps": self.stamps, "runs": names}
        write_atomic(self._folder / STATE, json.dumps(state, separators=(",", ":")).encode())
        for file in self._folder.glob("*.npy"):
            if file.name.split(".")[0] not in names:
                file.unlink(missing_ok=True)


def _find_in_run(run: Run, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Numbers]:
    """Look up hashes in a run of the key index. Return the positions of the matches, and the partitions' numbers."""
    import numpy as np

    known = run.read_hashes()
    start, end = np.searchsorted(known, hashes[[0, -1]], "left")
    end += np.searchsorted(known[end:], hashes[-1], "right")
    known = known[start:end]
    if not len(known):
        return np.empty(0, "intp"), np.empty(0, "uint32")
    first = np.searchsorted(known, hashes, "left")
    hits = np.flatnonzero(known[np.minimum(first, len(known) - 1)] == hashes)
    counts = np.searchsorted(known, hashes[hits], "right") - first[hits]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return np.repeat(hits, counts), run.read_numbers()[start:end][np.repeat(first[hits], counts) + within]


def _write_array(file: Path, values: npt.NDArray[Any]) -> None:
    """Write a NumPy file atomically. Its bytes are not collected in memory first."""
    import numpy as np

    with access_errors(file), unfinished_file(file.parent) as unfinished:
        np.save(unfinished, values)
        unfinished.publish(file)
