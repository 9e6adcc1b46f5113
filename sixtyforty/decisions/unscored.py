"""Count the decisions that the champion in force couldn't take, and find out whether it still can't score.

The manifest of a partition of decisions stores the counts as the fact `unscored`. The outage of a champion ends when it
scores the newest decisions, or when another champion replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sixtyforty.decisions.champion_scores import UNSCORED
from sixtyforty.decisions.decision_facts import DecisionFacts, UnscoredDecisions
from sixtyforty.modeling.built_by import is_unbuilt
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import Rows, portions
from sixtyforty.workspace import Workspace

DECIDES = ": the current process decides"
LONGEST_SEARCH = 400  # number of newest partitions in which the start of an outage is searched
CURE = (
    "Restore the champion's files from a backup, or correct features.sql. Or build the features again, and let the next"
    " training replace the champion."
)


def summarize_unscored(decisions: Rows) -> list[UnscoredDecisions]:
    """Count the decisions that a champion couldn't take, for each champion and reason.

    decisions: a table of decisions, sorted by decision time.
    """
    import pyarrow.compute as pc

    names = ("decided_at", "champion_version", "reason")
    last_row = decisions.slice(max(decisions.num_rows - 1, 0), 1)
    last_time = last_row["decided_at"].to_pylist()
    counts = Counter[tuple[str, str]]()
    newest = set[tuple[str, str]]()
    for portion in portions(decisions):
        fallback = portion.filter(pc.equal(portion["decided_by"], "fallback"))
        for decided_at, champion, reason in zip(*(fallback[name].to_pylist() for name in names), strict=True):
            if reason.startswith(UNSCORED):
                counts[champion, reason] += 1
                if decided_at == last_time[0]:
                    newest.add((champion, reason))
    return [
        UnscoredDecisions(champion, reason.removeprefix(UNSCORED).removesuffix(DECIDES), count, key in newest)
        for key, count in sorted(counts.items())
        for champion, reason in [key]
    ]


def describe_outlook(ws: Workspace) -> str:
    """Return sentences that say when a champion with an outage decides again, and whether to correct features.sql.

    The caller must have checked that the champion's files are sound and that the champion can score built features.
    """
    newest = ws.lake.partitions("features")[-1:]
    if any(is_unbuilt(entry) for entry in ws.lake.entries("features", newest).values()):
        return "Correct features.sql. The model decides again from the next run on."
    return "Now the champion can score the newest features again, so it decides in the next run."


@dataclass(frozen=True)
class ChampionOutage:
    """An outage: the champion in force can't score.

    `reason`: why it can't score. `since`: the first partition of the outage. `decisions`: the number of decisions that
    the current process took in its place.
    """

    champion: str
    reason: str
    since: str
    decisions: int

    @property
    def text(self) -> str:
        """Two sentences for people: why the champion can't score, and how many decisions it couldn't take."""
        return (
            f"The champion {self.champion} can't score: {self.reason}. Since {self.since}, the current process took"
            f" {format_plural(self.decisions, 'decision')} in its place."
        )


def current_outage(ws: Workspace, track: Track, now: datetime) -> ChampionOutage | None:
    """Return the outage of the champion in force at `now` (UTC); None if it scored the newest decisions.

    Without a champion, or once the use case has ended, return None.
    """
    champion = ws.champion_ledger.champion_at(track, now)
    if champion is None or ws.stage_ledger.end_reason_at(now):
        return None
    return _find_outage(ws, track, champion.version)


def _find_outage(ws: Workspace, track: Track, champion: str) -> ChampionOutage | None:
    dataset = f"decisions/{track}"
    partitions = ws.lake.partitions(dataset)
    since, count, reason = "", 0, ""
    for partition in reversed(partitions[-LONGEST_SEARCH:]):
        unscored = _of_champion(ws.lake.entry(dataset, partition), champion)
        if not unscored or not (count or any(part.is_newest for part in unscored)):
            break
        since, count = partition, count + sum(part.decisions for part in unscored)
        reason = reason or next(part.reason for part in unscored if part.is_newest)
    return ChampionOutage(champion, reason, since, count) if count else None


def _of_champion(entry: Entry | None, champion: str) -> Sequence[UnscoredDecisions]:
    parts = DecisionFacts.from_entry(entry).unscored if entry else []
    return [part for part in parts if part.champion == champion]
