"""Why, in words, of each decision shown: worked out once, as a decision and what it was taken on don't change."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from sixtyforty.decisions.explanations import reasons
from sixtyforty.workspace import Workspace

MOST = 20_000  # decisions remembered


class Why:
    """What `reasons` said, for all who look: it has a model loaded each time it is asked."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], list[str]] = {}
        self._lock = Lock()

    def of(self, ws: Workspace, partition: str, track: str, decision_ids: Sequence[str]) -> dict[str, list[str]]:
        """For each of these decisions of a partition, up to a few sentences, the weightiest first."""
        name = ws.use_case.name
        with self._lock:
            if len(self._said) > MOST:
                self._said.clear()
            unsaid = [i for i in decision_ids if (name, i) not in self._said]
            if unsaid:
                found = reasons(ws, partition, track, unsaid)
                self._said |= {(name, i): said for i, said in found.items()}
            return {i: self._said.get((name, i), []) for i in decision_ids}
