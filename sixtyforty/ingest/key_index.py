"""An index of a source's keys: the partitions in which the hash of each key has occurred.

A look-up returns the partitions that may hold some keys, in a time that grows with the number of these keys. The index
may name a partition that no longer holds the key, or that holds another key with the same hash. It never leaves out a
partition that holds the key. So the caller must compare the rows of the named partitions. Partitions that are added
together are an exception: see `add`.

The index is a list of sorted runs. A run is a pair of NumPy files: hashes, and the number of the partition of each
hash. New pairs become a new run. Runs of similar length are merged up to LONGEST_MERGED_RUN pairs, so that the index
has few runs. The index can be rebuilt from the raw rows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.files import access_errors, unfinished_file, write_atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]
    Numbers = npt.NDArray[np.uint32]

LONGEST_MERGED_RUN = 1 << 22  # runs with more pairs are not merged, so that a merge takes little memory
HASHES_AT_ONCE = 1 << 18  # the hashes of one look-up, which takes several times the memory of the hashes
STATE = "index.json"


@dataclass(frozen=True)
class Run:
    """One sorted part of the key index: pairs of a key's hash and a partition's number, sorted by hash.

    name: the start of the names of the run's files.
    """

    name: str
    hashes: Hashes
    numbers: Numbers


class KeyIndex:
    """The index of the keys of one source.

    folder: where the index is stored; None: it is only in memory. Only one process may use it at a time.
    identity: a text that changes when hashes change, such as the types of the key. An index of another identity is not
    used.
    """

    def __init__(self, folder: Path | None, identity: str) -> None:
        self._folder, self._identity = folder, identity
        self._runs: list[Run] = []
        self.stamps: dict[str, str] = {}  # the stamp passed to `add`, by partition, in the order of their numbers
        state = self._read_state()
        if state.get("identity") == identity:
            self.stamps = state["stamps"]
            self._runs = [self._load_run(name) for name in state["runs"]]

    def _read_state(self) -> dict[str, Any]:
        if self._folder is None:
            return {}
        try:
            state: dict[str, Any] = json.loads((self._folder / STATE).read_bytes())
        except FileNotFoundError:
            return {}
        return state

    def _load_run(self, name: str) -> Run:
        import numpy as np

        assert self._folder is not None
        hashes, numbers = (np.load(self._folder / f"{name}.{part}.npy", mmap_mode="r") for part in ("keys", "places"))
        return Run(name, hashes, numbers)

    def add(self, hashes: Mapping[str, Hashes], stamps: Mapping[str, str]) -> set[str]:
        """Add the key hashes of partitions to the index. Return all partitions that had one of these hashes before.

        hashes: by partition. A hash may occur several times. stamps: by partition, the tag of the added version, which
        the index stores; empty if versions have no tags. The returned partitions may include those of `hashes`, if
        they had the keys before. Partitions that are added together are not compared with one another.
        """
        import numpy as np

        is_changed = any(self.stamps.get(partition) != stamp for partition, stamp in stamps.items())
        self.stamps |= stamps
        numbers = {partition: number for number, partition in enumerate(self.stamps)}
        pairs: list[tuple[Hashes, Numbers]] = []
        earlier: set[str] = set()
        for partition, keys in hashes.items():
            distinct = _sorted_distinct(keys)
            positions, known = self._find(distinct)
            earlier |= self._names(known)
            is_new = np.ones(len(distinct), bool)
            is_new[positions[known == numbers[partition]]] = False
            pairs.append((distinct[is_new], np.full(is_new.sum(), numbers[partition], "uint32")))
        if any(len(keys) for keys, _ in pairs):
            self._append(_sorted_run(pairs))
            is_changed = True
        if is_changed:
            self._save()
        return earlier

    def _names(self, numbers: Numbers) -> set[str]:
        import numpy as np

        partitions = list(self.stamps)
        return {partitions[number] for number in np.flatnonzero(np.bincount(numbers)).tolist()}

    def _find(self, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Numbers]:
        """Look up hashes in the key index. Return, per match, its position in `hashes` and the partition's number.

        hashes: sorted, each of them once.
        """
        import numpy as np

        positions, numbers = [np.empty(0, "intp")], [np.empty(0, "uint32")]
        for run in self._runs:
            if np.array_equal(run.hashes, hashes):  # a partition that the index read from its raw rows before
                positions.append(np.arange(len(hashes)))
                numbers.append(run.numbers)
                continue
            for start in range(0, len(hashes), HASHES_AT_ONCE):
                hits, run_numbers = _find_in_run(run, hashes[start : start + HASHES_AT_ONCE])
                positions.append(start + hits)
                numbers.append(run_numbers)
        return np.concatenate(positions), np.concatenate(numbers)

    def _append(self, run: Run) -> None:
        """Add a run to the key index. Merge it with the runs that were added last, unless these are much larger."""
        pending = [run]
        while self._runs:
            length, last = sum(len(each.hashes) for each in pending), len(self._runs[-1].hashes)
            if last > 2 * length or last + length > LONGEST_MERGED_RUN:
                break
            pending.append(self._runs.pop())
        self._runs.append(run if len(pending) == 1 else _sorted_run([(each.hashes, each.numbers) for each in pending]))

    def _save(self) -> None:
        """Write new files of the key index, then their list, then delete old files. A kill leaves the index valid."""
        if self._folder is None:
            return
        for run in self._runs:
            for part, values in (("keys", run.hashes), ("places", run.numbers)):
                file = self._folder / f"{run.name}.{part}.npy"
                if not file.exists():
                    _write_array(file, values)
        names = [run.name for run in self._runs]
        state = {"identity": self._identity, "stamps": self.stamps, "runs": names}
        write_atomic(self._folder / STATE, json.dumps(state, separators=(",", ":")).encode())
        for file in self._folder.glob("*.npy"):
            if file.name.split(".")[0] not in names:
                file.unlink(missing_ok=True)


def _find_in_run(run: Run, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Numbers]:
    """Look up hashes in a run of the key index. Return the positions of the matches, and the partitions' numbers."""
    import numpy as np

    first = np.searchsorted(run.hashes, hashes, "left")
    hits = np.flatnonzero(run.hashes[np.minimum(first, len(run.hashes) - 1)] == hashes)
    counts = np.searchsorted(run.hashes, hashes[hits], "right") - first[hits]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return np.repeat(hits, counts), run.numbers[np.repeat(first[hits], counts) + within]


def _sorted_distinct(hashes: Hashes) -> Hashes:
    """Return the distinct hashes, sorted, ten times as fast as numpy.unique for a million hashes."""
    import numpy as np

    ordered = np.sort(hashes)
    is_first = np.ones(len(ordered), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first]


def _sorted_run(pairs: list[tuple[Hashes, Numbers]]) -> Run:
    """Combine lists of pairs into one run of the key index. Each list is sorted by hash, and so is the run."""
    import numpy as np

    if len(pairs) == 1:
        return Run(secrets.token_hex(8), *pairs[0])
    hashes, numbers = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    order = np.argsort(hashes, kind="stable")
    return Run(secrets.token_hex(8), hashes[order], numbers[order])


def _write_array(file: Path, values: npt.NDArray[Any]) -> None:
    """Write a NumPy file atomically. Its bytes are not collected in memory first."""
    import numpy as np

    with access_errors(file), unfinished_file(file.parent) as unfinished:
        np.save(unfinished, values)
        unfinished.publish(file)
