"""Queue the decisions that reviewers can improve most, up to the number that they can review in a day.

At each decision time, candidates are ranked by the value of knowing their outcome. A decision can't wait for the
candidates of later hours, so the day's capacity becomes available step by step. After half of the local day, half of
the day's reviews, rounded up, may be queued. Candidates above the capacity aren't queued, and their decisions stay as
taken. A queued review stays in the queue, unless a replay is made again.

Queue columns: `decision_id`, `decided_at` (UTC), `rank` (1 first), `value_of_information` (KPI's currency),
`reviewer`, `why`, `action` (as decided), `alternative` and `minutes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.review_candidates import ReviewCandidate, find_review_candidates
from sixtyforty.spec.review import Review
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class QueuedReview:
    """One decision in the review queue. The module docstring explains the fields."""

    decision_id: str
    decided_at: datetime
    rank: int
    value_of_information: float
    reviewer: str
    why: str
    action: str
    alternative: str
    minutes: float


@dataclass(frozen=True)
class QueueFigures:
    """The figures of a partition's review queue, as its manifest stores them.

    - candidates: the number of decisions that a reviewer could improve. `queued` of them are in the queue; `overflow`
      are not.
    - minutes: the time that the queued reviews take.
    - value_of_information: the sum over the queued reviews, in the KPI's currency.
    """

    candidates: int
    minutes: float
    overflow: int
    queued: int
    value_of_information: float

    @classmethod
    def from_entry(cls, entry: Entry) -> QueueFigures:
        """Read the figures from the manifest of a review queue."""
        return cls(**entry.facts)


def review_dataset(track: Track) -> str:
    """Return the name of the lake dataset with a track's review queues."""
    return f"review/{track}"


def read_queue(ws: Workspace, partition: str, track: Track) -> list[QueuedReview]:
    """Return a partition's review queue, sorted by rank. Return an empty list if the partition has no review queue."""
    import pyarrow.parquet as pq

    entry = ws.lake.entry(review_dataset(track), partition)
    return [QueuedReview(**row) for row in pq.read_table(ws.lake.local_file(entry)).to_pylist()] if entry else []


def queue_reviews(ws: Workspace, partitions: Sequence[str], track: Track, anew: bool = False) -> dict[str, Entry]:
    """Write the review queue of each partition that has decisions. Return the manifests of the queues, by partition.

    Nothing is written if `people.review` isn't declared. anew: whether a replay's existing queues are replaced.
    Existing live queues are never replaced.
    """
    is_replaced = anew and track == "replay"
    review, decided = ws.use_case.people.review, ws.lake.entries(decisions_dataset(track), partitions)
    if review is None or not decided:
        return {}

    def start_draft(partition: str) -> QueueDraft:
        queued_before = [] if is_replaced else read_queue(ws, partition, track)
        return QueueDraft(ws.use_case, review, partition, queued_before)

    drafts = dict(zip(decided, run_in_parallel(start_draft, decided), strict=True))
    for portion in find_review_candidates(ws, review, decided):
        for partition, candidates in portion.items():
            drafts[partition].add(candidates)
    entries = run_in_parallel(lambda partition: _write_queue(ws, track, decided[partition], drafts[partition]), decided)
    return dict(zip(decided, entries, strict=True))


class QueueDraft:
    """A partition's review queue while its candidates come in portions, sorted by decision time.

    Only candidates that may still be queued stay in memory: the best ones of the newest decision time.
    """

    def __init__(
        self, use_case: UseCase, review: Review, partition: str, queued_before: Sequence[QueuedReview]
    ) -> None:
        self._use_case, self._review, self._partition = use_case, review, partition
        self._queue, self._waiting = list(queued_before), list[ReviewCandidate]()
        self._queued_before = {item.decision_id for item in queued_before}
        self.count = len(queued_before)  # number of candidates, and of reviews that were queued before

    def add(self, candidates: Sequence[ReviewCandidate]) -> None:
        """Queue all candidates, except those of the newest decision time: the next portion may have more of these."""
        new = [candidate for candidate in candidates if candidate.decision_id not in self._queued_before]
        self.count += len(new)
        waiting = sorted([*self._waiting, *new], key=_queue_order)
        newest = waiting[-1].decided_at if waiting else None
        self._queue = self._assign([candidate for candidate in waiting if candidate.decided_at != newest])
        capacity = sum(self._review.reviewers.values())
        self._waiting = [candidate for candidate in waiting if candidate.decided_at == newest][:capacity]

    def finish(self) -> list[QueuedReview]:
        """Return the queue of all candidates."""
        return self._assign(self._waiting)

    def _assign(self, candidates: Sequence[ReviewCandidate]) -> list[QueuedReview]:
        return assign_reviews(self._use_case, self._review, self._partition, candidates, self._queue)


def _queue_order(candidate: ReviewCandidate) -> tuple[datetime, float, str]:
    """Return the key by which candidates are sorted: the earliest first, then the most valuable."""
    return candidate.decided_at, -candidate.value_of_information, candidate.decision_id


def _write_queue(ws: Workspace, track: Track, decisions: Entry, draft: QueueDraft) -> Entry:
    import pyarrow as pa

    queue = draft.finish()
    return ws.lake.write(
        review_dataset(track),
        decisions.partition,
        pa.Table.from_pylist([vars(item) for item in queue], schema=_schema()),
        inputs={decisions.dataset: {decisions.partition: decisions.version}},
        code=ws.code_version,
        facts=asdict(
            QueueFigures(
                candidates=draft.count,
                minutes=sum(item.minutes for item in queue),
                overflow=draft.count - len(queue),
                queued=len(queue),
                value_of_information=round(sum(item.value_of_information for item in queue), 2),
            )
        ),
    )


def assign_reviews(
    use_case: UseCase,
    review: Review,
    partition: str,
    candidates: Sequence[ReviewCandidate],
    queued_before: Sequence[QueuedReview] = (),
) -> list[QueuedReview]:
    """Return the review queue: reviews queued before, then as many further decisions as the reviewers have time for.

    Each new review is assigned to the reviewer who has used the smallest share of his or her daily capacity.
    """
    queued_ids = {item.decision_id for item in queued_before}
    new = [candidate for candidate in candidates if candidate.decision_id not in queued_ids]
    new.sort(key=_queue_order)
    queue = list(queued_before)
    used = {name: sum(item.reviewer == name for item in queued_before) for name in review.reviewers}
    for decision_time, same_time in groupby(new, key=attrgetter("decided_at")):
        free = _free_reviews(use_case, review, partition, queue, decision_time)
        for candidate in list(same_time)[: max(free, 0)]:
            reviewer = _least_used_reviewer(review, used)
            used[reviewer] += 1
            queue.append(
                QueuedReview(
                    **vars(candidate), rank=len(queue) + 1, reviewer=reviewer, minutes=review.minutes_per_review
                )
            )
    return queue


def _free_reviews(
    use_case: UseCase, review: Review, partition: str, queue: Sequence[QueuedReview], decision_time: datetime
) -> int:
    """Return how many more decisions of a decision time (UTC) the reviewers have the capacity to review.

    Reviews of later decision times that are already in the queue keep their places.
    """
    capacity = sum(review.reviewers.values())
    later_times = {item.decided_at for item in queue if item.decided_at > decision_time}
    return min(
        reviews_possible_by(use_case, capacity, partition, time) - sum(item.decided_at <= time for item in queue)
        for time in {decision_time, *later_times}
    )


def _least_used_reviewer(review: Review, used: dict[str, int]) -> str:
    used_shares = {name: used[name] / most for name, most in review.reviewers.items() if used[name] < most}
    return min(used_shares, key=lambda name: (used_shares[name], name))


def reviews_possible_by(use_case: UseCase, capacity: int, partition: str, time: datetime) -> int:
    """Return how many of a partition's reviews may be in the queue at a UTC time, given the reviewers' capacity.

    The number is the day's capacity times the share of the partition's time that has passed, rounded up.
    """
    opens, closes = use_case.opens_at(partition), use_case.closes_at(partition)
    elapsed = min(max(time, opens), closes) - opens
    return -(-capacity * elapsed // (closes - opens))  # negated floor division rounds up exactly


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "rank": pa.int32(),
        "value_of_information": pa.float64(),
        "minutes": pa.float64(),
        "decided_at": pa.timestamp("us"),
    }
    return pa.schema([(field.name, types.get(field.name, pa.string())) for field in fields(QueuedReview)])
