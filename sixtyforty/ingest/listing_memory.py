"""The listing memory of a source: which files a scan has listed in a bucket, stored in the lake for the next scan.

A sensor lists a big bucket in parts (see `bucket_listing`). Between two scans, it must store the position of the
current pass, and the listed files that are not in the arrivals ledger, such as unfinished and unreadable files. All
other files are in the ledger, so the file of this memory stays small.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.object_store import StoragePath


class ListedFile(NamedTuple):
    """A file as a listing describes it. If two listings of a file are equal, the bytes of the file are the same.

    name: the path relative to the location.
    size: the number of bytes.
    mtime_ns: the modification time in nanoseconds since 1970; 0 if unknown.
    tag: the content tag (ETag) of the file in its object store, if the store has tags.
    """

    name: str
    size: int
    mtime_ns: int
    tag: str = ""

    @property
    def is_dated(self) -> bool:
        """Whether the listing has a time or a tag, which shows when the file's content changes.

        A file system that lists neither times nor tags doesn't show changes, so its files must be read in each scan.
        """
        return bool(self.mtime_ns or self.tag)


@dataclass
class ListingState:
    """How far a location was listed for one glob, and which files that match the glob are known.

    - files: the known files by name.
    - position: the last key that the current pass has listed; "" if a new pass starts, None before the first listing.
    - last_key: of all keys ever listed, the key that sorts last.
    - is_partial: whether this scan may list only a part of the bucket.
    """

    files: dict[str, ListedFile] = field(default_factory=dict)
    position: str | None = None
    last_key: str = ""
    is_partial: bool = False


RecallState = Callable[[], ListingState]  # a function that returns the stored state of one glob


class ListingMemory:
    """Loads and stores, for one scan, the listing states of one source: one state for each glob.

    file: the file that stores the states between scans.
    known_files: the files in the arrivals ledger that the previous scan found.
    is_partial: whether this scan may list only a part of a bucket. Only locations that list in parts use a state. For
    other locations, nothing is loaded or stored.
    """

    def __init__(self, file: StoragePath, known_files: Iterable[ListedFile], is_partial: bool) -> None:
        self._file, self._is_partial = file, is_partial
        self._known_iterable = known_files
        self._states: dict[str, ListingState] = {}

    @cached_property
    def _known_files(self) -> dict[str, ListedFile]:
        return {known.name: known for known in self._known_iterable}

    def state(self, pattern: str) -> ListingState:
        """Return the listing state that earlier scans stored for the source's extracts. pattern: the extracts' glob."""
        return self._open(pattern, self._known_files)

    def marker_state(self, pattern: str, ending: str) -> ListingState:
        """Return the listing state for marker files, such as `x.csv.done`. A marker shows that an extract is finished.

        pattern: the glob that the names of the markers match.
        ending: added to the name of an extract to name its marker. Each extract in the ledger has a marker.
        """
        markers = (ListedFile(name + ending, 0, 0) for name in self._known_files)
        return self._open(pattern, {marker.name: marker for marker in markers})

    def _open(self, pattern: str, known_files: dict[str, ListedFile]) -> ListingState:
        stored = self._stored.get(pattern, {})
        unsettled = [ListedFile(*listed) for listed in stored.get("files", [])]
        self._states[pattern] = ListingState(
            files=known_files | {listed.name: listed for listed in unsettled},
            position=stored.get("position"),
            last_key=stored.get("last_key", ""),
            is_partial=self._is_partial,
        )
        return self._states[pattern]

    def save(self, arrived_files: Iterable[ListedFile], ending: str = "") -> None:
        """Store the listing states for the next scan, if they changed.

        arrived_files: the files in the arrivals ledger after this scan. These files and their markers are not stored.
        ending: the ending of the names of marker files.
        """
        if not self._states:
            return
        arrived = set(arrived_files)
        markers = {listed.name + ending for listed in arrived} if ending else set()
        content = {
            pattern: {
                "position": state.position,
                "last_key": state.last_key,
                "files": sorted(f for f in state.files.values() if f not in arrived and f.name not in markers),
            }
            for pattern, state in self._states.items()
        }
        if canonical_json(content) != canonical_json(self._stored):
            write_atomic(self._file, canonical_json(content).encode())

    @cached_property
    def _stored(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_bytes()))
        except FileNotFoundError:
            return {}
