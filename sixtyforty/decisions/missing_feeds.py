"""Find the feeds that a partition's decisions had to do without, although the decisions before knew these feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.entry_versions import entry_at_version
from sixtyforty.spec.track import Track
from sixtyforty.workspace import Workspace

COMPARED_PARTITIONS = 3  # earlier partitions with decisions that show which feeds usually come in time


@dataclass(frozen=True)
class MissingFeed:
    """A feed without accepted rows of a partition. is_rejected: whether its rows of the partition were rejected."""

    source: str
    is_rejected: bool


def find_missing_feeds(ws: Workspace, partition: str, track: Track) -> list[MissingFeed]:
    """Return the feeds that the newest decisions of a partition did without, in the order of their declaration.

    A feed is missing if the features of the partition were built without a row of the partition. The features of most
    earlier partitions must have had such rows, so a feed that always comes after the decision isn't missing.
    """
    known = _known_feeds(ws, partition, track)
    if known is None:
        return []
    earlier = [p for p in ws.lake.partitions(decisions_dataset(track)) if p < partition][-COMPARED_PARTITIONS:]
    compared = [feeds for p in earlier if (feeds := _known_feeds(ws, p, track)) is not None]
    return [
        MissingFeed(source, ws.lake.entry(f"rejected/{source}", partition) is not None)
        for source in ws.use_case.partitioned
        if source not in known and _is_usual(source, compared)
    ]


def _is_usual(source: str, compared: Sequence[set[str]]) -> bool:
    return sum(source in feeds for feeds in compared) * 2 > len(compared)


def _known_feeds(ws: Workspace, partition: str, track: Track) -> set[str] | None:
    """Return the feeds of which the newest decisions of a partition knew rows of the same partition.

    None if the manifest of the features is no longer stored.
    """
    decisions = ws.lake.entry(decisions_dataset(track), partition)
    version = decisions.inputs.get("features", {}).get(partition) if decisions else None
    features = entry_at_version(ws, "features", partition, version) if version else None
    if features is None:
        return None
    return {name for name in ws.use_case.partitioned if partition in features.inputs.get(f"validated/{name}", {})}
