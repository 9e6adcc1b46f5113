"""What the scans of a source remember of its listings, in one small file in the lake.

A sensor lists a big bucket in parts (see `bucket_listing`). Between two scans it must remember the position of the
current pass, and the listed files that the arrivals ledger doesn't hold: unfinished and unreadable ones. The ledger
knows all other files, so the memory stays small.
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
    """A file as it was listed. Two listings that are equal stand for the same bytes.

    size: bytes. mtime_ns: nanoseconds since 1970, 0 if unknown. tag: the content tag of its store, if it has one.
    """

    name: str
    size: int
    mtime_ns: int
    tag: str = ""


@dataclass
class ListingState:
    """What is remembered of the files of one glob.

    - files: by name.
    - position: the key up to which the current pass has come; "" if a new pass starts, None before the first listing.
    - last_key: the last key that was ever listed.
    - is_partial: whether a part is enough for this scan.
    """

    files: dict[str, ListedFile] = field(default_factory=dict)
    position: str | None = None
    last_key: str = ""
    is_partial: bool = False


RecallState = Callable[[], ListingState]  # returns what is remembered of one glob


class ListingMemory:
    """The listing states of one source, by glob, for the length of one scan.

    file: where they are stored between scans. known_files: the files of the arrivals ledger that are still present.
    Only locations that list in parts ask for a state; for the others, nothing is loaded or stored.
    """

    def __init__(self, file: StoragePath, known_files: Iterable[ListedFile], is_partial: bool) -> None:
        self._file, self._is_partial = file, is_partial
        self._known_iterable = known_files
        self._states: dict[str, ListingState] = {}

    @cached_property
    def _known_files(self) -> dict[str, ListedFile]:
        return {known.name: known for known in self._known_iterable}

    def state(self, pattern: str) -> ListingState:
        """Return the state of a source's file glob."""
        return self._open(pattern, self._known_files)

    def marker_state(self, pattern: str, ending: str) -> ListingState:
        """Return the state of the glob of marker files: the files of the ledger have theirs, named with an ending."""
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
        """Store the states for the next scan, if they changed.

        arrived_files: the files of the arrivals ledger after this scan. ending: that of the marker files.
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
