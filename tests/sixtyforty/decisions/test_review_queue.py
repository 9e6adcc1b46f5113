"""The review queue never exceeds the reviewers' time, puts the most valuable decisions first, and loses none."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.review_candidates import ReviewCandidate
from sixtyforty.decisions.review_queue import (
    QueueDraft,
    QueuedReview,
    assign_reviews,
    queue_reviews,
    read_queue,
    review_dataset,
    reviews_possible_by,
)
from sixtyforty.spec.review import Review
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.policy import REVIEW_REASON
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, read_lake
from tests.sixtyforty.decisions.test_review_candidates import KEY, make_reviewed_home
from tests.small_portions import use_small_portions

START = datetime(2013, 3, 13, 4)  # midnight in New York


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


# Assigning reviews


REVIEWS = st.dictionaries(st.sampled_from(["ann", "bo", "cy"]), st.integers(1, 6), min_size=1).map(
    lambda reviewers: Review(reviewers=reviewers, minutes_per_review=5, abstain_below=1)
)
CANDIDATES = st.lists(st.tuples(st.integers(-2, 25), st.integers(0, 9)), max_size=40).map(
    lambda rows: [
        ReviewCandidate(f"d{i:02}", START + timedelta(hours=hour), float(information), "why", "act", "wait")
        for i, (hour, information) in enumerate(rows)
    ]
)


def assign_by_the_hour(use_case: UseCase, review: Review, candidates: list[ReviewCandidate]) -> list[QueuedReview]:
    queue: list[QueuedReview] = []
    for hour in range(-2, 26):
        known = [c for c in candidates if c.decided_at <= START + timedelta(hours=hour)]
        queue = assign_reviews(use_case, review, KEY, known, queue)
    return queue


def queued_by(queue: list[QueuedReview], time: datetime) -> int:
    return sum(item.decided_at <= time for item in queue)


@given(REVIEWS, CANDIDATES)
def test_nobody_gets_more_reviews_than_there_is_time_for(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate]
) -> None:
    queue = assign_reviews(use_case, review, KEY, candidates)
    capacity = sum(review.reviewers.values())
    for reviewer, count in Counter(item.reviewer for item in queue).items():
        assert count <= review.reviewers[reviewer]
    for time in {c.decided_at for c in candidates}:
        assert queued_by(queue, time) <= reviews_possible_by(use_case, capacity, KEY, time)


@given(REVIEWS, CANDIDATES)
def test_free_time_is_always_used_and_no_decision_is_queued_twice(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate]
) -> None:
    queue = assign_reviews(use_case, review, KEY, candidates)
    ids = [item.decision_id for item in queue]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {c.decision_id for c in candidates}
    assert [item.rank for item in queue] == list(range(1, len(queue) + 1))
    capacity = sum(review.reviewers.values())
    for candidate in candidates:
        if candidate.decision_id not in ids:
            possible = reviews_possible_by(use_case, capacity, KEY, candidate.decided_at)
            assert queued_by(queue, candidate.decided_at) == possible


@given(REVIEWS, CANDIDATES)
def test_queuing_by_the_hour_gives_the_queue_of_a_backfill(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate]
) -> None:
    assert assign_by_the_hour(use_case, review, candidates) == assign_reviews(use_case, review, KEY, candidates)


@given(REVIEWS, CANDIDATES)
def test_at_each_decision_time_the_most_valuable_come_first(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate]
) -> None:
    queue = assign_reviews(use_case, review, KEY, candidates)
    order = [(item.decided_at, -item.value_of_information) for item in queue]
    assert order == sorted(order)
    overflow = {c.decision_id for c in candidates} - {item.decision_id for item in queue}
    for candidate in candidates:
        if candidate.decision_id in overflow:
            same_time = [item for item in queue if item.decided_at == candidate.decided_at]
            assert all(item.value_of_information >= candidate.value_of_information for item in same_time)


@given(REVIEWS, CANDIDATES, CANDIDATES)
def test_a_queued_review_stays_queued_whatever_arrives_late(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate], late: list[ReviewCandidate]
) -> None:
    before = assign_reviews(use_case, review, KEY, candidates)
    more = [ReviewCandidate(f"late {c.decision_id}", *list(vars(c).values())[1:]) for c in late]
    after = assign_reviews(use_case, review, KEY, [*more, *candidates[::2]], before)
    assert after[: len(before)] == before
    capacity = sum(review.reviewers.values())
    for time in {c.decided_at for c in [*candidates, *more]}:
        assert queued_by(after, time) <= reviews_possible_by(use_case, capacity, KEY, time)


def test_the_capacity_follows_the_local_day(use_case: UseCase) -> None:
    possible = [reviews_possible_by(use_case, 24, KEY, START + timedelta(hours=h)) for h in (-5, 0, 1, 12, 24, 30)]
    assert possible == [0, 0, 1, 12, 24, 24]
    assert reviews_possible_by(use_case, 1, KEY, START + timedelta(seconds=1)) == 1, "rounded up"
    short_day = date(2013, 3, 10).isoformat()  # 23 hours long
    assert reviews_possible_by(use_case, 23, short_day, datetime(2013, 3, 10, 5) + timedelta(hours=7)) == 7


def test_reviewers_get_reviews_in_proportion_to_their_capacity(use_case: UseCase) -> None:
    review = Review(reviewers={"ann": 4, "bo": 2}, minutes_per_review=5, abstain_below=1)
    end = START + timedelta(hours=24)
    candidates = [ReviewCandidate(f"d{i}", end, 1.0, "why", "act", "wait") for i in range(9)]
    queue = assign_reviews(use_case, review, KEY, candidates)
    assert "".join(item.reviewer[0] for item in queue) == "abaaba"


@given(review=REVIEWS, candidates=CANDIDATES, before=CANDIDATES, size=st.integers(1, 9))
def test_a_queue_drafted_in_portions_equals_the_whole(
    use_case: UseCase, review: Review, candidates: list[ReviewCandidate], before: list[ReviewCandidate], size: int
) -> None:
    queued_before = assign_reviews(use_case, review, KEY, before[::3])
    draft = QueueDraft(use_case, review, KEY, queued_before)
    in_order = sorted(candidates, key=lambda c: (c.decided_at, c.decision_id))
    for first in range(0, len(in_order), size):
        draft.add(in_order[first : first + size])
    assert draft.finish() == assign_reviews(use_case, review, KEY, candidates, queued_before)
    assert draft.count == len({c.decision_id for c in (*candidates, *queued_before)})


# From decisions to the queue


def test_queue_and_overflow_are_all_candidates(tmp_path: Path) -> None:
    ws = make_reviewed_home(tmp_path)
    take_decisions(ws, [KEY], "replay", None)
    facts = queue_reviews(ws, [KEY], "replay")[KEY].facts
    assert facts["queued"] == len(read_queue(ws, KEY, "replay")) > 0
    assert facts["overflow"] > 0
    assert facts["candidates"] == facts["queued"] + facts["overflow"]


def test_a_partition_of_many_portions_has_the_same_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = make_reviewed_home(tmp_path)
    take_decisions(ws, [KEY], "replay", datetime(2013, 3, 13, 13))
    queue_reviews(ws, [KEY], "replay")
    take_decisions(ws, [KEY], "replay", None)
    for anew in (True, False):
        whole = queue_reviews(ws, [KEY], "replay", anew)[KEY]
        queue = read_queue(ws, KEY, "replay")
        with monkeypatch.context() as patch:
            use_small_portions(patch)
            assert queue_reviews(ws, [KEY], "replay", anew)[KEY].facts == whole.facts
        assert read_queue(ws, KEY, "replay") == queue
    assert whole.facts["overflow"] > 0


def test_a_queue_built_by_the_hour_equals_the_backfill_and_repeats_its_bytes(tmp_path: Path) -> None:
    by_hour, backfilled = make_reviewed_home(tmp_path / "by_hour"), make_reviewed_home(tmp_path / "backfilled")
    for hour in range(10, 16):
        take_decisions(by_hour, [KEY], "replay", datetime(2013, 3, 13, hour))
        queue_reviews(by_hour, [KEY], "replay")
    take_decisions(backfilled, [KEY], "replay", None)
    entry = queue_reviews(backfilled, [KEY], "replay")[KEY]
    assert read_queue(by_hour, KEY, "replay") == read_queue(backfilled, KEY, "replay")
    by_hour_entry = by_hour.lake.entry(review_dataset("replay"), KEY)
    assert by_hour_entry and by_hour_entry.facts == entry.facts
    before = read_lake(by_hour.lake)
    queue_reviews(by_hour, [KEY], "replay")
    assert read_lake(by_hour.lake) == before


def test_a_queued_review_stays_when_its_features_are_restated(tmp_path: Path) -> None:
    ws = make_reviewed_home(tmp_path)
    take_decisions(ws, [KEY], "replay", None)
    queue_reviews(ws, [KEY], "replay")
    before = read_queue(ws, KEY, "replay")
    entry = ws.lake.entry("features", KEY)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry))
    rows = rows.set_column(rows.column_names.index("load"), "load", pa.array([0.0] * rows.num_rows))
    ws.lake.write("features", KEY, rows, inputs=entry.inputs, code="test", facts=entry.facts)
    queue_reviews(ws, [KEY], "replay")
    assert read_queue(ws, KEY, "replay")[: len(before)] == before


def test_reviewers_change_no_decision_unless_the_model_abstains(tmp_path: Path) -> None:
    reviewed, other = make_reviewed_home(tmp_path / "a", abstain_below=0), make_reviewed_home(tmp_path / "b")
    unreviewed = Workspace(make_use_case(tmp_path / "b" / "use_case"), other.home, other.database_url)
    decisions = []
    for ws in (reviewed, unreviewed):
        take_decisions(ws, [KEY], "replay", None)
        entry = ws.lake.entry(decisions_dataset("replay"), KEY)
        assert entry
        decisions.append([d | {"code_version": ""} for d in pq.read_table(ws.lake.local_file(entry)).to_pylist()])
    assert decisions[0] == decisions[1]
    assert queue_reviews(unreviewed, [KEY], "replay") == {}


def test_a_deferred_decision_is_the_current_processs_until_a_reviewer_answers(tmp_path: Path) -> None:
    ws = make_reviewed_home(tmp_path, fallback="current_process", reviewers={"ann": 400})
    taken = take_decisions(ws, [KEY], "replay", None)[KEY]
    decisions = read_decisions(ws, KEY, "replay")
    nearly_equal = [d for d in decisions if abs(10 * d.expected - 3) < 2]
    assert nearly_equal
    for decision in decisions:
        if decision in nearly_equal:
            assert (decision.decided_by, decision.reason) == ("review", REVIEW_REASON)
            assert decision.action == decision.current_action
        else:
            assert decision.decided_by == "model"
    assert (taken.entry.facts["review"], taken.fallback) == (len(nearly_equal), len(nearly_equal))
    queue_reviews(ws, [KEY], "replay")
    assert {d.decision_id for d in nearly_equal} <= {item.decision_id for item in read_queue(ws, KEY, "replay")}
